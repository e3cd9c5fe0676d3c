//! Subscriptions: those who hold a cursor are told what changed since.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::changes::{self, Entry, What, who};
use super::encode::{Found, Points};
use super::states::StateSet;
use super::status::Rules;
use crate::call::{Call, Reply};
use crate::cursor;
use crate::error::{ApiError, Result};
use crate::generic::{Ctx, SET, Set, Special, View, int, need, page, paging, text};
use crate::resources::flag;
use crate::resources::table::{EXTERNAL_ID, Identifier, Object, pair};
use crate::scope;
use crate::state::{Data, State, now_ms};

const PATH: &str = "timeseries/subscriptions";
const MAX_AT_ONCE: usize = 100;
const MAX_MEMBERS: usize = 10_000;
const LISTS: [&str; 2] = ["timeSeriesIds", "instanceIds"];
/// What may be updated.
const FIELDS: [&str; 6] = ["timeSeriesIds", "instanceIds", "name", "description", "dataSetId", "filter"];
/// How often a poll looks whether there is something.
const LOOK: Duration = Duration::from_millis(20);

pub static SETS: &[Set] = &[Set {
    path: PATH,
    noun: "subscriptions",
    numbered: false,
    required: "partitionCount",
    // Documented are pages of 100, the official SDK asks for 1000.
    ops: "GET:1000:100 POST:1 byids:1",
    make: Some(make),
    show: Some(|view, row| {
        let count = view.data.changes.members(text(row, "externalId")).len();
        row.insert("timeSeriesCount".into(), json!(count));
        for hidden in LISTS.iter().chain(&["since"]) {
            row.remove(*hidden);
        }
    }),
    ..SET
}];

pub static SPECIALS: &[Special] = &[
    ("GET", "timeseries/subscriptions/members", members),
    ("POST", "timeseries/subscriptions/data/list", list),
    ("POST", "timeseries/subscriptions/update", update),
    ("POST", "timeseries/subscriptions/delete", |state, call, _| {
        let mut body = call.object()?;
        let list = crate::resources::items(&mut body, 1)?;
        let mut data = state.write();
        for item in &list {
            let name = need(item, "externalId")?;
            match data.table(PATH).and_then(|t| t.id_of(name)) {
                Some(id) => {
                    subscription(&data, name)?;
                    crate::generic::remove(&mut data, PATH, id);
                    changes::forget(&mut data, name);
                }
                None if flag(&body, "ignoreUnknownIds")? => {}
                None => return Err(unknown(name)),
            }
        }
        Ok(Reply::empty())
    }),
];

fn unknown(name: &str) -> ApiError {
    ApiError::missing("Subscription not found", vec![json!({ "externalId": name })])
}

fn subscription<'a>(data: &'a Data, name: &str) -> Result<&'a Object> {
    let row = data.table(PATH).and_then(|t| t.get(t.id_of(name)?)).ok_or_else(|| unknown(name))?;
    scope::permit(row).map(|()| row)
}

fn make(ctx: &mut Ctx, _: Option<&Object>, row: &mut Object) -> Result<()> {
    let parts = int(row, "partitionCount").filter(|n| (1..=100).contains(n));
    parts.ok_or_else(|| ApiError::bad("partitionCount must be between 1 and 100"))?;
    if row.contains_key("filter") == LISTS.iter().any(|list| row.contains_key(*list)) {
        return Err(ApiError::bad("Either filter or timeSeriesIds and instanceIds must be given"));
    }
    for list in LISTS {
        named(ctx.data, list, row.get(list))?;
    }
    row.insert("since".into(), json!(ctx.data.changes.next()));
    scope::permit(row)?;
    let name = need(row, "externalId")?;
    changes::define(ctx.data, name, row, true)
}

