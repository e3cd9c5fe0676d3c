//! What the table of kinds cannot say: the asset hierarchy, the type of a time series, columns of a sequence.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::kinds::{Kind, Special, kind};
use super::table::Object;
use crate::error::{ApiError, Result};
use crate::state::Data;

/// The ends a relationship can have, as they are answered however they were written.
pub const END_TYPES: [&str; 5] = ["asset", "timeSeries", "sequence", "event", "file"];

/// Brings a row into the form it is kept in.
pub fn tidy(value: &mut Object) {
    if value.get("labels").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        value.remove("labels");
    }
    for end in ["sourceType", "targetType"] {
        value.get_mut(end).into_iter().for_each(usual_type);
    }
}

/// Types of ends are compared without regard to case.
pub fn usual_type(value: &mut Value) {
    if let Value::String(text) = value
        && let Some(usual) = END_TYPES.iter().find(|t| t.eq_ignore_ascii_case(text))
    {
        *text = (*usual).to_owned();
    }
}

pub fn before_create(data: &Data, kind: &Kind, fresh: &mut [Object], first: i64, now: i64) -> Result<()> {
    match kind.special {
        Special::None => Ok(()),
        Special::TimeSeries => {
            for value in fresh {
                let text = value.get("isString").and_then(Value::as_bool).unwrap_or(false);
                crate::datapoints::dress_unit(value)?;
                value.insert("type".into(), json!(if text { "string" } else { "numeric" }));
            }
            Ok(())
        }
        Special::Asset => place_assets(data, fresh, first),
        Special::Sequence => {
            for value in fresh {
                let Some(Value::Array(columns)) = value.get_mut("columns") else {
                    return Err(ApiError::bad("Invalid value for field columns: expected a list"));
                };
                if columns.is_empty() || columns.len() > 400 {
                    return Err(ApiError::bad("A sequence has between 1 and 400 columns"));
                }
                for (n, column) in columns.iter_mut().enumerate() {
                    dress_column(column, n + 1, now)?;
                }
                once(columns)?;
            }
            Ok(())
        }
        Special::File => {
            for value in fresh {
                value.insert("uploaded".into(), json!(false));
            }
            Ok(())
        }
    }
}

fn dress_column(column: &mut Value, id: usize, now: i64) -> Result<()> {
    let Value::Object(map) = column else { return Err(ApiError::bad("Every column must be an object")) };
    let kind = map.get("valueType").and_then(Value::as_str).unwrap_or("DOUBLE").to_uppercase();
    if !["DOUBLE", "LONG", "STRING"].contains(&kind.as_str()) {
        return Err(ApiError::bad(format!("valueType of a column must be DOUBLE, LONG or STRING, was {kind}")));
    }
    map.insert("valueType".into(), json!(kind));
    map.insert("id".into(), json!(id));
    map.insert("createdTime".into(), json!(now));
    map.insert("lastUpdatedTime".into(), json!(now));
    Ok(())
}

/// No name is there more than once.
fn once(columns: &[Value]) -> Result<()> {
    let mut seen = HashSet::new();
    let names = columns.iter().filter_map(|c| c.get("externalId")?.as_str());
    let twice: Vec<Value> = names.filter(|n| !seen.insert(*n)).map(|n| json!({ "externalId": n })).collect();
    if twice.is_empty() { Ok(()) } else { Err(ApiError::duplicated(400, "Duplicated columns", twice)) }
}

/// `columns` of a sequence is updated by add, remove and modify.
pub fn modify_columns(value: &mut Object, change: &Object) -> Result<()> {
    let now = value.get("lastUpdatedTime").and_then(Value::as_i64).unwrap_or(0);
    let Some(Value::Array(columns)) = value.get_mut("columns") else { return Ok(()) };
    let place = |columns: &[Value], item: &Value| {
        let found = columns.iter().position(|c| c.get("externalId") == item.get("externalId"));
        found.ok_or_else(|| ApiError::missing("Columns not found", vec![json!({"externalId": item.get("externalId")})]))
    };
    let all = |what: &str| change.get(what).and_then(Value::as_array).into_iter().flatten();
    for gone in all("remove") {
        columns.remove(place(columns, gone)?);
    }
    for new in all("add") {
        let mut column = new.clone();
        let last = columns.iter().filter_map(|c| c.get("id")?.as_u64()).max().unwrap_or(0);
        dress_column(&mut column, last as usize + 1, now)?;
        columns.push(column);
    }
    for item in all("modify") {
        let at = place(columns, item)?;
        let Some(Value::Object(column)) = columns.get_mut(at) else { continue };
        for (name, change) in item.get("update").and_then(Value::as_object).into_iter().flatten() {
            if !["description", "externalId", "name", "metadata"].contains(&name.as_str()) {
                return Err(ApiError::bad(format!("{name} of a column cannot be modified")));
            }
            crate::generic::apply_change(column, name, change)?;
        }
        column.insert("lastUpdatedTime".into(), json!(now));
    }
    if columns.is_empty() {
        return Err(ApiError::bad("A sequence has at least one column"));
    }
    once(columns)
}

