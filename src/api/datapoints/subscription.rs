//! Subscriptions: what changed since the place that the caller keeps, step by step. The steps of one reader go on from one
//! another; the cursors told with each are the caller's to store, once it has stored what the step brought.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::answers::decode;
use super::columns::{Columns, Series};
use super::crew::Work;
use super::json_read::{info, push};
use super::query::members;
use super::read::{Limits, Way};
use crate::api::Client;
use crate::error::Error;
use crate::http::Response;

const KEYS: [&str; 8] = [
    "externalId",
    "partitions",
    "limit",
    "initializeCursors",
    "pollTimeoutSeconds",
    "includeStatus",
    "ignoreBadDataPoints",
    "treatUncertainAsBad",
];

/// More partitions than a subscription can have.
const MAX_PARTITIONS: usize = 1000;

pub struct Subscription(Arc<Inner>);

struct Inner {
    client: Arc<Client>,
    way: Way,
    timeout: Duration,
    with_status: bool,
    /// What every request says.
    common: Map<String, Value>,
    /// Where they begin that have no cursor.
    begin: Option<Value>,
    /// In order: who asks first gets the step that comes first.
    partitions: tokio::sync::Mutex<Vec<Partition>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Partition {
    index: u64,
    cursor: Option<String>,
}

pub fn begin(client: &Arc<Client>, query: &[u8], limits: &Limits) -> Result<Subscription, Error> {
    let (common, begin, partitions) = parse(query)?;
    let with_status = common.get("includeStatus") == Some(&json!(true));
    Ok(Subscription(Arc::new(Inner {
        client: Arc::clone(client),
        way: Way::new(client, "/subscriptions/data/list", limits)?,
        timeout: limits.timeout,
        with_status,
        common,
        begin,
        partitions: tokio::sync::Mutex::new(partitions),
    })))
}

type Parts = (Map<String, Value>, Option<Value>, Vec<Partition>);

fn parse(query: &[u8]) -> Result<Parts, Error> {
    let mut common = members(query, &KEYS)?;
    common.retain(|_, v| !v.is_null());
    if !common.get("externalId").is_some_and(Value::is_string) {
        return Err(Error::argument("the subscription is named by externalId, a text"));
    }
    for (name, range) in [("limit", 1..=100_000), ("pollTimeoutSeconds", 0..=5)] {
        let good = |v: &Value| v.as_u64().is_some_and(|n| range.contains(&n));
        if common.get(name).is_some_and(|v| !good(v)) {
            let (least, most) = (range.start(), range.end());
            return Err(Error::argument(format!("{name} must be a number from {least} to {most}")));
        }
    }
    for name in ["includeStatus", "ignoreBadDataPoints", "treatUncertainAsBad"] {
        if common.get(name).is_some_and(|v| !v.is_boolean()) {
            return Err(Error::argument(format!("{name} must be true or false")));
        }
    }
    let begin = common.remove("initializeCursors");
    if begin.as_ref().is_some_and(|b| !b.is_string()) {
        return Err(Error::argument("initializeCursors must be text: 'now' or a distance such as '2d-ago'"));
    }
    let list = match common.remove("partitions") {
        None => vec![json!(0)],
        Some(Value::Array(list)) if !list.is_empty() && list.len() <= MAX_PARTITIONS => list,
        Some(_) => return Err(Error::argument("partitions must be a list of numbers, or of {index, cursor}")),
    };
    let mut partitions: Vec<Partition> = Vec::with_capacity(list.len());
    for one in &list {
        let partition = partition(one).ok_or_else(|| {
            Error::argument("a partition is a number from 0 on, or an object of its index and the cursor kept of it")
        })?;
        if partitions.iter().any(|p| p.index == partition.index) {
            return Err(Error::argument(format!("the partition {} is given twice", partition.index)));
        }
        partitions.push(partition);
    }
    Ok((common, begin, partitions))
}

fn partition(one: &Value) -> Option<Partition> {
    let Value::Object(map) = one else { return Some(Partition { index: one.as_u64()?, cursor: None }) };
    let cursor = match map.get("cursor") {
        None | Some(Value::Null) => None,
        Some(cursor) => Some(cursor.as_str()?.to_owned()),
    };
    let known = map.keys().all(|k| k == "index" || k == "cursor");
    known.then_some(Partition { index: map.get("index")?.as_u64()?, cursor })
}

impl Subscription {
    /// The next step. Its columns are the payload of the response.
    pub fn next(&self) -> Result<Work, Error> {
        let inner = Arc::clone(&self.0);
        let place = inner.client.accept_work()?;
        Ok(Box::pin(async move {
            let step = inner.next().await;
            drop(place);
            step
        }))
    }
}

impl Inner {
    async fn next(&self) -> Result<Response, Error> {
        let mut partitions = self.partitions.lock().await;
        let mut way = self.way.clone();
        way.deadline = self.client.deadline(self.timeout)?;
        let answer = way.ask(&self.body(&partitions), None).await?;
        let (told, columns, after) = step(&answer.body, &partitions, self.with_status)?;
        // Only now: a step that failed is asked for again from where it began.
        *partitions = after;
        let payload: Arc<dyn Any + Send + Sync> = Arc::new(columns);
        Ok(Response { payload: Some(payload), ..Response::of_json(&told) })
    }

