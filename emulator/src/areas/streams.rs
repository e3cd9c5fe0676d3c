//! Streams and their records.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::cursor;
use crate::error::{ApiError, Result};
use crate::generic::{SET, Set, Special, int, missing_field, need, not_found, object, strip, text};
use crate::models::{Eval, Values, source_name};
use crate::resources::table::{Object, map_weight};
use crate::resources::{compare, items};
use crate::state::{Data, State, now_ms};

const STREAMS: &str = "streams";
const MAX_BUCKETS: usize = 1000;

pub static SETS: &[Set] = &[Set {
    path: STREAMS,
    noun: "streams",
    numbered: false,
    times: &["createdTime"],
    required: "externalId settings",
    ops: "GET:1000:1000 POST:1 one delete:1",
    make: Some(|_, _, row| {
        let template =
            row.get("settings").and_then(|s| s.get("template")?.get("name")?.as_str()).unwrap_or("").to_owned();
        let kind =
            if template.starts_with("Mutable") || template.ends_with("LiveData") { "Mutable" } else { "Immutable" };
        let bound = |max: u64| json!({"provisioned": max, "consumed": 0});
        row.insert("settings".into(), json!({"lifecycle": {"retainedAfterSoftDelete": "P6W"},
            "limits": {"maxRecordsTotal": bound(1_000_000), "maxGigaBytesTotal": bound(100), "maxFilteringInterval": "P1Y"}}));
        row.insert("createdFromTemplate".into(), json!(template));
        row.insert("type".into(), json!(kind));
        Ok(())
    }),
    gone: Some(|ctx, _, row| {
        let old = ctx.data.records.remove(text(row, "externalId")).unwrap_or_default();
        ctx.data.release(old.all.len() as u64, old.all.values().map(|r| r.weight).sum());
    }),
    ..SET
}];

pub static SPECIALS: &[Special] = &[
    ("POST", "streams/{}/records", |state, call, params| write(state, call, params, false)),
    ("POST", "streams/{}/records/upsert", |state, call, params| write(state, call, params, true)),
    ("POST", "streams/{}/records/delete", delete),
    ("POST", "streams/{}/records/filter", filter),
    ("POST", "streams/{}/records/sync", sync),
    ("POST", "streams/{}/records/aggregate", aggregate),
];

#[derive(Clone)]
pub struct Record {
    space: String,
    external_id: String,
    created: i64,
    updated: i64,
    status: &'static str,
    seq: u64,
    weight: u64,
    properties: BTreeMap<String, Object>,
}

/// Records of one stream by space and external id.
#[derive(Default, Clone)]
pub struct Records {
    all: BTreeMap<(String, String), Record>,
    seq: u64,
}

impl Values for Record {
    fn own(&self, field: &str) -> Option<Value> {
        Some(match field {
            "space" => json!(self.space),
            "externalId" => json!(self.external_id),
            "createdTime" => json!(self.created),
            "lastUpdatedTime" => json!(self.updated),
            _ => return None,
        })
    }

    fn in_container(&self, container: &str, property: &str) -> Option<&Value> {
        self.properties.get(container)?.get(property)
    }

    fn has_container(&self, container: &str) -> bool {
        self.properties.contains_key(container)
    }
}

/// The stream's name and whether its records can change.
fn stream<'a>(data: &Data, params: &[&'a str]) -> Result<(&'a str, bool)> {
    let name = params.first().copied().unwrap_or("");
    let row = data.table(STREAMS).and_then(|t| t.get(t.id_of(name)?)).ok_or_else(|| not_found("streams", name))?;
    Ok((name, text(row, "type") == "Mutable"))
}

fn key(item: &Object) -> Result<(String, String)> {
    Ok((need(item, "space")?.to_owned(), need(item, "externalId")?.to_owned()))
}

fn write(state: &State, call: &Call, params: &[&str], upsert: bool) -> Result<Reply> {
    let list = items(&mut call.object()?, 1000)?;
    let mut data = state.write();
    let (name, mutable) = stream(&data, params)?;
    if upsert && !mutable {
        return Err(ApiError::bad("Records of an immutable stream cannot be changed"));
    }
    let now = now_ms();
    let mut fresh = Vec::new();
    let mut named = HashSet::new();
    for item in &list {
        let (space, external_id) = key(item)?;
        if mutable && !named.insert((space.clone(), external_id.clone())) {
            let twice = vec![json!({"space": space, "externalId": external_id})];
            return Err(ApiError::duplicated(422, "Duplicated records in the request", twice));
        }
        crate::models::need_space(&data, &space)?;
        let mut properties = BTreeMap::new();
        for source in item.get("sources").and_then(Value::as_array).ok_or_else(|| missing_field("sources"))? {
            let reference = source.get("source").and_then(Value::as_object).ok_or_else(|| missing_field("source"))?;
            let given = object(source.get("properties").cloned().unwrap_or_default());
            properties.insert(source_name(reference), crate::models::kept(&data, reference, given)?);
        }
        let weight = 128 + properties.values().map(map_weight).sum::<u64>();
        fresh.push(Record {
            space,
            external_id,
            created: now,
            updated: now,
            status: "created",
            seq: 0,
            weight,
            properties,
        });
    }
    data.reserve(fresh.len() as u64, fresh.iter().map(|r| r.weight).sum())?;
    let records = data.records.entry(name.to_owned()).or_default();
    let (mut rows, mut bytes) = (0, 0);
    for mut record in fresh {
        records.seq += 1;
        record.seq = records.seq;
        let key = (record.space.clone(), record.external_id.clone());
        if let Some(old) = records.all.remove(&key) {
            rows += 1;
            bytes += old.weight;
            if old.status != "deleted" {
                record.created = old.created;
                record.status = "updated";
            }
        }
        records.all.insert(key, record);
    }
    data.release(rows, bytes);
    Ok(Reply::json(202, &json!({})))
}