/// The time series that a list of a request names have to exist.
fn named(data: &Data, field: &str, list: Option<&Value>) -> Result<()> {
    let Some(list) = list else { return Ok(()) };
    let list = list.as_array().filter(|l| (1..=MAX_AT_ONCE).contains(&l.len()));
    let list = list.ok_or_else(|| ApiError::bad(format!("{field} takes a list of 1 to {MAX_AT_ONCE}")))?;
    let mut missing = Vec::new();
    for one in list {
        let key = match (field, one.as_str(), pair(one)) {
            ("timeSeriesIds", Some(name), _) => Identifier::ExternalId(name.to_owned()),
            ("instanceIds", _, Some((space, name))) => Identifier::Instance(space, name),
            _ => return Err(ApiError::bad(format!("Invalid value in {field}: {one}"))),
        };
        if super::find(data, &key).is_none() {
            missing.push(key.to_json());
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(ApiError::missing("Time series not found", missing)) }
}

fn update(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = crate::resources::items(&mut call.object()?, 1)?;
    let mut data = state.write();
    let mut answers = Vec::new();
    for item in &list {
        let name = need(item, "externalId")?;
        let mut row = subscription(&data, name)?.clone();
        let update = item.get("update").and_then(Value::as_object);
        let update = update.ok_or_else(|| crate::generic::missing_field("update"))?;
        let filtered = row.contains_key("filter");
        for (field, change) in update {
            let list = LISTS.contains(&field.as_str());
            if !FIELDS.contains(&field.as_str()) || (list && filtered) || (field == "filter" && !filtered) {
                return Err(ApiError::bad(format!("{field} of this subscription cannot be updated")));
            }
            if list {
                for how in ["add", "set"] {
                    named(&data, field, change.get(how))?;
                }
            } else if field == "filter" && change.get("set").is_none_or(Value::is_null) {
                return Err(ApiError::bad("The filter of a subscription can be set, not removed"));
            }
            crate::generic::apply_change(&mut row, field, change)?;
            scope::permit(&row)?;
        }
        let count: usize = LISTS.iter().filter_map(|l| row.get(*l)?.as_array()).map(Vec::len).sum();
        if count > MAX_MEMBERS {
            return Err(ApiError::bad(format!("A subscription has at most {MAX_MEMBERS} time series")));
        }
        row.insert("lastUpdatedTime".into(), json!(now_ms()));
        changes::define(&mut data, name, &row, false)?;
        let id = data.table(PATH).and_then(|t| t.id_of(name)).unwrap_or(0);
        crate::generic::put(&mut data, PATH, EXTERNAL_ID, id, row.clone())?;
        if let Some(show) = SETS.first().and_then(|s| s.show) {
            show(&View { state, data: &data, now: now_ms() }, &mut row);
        }
        answers.push(row);
    }
    Ok(Reply::ok(&json!({ "items": answers })))
}

/// By the name under which it was added; without an id if there is no such series any more.
fn members(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let name = call.param("externalId").ok_or_else(|| ApiError::bad("The query parameter externalId is missing"))?;
    let data = state.read();
    let row = subscription(&data, name)?;
    let all: Vec<Value> = if row.contains_key("filter") {
        let ids = data.changes.members(name);
        let shown = |id: &i64| {
            let mut who = super::find(&data, &Identifier::Id(*id)).map(|(id, row)| who(id, row))?;
            let fields = who.as_object_mut()?;
            fields.retain(|field, _| !["isString", "type"].contains(&field.as_str()));
            Some(who)
        };
        ids.iter().filter_map(shown).collect()
    } else {
        let given = |field: &'static str| row.get(field).and_then(Value::as_array).into_iter().flatten();
        let names = given("timeSeriesIds").map(|n| json!({ "externalId": n }));
        let nodes = given("instanceIds").map(|n| json!({ "instanceId": n }));
        let with_id = |mut member: Value| {
            if let Value::Object(fields) = &mut member
                && let Some((id, _)) = Identifier::parse(fields).ok().and_then(|key| super::find(&data, &key))
            {
                fields.insert("id".into(), json!(id));
            }
            member
        };
        names.chain(nodes).map(with_id).collect()
    };
    Ok(Reply::ok(&page(&paging(call)?, 1000, all.into_iter())?))
}

/// One request for data.
struct Request<'a> {
    name: &'a str,
    limit: usize,
    rules: Rules,
    include_status: bool,
}

fn list(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let within = |field: &str, default: i64, range: std::ops::RangeInclusive<i64>| match body.get(field) {
        None | Some(Value::Null) => Ok(default),
        Some(v) => v.as_i64().filter(|n| range.contains(n)).ok_or_else(|| {
            ApiError::bad(format!("{field} must be between {} and {}, was {v}", range.start(), range.end()))
        }),
    };
    let truth = |field: &str, default: bool| body.get(field).and_then(Value::as_bool).unwrap_or(default);
    let request = Request {
        name: need(&body, "externalId")?,
        limit: usize::try_from(within("limit", 100, 1..=100_000)?).unwrap_or(1),
        rules: Rules {
            ignore_bad: truth("ignoreBadDataPoints", true),
            uncertain_as_bad: truth("treatUncertainAsBad", true),
        },
        include_status: truth("includeStatus", false),
    };
    let wait = Duration::from_secs(u64::try_from(within("pollTimeoutSeconds", 5, 0..=5)?).unwrap_or(0));
    let wanted = body.get("partitions").and_then(Value::as_array).filter(|l| !l.is_empty());
    let wanted = wanted.ok_or_else(|| crate::generic::missing_field("partitions"))?;
    let mut places = Vec::new();
    {
        let data = state.read();
        let row = subscription(&data, request.name)?;
        let begin = beginning(&data, row, text(&body, "initializeCursors"))?;
        let parts = int(row, "partitionCount").unwrap_or(1);
        for partition in wanted {
            let index = partition.get("index").and_then(Value::as_i64).filter(|i| (0..parts).contains(i));
            let index = index.ok_or_else(|| ApiError::bad(format!("index must be between 0 and {}", parts - 1)))?;
            let cursor = partition.get("cursor").and_then(Value::as_str).filter(|c| !c.is_empty());
            let tag = format!("b{}", request.name);
            let at = cursor.map_or(Ok(begin), |c| match cursor::decode_text(&tag, c)?.split_once('/') {
                Some((part, at)) if part == index.to_string() => at.parse().map_err(|_| cursor::invalid()),
                _ => Err(cursor::invalid()),
            })?;
            places.push((index, at));
        }
    }
    let end = Instant::now() + wait;
    loop {
        let (found, answer) = look(&state.read(), &request, &mut places)?;
        if found || Instant::now() >= end {
            return Ok(Reply::ok(&answer));
        }
        // Nobody is kept from writing meanwhile.
        std::thread::sleep(LOOK);
    }
}

