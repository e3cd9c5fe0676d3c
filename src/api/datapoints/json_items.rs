//! Columns as the service's JSON has them: for programs that want text, and to be kept or passed on.

use std::io::Write;

use serde_json::Value;

use super::column::Kind;
use super::columns::{Columns, Series};
use super::json_write::{put_json, put_number};
use super::state_sums::NAMES;

/// What the service does not say of a series.
const OURS: [&str; 4] = ["timeZone", "found", "complete", "aggregates"];

/// The whole document. As in the service's answers, series that do not exist are left out.
pub fn write(columns: &Columns) -> Vec<u8> {
    let mut out = b"{\"items\":[".to_vec();
    for series in columns.series.iter().filter(|s| s.found) {
        if out.last() == Some(&b'}') {
            out.push(b',');
        }
        item(series, &mut out);
    }
    out.extend_from_slice(b"]}");
    out
}

fn item(series: &Series, out: &mut Vec<u8>) {
    let mut info = series.info_json();
    if let Value::Object(info) = &mut info {
        info.retain(|name, value| !OURS.contains(&name.as_str()) && *value != 0);
    }
    put_json(out, &info);
    // The points join what is said of the series.
    out.pop();
    out.extend_from_slice(b",\"datapoints\":[");
    let kind = series.kind();
    for (n, time) in series.points.timestamps.iter().enumerate() {
        let _ = write!(out, "{}{{\"timestamp\":{time}", if n > 0 { "," } else { "" });
        if series.is_aggregated() {
            bucket(series, kind, n, out);
        } else {
            point(series, kind, n, out);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
}

fn member(name: &str, out: &mut Vec<u8>) {
    let _ = write!(out, ",\"{name}\":");
}

/// Texts came as UTF-8, which was checked.
fn text(bytes: &[u8], out: &mut Vec<u8>) {
    put_json(out, &String::from_utf8_lossy(bytes));
}

fn status(code: u32, out: &mut Vec<u8>) {
    if code != 0 {
        let _ = write!(out, ",\"status\":{{\"code\":{code}}}");
    }
}

fn point(series: &Series, kind: Kind, n: usize, out: &mut Vec<u8>) {
    let points = &series.points;
    if points.is_there(n) {
        match kind {
            Kind::Numeric => {
                member("value", out);
                put_number(out, points.numbers.get(n).copied().unwrap_or(f64::NAN));
            }
            Kind::Text => {
                member("value", out);
                text(points.texts.get(n), out);
            }
            Kind::State => {
                out.push(b',');
                state(points.states.get(n).copied().unwrap_or(0), points.texts.get(n), out);
            }
        }
    }
    status(points.status().and_then(|s| s.get(n)).copied().unwrap_or(0), out);
}

/// The name is missing where the state is no longer in the set.
fn state(number: i64, name: &[u8], out: &mut Vec<u8>) {
    let _ = write!(out, "\"numericValue\":{number}");
    if !name.is_empty() {
        member("stringValue", out);
        text(name, out);
    }
}

fn bucket(series: &Series, kind: Kind, n: usize, out: &mut Vec<u8>) {
    let points = &series.points;
    let mut columns = series.aggregates.iter().zip(&points.aggregates).peekable();
    while let Some((name, values)) = columns.next() {
        // A point within the bucket is three columns: its value, then its time and its status.
        let of_point = |(next, _): &(&&str, _)| next.strip_prefix(*name).is_some_and(|rest| rest.starts_with('.'));
        let (time, code) = (columns.next_if(of_point), columns.next_if(of_point));
        let at = |column: &Vec<f64>| column.get(n).copied().filter(|v| !v.is_nan());
        let Some(value) = at(values) else { continue };
        member(name, out);
        match (time.and_then(|(_, c)| at(c)), code.and_then(|(_, c)| at(c))) {
            (Some(time), code) => {
                let _ = write!(out, "{{\"timestamp\":{},\"value\":", time as i64);
                put_number(out, value);
                status(code.unwrap_or(0.0) as u32, out);
                out.push(b'}');
            }
            // Of interpolated states the number is all that was kept.
            _ if kind == Kind::State && name.to_ascii_lowercase().ends_with("interpolation") => {
                let _ = write!(out, "{{\"numericValue\":{}}}", value as i64);
            }
            _ if name.starts_with("count") || name.starts_with("duration") => {
                let _ = write!(out, "{}", value as i64);
            }
            _ => put_number(out, value),
        }
    }
    if series.of_states.is_empty() {
        return;
    }
    member("stateAggregates", out);
    out.push(b'[');
    for (at, entry) in points.of_states.of(n).enumerate() {
        out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
        state(entry.state, entry.name, out);
        for ((name, _), sum) in NAMES.iter().zip(entry.sums).filter(|((name, _), _)| series.of_states.contains(name)) {
            let _ = write!(out, ",\"{name}\":{sum}");
        }
        out.push(b'}');
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::columns::{Info, Points};
    use super::super::state_sums::Entry;
    use super::*;

    fn written(series: Vec<Series>) -> Value {
        serde_json::from_slice(&write(&Columns { series })).unwrap()
    }

    #[test]
    fn every_kind_of_points() {
        let mut numbers = Points::default();
        for (n, v) in [0.1, f64::NAN, f64::NEG_INFINITY, 7.0].into_iter().enumerate() {
            numbers.timestamps.push(n as i64 - 1);
            numbers.numbers.push(v);
            numbers.mark(if n == 3 { 0x8000_0000 } else { 0 }, n != 3);
        }
        let mut states = Points::default();
        states.timestamps.extend([5, 6]);
        states.states.extend([-1, 4]);
        states.texts.push("\"ø".as_bytes());
        states.texts.push(b"");
        let mut texts = Points::default();
        texts.timestamps.push(5);
        texts.texts.push(b"");
        let of = |id, points| Series {
            info: Info { id, unit: "bar".into(), ..Info::default() },
            points,
            found: true,
            ..Series::default()
        };
        let missing = Series::default();
        let items = written(vec![missing, of(7, numbers), of(8, states), of(0, texts)])["items"].take();
        assert_eq!(
            items[0],
            json!({"id": 7, "unit": "bar", "type": "numeric", "isString": false, "isStep": false, "datapoints": [
                {"timestamp": -1, "value": 0.1}, {"timestamp": 0, "value": "NaN"}, {"timestamp": 1, "value": "-Infinity"},
                {"timestamp": 2, "status": {"code": 0x8000_0000u32}}]})
        );
        assert_eq!(
            items[1]["datapoints"],
            json!([{"timestamp": 5, "numericValue": -1, "stringValue": "\"ø"}, {"timestamp": 6, "numericValue": 4}])
        );
        assert_eq!((&items[2]["datapoints"], &items[2]["id"]), (&json!([{"timestamp": 5, "value": ""}]), &Value::Null));
        assert_eq!(items.as_array().unwrap().len(), 3);
    }

    #[test]
    fn aggregates_that_a_bucket_does_not_have_are_left_out() {
        let mut points = Points::with_aggregates(5);
        points.timestamps.extend([0, 1000]);
        let columns: [[f64; 2]; 5] = [[1.5, f64::NAN], [2.0, 0.0], [3.0, f64::NAN], [7.0, f64::NAN], [9.0, f64::NAN]];
        for (column, values) in points.aggregates.iter_mut().zip(columns) {
            column.extend(values);
        }
        points.of_states.push(1, &Entry { state: 3, name: b"ON", sums: [1, 2, 3] });
        let aggregates = vec!["average", "countGood", "maxDatapoint", "maxDatapoint.timestamp", "maxDatapoint.status"];
        let series = Series {
            points,
            aggregates,
            of_states: vec!["stateCount", "stateDuration"],
            found: true,
            ..Series::default()
        };
        assert_eq!(
            written(vec![series])["items"][0]["datapoints"],
            json!([
                {"timestamp": 0, "average": 1.5, "countGood": 2, "stateAggregates": [],
                    "maxDatapoint": {"timestamp": 7, "value": 3.0, "status": {"code": 9}}},
                {"timestamp": 1000, "countGood": 0,
                    "stateAggregates": [{"numericValue": 3, "stringValue": "ON", "stateCount": 1, "stateDuration": 3}]}
            ])
        );
    }

    #[test]
    fn interpolated_states_are_states() {
        let mut points = Points::with_aggregates(2);
        points.timestamps.push(0);
        points.aggregates[0].push(3.0);
        points.aggregates[1].push(4.0);
        let info = Info { kind: Some(Kind::State), ..Info::default() };
        let series =
            Series { info, points, aggregates: vec!["stepInterpolation", "count"], found: true, ..Series::default() };
        assert_eq!(
            written(vec![series])["items"][0]["datapoints"],
            json!([{"timestamp": 0, "stepInterpolation": {"numericValue": 3}, "count": 4}])
        );
    }
}
