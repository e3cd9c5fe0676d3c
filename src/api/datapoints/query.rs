//! Queries as the caller writes them, JSON in the service's own words, checked and made whole.

use serde_json::{Map, Value, json};

use super::proto_read::{Column, Part};
use super::state_sums;
use super::time::{self, Granularity};
use crate::document::{kind_of, unknown_key};
use crate::error::Error;

/// Aggregates by the number of their field; the last three are of single states.
const AGGREGATES: [&str; 21] = [
    "average",
    "max",
    "min",
    "count",
    "sum",
    "interpolation",
    "stepInterpolation",
    "continuousVariance",
    "discreteVariance",
    "totalVariation",
    "countGood",
    "countUncertain",
    "countBad",
    "durationGood",
    "durationUncertain",
    "durationBad",
    "maxDatapoint",
    "minDatapoint",
    "stateCount",
    "stateTransitions",
    "stateDuration",
];

/// The columns of the two that are points: when, how much, how good.
const POINTS: [[&str; 3]; 2] = [
    ["maxDatapoint", "maxDatapoint.timestamp", "maxDatapoint.status"],
    ["minDatapoint", "minDatapoint.timestamp", "minDatapoint.status"],
];

const KEYS: [&str; 18] = [
    "items",
    "id",
    "externalId",
    "instanceId",
    "start",
    "end",
    "before",
    "limit",
    "aggregates",
    "granularity",
    "timeZone",
    "targetUnit",
    "targetUnitSystem",
    "includeStatus",
    "ignoreBadDataPoints",
    "treatUncertainAsBad",
    "includeOutsidePoints",
    "ignoreUnknownIds",
];

/// Most series of one query: a result holds a column for each.
const MAX_SERIES: usize = 1_000_000;

/// One series and what is wanted of it.
#[derive(Clone, Debug)]
pub struct Query {
    /// `{"id"}`, `{"externalId"}` or `{"instanceId"}`.
    pub key: Map<String, Value>,
    pub start: i64,
    pub end: i64,
    /// `None`: all.
    pub limit: Option<u64>,
    pub aggregates: Vec<&'static str>,
    pub columns: Vec<Column>,
    pub granularity: Option<Granularity>,
    pub time_zone: Option<String>,
    pub outside: bool,
    /// It is no error if the series does not exist.
    pub ignore_unknown: bool,
    /// Members of a request that go along as they are.
    pub also: Map<String, Value>,
}

/// What the query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Range,
    Latest,
    /// What is to be deleted: nothing is taken for granted.
    Delete,
}

impl Query {
    /// Buckets of one length, beginning where the service's do: the range may be cut, and pages go on without a cursor.
    pub fn is_even(&self) -> bool {
        match &self.granularity {
            None => true,
            Some(Granularity::Fixed { .. }) => self.time_zone.is_none(),
            Some(Granularity::Calendar { .. }) => false,
        }
    }

    /// The aggregates of single states among them: these are not columns by themselves.
    pub fn of_states(&self) -> Vec<&'static str> {
        self.aggregates.iter().copied().filter(|name| is_of_states(name)).collect()
    }

    pub fn with_status(&self) -> bool {
        self.also.get("includeStatus").is_some()
    }

    /// Milliseconds from one point to the next at least.
    pub fn step(&self) -> i64 {
        match &self.granularity {
            Some(Granularity::Fixed { unit, count, .. }) => unit * count,
            _ => 1,
        }
    }
}

/// The members of a query, each of them one of `keys`.
pub(super) fn members(body: &[u8], keys: &[&str]) -> Result<Map<String, Value>, Error> {
    let body: Value = serde_json::from_slice(body).map_err(|e| {
        Error::argument(format!("the query is not valid JSON: line {}, column {}", e.line(), e.column()))
    })?;
    match body {
        Value::Object(body) => check_keys(&body, keys).map(|()| body),
        other => Err(Error::argument(format!("the query must be an object, not {}", kind_of(&other)))),
    }
}