/// Where those begin who have no cursor.
fn beginning(data: &Data, row: &Object, wish: &str) -> Result<i64> {
    let first = int(row, "since").unwrap_or(0);
    match wish {
        "" => Ok(first),
        "now" => Ok(data.changes.next()),
        _ if wish.ends_with("-ago") && !wish.ends_with("s-ago") => {
            let time = super::parse_time("initializeCursors", &json!(wish), now_ms())?;
            Ok(data.changes.at_time(time).max(first))
        }
        _ => {
            Err(ApiError::bad(format!("Invalid value for initializeCursors: {wish}. Expected now or <n>[m|h|d|w]-ago")))
        }
    }
}

/// What there is from the places on, which move. Also whether there is anything.
fn look(data: &Data, request: &Request, places: &mut [(i64, i64)]) -> Result<(bool, Value)> {
    let parts = int(subscription(data, request.name)?, "partitionCount").unwrap_or(1);
    let log = &data.changes;
    let (mut updates, mut told, mut more) = (Vec::new(), 0, false);
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for (index, at) in places.iter_mut() {
        for (place, entry) in log.from(*at).filter(|(_, e)| e.series.rem_euclid(parts) == *index) {
            if let What::Member(name, came, who) = &entry.what {
                if name == request.name {
                    if told >= request.limit {
                        (more, *at) = (true, place);
                        break;
                    }
                    if *came { &mut added } else { &mut removed }.push(who.clone());
                }
                continue;
            }
            let Some((count, update)) = shown(data, request, place, entry) else { continue };
            if told >= request.limit {
                (more, *at) = (true, place);
                break;
            }
            told += count;
            updates.push(update);
        }
        if !more {
            *at = log.next();
        }
    }
    let found = !(updates.is_empty() && added.is_empty() && removed.is_empty());
    let tag = format!("b{}", request.name);
    let next = |(index, at): &(i64, i64)| json!({"index": index, "nextCursor": cursor::encode_text(&tag, &format!("{index}/{at}"))});
    let partitions: Vec<Value> = places.iter().map(next).collect();
    let answer = json!({"updates": updates, "subscriptionChanges": {"added": added, "removed": removed},
        "partitions": partitions, "hasNext": more});
    Ok((found, answer))
}

/// A change of datapoints as it is told, and for how much it counts. None where there is nothing to tell.
fn shown(data: &Data, request: &Request, place: i64, entry: &Entry) -> Option<(usize, Value)> {
    if !data.changes.listened(request.name, entry.series, place) {
        return None;
    }
    let (id, row) = super::find(data, &Identifier::Id(entry.series))?;
    match &entry.what {
        What::Upserts(series) => {
            let visible = |n: &usize| series.ts.get(*n).is_some_and(|t| request.rules.shows(series.mark(*t)));
            let picks: Vec<usize> = (0..series.len()).filter(visible).collect();
            let count = picks.len();
            let found = Found {
                id,
                row,
                states: StateSet::of(data, row),
                convert: None,
                points: Points::Raw(Some(series), picks),
                next_cursor: None,
                include_status: request.include_status,
            };
            (count > 0).then(|| (count, json!({"timeSeries": who(id, row), "upserts": found.list(), "deletes": []})))
        }
        What::Delete(begin, end) => {
            let range = json!({"inclusiveBegin": begin, "exclusiveEnd": end});
            Some((1, json!({"timeSeries": who(id, row), "upserts": [], "deletes": [range]})))
        }
        What::Member(..) => None,
    }
}
