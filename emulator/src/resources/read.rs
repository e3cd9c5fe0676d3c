//! List, search, by ids and aggregate.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::advanced::{compare, lookup, parse, path};
use super::filters::Matcher;
use super::kinds::Kind;
use super::limits;
use super::special;
use super::table::{Object, Table};
use super::write::resolve;
use crate::cursor;
use crate::error::{ApiError, Result};
use crate::state::Data;

const MAX_PAGE: i64 = 1000;

pub fn by_ids(
    data: &Data,
    kind: &Kind,
    items: &[Object],
    ignore_unknown: bool,
    aggregates: &[Value],
) -> Result<Vec<Value>> {
    let ids = resolve(data, kind, items, ignore_unknown)?;
    Ok(ids.iter().filter_map(|id| special::present(data, kind, *id, aggregates)).collect())
}

fn limit(body: &Object, default: i64) -> Result<usize> {
    let limit = match body.get("limit") {
        None | Some(Value::Null) => default,
        Some(value) => value.as_i64().ok_or_else(|| ApiError::bad("limit must be an integer"))?,
    };
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::bad(format!("limit must be between 1 and {MAX_PAGE}, was {limit}")));
    }
    Ok(limit as usize)
}

/// `i/n`: rows are dealt to partitions by id, so every row is in exactly one.
fn partition(body: &Object) -> Result<Option<(i64, i64)>> {
    let Some(value) = body.get("partition").filter(|v| !v.is_null()) else { return Ok(None) };
    let parsed = value.as_str().and_then(|text| {
        let (part, count) = text.split_once('/')?;
        Some((part.parse::<i64>().ok()?, count.parse::<i64>().ok()?))
    });
    match parsed {
        Some((part, count)) if count >= 1 && (1..=count).contains(&part) => Ok(Some((part - 1, count))),
        _ => Err(ApiError::bad("partition must be 'm/n' with 1 <= m <= n")),
    }
}

/// The aggregated properties a request asks for.
pub fn wanted_aggregates(body: &Object) -> &[Value] {
    body.get("aggregatedProperties").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub fn list(data: &Data, kind: &Kind, body: &Object) -> Result<Value> {
    let limit = limit(body, 100)?;
    let part = partition(body)?;
    let matcher = Matcher::new(data, kind, body.get("filter"), body.get("advancedFilter"))?;
    let aggregates = wanted_aggregates(body);
    let after = body.get("cursor").and_then(Value::as_str).filter(|c| !c.is_empty());
    limits::sort(kind, body)?;
    let sorted = sort_keys(body)?;
    let Some(table) = data.table(kind.path) else { return Ok(json!({ "items": [] })) };
    let listed = table.listed();
    let in_part = |id: i64| part.is_none_or(|(p, n)| id.rem_euclid(n) == p);
    let mut items = Vec::new();
    let mut next = None;
    if sorted.is_empty() {
        let after = after.map(|c| cursor::decode("l", c)).transpose()?.unwrap_or(i64::MIN);
        let mut last = after;
        for (id, row) in listed.range(after.saturating_add(1)..) {
            if !in_part(*id) || !matcher.matches(*id, &row.value) {
                continue;
            }
            if items.len() == limit {
                next = Some(cursor::encode("l", last));
                break;
            }
            items.push(special::dressed(data, kind, *id, &row.value, aggregates));
            last = *id;
        }
    } else {
        let skip = after.map(|c| cursor::decode("s", c)).transpose()?.unwrap_or(0).max(0);
        let rows = listed.iter().filter(|(id, row)| in_part(**id) && matcher.matches(**id, &row.value));
        let mut rows: Vec<(i64, &Object)> = rows.map(|(id, row)| (*id, &row.value)).collect();
        rows.sort_by(|a, b| order(&sorted, a.1, b.1));
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        for (id, row) in rows.iter().skip(skip).take(limit) {
            items.push(special::dressed(data, kind, *id, row, aggregates));
        }
        let end = skip.saturating_add(limit);
        if rows.len() > end {
            next = Some(cursor::encode("s", end as i64));
        }
    }
    let mut answer = json!({ "items": items });
    if let (Some(next), Value::Object(map)) = (next, &mut answer) {
        map.insert("nextCursor".into(), json!(next));
    }
    Ok(answer)
}

pub struct SortKey {
    path: Vec<String>,
    descending: bool,
    nulls_first: bool,
}

pub fn sort_keys(body: &Object) -> Result<Vec<SortKey>> {
    let keys = match body.get("sort") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
    };
    keys.into_iter()
        .map(|key| {
            if let Some(text) = key.as_str() {
                let (name, order) = text.split_once(':').unwrap_or((text, "asc"));
                let descending = order.eq_ignore_ascii_case("desc");
                return Ok(SortKey { path: vec![name.into()], descending, nulls_first: descending });
            }
            let property = key.get("property").ok_or_else(|| ApiError::bad("sort needs the field property"))?;
            let path = if let Some(name) = property.as_str() { vec![name.to_owned()] } else { path(property)? };
            let descending = key.get("order").and_then(Value::as_str) == Some("desc");
            let nulls_first = match key.get("nulls").and_then(Value::as_str) {
                Some("first") => true,
                Some("last") => false,
                _ => descending,
            };
            Ok(SortKey { path, descending, nulls_first })
        })
        .collect()
}