fn delete(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 1000)?;
    let mut data = state.write();
    let (name, mutable) = stream(&data, params)?;
    if !mutable {
        return Err(ApiError::bad("Records of an immutable stream cannot be deleted"));
    }
    let now = now_ms();
    let records = data.records.entry(name.to_owned()).or_default();
    for item in &list {
        if let Some(record) = records.all.get_mut(&key(item)?) {
            records.seq += 1;
            (record.seq, record.status, record.updated) = (records.seq, "deleted", now);
            record.properties.clear();
        }
    }
    Ok(Reply::empty())
}

/// Times are given as milliseconds or as ISO text.
fn time(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond()))
}

fn found<'a>(data: &'a Data, params: &[&str], body: &Object) -> Result<Vec<&'a Record>> {
    let (name, _) = stream(data, params)?;
    let eval = Eval::new(data, None);
    let filter = body.get("filter").filter(|f| !f.is_null());
    let within = |updated: i64| {
        let bound = |name: &str| body.get("lastUpdatedTime").and_then(|t| time(t.get(name)?));
        bound("gte").is_none_or(|b| updated >= b)
            && bound("gt").is_none_or(|b| updated > b)
            && bound("lte").is_none_or(|b| updated <= b)
            && bound("lt").is_none_or(|b| updated < b)
    };
    let mut kept = Vec::new();
    for record in data.records.get(name).into_iter().flat_map(|r| r.all.values()) {
        let there = record.status == "deleted" || filter.map_or(Ok(true), |f| eval.matches(record, f, 0))?;
        if there && within(record.updated) {
            kept.push(record);
        }
    }
    Ok(kept)
}

fn shown(record: &Record, body: &Object) -> Object {
    let mut spaces = Object::new();
    let wanted = body.get("sources").and_then(Value::as_array);
    for (name, values) in &record.properties {
        let (space, container) = name.split_once('/').unwrap_or(("", name));
        let asked = |s: &&Value| s.get("source").and_then(Value::as_object).is_some_and(|s| source_name(s) == *name);
        let source = wanted.map(|list| list.iter().find(asked));
        if source == Some(None) {
            continue;
        }
        let only = source.flatten().and_then(|s| s.get("properties")?.as_array());
        let keep = |field: &str| only.is_none_or(|list| list.iter().any(|p| p == "*" || p == field));
        let values: Object = values.iter().filter(|(k, _)| keep(k)).map(|(k, v)| (k.clone(), v.clone())).collect();
        if let Value::Object(inner) = spaces.entry(space).or_insert_with(|| json!({})) {
            inner.insert(container.to_owned(), Value::Object(values));
        }
    }
    object(json!({"space": record.space, "externalId": record.external_id, "createdTime": record.created,
        "lastUpdatedTime": record.updated, "properties": spaces}))
}

fn filter(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let limit = int(&body, "limit").unwrap_or(10);
    if !(1..=1000).contains(&limit) {
        return Err(ApiError::bad(format!("limit must be between 1 and 1000, was {limit}")));
    }
    let data = state.read();
    let mut kept = found(&data, params, &body)?;
    kept.retain(|r| r.status != "deleted");
    let eval = Eval::new(&data, None);
    for key in body.get("sort").and_then(Value::as_array).into_iter().flatten().rev() {
        let path = key.get("property").and_then(Value::as_array).ok_or_else(|| ApiError::bad("sort needs property"))?;
        let mut values = Vec::new();
        for record in kept {
            values.push((eval.value(record, path)?, record));
        }
        values.sort_by(|a, b| {
            a.0.as_ref().zip(b.0.as_ref()).and_then(|(a, b)| compare(a, b)).unwrap_or(std::cmp::Ordering::Equal)
        });
        if key.get("direction").and_then(Value::as_str) == Some("descending") {
            values.reverse();
        }
        kept = values.into_iter().map(|(_, r)| r).collect();
    }
    let answers: Vec<Object> = kept.into_iter().take(limit as usize).map(|r| shown(r, &body)).collect();
    Ok(Reply::ok(&json!({ "items": answers })))
}

