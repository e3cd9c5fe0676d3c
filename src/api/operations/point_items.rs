//! Datapoints as JSON items: those of one series together, cut into what a request takes. Columns have their own way, see
//! `api/datapoints`.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;

use super::chunks::{Item, MOST_POINTS};
use super::raw;
use super::writes::MOST_BYTES;
use crate::error::Error;

/// The points of one series, in the order given.
struct Series {
    /// `"externalId":"a"`
    key: String,
    points: Vec<Bytes>,
}

/// `{"externalId":"s","datapoints":[…]}` as one item for each request it takes; those without points are left out.
pub fn items(given: &[Bytes]) -> Result<Vec<Item>, Error> {
    let mut all: Vec<Series> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for json in given {
        let members = raw::members(json).ok_or_else(|| Error::argument("an item of items is not an object"))?;
        let mut keys = ["id", "externalId", "instanceId"].into_iter().filter_map(|key| Some((key, members.get(key)?)));
        let (Some((key, id)), None) = (keys.next(), keys.next()) else {
            return Err(Error::argument("an item of items needs one of id, externalId and instanceId"));
        };
        let points = members
            .get("datapoints")
            .and_then(raw::elements)
            .ok_or_else(|| Error::argument("an item of items has no list of datapoints"))?;
        if let Some(other) = members.keys().find(|name| *name != key && *name != "datapoints") {
            return Err(Error::argument(format!("an item of items has {other}, which is no part of datapoints")));
        }
        let key = format!("\"{key}\":{}", String::from_utf8_lossy(id));
        let at = *places.entry(key.clone()).or_insert(all.len());
        match all.get_mut(at) {
            // The service takes a series once in a request.
            Some(series) => series.points.extend(points),
            None => all.push(Series { key, points }),
        }
    }
    Ok(all.iter().flat_map(parts).collect())
}

/// A part of at most so many points and bytes for each request; a point that is larger has one of its own.
fn parts(series: &Series) -> Vec<Item> {
    let Series { key, points } = series;
    let open = format!("{{{key},\"datapoints\":[");
    let mut out = Vec::new();
    let (mut first, mut bytes) = (0, open.len() + 2);
    for (n, point) in points.iter().enumerate() {
        let full = n - first >= MOST_POINTS || bytes + point.len() + 1 > MOST_BYTES;
        if full && n > first {
            out.push(first..n);
            (first, bytes) = (n, open.len() + 2);
        }
        bytes += point.len() + 1;
    }
    if first < points.len() {
        out.push(first..points.len());
    }
    let whole = out.len() == 1;
    let item = |range: Range<usize>| {
        let part = points.get(range.clone()).unwrap_or_default();
        let json = [open.as_bytes(), &part.join(&b','), b"]}"].concat();
        // Told by its series and, where that is cut, by which of its points they are.
        let which = format!(",\"firstPoint\":{},\"points\":{}", range.start, part.len());
        let name = format!("{{{key}{}}}", if whole { "" } else { &which });
        Item { points: part.len(), ..Item::named(json, name) }
    };
    out.into_iter().map(item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str, from: usize, count: usize) -> Bytes {
        let points: Vec<String> =
            (from..from + count).map(|n| format!("{{\"timestamp\":{n},\"value\":1.10}}")).collect();
        format!("{{\"datapoints\":[{}],{key}}}", points.join(" , ")).into()
    }

    #[test]
    fn one_item_for_each_series_and_request() {
        let given = [
            of("\"id\":7", 0, 60_000),
            of("\"externalId\":\"e\"", 0, 0),
            of("\"externalId\":\"a\"", 0, 1),
            of("\"id\":7", 60_000, 150_001),
        ];
        let all = items(&given).unwrap();
        let name = |item: &Item| String::from_utf8_lossy(item.name()).into_owned();
        assert_eq!(
            all.iter().map(|item| (name(item), item.points)).collect::<Vec<_>>(),
            [
                ("{\"id\":7,\"firstPoint\":0,\"points\":100000}".to_owned(), 100_000),
                ("{\"id\":7,\"firstPoint\":100000,\"points\":100000}".to_owned(), 100_000),
                ("{\"id\":7,\"firstPoint\":200000,\"points\":10001}".to_owned(), 10_001),
                ("{\"externalId\":\"a\"}".to_owned(), 1),
            ]
        );
        let part: serde_json::Value = serde_json::from_slice(&all[1].json).unwrap();
        assert_eq!(part["datapoints"][0], serde_json::json!({"timestamp": 100_000, "value": 1.10}));
        let long = format!("{{\"timestamp\":1,\"value\":\"{}\"}}", "x".repeat(MOST_BYTES / 3));
        let texts: Bytes = format!("{{\"id\":8,\"datapoints\":[{}]}}", [long.as_str(); 5].join(",")).into();
        let cut = items(&[texts]).unwrap();
        assert_eq!(cut.iter().map(|item| item.points).collect::<Vec<_>>(), [2, 2, 1]);
        assert!(cut.iter().all(|item| item.json.len() <= MOST_BYTES));
        assert_eq!(&all[3].json[..], br#"{"externalId":"a","datapoints":[{"timestamp":0,"value":1.10}]}"#);
        for bad in [
            "5",
            "{}",
            r#"{"id":1}"#,
            r#"{"datapoints":[]}"#,
            r#"{"id":1,"externalId":"a","datapoints":[]}"#,
            r#"{"id":1,"datapoints":[],"x":1}"#,
        ] {
            assert!(items(&[Bytes::from_static(bad.as_bytes())]).is_err(), "{bad}");
        }
    }
}
