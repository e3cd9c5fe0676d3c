//! Create, update and delete. Each request is checked as a whole before anything is changed.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::check;
use super::kinds::{Kind, Type};
use super::special;
use super::table::{Identifier, Object, external_id, map_weight};
use crate::error::{ApiError, Result};
use crate::scope;
use crate::state::Data;

pub fn create(data: &mut Data, kind: &'static Kind, items: &[Object], now: i64) -> Result<Vec<Value>> {
    let mut fresh = Vec::with_capacity(items.len());
    let mut seen = HashSet::new();
    let mut twice = Vec::new();
    let mut existing = Vec::new();
    for item in items {
        let mut value = check::incoming(kind, item)?;
        special::tidy(&mut value);
        check::together(kind, &value)?;
        if let Some(text) = external_id(&value) {
            if !seen.insert(text.to_owned()) {
                twice.push(json!({ "externalId": text }));
            }
            if data.table(kind.path).and_then(|t| t.id_of(text)).is_some() {
                existing.push(json!({ "externalId": text }));
            }
        }
        fresh.push(value);
    }
    if !twice.is_empty() {
        let message = format!("Duplicated external ids in the request: {}", kind.noun);
        return Err(ApiError::duplicated(kind.twice_status, message, twice));
    }
    if !existing.is_empty() {
        let message = if kind.path == "assets" {
            "Asset id duplicated".to_owned()
        } else {
            format!("External ids already in use: {}", kind.noun)
        };
        return Err(ApiError::duplicated(409, message, existing));
    }
    for value in &fresh {
        scope::permit(value)?;
        references(data, value)?;
    }
    let first = data.next_id;
    for (offset, value) in fresh.iter_mut().enumerate() {
        let id = first + offset as i64;
        if kind.has_id {
            value.insert("id".into(), json!(id));
        }
        value.insert("createdTime".into(), json!(now));
        value.insert("lastUpdatedTime".into(), json!(now));
    }
    special::before_create(data, kind, &mut fresh, first, now)?;
    let weights: Vec<u64> = fresh.iter().map(map_weight).collect();
    data.reserve(fresh.len() as u64, weights.iter().sum())?;
    data.next_id = first + fresh.len() as i64;
    let ids: Vec<i64> = (first..data.next_id).collect();
    for ((id, value), weight) in ids.iter().zip(fresh).zip(weights) {
        special::on_put(data, kind, *id, &value);
        data.table_mut(kind.path).put(*id, value, weight);
        special::after_put(data, kind, *id);
    }
    Ok(ids.iter().filter_map(|id| special::present(data, kind, *id, &[])).collect())
}

/// The data set and labels an item names have to exist.
pub fn references(data: &Data, value: &Object) -> Result<()> {
    if let Some(id) = value.get("dataSetId").and_then(Value::as_i64)
        && data.table("datasets").and_then(|t| t.get(id)).is_none()
    {
        return Err(ApiError::missing(format!("Data set not found: {id}"), vec![json!({ "id": id })]));
    }
    if let Some(Value::Array(labels)) = value.get("labels") {
        let table = data.table("labels");
        let names = labels.iter().filter_map(|l| l.get("externalId").and_then(Value::as_str));
        let unknown: Vec<Value> = names
            .filter(|name| table.and_then(|t| t.id_of(name)).is_none())
            .map(|name| json!({ "externalId": name }))
            .collect();
        if !unknown.is_empty() {
            return Err(ApiError::missing("Labels not found", unknown));
        }
    }
    Ok(())
}

/// Row ids in the order asked for. Unknown identifiers are an error unless ignored.
pub fn resolve(data: &Data, kind: &Kind, items: &[Object], ignore_unknown: bool) -> Result<Vec<i64>> {
    let mut ids = Vec::with_capacity(items.len());
    let mut missing = Vec::new();
    let mut seen = HashSet::new();
    let mut twice = Vec::new();
    for item in items {
        let key = Identifier::parse(item)?;
        if !kind.has_id && matches!(key, Identifier::Id(_)) {
            return Err(ApiError::bad(format!("{} are identified by externalId", kind.noun)));
        }
        match data.table(kind.path).and_then(|t| t.resolve(&key)) {
            Some(id) if seen.insert(id) => ids.push(id),
            Some(_) => twice.push(key.to_json()),
            None => missing.push(key.to_json()),
        }
    }
    if !missing.is_empty() && !ignore_unknown {
        return Err(ApiError::missing(format!("{} ids not found", capitalized(kind.noun)), missing));
    }
    permitted(data, kind, &ids)?;
    if !twice.is_empty() {
        return Err(ApiError::duplicated(
            if kind.twice_status == 422 { 422 } else { 400 },
            "Duplicated ids in the request",
            twice,
        ));
    }
    Ok(ids)
}

