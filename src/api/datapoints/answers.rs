//! A request for datapoints and its answer: what is asked, which item answers which question, whether its points are in
//! order, and what follows.

use serde_json::{Map, Value, json};

use super::columns::{Info, Points};
use super::proto_read::{self, Column, Expected, Item};
use super::query::Query;
use super::windows::{Asked, Known, Reading};
use crate::error::{Cause, Error, Status};

pub(super) const PROTOBUF: &str = "application/protobuf";

/// `ignore_unknown`: `None` where it is known that the series exist, as they were read from before.
pub(super) fn body(readings: &[Reading], asked: &[Asked], ignore_unknown: Option<bool>) -> Value {
    let item = |a: &Asked| {
        let mut item = Map::new();
        if let Some(Query { key, also, .. }) = readings.get(a.series).map(|r| &r.query) {
            item.extend(key.clone());
            item.extend(also.clone());
        }
        item.insert("start".into(), json!(a.start));
        item.insert("end".into(), json!(a.end));
        item.insert("limit".into(), json!(a.limit));
        if let Some(cursor) = &a.cursor {
            item.insert("cursor".into(), json!(cursor));
        }
        if a.outside {
            item.insert("includeOutsidePoints".into(), json!(true));
        }
        Value::Object(item)
    };
    let mut body = Map::new();
    body.insert("items".into(), asked.iter().map(item).collect());
    if let Some(ignore) = ignore_unknown {
        body.insert("ignoreUnknownIds".into(), json!(ignore));
    }
    Value::Object(body)
}

pub(super) fn items(body: &[u8]) -> Result<Vec<Item<'_>>, Error> {
    proto_read::items(body).map_err(|_| decode("it is no list of datapoints in protobuf"))
}

/// What answers each question: items come in the order of the request, without those that do not exist.
pub(super) fn paired<'i, 'b>(
    readings: &[Reading],
    asked: &[Asked],
    items: &'i [Item<'b>],
) -> Result<Vec<Option<&'i Item<'b>>>, Error> {
    let mut items = items.iter().peekable();
    let mut answer = |a: &Asked| {
        let query = &readings.get(a.series)?.query;
        items.next_if(|i| is_named(&i.info, &query.key))
    };
    let pairs = asked.iter().map(&mut answer).collect();
    match items.next() {
        None => Ok(pairs),
        Some(_) => Err(decode("it has a series that was not asked for")),
    }
}

/// What an item brought.
pub(super) struct Got {
    pub count: u64,
    /// The time of the newest, or where the question began.
    pub last: i64,
    /// Which columns the series has.
    pub shape: Option<[bool; 3]>,
}

/// Appends the points of an item: all of them, or none and an error.
pub(super) fn points_of(
    item: &Item<'_>,
    known: Known,
    asked: &Asked,
    columns: &[Column],
    into: &mut Points,
) -> Result<Got, Error> {
    let expected = if known.aggregated { Expected::Aggregates(columns) } else { Expected::Raw };
    let before = into.len();
    item.read(&expected, into).map_err(|_| decode("its points are damaged, or not what was asked for"))?;
    let new = into.timestamps.get(before..).unwrap_or_default();
    let inside = |t: Option<&i64>| t.is_none_or(|t| (asked.start..asked.end).contains(t));
    let sound = same(known.shape, into.shape()).and_then(|shape| {
        if !into.ascends_from(before) {
            Err(decode("its points are not in order"))
        } else if known.even && !asked.outside && !(inside(new.first()) && inside(new.last())) {
            Err(decode("it has points outside of the range that was asked for"))
        } else {
            Ok(shape)
        }
    });
    let shape = sound.inspect_err(|_| into.truncate(before))?;
    let count = (into.len() - before) as u64;
    let last = into.timestamps.last().copied().filter(|_| count > 0).unwrap_or(asked.start);
    Ok(Got { count, last, shape })
}

/// What is to be asked after an answer.
pub(super) fn next_asked(
    reading: &mut Reading,
    asked: &Asked,
    item: &Item<'_>,
    got: &Got,
) -> Result<Vec<Asked>, Error> {
    reading.shape = got.shape;
    let next = reading.taken(asked, got.count, got.last, item.cursor.clone());
    next.map_err(|_| decode("it repeats a page that was read before"))
}

/// A series has one kind of values on all its pages.
fn same(known: Option<[bool; 3]>, new: Option<[bool; 3]>) -> Result<Option<[bool; 3]>, Error> {
    match (known, new) {
        (Some(a), Some(b)) if a != b => Err(decode("a series has values of another kind than on the page before")),
        _ => Ok(new.or(known)),
    }
}

/// Whether the series of an answer is the one a request named.
pub(super) fn is_named(info: &Info, key: &Map<String, Value>) -> bool {
    key.iter().next().is_some_and(|(name, value)| match name.as_str() {
        "id" => value.as_i64() == Some(info.id),
        "externalId" => value.as_str() == Some(&info.external_id),
        _ => info.instance.as_ref().is_some_and(|(space, external_id)| {
            let text = |name: &str| value.get(name).and_then(Value::as_str);
            text("space") == Some(space) && text("externalId") == Some(external_id)
        }),
    })
}

pub(super) fn decode(what: &str) -> Error {
    Error::new(Status::Decode, format!("the answer cannot be understood: {what}"))
        .with(|d| d.cause = Some(Cause::BodyDecode))
}
