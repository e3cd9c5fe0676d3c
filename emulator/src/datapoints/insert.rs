//! Inserting and deleting datapoints. A request is checked as a whole before anything is stored.

use std::collections::HashSet;
use std::fmt;

use prost::Message;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_json::Value;

use super::changes::What;
use super::series::{Batch, Kind, Series, Values};
use super::states::StateSet;
use super::status::{self, Category, Mark, category};
use super::time::{MAX_TIME, MIN_TIME};
use super::{columns, proto};
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::resources::items;
use crate::resources::table::{Identifier, Object};
use crate::state::{Data, State};

const MAX_DATAPOINTS: usize = 100_000;
const MAX_SERIES: usize = 10_000;
const MAX_STRING_BYTES: usize = 1023;
const MAX_ABSOLUTE: f64 = 1e100;

#[derive(Debug, Default, Clone)]
enum Incoming {
    Number(f64),
    Text(String),
    /// By number, name or both.
    State(Option<i64>, Option<String>),
    #[default]
    Missing,
}

impl<'de> Deserialize<'de> for Incoming {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Incoming;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number, a string or null")
            }
            fn visit_i64<E>(self, v: i64) -> std::result::Result<Incoming, E> {
                Ok(Incoming::Number(v as f64))
            }
            fn visit_u64<E>(self, v: u64) -> std::result::Result<Incoming, E> {
                Ok(Incoming::Number(v as f64))
            }
            fn visit_f64<E>(self, v: f64) -> std::result::Result<Incoming, E> {
                Ok(Incoming::Number(v))
            }
            fn visit_str<E>(self, v: &str) -> std::result::Result<Incoming, E> {
                Ok(Incoming::Text(v.to_owned()))
            }
            fn visit_unit<E>(self) -> std::result::Result<Incoming, E> {
                Ok(Incoming::Missing)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[derive(Deserialize)]
struct Body {
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    id: Option<Value>,
    external_id: Option<Value>,
    instance_id: Option<Value>,
    datapoints: Vec<Datapoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Datapoint {
    timestamp: i64,
    #[serde(default)]
    value: Incoming,
    numeric_value: Option<i64>,
    string_value: Option<String>,
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Status {
    code: Option<i64>,
    symbol: Option<String>,
}

/// The datapoints of one time series.
enum Given {
    /// Numbers in columns, checked.
    Numbers(Batch),
    Points(Vec<Point>),
}

impl Given {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(batch) => batch.ts.len(),
            Self::Points(points) => points.len(),
        }
    }

    fn batch(self, kind: Kind, states: &StateSet) -> Result<Batch> {
        match self {
            Self::Numbers(batch) if kind == Kind::Number => Ok(batch),
            Self::Numbers(batch) if batch.ts.is_empty() => Ok(Batch::new(kind)),
            Self::Numbers(_) => {
                let what = if kind == Kind::Text { "string" } else { "state" };
                Err(ApiError::bad(format!("Expected {what} value for datapoint")))
            }
            Self::Points(points) => batch(kind, states, points),
        }
    }
}

/// One datapoint of either form.
struct Point {
    timestamp: i64,
    value: Incoming,
    code: Option<i64>,
    symbol: Option<String>,
}

pub fn insert(state: &State, call: &Call) -> Result<Reply> {
    let parsed = if call.is_protobuf() { from_protobuf(call)? } else { from_json(call)? };
    let total: usize = parsed.iter().map(|(_, points)| points.len()).sum();
    if parsed.is_empty() || parsed.len() > MAX_SERIES {
        return Err(ApiError::bad(format!(
            "items must hold between 1 and {MAX_SERIES} time series, has {}",
            parsed.len()
        )));
    }
    if total > MAX_DATAPOINTS {
        return Err(ApiError::bad(format!("At most {MAX_DATAPOINTS} datapoints per request, got {total}")));
    }
    // Everything that needs no lock is done by now; types are looked up under the read lock.
    let keys: Vec<Identifier> = parsed.iter().map(|(key, _)| key.clone()).collect();
    let mut batches = Vec::with_capacity(keys.len());
    {
        let data = state.read();
        for ((id, row), (_, points)) in locate(&data, &keys)?.into_iter().zip(parsed) {
            let kind = super::kind(row);
            batches.push((id, kind, points.batch(kind, &StateSet::of(&data, row))?));
        }
    }
    let mut data = state.write();
    // A time series may have been deleted in between.
    locate(&data, &keys)?;
    let cost = batches.iter().map(|(_, _, b)| b.cost()).sum();
    data.room_for_datapoints(cost)?;
    for (id, kind, batch) in batches {
        data.changes.add(id, || What::Upserts(Series::of(kind, batch.clone())));
        let series = data.series.entry(id).or_insert_with(|| Series::new(kind));
        let before = series.cost();
        series.upsert(batch);
        let after = series.cost();
        data.datapoints = data.datapoints.saturating_sub(before).saturating_add(after);
    }
    Ok(Reply::empty())
}

/// Ids and rows of the time series named.
fn locate<'a>(data: &'a Data, keys: &[Identifier]) -> Result<Vec<(i64, &'a Object)>> {
    let mut found = Vec::with_capacity(keys.len());
    let (mut missing, mut twice) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for key in keys {
        match super::permitted(data, key)? {
            Some((id, row)) => {
                if !seen.insert(id) {
                    twice.push(key.to_json());
                }
                found.push((id, row));
            }
            None => missing.push(key.to_json()),
        }
    }
    if !missing.is_empty() {
        return Err(ApiError::missing("Time series not found", missing));
    }
    if !twice.is_empty() {
        return Err(ApiError::duplicated(422, "The request names a time series more than once", twice));
    }
    Ok(found)
}