fn permitted(data: &Data, kind: &Kind, ids: &[i64]) -> Result<()> {
    let table = data.table(kind.path);
    ids.iter().filter_map(|id| table?.get(*id)).try_for_each(scope::permit)
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

pub fn update(data: &mut Data, kind: &'static Kind, items: &[Object], now: i64) -> Result<Vec<Value>> {
    // What is wrong in itself is told before what is not there.
    for item in items {
        let changes = item.get("update").and_then(Value::as_object);
        for (name, change) in changes.into_iter().flatten() {
            if let (Some(field), Some(new)) = (kind.field(name), change.get("set").filter(|v| !v.is_null())) {
                check::checked(field, new)?;
            }
        }
    }
    let ids = resolve(data, kind, items, false)?;
    let mut changed: Vec<(i64, Object)> = Vec::with_capacity(items.len());
    let mut taken: HashSet<String> = HashSet::new();
    let mut conflicts = Vec::new();
    for (id, item) in ids.iter().zip(items) {
        let Some(Value::Object(changes)) = item.get("update") else {
            return Err(ApiError::bad("Missing required field update"));
        };
        let Some(old) = data.table(kind.path).and_then(|t| t.get(*id)) else {
            return Err(ApiError::new(500, "A row vanished while it was updated"));
        };
        let mut value = old.clone();
        for (name, change) in changes {
            apply(kind, &mut value, name, change)?;
        }
        scope::permit(&value)?;
        if changes.contains_key("dataSetId") || changes.contains_key("labels") {
            references(data, &value)?;
        }
        if let Some(text) = external_id(&value) {
            let owner = data.table(kind.path).and_then(|t| t.id_of(text));
            if owner.is_some_and(|o| o != *id) || !taken.insert(text.to_owned()) {
                conflicts.push(json!({ "externalId": text }));
            }
        }
        value.insert("lastUpdatedTime".into(), json!(now));
        special::tidy(&mut value);
        check::together(kind, &value)?;
        changed.push((*id, value));
    }
    if !conflicts.is_empty() {
        let message = format!("External ids already in use: {}", kind.noun);
        return Err(ApiError::duplicated(409, message, conflicts));
    }
    special::before_update(data, kind, &mut changed)?;
    let added = changed.iter().map(|(_, value)| map_weight(value)).sum();
    data.reserve(0, added)?;
    for (id, value) in changed {
        special::on_remove(data, kind, id);
        special::on_put(data, kind, id, &value);
        let weight = map_weight(&value);
        let freed = data.table_mut(kind.path).put(id, value, weight);
        data.release(0, freed);
        special::after_put(data, kind, id);
    }
    Ok(ids.iter().filter_map(|id| special::present(data, kind, *id, &[])).collect())
}

fn apply(kind: &Kind, value: &mut Object, name: &str, change: &Value) -> Result<()> {
    let Some(field) = kind.field(name).filter(|f| f.updatable) else {
        return Err(ApiError::bad(format!("Field {name} of {} cannot be updated", kind.noun)));
    };
    let Value::Object(change) = change else {
        return Err(ApiError::bad(format!("The update of {name} must be an object with set, setNull, add or remove")));
    };
    if let Some(new) = change.get("set").filter(|v| !v.is_null()) {
        value.insert(name.into(), check::checked(field, new)?);
        return Ok(());
    }
    if change.get("setNull").and_then(Value::as_bool) == Some(true) || change.get("set").is_some_and(Value::is_null) {
        if field.required {
            return Err(ApiError::bad(format!("Field {name} of {} cannot be null", kind.noun)));
        }
        value.remove(name);
        if let Some(default) = field.default {
            value.insert(name.into(), Value::Bool(default));
        }
        return Ok(());
    }
    match field.ty {
        Type::StringMap(..) => {
            let mut map = value.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
            for key in change.get("remove").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
                map.remove(key);
            }
            for (key, new) in change.get("add").and_then(Value::as_object).into_iter().flatten() {
                map.insert(key.clone(), new.clone());
            }
            value.insert(name.into(), check::checked(field, &Value::Object(map))?);
        }
        Type::Ids | Type::Labels => {
            let mut list = value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
            let same = |a: &Value, b: &Value| match field.ty {
                Type::Labels => a.get("externalId") == b.get("externalId"),
                _ => a == b,
            };
            for gone in change.get("remove").and_then(Value::as_array).into_iter().flatten() {
                list.retain(|v| !same(v, gone));
            }
            for new in change.get("add").and_then(Value::as_array).into_iter().flatten() {
                if !list.iter().any(|v| same(v, new)) {
                    list.push(new.clone());
                }
            }
            value.insert(name.into(), check::checked(field, &Value::Array(list))?);
        }
        _ if name == "columns" => special::modify_columns(value, change)?,
        _ => return Err(ApiError::bad(format!("The update of {name} takes set or setNull"))),
    }
    Ok(())
}

pub fn delete(data: &mut Data, kind: &'static Kind, items: &[Object], body: &Object) -> Result<()> {
    let ids = resolve(data, kind, items, check::flag(body, "ignoreUnknownIds")?)?;
    let ids = special::before_delete(data, kind, ids, check::flag(body, "recursive")?)?;
    permitted(data, kind, &ids)?;
    for id in ids {
        special::on_remove(data, kind, id);
        let row = data.table_mut(kind.path).remove(id);
        data.release(u64::from(row.is_some()), row.as_ref().map_or(0, |r| r.weight));
        special::after_delete(data, kind, id, row.as_ref().map(|r| &r.value));
    }
    Ok(())
}