pub fn order(keys: &[SortKey], a: &Object, b: &Object) -> std::cmp::Ordering {
    use std::cmp::Ordering::{Equal, Greater, Less};
    for key in keys {
        let found = match (lookup(a, &key.path), lookup(b, &key.path)) {
            (None, None) => Equal,
            (None, Some(_)) => {
                if key.nulls_first {
                    Less
                } else {
                    Greater
                }
            }
            (Some(_), None) => {
                if key.nulls_first {
                    Greater
                } else {
                    Less
                }
            }
            (Some(a), Some(b)) => {
                let order = compare(a, b).unwrap_or(Equal);
                if key.descending { order.reverse() } else { order }
            }
        };
        if found != Equal {
            return found;
        }
    }
    Equal
}

/// Every word of the text has to occur in one of the fields, in any case. The service ranks by relevance; here rows
/// come in the order they were made.
pub fn search(data: &Data, kind: &Kind, body: &Object) -> Result<Value> {
    let limit = limit(body, 100)?;
    let matcher = Matcher::new(data, kind, body.get("filter"), None)?;
    let mut wanted = Vec::new();
    if let Some(Value::Object(search)) = body.get("search") {
        for (key, value) in search.iter().filter(|(_, v)| !v.is_null()) {
            let Some((_, fields)) = kind.search.iter().find(|(name, _)| name == key) else {
                return Err(ApiError::bad(format!("Unknown search field for {}: {key}", kind.noun)));
            };
            let text = value.as_str().ok_or_else(|| ApiError::bad(format!("search.{key} must be a string")))?;
            wanted.push((*fields, text.to_lowercase()));
        }
    }
    let hit = |row: &Object| {
        wanted.iter().all(|(fields, text)| {
            text.split_whitespace().all(|word| {
                let mut found = fields.iter().filter_map(|f| row.get(*f).and_then(Value::as_str));
                found.any(|value| value.to_lowercase().contains(word))
            })
        })
    };
    let listed = data.table(kind.path).map(Table::listed);
    let rows = listed.iter().flat_map(|rows| rows.iter());
    let rows = rows.filter(|(id, row)| matcher.matches(**id, &row.value) && hit(&row.value));
    let items: Vec<Value> =
        rows.take(limit).map(|(id, row)| special::dressed(data, kind, *id, &row.value, &[])).collect();
    Ok(json!({ "items": items }))
}