/// Every change after the cursor, each record once with what it is now.
fn sync(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let limit = int(&body, "limit").filter(|l| (1..=1000).contains(l)).unwrap_or(1000) as usize;
    let cursor = body.get("cursor").and_then(Value::as_str).filter(|c| !c.is_empty());
    if cursor.is_none() && !body.contains_key("initializeCursor") {
        return Err(ApiError::bad("One of cursor and initializeCursor must be given"));
    }
    let after = cursor.map_or(Ok(0), |c| cursor::decode("v", c))?;
    let since = body.get("initializeCursor").filter(|_| cursor.is_none()).and_then(Value::as_str).map(|text| {
        let number = |t: &str| crate::datapoints::parse_time("initializeCursor", &json!(t), now_ms());
        number(text)
    });
    let since = since.transpose()?.unwrap_or(i64::MIN);
    let data = state.read();
    let mut kept = found(&data, params, &body)?;
    kept.retain(|r| r.seq as i64 > after && r.updated >= since && (cursor.is_some() || r.status != "deleted"));
    kept.sort_by_key(|r| r.seq);
    let more = kept.len() > limit;
    kept.truncate(limit);
    let newest = data.records.get(params.first().copied().unwrap_or("")).map_or(0, |r| r.seq);
    let reached = if more { kept.last().map_or(newest, |r| r.seq) } else { newest };
    let answers = kept.into_iter().map(|record| {
        let mut row = shown(record, &body);
        row.insert("status".into(), json!(record.status));
        if record.status == "deleted" {
            row.remove("properties");
        }
        row
    });
    let answers: Vec<Object> = answers.collect();
    Ok(Reply::ok(&json!({"items": answers, "nextCursor": cursor::encode("v", reached as i64), "hasNext": more})))
}

fn aggregate(state: &State, call: &Call, params: &[&str]) -> Result<Reply> {
    let body = call.object()?;
    let data = state.read();
    let mut kept = found(&data, params, &body)?;
    kept.retain(|r| r.status != "deleted");
    let wanted = body.get("aggregates").and_then(Value::as_object).ok_or_else(|| missing_field("aggregates"))?;
    Ok(Reply::ok(&json!({"aggregates": group(&Eval::new(&data, None), &kept, wanted, 0)?})))
}

fn group(eval: &Eval, rows: &[&Record], wanted: &Object, depth: usize) -> Result<Object> {
    if depth > 5 {
        return Err(ApiError::bad("aggregates are nested too deeply"));
    }
    let mut answers = Object::new();
    for (name, what) in wanted {
        let single = what.as_object().filter(|m| m.len() == 1).and_then(|m| m.iter().next());
        let (op, spec) =
            single.ok_or_else(|| ApiError::bad("Every aggregate must be an object with exactly one key"))?;
        let path = spec.get("property").and_then(Value::as_array);
        let mut values = Vec::new();
        for row in rows {
            if let Some(value) = path.map_or(Ok(Some(json!(1))), |p| eval.value(*row, p))? {
                values.push((value, *row));
            }
        }
        let numbers: Vec<f64> = values.iter().filter_map(|(v, _)| v.as_f64()).collect();
        let answer = match op.as_str() {
            "count" => json!({"count": values.len()}),
            "sum" => json!({"sum": numbers.iter().sum::<f64>()}),
            "avg" => json!({"avg": (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)}),
            "min" => json!({"min": numbers.iter().copied().reduce(f64::min)}),
            "max" => json!({"max": numbers.iter().copied().reduce(f64::max)}),
            "uniqueValues" => {
                let mut buckets: Vec<(Value, Vec<&Record>)> = Vec::new();
                for (value, row) in values {
                    match buckets.iter_mut().find(|(v, _)| *v == value) {
                        Some((_, list)) => list.push(row),
                        None => buckets.push((value, vec![row])),
                    }
                }
                buckets.sort_by_key(|(_, list)| std::cmp::Reverse(list.len()));
                let inner = spec.get("aggregates").and_then(Value::as_object);
                let shown = buckets.into_iter().take(MAX_BUCKETS).map(|(value, list)| {
                    let inner = inner.map(|i| group(eval, &list, i, depth + 1)).transpose()?;
                    Ok(strip(json!({"value": value, "count": list.len(), "aggregates": inner})))
                });
                json!({"uniqueValueBuckets": shown.collect::<Result<Vec<_>>>()?})
            }
            _ => return Err(ApiError::bad(format!("The emulator does not aggregate records by {op}"))),
        };
        answers.insert(name.clone(), answer);
    }
    Ok(answers)
}