/// Gives every new asset its parentId and rootId. Parents may be in the same request, in any order.
fn place_assets(data: &Data, fresh: &mut [Object], first: i64) -> Result<()> {
    let in_request: HashMap<String, usize> = fresh
        .iter()
        .enumerate()
        .filter_map(|(n, v)| super::table::external_id(v).map(|text| (text.to_owned(), n)))
        .collect();
    let stored = data.table("assets");
    let mut unknown = Vec::new();
    for value in fresh.iter_mut() {
        let by_name = value.remove("parentExternalId");
        match (by_name, value.get("parentId").and_then(Value::as_i64)) {
            (Some(_), Some(_)) => return Err(ApiError::bad("Only one of parentId and parentExternalId can be given")),
            (Some(Value::String(name)), None) => {
                let parent = in_request.get(&name).map(|n| first + *n as i64);
                match parent.or_else(|| stored.and_then(|t| t.id_of(&name))) {
                    Some(id) => {
                        value.insert("parentId".into(), json!(id));
                    }
                    None => unknown.push(json!({ "externalId": name })),
                }
            }
            (None, Some(id)) if stored.and_then(|t| t.get(id)).is_none() => unknown.push(json!({ "id": id })),
            _ => {}
        }
    }
    if !unknown.is_empty() {
        return Err(ApiError::missing("Parent assets not found", unknown));
    }
    let parents: Vec<Option<i64>> = fresh.iter().map(|v| v.get("parentId").and_then(Value::as_i64)).collect();
    for n in 0..fresh.len() {
        // Walk up inside the request; more steps than rows means a cycle.
        let mut at = n;
        let mut root = first + n as i64;
        for step in 0.. {
            if step > fresh.len() {
                return Err(ApiError::bad("The assets of the request form a cycle"));
            }
            let Some(parent) = parents.get(at).copied().flatten() else {
                root = first + at as i64;
                break;
            };
            let inside = usize::try_from(parent - first).ok().filter(|p| *p < parents.len());
            match inside {
                Some(p) => at = p,
                None => {
                    root = root_of(data, parent);
                    break;
                }
            }
        }
        if let Some(value) = fresh.get_mut(n) {
            value.insert("rootId".into(), json!(root));
        }
    }
    Ok(())
}

fn root_of(data: &Data, id: i64) -> i64 {
    data.table("assets").and_then(|t| t.get(id)).and_then(|v| v.get("rootId")).and_then(Value::as_i64).unwrap_or(id)
}

fn parent_of(data: &Data, id: i64) -> Option<i64> {
    data.table("assets").and_then(|t| t.get(id))?.get("parentId")?.as_i64()
}

pub fn before_update(data: &Data, kind: &Kind, changed: &mut [(i64, Object)]) -> Result<()> {
    if kind.special == Special::TimeSeries {
        changed.iter_mut().try_for_each(|(_, new)| crate::datapoints::dress_unit(new))?;
        return changed.iter().try_for_each(|(id, new)| may_change(data, kind, *id, Some(new)));
    }
    if kind.special == Special::File {
        return changed.iter().try_for_each(|(id, new)| may_change(data, kind, *id, Some(new)));
    }
    if kind.special != Special::Asset {
        return Ok(());
    }
    let mut new_parents = HashMap::new();
    for (id, value) in changed.iter_mut() {
        if let Some(Value::String(name)) = value.remove("parentExternalId") {
            let Some(parent) = data.table("assets").and_then(|t| t.id_of(&name)) else {
                return Err(ApiError::missing("Parent assets not found", vec![json!({ "externalId": name })]));
            };
            value.insert("parentId".into(), json!(parent));
        }
        let parent = value.get("parentId").and_then(Value::as_i64);
        let before = parent_of(data, *id);
        if parent == before {
            continue;
        }
        let (Some(parent), Some(_)) = (parent, before) else {
            return Err(ApiError::bad("An asset cannot become a root, nor a root a child, by an update"));
        };
        if data.table("assets").and_then(|t| t.get(parent)).is_none() {
            return Err(ApiError::missing("Parent assets not found", vec![json!({ "id": parent })]));
        }
        if root_of(data, parent) != root_of(data, *id) {
            return Err(ApiError::bad("An asset cannot be moved to another root"));
        }
        new_parents.insert(*id, parent);
    }
    // The whole batch must leave a forest.
    for start in new_parents.keys() {
        let mut seen = HashSet::from([*start]);
        let mut at = *start;
        while let Some(parent) = new_parents.get(&at).copied().or_else(|| parent_of(data, at)) {
            if !seen.insert(parent) {
                return Err(ApiError::bad("The update would make an asset its own ancestor"));
            }
            at = parent;
        }
    }
    Ok(())
}

fn may_change(data: &Data, kind: &Kind, id: i64, new: Option<&Object>) -> Result<()> {
    let old = data.table(kind.path).and_then(|t| t.get(id));
    old.map_or(Ok(()), |old| match kind.special {
        Special::File => crate::areas::file_nodes::may_change(old, new),
        _ => crate::datapoints::nodes::may_change(old, new),
    })
}