/// The items of a query, each with what the query says for all of them.
pub(super) fn spread(mut body: Map<String, Value>, keys: &[&str]) -> Result<Vec<Map<String, Value>>, Error> {
    let items = match body.remove("items") {
        Some(Value::Array(items)) => items,
        // One may stand in the query itself.
        None | Some(Value::Null) => vec![Value::Object(Map::new())],
        Some(_) => return Err(Error::argument("items must be a list")),
    };
    if items.len() > MAX_SERIES {
        return Err(Error::argument(format!("{} series in one query; at most {MAX_SERIES} are taken", items.len())));
    }
    let whole = |item: Value| {
        let Value::Object(mut item) = item else {
            return Err(Error::argument(format!("an item must be an object, not {}", kind_of(&item))));
        };
        check_keys(&item, keys)?;
        for (name, value) in &body {
            if !item.contains_key(name) {
                item.insert(name.clone(), value.clone());
            }
        }
        Ok(item)
    };
    items.into_iter().map(whole).collect()
}

/// `limit`; `None`: all.
pub(super) fn limit_of(value: Option<Value>) -> Result<Option<u64>, Error> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(v) if v.as_i64() == Some(-1) => Ok(None),
        Some(v) => {
            v.as_u64().map(Some).ok_or_else(|| Error::argument("limit must be a number from 0 on, or null for all"))
        }
    }
}

pub fn parse(body: &[u8], now: i64, ask: Ask) -> Result<Vec<Query>, Error> {
    spread(members(body, &KEYS)?, &KEYS)?.into_iter().map(|item| query(item, now, ask)).collect()
}

fn check_keys(map: &Map<String, Value>, keys: &[&str]) -> Result<(), Error> {
    match map.keys().find(|k| !keys.contains(&k.as_str())) {
        Some(key) => Err(Error::argument(unknown_key(key, keys, "the query").message())),
        None => Ok(()),
    }
}

fn query(mut item: Map<String, Value>, now: i64, ask: Ask) -> Result<Query, Error> {
    item.retain(|_, v| !v.is_null());
    let mut key = Map::new();
    for name in ["id", "externalId", "instanceId"] {
        if let Some(value) = item.remove(name) {
            key.insert(name.into(), value);
        }
    }
    let good = match key.iter().next() {
        Some((name, value)) if key.len() == 1 => match name.as_str() {
            "id" => value.as_i64().is_some_and(|id| id > 0),
            "externalId" => value.is_string(),
            _ => {
                let text = |name| value.get(name).is_some_and(Value::is_string);
                text("space") && text("externalId") && value.as_object().is_some_and(|m| m.len() == 2)
            }
        },
        _ => false,
    };
    if !good {
        return Err(Error::argument(
            "each series is named by one of id (a positive number), externalId and instanceId ({space, externalId})",
        ));
    }
    let mut when = |name: &str, default: i64| match item.remove(name) {
        None => Ok(default),
        Some(value) => moment(name, &value, now),
    };
    let (start, end) = match ask {
        Ask::Delete => (when("start", i64::MAX)?, when("end", i64::MIN)?),
        Ask::Range => (when("start", 0)?, when("end", now)?),
        Ask::Latest => (time::FIRST, when("before", now)?),
    };
    if start == i64::MAX || end == i64::MIN {
        return Err(Error::argument("a range to be deleted has both start and end"));
    }
    if end <= start {
        return Err(Error::argument(format!("the end ({end}) must be after the start ({start})")));
    }
    let limit = limit_of(item.remove("limit"))?;
    let aggregates = aggregates(item.remove("aggregates"))?;
    let granularity = match text(&mut item, "granularity")? {
        None => None,
        Some(t) => Some(Granularity::parse(&t).ok_or_else(|| {
            Error::argument(format!(
                "'{t}' is no granularity; it is a number and s, m, h, d, w, mo, q or y, such as 15m"
            ))
        })?),
    };
    if aggregates.is_empty() != granularity.is_none() {
        return Err(Error::argument("aggregates and granularity are given together or not at all"));
    }
    if ask != Ask::Range && !aggregates.is_empty() {
        return Err(Error::argument("aggregates are of ranges that are read; here are single datapoints only"));
    }
    let time_zone = match text(&mut item, "timeZone")? {
        None => None,
        Some(t) => Some(time::zone(&t).ok_or_else(|| {
            Error::argument(format!(
                "'{t}' is no time zone; it is a name such as Europe/Oslo or an offset such as UTC+01:30"
            ))
        })?),
    };
    let mut flag = |name: &str| match item.remove(name) {
        None => Ok(None),
        Some(Value::Bool(b)) => Ok(Some(b)),
        Some(_) => Err(Error::argument(format!("{name} must be true or false"))),
    };
    let outside = flag("includeOutsidePoints")?.unwrap_or(false);
    let ignore_unknown = flag("ignoreUnknownIds")?.unwrap_or(false);
    if outside && !aggregates.is_empty() {
        return Err(Error::argument("includeOutsidePoints is for raw datapoints, not for aggregates"));
    }
    let mut also = Map::new();
    // Only what differs from the service's own habit.
    for (name, usual) in [("includeStatus", false), ("ignoreBadDataPoints", true), ("treatUncertainAsBad", true)] {
        if let Some(b) = flag(name)?.filter(|b| *b != usual) {
            also.insert(name.into(), json!(b));
        }
    }
    for name in ["targetUnit", "targetUnitSystem"] {
        if let Some(t) = text(&mut item, name)? {
            also.insert(name.into(), json!(t));
        }
    }
    if also.contains_key("targetUnit") && also.contains_key("targetUnitSystem") {
        return Err(Error::argument("targetUnit and targetUnitSystem are two ways to say one thing: give one"));
    }
    if !aggregates.is_empty() {
        also.insert("aggregates".into(), json!(aggregates));
    }
    if let Some(g) = &granularity {
        also.insert("granularity".into(), json!(g.text()));
    }
    if let (Some(zone), false) = (&time_zone, aggregates.is_empty()) {
        also.insert("timeZone".into(), json!(zone));
    }
    let (start, end) = match (&granularity, &time_zone) {
        (Some(g), None) => g.align(start, end),
        _ => (start, end),
    };
    let columns = aggregates.iter().filter(|name| !is_of_states(name)).flat_map(|name| columns_of(name)).collect();
    Ok(Query { key, start, end, limit, aggregates, columns, granularity, time_zone, outside, ignore_unknown, also })
}

