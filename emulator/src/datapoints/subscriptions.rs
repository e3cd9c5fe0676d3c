//! Subscriptions: those who hold a cursor are told what changed since.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::series::{Series, Values};
use super::status::symbol;
use crate::call::{Call, Reply};
use crate::cursor;
use crate::error::{ApiError, Result};
use crate::generic::{Ctx, SET, Set, Special, int, need, object, page, paging, rows, text};
use crate::resources::parse_filter;
use crate::resources::table::Object;
use crate::state::{Data, State};

const PATH: &str = "timeseries/subscriptions";
/// Timestamps remembered; beyond that the oldest changes are forgotten.
const MAX_REMEMBERED: usize = 4_000_000;

#[derive(Clone)]
pub enum What {
    Upserts(Vec<i64>),
    Delete(i64, i64),
    /// The series was deleted.
    Gone,
    /// The series came into the subscription of that name, or left it.
    Member(String, bool),
}

/// What happened to time series, in order. Kept only once there is a subscription.
#[derive(Default, Clone)]
pub struct Changes {
    on: bool,
    first: i64,
    remembered: usize,
    log: VecDeque<(i64, What)>,
}

impl Changes {
    /// `what` is asked for only if someone wants to know.
    pub fn add(&mut self, series: i64, what: impl FnOnce() -> What) {
        if !self.on {
            return;
        }
        let what = what();
        self.remembered += size(&what);
        self.log.push_back((series, what));
        while self.remembered > MAX_REMEMBERED {
            let Some((_, old)) = self.log.pop_front() else { break };
            self.remembered -= size(&old);
            self.first += 1;
        }
    }

    fn next(&self) -> i64 {
        self.first + self.log.len() as i64
    }
}

fn size(what: &What) -> usize {
    if let What::Upserts(times) = what { times.len() + 4 } else { 4 }
}

pub static SETS: &[Set] = &[Set {
    path: PATH,
    noun: "subscriptions",
    numbered: false,
    required: "partitionCount",
    ops: "GET:100 POST:1 byids:1 delete:1",
    make: Some(make),
    show: Some(|view, row| {
        let count = members(view.data, row).map_or(0, |m| m.len());
        row.insert("timeSeriesCount".into(), json!(count));
        for hidden in ["timeSeriesIds", "instanceIds", "since"] {
            row.remove(hidden);
        }
    }),
    ..SET
}];

pub static SPECIALS: &[Special] = &[
    ("GET", "timeseries/subscriptions/members", |state, call, _| {
        let name =
            call.param("externalId").ok_or_else(|| ApiError::bad("The query parameter externalId is missing"))?;
        let data = state.read();
        let row = subscription(&data, name)?;
        let shown = members(&data, row)?.into_iter().filter_map(|id| series(&data, id));
        let shown = shown.map(|s| json!({"id": s.get("id"), "externalId": s.get("externalId")}));
        Ok(Reply::ok(&page(&paging(call)?, 100, shown)?))
    }),
    ("POST", "timeseries/subscriptions/data/list", list),
    // An update of the members is a change to tell of.
    ("POST", "timeseries/subscriptions/update", |state, call, _| {
        let list = crate::resources::items(&mut call.object()?, 1)?;
        let mut data = state.write();
        let mut answers = Vec::new();
        for item in &list {
            let name = need(item, "externalId")?;
            let before = members(&data, subscription(&data, name)?)?;
            let mut row = subscription(&data, name)?.clone();
            for (field, change) in item.get("update").and_then(Value::as_object).into_iter().flatten() {
                crate::generic::apply_change(&mut row, field, change)?;
            }
            row.insert("lastUpdatedTime".into(), json!(crate::state::now_ms()));
            let after = members(&data, &row)?;
            let id = data.table(PATH).and_then(|t| t.id_of(name)).unwrap_or(0);
            crate::generic::put(&mut data, PATH, crate::resources::table::EXTERNAL_ID, id, row.clone())?;
            for series in after.iter().filter(|id| !before.contains(id)) {
                data.changes.add(*series, || What::Member(name.to_owned(), true));
            }
            for series in before.iter().filter(|id| !after.contains(id)) {
                data.changes.add(*series, || What::Member(name.to_owned(), false));
            }
            if let Some(show) = SETS.first().and_then(|s| s.show) {
                show(&crate::generic::View { state, data: &data, now: crate::state::now_ms() }, &mut row);
            }
            answers.push(row);
        }
        Ok(Reply::ok(&json!({ "items": answers })))
    }),
];

fn make(ctx: &mut Ctx, _: Option<&Object>, row: &mut Object) -> Result<()> {
    let parts = int(row, "partitionCount").filter(|n| (1..=100).contains(n));
    parts.ok_or_else(|| ApiError::bad("partitionCount must be between 1 and 100"))?;
    if row.contains_key("filter") == (row.contains_key("timeSeriesIds") || row.contains_key("instanceIds")) {
        return Err(ApiError::bad("Either filter or timeSeriesIds must be given"));
    }
    members(ctx.data, row)?;
    ctx.data.changes.on = true;
    row.insert("since".into(), json!(ctx.data.changes.next()));
    Ok(())
}