fn from_json(call: &Call) -> Result<Vec<(Identifier, Given)>> {
    let body: Body = call.json()?;
    body.items
        .into_iter()
        .map(|item| {
            let named = [("id", item.id), ("externalId", item.external_id), ("instanceId", item.instance_id)];
            let named = named.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect();
            let points = item.datapoints.into_iter().map(|p| {
                let (code, symbol) = p.status.map_or((None, None), |s| (s.code, s.symbol));
                let state = p.numeric_value.is_some() || p.string_value.is_some();
                let value = if state { Incoming::State(p.numeric_value, p.string_value) } else { p.value };
                Point { timestamp: p.timestamp, value, code, symbol }
            });
            Ok((Identifier::parse(&named)?, Given::Points(points.collect())))
        })
        .collect()
}

fn from_protobuf(call: &Call) -> Result<Vec<(Identifier, Given)>> {
    let request = proto::InsertionRequest::decode(call.body.clone())
        .map_err(|e| ApiError::bad(format!("Could not parse the request body: {e}")))?;
    let point = |timestamp, value, status| {
        let (code, symbol) = columns::parts(status);
        Point { timestamp, value, code, symbol }
    };
    request
        .items
        .into_iter()
        .map(|item| {
            let key = match item.reference {
                Some(proto::Reference::Id(id)) => Identifier::Id(id),
                Some(proto::Reference::ExternalId(text)) => Identifier::ExternalId(text),
                Some(proto::Reference::InstanceId(i)) => Identifier::Instance(i.space, i.external_id),
                None => return Err(ApiError::bad("One of id, externalId and instanceId must be given per item")),
            };
            let points = match item.datapoints {
                None => Given::Points(Vec::new()),
                Some(proto::Inserted::Numeric(bytes)) => Given::Numbers(columns::batch(&bytes, checked)?),
                Some(proto::Inserted::String(list)) => {
                    let text = |null, value| if null { Incoming::Missing } else { Incoming::Text(value) };
                    let points = list.datapoints.into_iter();
                    Given::Points(points.map(|p| point(p.timestamp, text(p.null_value, p.value), p.status)).collect())
                }
                Some(proto::Inserted::State(list)) => {
                    let state = |number: Option<i64>, name: Option<String>| match (number, name) {
                        (None, None) => Incoming::Missing,
                        (number, name) => Incoming::State(number, name),
                    };
                    let points = list.datapoints.into_iter();
                    let points = points.map(|p| point(p.timestamp, state(p.numeric_value, p.string_value), p.status));
                    Given::Points(points.collect())
                }
            };
            Ok((key, points))
        })
        .collect()
}

fn check_time(at: i64) -> Result<()> {
    if (MIN_TIME..=MAX_TIME).contains(&at) {
        return Ok(());
    }
    Err(ApiError::bad(format!("Timestamp {at} is outside {MIN_TIME} to {MAX_TIME} (1900 to 2099)")))
}

/// A numeric datapoint in binary form; NaN where there is no value.
fn checked(at: i64, value: Option<f64>, code: u32) -> Result<f64> {
    check_time(at)?;
    let bad = category(code) == Category::Bad;
    match value {
        Some(v) => in_range(v, bad, at),
        None if bad => Ok(f64::NAN),
        None => Err(missing(at)),
    }
}