fn is_of_states(name: &str) -> bool {
    state_sums::NAMES.iter().any(|(n, _)| *n == name)
}

fn columns_of(name: &'static str) -> Vec<Column> {
    let field = AGGREGATES.iter().position(|a| *a == name).map_or(0, |n| n as u64 + 2);
    match POINTS.iter().find(|p| p[0] == name) {
        None => vec![Column { name, field, part: Part::Whole }],
        Some([value, timestamp, status]) => vec![
            Column { name: value, field, part: Part::Value },
            Column { name: timestamp, field, part: Part::Timestamp },
            Column { name: status, field, part: Part::Status },
        ],
    }
}

fn text(item: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Error> {
    match item.remove(name) {
        None => Ok(None),
        Some(Value::String(s)) => Ok(Some(s)),
        Some(_) => Err(Error::argument(format!("{name} must be text"))),
    }
}

/// A time in any form that is taken.
pub(super) fn moment(name: &str, value: &Value, now: i64) -> Result<i64, Error> {
    let ms = match value {
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().filter(|f| f.abs() < 1e15).map(|f| f.trunc() as i64)),
        Value::String(s) => time::parse(s, now),
        _ => None,
    };
    match ms {
        Some(ms) if (time::FIRST..=time::LAST + 1).contains(&ms) => Ok(ms),
        Some(ms) => {
            Err(Error::argument(format!("{name} ({ms}) is outside 1900 to 2099; times are milliseconds since 1970")))
        }
        None => Err(Error::argument(format!(
            "{name} must be milliseconds since 1970, 'now', a distance such as '2w-ago' (s, m, h, d, w; -ahead for the future), or RFC 3339 with a zone such as '2024-05-01T12:00:00Z'"
        ))),
    }
}