fn subscription<'a>(data: &'a Data, name: &str) -> Result<&'a Object> {
    let found = data.table(PATH).and_then(|t| t.get(t.id_of(name)?));
    found.ok_or_else(|| ApiError::missing("Subscription not found", vec![json!({ "externalId": name })]))
}

fn series(data: &Data, id: i64) -> Option<&Object> {
    data.table("timeseries")?.get(id)
}

/// Ids of the time series of a subscription.
fn members(data: &Data, row: &Object) -> Result<Vec<i64>> {
    if let Some(filter) = row.get("filter") {
        let node = parse_filter(filter, 0)?;
        return Ok(rows(data, "timeseries").filter(|(_, row)| node.matches(row)).map(|(id, _)| id).collect());
    }
    let names = row.get("timeSeriesIds").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    Ok(names.filter_map(|name| data.table("timeseries")?.id_of(name)).collect())
}

fn list(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let name = need(&body, "externalId")?;
    let data = state.read();
    let row = subscription(&data, name)?;
    let members = members(&data, row)?;
    let parts = int(row, "partitionCount").unwrap_or(1);
    let limit = usize::try_from(int(&body, "limit").unwrap_or(25)).unwrap_or(25).clamp(1, 100_000);
    let with_status = body.get("includeStatus").and_then(Value::as_bool) == Some(true);
    let log = &data.changes;
    let (mut updates, mut told, mut added, mut removed) = (Vec::new(), 0, Vec::new(), Vec::new());
    let (mut places, mut more) = (Vec::new(), false);
    let who = |id: i64| {
        let row = series(&data, id)?;
        let string = row.get("isString").cloned().unwrap_or(json!(false));
        let kind = row.get("type").cloned().unwrap_or(json!("numeric"));
        let mut who = object(json!({"id": id, "isString": string, "type": kind}));
        who.extend(row.get("externalId").map(|name| ("externalId".to_owned(), name.clone())));
        Some(Value::Object(who))
    };
    for wanted in body.get("partitions").and_then(Value::as_array).into_iter().flatten() {
        let index = wanted.get("index").and_then(Value::as_i64).filter(|i| (0..parts).contains(i));
        let index = index.ok_or_else(|| ApiError::bad(format!("index must be between 0 and {}", parts - 1)))?;
        let mine = |id: i64| id.rem_euclid(parts) == index;
        let cursor = wanted.get("cursor").and_then(Value::as_str).filter(|c| !c.is_empty());
        let mut at = match cursor {
            Some(cursor) => cursor::decode("b", cursor)?,
            None => {
                added.extend(members.iter().filter(|id| mine(**id)).filter_map(|id| who(*id)));
                if text(&body, "initializeCursors") == "now" { log.next() } else { int(row, "since").unwrap_or(0) }
            }
        }
        .max(log.first);
        while at < log.next() {
            if told >= limit {
                more = true;
                break;
            }
            let entry = usize::try_from(at - log.first).ok().and_then(|n| log.log.get(n));
            at += 1;
            let Some((id, what)) = entry.filter(|(id, _)| mine(*id)) else { continue };
            match what {
                What::Member(of, came) if of == name => {
                    if *came { &mut added } else { &mut removed }.extend(who(*id));
                }
                What::Upserts(times) if members.contains(id) => {
                    told += times.len();
                    let points = data.series.get(id).map_or_else(Vec::new, |s| points(s, times, with_status));
                    updates.push(json!({"timeSeries": who(*id), "upserts": points, "deletes": []}));
                }
                What::Delete(begin, end) if members.contains(id) => {
                    told += 1;
                    let range = json!({"inclusiveBegin": begin, "exclusiveEnd": end});
                    updates.push(json!({"timeSeries": who(*id), "upserts": [], "deletes": [range]}));
                }
                _ => {}
            }
        }
        places.push(json!({"index": index, "nextCursor": cursor::encode("b", at)}));
    }
    Ok(Reply::ok(&json!({"updates": updates, "subscriptionChanges": {"added": added, "removed": removed},
        "partitions": places, "hasNext": more})))
}

/// Datapoints as they are now; one that was deleted since is left out, its deletion follows.
fn points(series: &Series, times: &[i64], with_status: bool) -> Vec<Value> {
    let one = |time: &i64| {
        let n = series.at_or_after(*time);
        series.ts.get(n).filter(|t| *t == time)?;
        let value = match &series.values {
            Values::Numbers(list) => json!(list.get(n)?),
            Values::Texts(list) => json!(list.get(n)?),
            Values::States(list) => json!(list.get(n)?),
        };
        let mut point = object(json!({"timestamp": time, "value": value}));
        if with_status {
            let code = series.mark(*time).map_or(0, |m| m.code);
            point.insert("status".into(), json!({"code": code, "symbol": symbol(code)}));
        }
        Some(Value::Object(point))
    };
    times.iter().filter_map(one).collect()
}