fn missing(at: i64) -> ApiError {
    ApiError::bad(format!("Missing value of the datapoint at {at}: only bad ones may have none"))
}

fn in_range(value: f64, bad: bool, at: i64) -> Result<f64> {
    if !bad && (value.is_nan() || value.abs() > MAX_ABSOLUTE) {
        return Err(ApiError::bad(format!("The value of the datapoint at {at} is outside -1E100 to 1E100")));
    }
    Ok(value)
}

fn batch(kind: Kind, states: &StateSet, points: Vec<Point>) -> Result<Batch> {
    let mut batch = Batch::new(kind);
    batch.ts.reserve_exact(points.len());
    for (n, point) in points.into_iter().enumerate() {
        let at = point.timestamp;
        check_time(at)?;
        let code = status::parse(point.code, point.symbol.as_deref())?;
        let bad = category(code) == Category::Bad;
        let null = matches!(point.value, Incoming::Missing);
        if null && !bad {
            return Err(missing(at));
        }
        match &mut batch.values {
            Values::Numbers(list) => list.push(number(point.value, bad, at)?),
            Values::Texts(list) => list.push(text(point.value)?),
            Values::States(list) => list.push(match point.value {
                Incoming::State(number, name) => states.number(number, name.as_deref(), at)?,
                Incoming::Missing => 0,
                _ => return Err(ApiError::bad(format!("Expected state value for datapoint at {at}"))),
            }),
        }
        batch.ts.push(at);
        if code != 0 || null {
            batch.marks.push((n, Mark { code, null }));
        }
    }
    Ok(batch)
}

fn number(value: Incoming, bad: bool, at: i64) -> Result<f64> {
    let value = match value {
        Incoming::Number(v) => v,
        Incoming::Missing => return Ok(f64::NAN),
        Incoming::Text(t) => match (bad, t.as_str()) {
            (true, "NaN") => f64::NAN,
            (true, "Infinity") => f64::INFINITY,
            (true, "-Infinity") => f64::NEG_INFINITY,
            _ => return Err(ApiError::bad("Expected numeric value for datapoint")),
        },
        Incoming::State(..) => return Err(ApiError::bad("Expected numeric value for datapoint")),
    };
    in_range(value, bad, at)
}

fn text(value: Incoming) -> Result<Box<str>> {
    match value {
        Incoming::Text(t) if t.len() > MAX_STRING_BYTES => {
            Err(ApiError::bad(format!("String value of {} bytes is too long, at most {MAX_STRING_BYTES}", t.len())))
        }
        Incoming::Text(t) => Ok(t.into_boxed_str()),
        Incoming::Missing => Ok(Box::default()),
        Incoming::Number(_) | Incoming::State(..) => Err(ApiError::bad("Expected string value for datapoint")),
    }
}

pub fn delete(state: &State, call: &Call) -> Result<Reply> {
    let list = items(&mut call.object()?, MAX_SERIES)?;
    let mut keys = Vec::with_capacity(list.len());
    let mut ranges = Vec::with_capacity(list.len());
    for item in &list {
        keys.push(Identifier::parse(item)?);
        let time = |name: &str| match item.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(v) => v.as_i64().map(Some).ok_or_else(|| ApiError::bad(format!("{name} must be an integer"))),
        };
        let begin = time("inclusiveBegin")?.ok_or_else(|| ApiError::bad("Missing required field inclusiveBegin"))?;
        let end = time("exclusiveEnd")?.unwrap_or(begin.saturating_add(1));
        if end <= begin {
            return Err(ApiError::bad(format!("exclusiveEnd {end} must be after inclusiveBegin {begin}")));
        }
        ranges.push((begin, end));
    }
    let mut data = state.write();
    let mut ids = Vec::with_capacity(keys.len());
    let mut missing = Vec::new();
    for key in &keys {
        match super::permitted(&data, key)? {
            Some((id, _)) => ids.push(id),
            None => missing.push(key.to_json()),
        }
    }
    if !missing.is_empty() {
        return Err(ApiError::missing("Time series not found", missing));
    }
    for (id, (begin, end)) in ids.into_iter().zip(ranges) {
        data.changes.add(id, || What::Delete(begin, end));
        let Some(series) = data.series.get_mut(&id) else { continue };
        let before = series.cost();
        series.delete(begin, end);
        let after = series.cost();
        if series.is_empty() {
            data.series.remove(&id);
        }
        data.datapoints = data.datapoints.saturating_sub(before).saturating_add(after);
    }
    Ok(Reply::empty())
}