fn aggregates(value: Option<Value>) -> Result<Vec<&'static str>, Error> {
    let names = match value {
        None => return Ok(Vec::new()),
        Some(Value::String(s)) => vec![Value::String(s)],
        Some(Value::Array(a)) if !a.is_empty() => a,
        Some(_) => return Err(Error::argument("aggregates must be a list of names that is not empty")),
    };
    let plain = |s: &str| s.replace('_', "").to_ascii_lowercase();
    let mut found = Vec::with_capacity(names.len());
    for name in &names {
        let name = name.as_str().unwrap_or_default();
        match AGGREGATES.iter().find(|a| plain(a) == plain(name)) {
            Some(a) if found.contains(a) => {
                return Err(Error::argument(format!("the aggregate {a} is asked for twice")));
            }
            Some(a) => found.push(*a),
            None => return Err(Error::argument(unknown_key(name, &AGGREGATES, "aggregates").message())),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn all(text: &str) -> Result<Vec<Query>, Error> {
        parse(text.as_bytes(), NOW, Ask::Range)
    }

    #[test]
    fn what_an_item_does_not_say_the_query_says_for_all() {
        let q = all(r#"{"items":[{"id":1},{"externalId":"","start":"1h-ago","limit":null,"includeStatus":true}],"start":5,"limit":7}"#).unwrap();
        assert_eq!((q[0].start, q[0].end, q[0].limit), (5, NOW, Some(7)));
        assert_eq!((q[1].start, q[1].limit), (NOW - 3_600_000, None));
        assert_eq!(json!(q[1].also), json!({"includeStatus": true}));
        assert_eq!(json!(q[1].key), json!({"externalId": ""}));
        let q = all(r#"{"items":[{"id":1,"ignoreUnknownIds":false},{"id":2}],"ignoreUnknownIds":true}"#).unwrap();
        assert_eq!([q[0].ignore_unknown, q[1].ignore_unknown], [false, true]);
    }

    #[test]
    fn aggregates_are_named_either_way_and_the_range_widened() {
        let q = all(r#"{"id":1,"start":1700000000000,"end":1700018000001,"aggregates":["average","step_interpolation","max_datapoint"],"granularity":"1h"}"#).unwrap();
        let q = &q[0];
        assert_eq!((q.start, q.end), (1_699_999_200_000, 1_700_020_800_000));
        assert_eq!(q.aggregates, ["average", "stepInterpolation", "maxDatapoint"]);
        assert_eq!(q.columns.iter().map(|c| c.field).collect::<Vec<_>>(), [2, 8, 18, 18, 18]);
        assert!(q.is_even() && q.step() == 3_600_000);
        assert!(!all(r#"{"id":1,"end":5,"aggregates":"max","granularity":"1mo"}"#).unwrap()[0].is_even());
    }

    #[test]
    fn refused() {
        for (text, word) in [
            ("[]", "object"),
            ("{", "line 1"),
            (r#"{"id":1,"strat":5}"#, "did you mean 'start'"),
            (r#"{"items":[{}]}"#, "named by"),
            (r#"{"items":[{"id":1,"externalId":"x"}]}"#, "named by"),
            (r#"{"id":0}"#, "named by"),
            (r#"{"instanceId":{"space":"s"}}"#, "named by"),
            (r#"{"id":1,"start":5,"end":5}"#, "after"),
            (r#"{"id":1,"start":-2208988800001}"#, "1900"),
            (r#"{"id":1,"start":"yesterday"}"#, "RFC 3339"),
            (r#"{"id":1,"limit":-2}"#, "limit"),
            (r#"{"id":1,"aggregates":["max"]}"#, "together"),
            (r#"{"id":1,"granularity":"1h"}"#, "together"),
            (r#"{"id":1,"granularity":"h","aggregates":["max"]}"#, "no granularity"),
            (r#"{"id":1,"granularity":"1h","aggregates":[]}"#, "not empty"),
            (r#"{"id":1,"granularity":"1h","aggregates":["max","max"]}"#, "twice"),
            (r#"{"id":1,"granularity":"1h","aggregates":["maximum"]}"#, "aggregates"),
            (r#"{"id":1,"granularity":"1h","aggregates":["max"],"includeOutsidePoints":true}"#, "raw"),
            (r#"{"id":1,"targetUnit":"a","targetUnitSystem":"SI"}"#, "give one"),
            (r#"{"id":1,"timeZone":"+99"}"#, "time zone"),
        ] {
            let e = all(text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(e.message().contains(word), "{text}: {e}");
        }
        let latest = br#"{"id":1,"granularity":"1h","aggregates":["max"]}"#;
        assert!(parse(latest, NOW, Ask::Latest).err().unwrap().message().contains("single datapoints"));
    }
}