pub fn aggregate(data: &Data, kind: &Kind, body: &Object) -> Result<Value> {
    let matcher = Matcher::new(data, kind, body.get("filter"), body.get("advancedFilter"))?;
    if let Some(property) = body.get("properties").and_then(|p| p.pointer("/0/property")) {
        limits::known(kind, Some(property))?;
    }
    let listed = data.table(kind.path).map(Table::listed);
    let all = listed.iter().flat_map(|rows| rows.iter());
    let rows = all.filter(|(id, row)| matcher.matches(**id, &row.value)).map(|(_, row)| &row.value);
    aggregate_rows(&rows.collect::<Vec<_>>(), body)
}

pub fn aggregate_rows(rows: &[&Object], body: &Object) -> Result<Value> {
    let what = body.get("aggregate").and_then(Value::as_str).unwrap_or("count");
    if what == "count" {
        return Ok(json!({"items": [{"count": rows.len()}]}));
    }
    let keep = AggregateFilter(body.get("aggregateFilter").filter(|v| !v.is_null()));
    let mut buckets: BTreeMap<String, (Value, u64)> = BTreeMap::new();
    if what.ends_with("Values") {
        let property = body.get("properties").and_then(|p| p.pointer("/0/property"));
        let property = property.ok_or_else(|| ApiError::bad("properties is missing"))?;
        let property = path(property)?;
        for row in rows {
            let Some(value) = lookup(row, &property) else { continue };
            let values = value.as_array().map_or_else(|| vec![value], |l| l.iter().collect());
            for value in values {
                let value = value.get("externalId").unwrap_or(value);
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_lowercase);
                if keep.passes(&text)? {
                    buckets.entry(text).or_insert_with_key(|t| (json!(t), 0)).1 += 1;
                }
            }
        }
    } else if what.ends_with("Properties") {
        // Documents name the place as they name a property, the others by its path.
        let scope = body.get("path").or_else(|| body.get("properties")?.pointer("/0/property"));
        let scope = path(scope.ok_or_else(|| ApiError::bad("path is missing"))?)?;
        for row in rows {
            for key in lookup(row, &scope).and_then(Value::as_object).into_iter().flat_map(|m| m.keys()) {
                let text = key.to_lowercase();
                if keep.passes(&text)? {
                    let property: Vec<&str> = scope.iter().map(String::as_str).chain([text.as_str()]).collect();
                    let named = json!({ "property": property });
                    buckets.entry(text.clone()).or_insert((named, 0)).1 += 1;
                }
            }
        }
    }
    match what {
        "cardinalityValues" | "cardinalityProperties" => Ok(json!({"items": [{"count": buckets.len()}]})),
        "uniqueValues" | "uniqueProperties" => {
            let mut found: Vec<(Value, u64)> = buckets.into_values().collect();
            found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let items: Vec<Value> =
                found.into_iter().take(1000).map(|(v, count)| json!({"values": [v], "count": count})).collect();
            Ok(json!({ "items": items }))
        }
        _ => Err(ApiError::bad(format!("Unknown aggregate: {what}"))),
    }
}

/// The same language as advancedFilter, but about the bucket's own key.
struct AggregateFilter<'a>(Option<&'a Value>);

impl AggregateFilter<'_> {
    fn passes(&self, text: &str) -> Result<bool> {
        let Some(filter) = self.0 else { return Ok(true) };
        let row = Object::from_iter([("key".to_owned(), json!(text))]);
        Ok(parse(&with_property(filter, 0), 0)?.matches(&row))
    }
}

fn with_property(filter: &Value, depth: usize) -> Value {
    let Value::Object(map) = filter else { return filter.clone() };
    let inner = |value: &Value| match value {
        Value::Array(list) if depth < 20 => Value::Array(list.iter().map(|v| with_property(v, depth + 1)).collect()),
        Value::Object(leaf) => {
            let mut leaf = leaf.clone();
            leaf.insert("property".into(), json!(["key"]));
            Value::Object(leaf)
        }
        other => other.clone(),
    };
    let dress = |(k, v): (&String, &Value)| {
        let value = if k == "not" && depth < 20 { with_property(v, depth + 1) } else { inner(v) };
        (k.clone(), value)
    };
    Value::Object(map.iter().map(dress).collect())
}