    fn body(&self, partitions: &[Partition]) -> Value {
        let one = |p: &Partition| match &p.cursor {
            None => json!({"index": p.index}),
            Some(cursor) => json!({"index": p.index, "cursor": cursor}),
        };
        let mut body = self.common.clone();
        body.insert("partitions".into(), partitions.iter().map(one).collect());
        if let Some(begin) = self.begin.as_ref().filter(|_| partitions.iter().any(|p| p.cursor.is_none())) {
            body.insert("initializeCursors".into(), begin.clone());
        }
        Value::Object(body)
    }
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What a step tells: the document, the upserts in columns, and where each partition goes on.
fn step(body: &[u8], before: &[Partition], with_status: bool) -> Result<(Value, Columns, Vec<Partition>), Error> {
    let body: Value = serde_json::from_slice(body).map_err(|_| decode("it is not JSON"))?;
    let more = body.get("hasNext").and_then(Value::as_bool).ok_or_else(|| decode("hasNext is not in it"))?;
    let mut columns = Columns::default();
    let mut deletes = Vec::new();
    for update in list(&body, "updates") {
        let who = update.get("timeSeries").and_then(Value::as_object);
        let info = info(who.ok_or_else(|| decode("an update does not say of which time series"))?);
        let item = columns.series.len();
        let mut series = Series { info, item, found: true, complete: true, with_status, ..Series::default() };
        for point in list(update, "upserts") {
            push(point, &series.info, &mut series.points).ok_or_else(|| decode("a datapoint is damaged"))?;
        }
        for range in list(update, "deletes") {
            let begin = range.get("inclusiveBegin").and_then(Value::as_i64);
            let begin = begin.ok_or_else(|| decode("a deletion does not say where it begins"))?;
            deletes.push(match range.get("exclusiveEnd").and_then(Value::as_i64) {
                Some(end) => json!({"series": item, "inclusiveBegin": begin, "exclusiveEnd": end}),
                None => json!({"series": item, "inclusiveBegin": begin}),
            });
        }
        columns.series.push(series);
    }
    let places = list(&body, "partitions");
    let after = before.iter().map(|p| {
        let place = places.iter().find(|place| place.get("index").and_then(Value::as_u64) == Some(p.index));
        let cursor = place.and_then(|place| place.get("nextCursor")).and_then(Value::as_str);
        let cursor = cursor.ok_or_else(|| decode(&format!("it has no cursor of partition {}", p.index)))?;
        Ok(Partition { index: p.index, cursor: Some(cursor.to_owned()) })
    });
    let after = after.collect::<Result<Vec<_>, Error>>()?;
    if more && columns.series.is_empty() && after == before {
        return Err(decode("it says that there is more, but stays where it is"));
    }
    let changes = body.get("subscriptionChanges").cloned().unwrap_or_default();
    let partitions: Vec<Value> = after.iter().map(|p| json!({"index": p.index, "cursor": p.cursor})).collect();
    let told = json!({
        "partitions": partitions, "hasNext": more, "series": columns.series.len(), "points": columns.points(),
        "deletes": deletes, "added": list(&changes, "added"), "removed": list(&changes, "removed"),
    });
    Ok((told, columns, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(index: u64, cursor: &str) -> Partition {
        Partition { index, cursor: Some(cursor.into()) }
    }

    #[test]
    fn partitions_in_either_form() {
        let parts = |text: &str| parse(text.as_bytes()).map(|p| p.2);
        let none = Partition { index: 0, cursor: None };
        assert_eq!(parts(r#"{"externalId":"s"}"#).unwrap(), std::slice::from_ref(&none));
        assert_eq!(
            parts(r#"{"externalId":"s","partitions":[0,{"index":7,"cursor":"c"}],"limit":5}"#).unwrap(),
            [none, at(7, "c")]
        );
        for (text, word) in [
            (r#"{"partitions":[0]}"#, "externalId"),
            (r#"{"externalId":"s","partitions":[]}"#, "list"),
            (r#"{"externalId":"s","partitions":[1,{"index":1}]}"#, "twice"),
            (r#"{"externalId":"s","partitions":[-1]}"#, "from 0 on"),
            (r#"{"externalId":"s","partitions":[{"index":1,"nextCursor":"c"}]}"#, "cursor"),
            (r#"{"externalId":"s","limit":0}"#, "limit"),
            (r#"{"externalId":"s","pollTimeoutSeconds":6}"#, "0 to 5"),
            (r#"{"externalId":"s","includeStatus":1}"#, "true or false"),
            (r#"{"externalId":"s","initializeCursors":5}"#, "text"),
            (r#"{"externalId":"s","cursor":"c"}"#, "cursor"),
        ] {
            let e = parts(text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(e.message().contains(word), "{text}: {e}");
        }
    }

    #[test]
    fn a_step_tells_everything() {
        let answer = json!({
            "updates": [
                {"timeSeries": {"id": 5, "externalId": "a", "isString": false, "type": "numeric"},
                 "upserts": [{"timestamp": 7, "value": 1.5}, {"timestamp": 8, "status": {"code": 2147483648u32}}],
                 "deletes": [{"inclusiveBegin": 1, "exclusiveEnd": 3}]},
                {"timeSeries": {"id": 6, "isString": true, "type": "string"}, "upserts": [{"timestamp": 1, "value": "x"}]},
                {"timeSeries": {"id": 5, "isString": false, "type": "numeric"}, "deletes": [{"inclusiveBegin": 9}]},
                {"timeSeries": {"id": 7, "isString": false, "type": "state"}, "upserts": [{"timestamp": 2, "numericValue": 4, "stringValue": "ON"}]},
            ],
            "partitions": [{"index": 3, "nextCursor": "d"}, {"index": 0, "nextCursor": "e"}],
            "subscriptionChanges": {"added": [{"id": 5}], "removed": []},
            "hasNext": false,
        });
        let (told, columns, after) = step(answer.to_string().as_bytes(), &[at(0, "b"), at(3, "c")], true).unwrap();
        assert_eq!(after, [at(0, "e"), at(3, "d")]);
        assert_eq!(columns.series.iter().map(|s| s.points.len()).collect::<Vec<_>>(), [2, 1, 0, 1]);
        assert_eq!((columns.series[3].points.states[0], columns.series[3].points.texts.get(0)), (4, &b"ON"[..]));
        assert!(!columns.series[0].points.is_there(1) && columns.series[1].points.texts.get(0) == b"x");
        assert_eq!(
            told["deletes"],
            json!([{"series":0,"inclusiveBegin":1,"exclusiveEnd":3},{"series":2,"inclusiveBegin":9}])
        );
        assert_eq!((&told["points"], &told["hasNext"], &told["added"][0]["id"]), (&json!(4), &json!(false), &json!(5)));
    }

    #[test]
    fn answers_that_lose_the_place_are_refused() {
        for bad in [
            "[]",
            r#"{"updates":[],"partitions":[],"hasNext":false}"#,
            r#"{"updates":[],"partitions":[{"index":0,"nextCursor":"c"}],"hasNext":true}"#,
            r#"{"updates":[{"upserts":[]}],"partitions":[{"index":0,"nextCursor":"d"}],"hasNext":true}"#,
            r#"{"updates":[{"timeSeries":{"id":1},"upserts":[{"value":1}]}],"partitions":[{"index":0,"nextCursor":"d"}],"hasNext":true}"#,
            r#"{"updates":[],"partitions":[{"index":1,"nextCursor":"d"}],"hasNext":false}"#,
        ] {
            assert!(step(bad.as_bytes(), &[at(0, "c")], false).is_err(), "{bad}");
        }
        let still = br#"{"updates":[],"partitions":[{"index":0,"nextCursor":"c"}],"hasNext":false}"#;
        assert!(step(still, &[at(0, "c")], false).is_ok());
    }
}