pub fn on_put(data: &mut Data, kind: &Kind, id: i64, value: &Object) {
    if kind.special == Special::Asset
        && let Some(parent) = value.get("parentId").and_then(Value::as_i64)
    {
        data.children.entry(parent).or_default().insert(id);
    }
}

pub fn on_remove(data: &mut Data, kind: &Kind, id: i64) {
    if kind.special == Special::Asset
        && let Some(parent) = parent_of(data, id)
        && let Some(list) = data.children.get_mut(&parent)
    {
        list.remove(&id);
        if list.is_empty() {
            data.children.remove(&parent);
        }
    }
}

/// All assets below and including the given ones.
pub fn subtree(data: &Data, roots: &[i64]) -> HashSet<i64> {
    let mut all = HashSet::new();
    let mut open = roots.to_vec();
    while let Some(id) = open.pop() {
        if all.insert(id)
            && let Some(list) = data.children.get(&id)
        {
            open.extend(list);
        }
    }
    all
}

pub fn before_delete(data: &Data, kind: &Kind, ids: Vec<i64>, recursive: bool) -> Result<Vec<i64>> {
    if matches!(kind.special, Special::TimeSeries | Special::File) {
        ids.iter().try_for_each(|id| may_change(data, kind, *id, None))?;
    }
    if kind.special != Special::Asset {
        return Ok(ids);
    }
    let all = subtree(data, &ids);
    let asked: HashSet<i64> = ids.iter().copied().collect();
    if !recursive && all.len() > asked.len() {
        return Err(ApiError::bad("Assets with children can only be deleted together with them (recursive)"));
    }
    let mut all: Vec<i64> = all.into_iter().collect();
    all.sort_unstable();
    Ok(all)
}

/// Called when a row was made or changed.
pub fn after_put(data: &mut Data, kind: &Kind, id: i64) {
    if kind.special == Special::Sequence {
        crate::areas::sequence_rows::forget_columns(data, id);
    }
    if kind.special == Special::TimeSeries {
        crate::datapoints::changes::changed(data, id);
    }
}

pub fn after_delete(data: &mut Data, kind: &Kind, id: i64, row: Option<&Object>) {
    if kind.special == Special::File {
        crate::areas::files::forget(data, id);
    }
    if kind.special == Special::Sequence {
        crate::areas::sequence_rows::forget(data, id);
    }
    if kind.special == Special::TimeSeries {
        row.inspect(|row| crate::datapoints::changes::gone(data, id, row));
        crate::datapoints::nodes::forget(data, id);
    }
}

/// A row as it is answered.
pub fn present(data: &Data, kind: &Kind, id: i64, aggregates: &[Value]) -> Option<Value> {
    let row = data.table(kind.path)?.get(id)?;
    Some(dressed(data, kind, id, row, aggregates))
}

/// A row with what is not kept in it.
pub fn dressed(data: &Data, kind: &Kind, id: i64, row: &Object, aggregates: &[Value]) -> Value {
    let mut value = row.clone();
    value.remove(crate::datapoints::QUANTITY);
    if kind.special == Special::Asset {
        let parent = value.get("parentId").and_then(Value::as_i64);
        if let Some(name) = parent.and_then(|p| data.table("assets")?.get(p)?.get("externalId").cloned()) {
            value.insert("parentExternalId".into(), name);
        }
        if !aggregates.is_empty() {
            let mut path = vec![json!({ "id": id })];
            let mut at = id;
            while let Some(parent) = parent_of(data, at) {
                path.push(json!({ "id": parent }));
                at = parent;
            }
            path.reverse();
            let children = data.children.get(&id).map_or(0, std::collections::BTreeSet::len);
            let depth = path.len() - 1;
            let all = [("childCount", json!(children)), ("depth", json!(depth)), ("path", json!(path))];
            let asked: Object = all
                .into_iter()
                .filter(|(n, _)| aggregates.iter().any(|a| a == n))
                .map(|(n, v)| (n.to_owned(), v))
                .collect();
            value.insert("aggregates".into(), Value::Object(asked));
        }
    }
    Value::Object(value)
}

/// Both ends of relationships, where they are there.
pub fn fetch_ends(data: &Data, items: &mut Value) {
    for item in items.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        for end in ["source", "target"] {
            let text = |what: &str| item.get(&format!("{end}{what}")).and_then(Value::as_str);
            let (Some(of), Some(name)) = (text("Type"), text("ExternalId")) else { continue };
            let Some(kind) = kind(&format!("{}s", of.to_lowercase().trim_end_matches('s'))) else { continue };
            let found = data.table(kind.path).and_then(|t| t.id_of(name)).and_then(|id| present(data, kind, id, &[]));
            item.extend(found.map(|row| (end.to_owned(), row)));
        }
    }
}

/// Whether a kind of this path has rows of that name; used by filters that name other kinds.
pub fn ids_of(data: &Data, path: &str, names: &[&str]) -> Vec<i64> {
    let Some(table) = kind(path).and_then(|k| data.table(k.path)) else { return Vec::new() };
    names.iter().filter_map(|name| table.id_of(name)).collect()
}
