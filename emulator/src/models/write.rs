//! Applying and deleting instances. A request is checked on a copy of what it changes, then stored as a whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::filter::{Eval, Values as _};
use super::instances::{Instance, Key, key};
use super::schema::{container, need_space, source_name};
use super::{constraints, hierarchy, values};
use crate::areas::file_nodes;
use crate::areas::units;
use crate::call::{Call, Reply};
use crate::datapoints::nodes;
use crate::error::{ApiError, Result};
use crate::generic::{int, object, text};
use crate::resources::table::Object;
use crate::resources::{flag, items};
use crate::scope::permit_space;
use crate::state::{Data, State, now_ms};

pub fn apply(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let mut body = call.object()?;
    let deletes = body.remove("delete").and_then(|d| d.as_array().cloned()).unwrap_or_default();
    let list = if body.get("items").and_then(Value::as_array).is_some_and(Vec::is_empty) && !deletes.is_empty() {
        Vec::new()
    } else {
        items(&mut body, 1000)?
    };
    let mut data = state.write();
    let (answers, changed) = prepare(&data, &body, &list, now_ms())?;
    let deletes: Vec<Object> = deletes.into_iter().map(object).collect();
    check_spaces(&data, &deletes)?;
    let bytes = changed.values().map(Instance::weight).sum();
    let fresh = changed.keys().filter(|k| !data.instances.all.contains_key(*k)).count();
    data.reserve(fresh as u64, bytes)?;
    let keys: Vec<Key> = changed.keys().cloned().collect();
    for (key, instance) in changed {
        data.instances.unbury(&key);
        if let Some(old) = store(&mut data, key.clone(), instance) {
            data.release(0, old.weight());
        }
        nodes::stored(&mut data, &key);
        file_nodes::stored(&mut data, &key);
    }
    hierarchy::stored(&mut data, &keys);
    let deleted = remove(&mut data, &deletes)?;
    Ok(Reply::ok(&json!({"items": answers, "deleted": deleted})))
}

fn store(data: &mut Data, key: Key, mut instance: Instance) -> Option<Instance> {
    data.instances.seq += 1;
    instance.seq = data.instances.seq;
    data.instances.all.insert(key, instance)
}

fn fresh(key: Key, now: i64) -> Instance {
    Instance {
        key,
        seq: 0,
        version: 1,
        created: now,
        updated: now,
        deleted: None,
        ends: Object::new(),
        properties: BTreeMap::new(),
    }
}

const MAX_EXTERNAL_ID: usize = 256;

type Changes = BTreeMap<Key, Instance>;

/// The answers, and the instances as they will be.
fn prepare(data: &Data, body: &Object, list: &[Object], now: i64) -> Result<(Vec<Value>, Changes)> {
    let eval = Eval::new(data, None);
    let replace = flag(body, "replace")?;
    let skip = flag(body, "skipOnVersionConflict")?;
    let create_targets = body.get("autoCreateDirectRelations").and_then(Value::as_bool).unwrap_or(true);
    let mut changes = Changes::new();
    let mut answers = Vec::new();
    // Nodes of the request may be referred to by what comes before them.
    let mut named = std::collections::HashSet::new();
    for item in list {
        let key = key(item)?;
        permit_space(&key.1)?;
        need_space(data, &key.1)?;
        if key.2.is_empty() || key.2.chars().count() > MAX_EXTERNAL_ID {
            return Err(ApiError::bad(format!("externalId must have between 1 and {MAX_EXTERNAL_ID} characters")));
        }
        if !named.insert(key.clone()) {
            return Err(ApiError::bad(format!("Duplicated in the request: {}:{}", key.1, key.2)));
        }
    }
    for item in list {
        let key = key(item)?;
        let old = changes.get(&key).or_else(|| data.instances.all.get(&key)).cloned();
        if let (Some(old), Some(expected)) = (&old, int(item, "existingVersion"))
            && old.version > expected
        {
            if skip {
                answers.push(answer(old, false));
                continue;
            }
            return Err(ApiError::new(
                409,
                format!("A version conflict caused the ingest to fail: {}:{}", key.1, key.2),
            ));
        }
        let mut new = old.clone().unwrap_or_else(|| fresh(key.clone(), now));
        let mut targets = Vec::new();
        let ends: &[(&str, bool)] =
            &[("startNode", flag(body, "autoCreateStartNodes")?), ("endNode", flag(body, "autoCreateEndNodes")?)];
        for (field, create) in ends.iter().filter(|_| key.0) {
            let node = item.get(*field).cloned().ok_or_else(|| crate::generic::missing_field(field))?;
            let node = values::kept(field, &json!({"type": "direct"}), &node)?;
            targets.push((node.clone(), *create));
            new.ends.insert((*field).into(), node);
        }
        if key.0 && !item.contains_key("type") {
            return Err(crate::generic::missing_field("type"));
        }
        if let Some(ty) = item.get("type").filter(|t| !t.is_null()) {
            let ty = values::kept("type", &json!({"type": "direct"}), ty)?;
            targets.push((ty.clone(), create_targets));
            new.ends.insert("type".into(), ty);
        }
        for source in item.get("sources").and_then(Value::as_array).into_iter().flatten() {
            fill(&eval, &mut new, source, replace, &changes, &mut targets, create_targets)?;
        }
        for (reference, create) in targets {
            target(data, &mut changes, &named, &reference, create, now)?;
        }
        nodes::check(old.as_ref(), &new)?;
        let modified = old.as_ref().is_none_or(|o| o.ends != new.ends || o.properties != new.properties);
        if modified {
            if let Some(old) = &old {
                new.version = old.version + 1;
                new.updated = now;
            }
            changes.insert(key, new.clone());
        }
        answers.push(answer(&new, modified));
    }
    constraints::check(data, &changes)?;
    Ok((answers, changes))
}

fn answer(instance: &Instance, modified: bool) -> Value {
    let mut row = instance.head();
    for (field, value) in
        [("version", instance.version), ("createdTime", instance.created), ("lastUpdatedTime", instance.updated)]
    {
        row.insert(field.into(), json!(value));
    }
    row.insert("wasModified".into(), json!(modified));
    Value::Object(row)
}

/// The node a reference names has to exist, or is made.
fn target(
    data: &Data,
    changes: &mut Changes,
    named: &std::collections::HashSet<Key>,
    reference: &Value,
    create: bool,
    now: i64,
) -> Result<()> {
    let node = object(reference.clone());
    let key = (
        false,
        crate::generic::need(&node, "space")?.to_owned(),
        crate::generic::need(&node, "externalId")?.to_owned(),
    );
    if named.contains(&key) || changes.contains_key(&key) || data.instances.all.contains_key(&key) {
        return Ok(());
    }
    if !create {
        return Err(ApiError::bad(format!("Node {}:{} does not exist", key.1, key.2)));
    }
    if key.1 == units::SPACE {
        return if units::exists(&key.2) {
            Ok(())
        } else {
            Err(ApiError::bad(format!("There is no unit {} in the catalog", key.2)))
        };
    }
    permit_space(&key.1)?;
    need_space(data, &key.1)?;
    changes.insert(key.clone(), fresh(key, now));
    Ok(())
}

/// Puts the properties of one source into the instance.
fn fill(
    eval: &Eval,
    new: &mut Instance,
    source: &Value,
    replace: bool,
    changes: &Changes,
    targets: &mut Vec<(Value, bool)>,
    create: bool,
) -> Result<()> {
    let reference =
        source.get("source").and_then(Value::as_object).ok_or_else(|| crate::generic::missing_field("source"))?;
    let given = source.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut by_container: BTreeMap<String, Object> = BTreeMap::new();
    if reference.contains_key("version") {
        let view = eval.view(reference)?;
        for container in &view.containers {
            by_container.insert(container.clone(), Object::new());
        }
        for (name, value) in given {
            let place = view.fields.get(&name);
            let (container, field) = place
                .ok_or_else(|| ApiError::bad(format!("Unknown property {name} of view {}", source_name(reference))))?;
            by_container.entry(container.clone()).or_default().insert(field.clone(), value);
        }
    } else {
        by_container.insert(source_name(reference), given);
    }
    for (name, given) in by_container {
        let (space, external) = name.split_once('/').unwrap_or(("", &name));
        let definition = container(eval.data, &object(json!({"space": space, "externalId": external})));
        let definition = definition.ok_or_else(|| ApiError::bad(format!("Container {name} does not exist")))?;
        let (used_for, kind) = (text(definition, "usedFor"), if new.key.0 { "edge" } else { "node" });
        if used_for != "all" && used_for != kind {
            return Err(ApiError::bad(format!("Container {name} is used for {used_for}, not for a {kind}")));
        }
        let fields = definition.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let old = new.properties.get(&name).cloned();
        // A view touches the containers whose properties are given.
        if given.is_empty() && old.is_none() && fields.values().any(|f| f.get("nullable") == Some(&json!(false))) {
            continue;
        }
        let mut row = old.clone().filter(|_| !replace).unwrap_or_default();
        for (field, value) in given {
            let known = fields
                .get(&field)
                .ok_or_else(|| ApiError::bad(format!("Unknown property {field} of container {name}")))?;
            if value.is_null() {
                row.remove(&field);
                continue;
            }
            let ty = known.get("type").cloned().unwrap_or_default();
            let value = values::kept(&field, &ty, &value)?;
            if ty.get("type").and_then(Value::as_str) == Some("direct") {
                let all = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                targets.extend(all.into_iter().map(|t| (t, create)));
            }
            row.insert(field, value);
        }
        for (field, known) in &fields {
            let is = |what: &str| known.get(what) == Some(&json!(true));
            let before = old.as_ref().and_then(|old| old.get(field));
            if is("immutable") && before.is_some() && before != row.get(field) {
                return Err(ApiError::bad(format!("Property {field} of container {name} is immutable")));
            }
            if row.contains_key(field) {
                continue;
            }
            if let Some(default) = known.get("defaultValue").filter(|v| !v.is_null() && (old.is_none() || replace)) {
                row.insert(field.clone(), default.clone());
            } else if is("autoIncrement") {
                let next = before.cloned().unwrap_or_else(|| next(eval, changes, &name, field));
                row.insert(field.clone(), next);
            } else if known.get("nullable") == Some(&json!(false)) {
                return Err(ApiError::bad(format!("Property {field} of container {name} must have a value")));
            }
        }
        new.properties.insert(name, row);
    }
    Ok(())
}

/// One more than the highest value that there is.
fn next(eval: &Eval, changes: &Changes, container: &str, field: &str) -> Value {
    let all = changes.values().chain(eval.data.instances.all.values());
    let highest = all.filter_map(|i| i.in_container(container, field)?.as_i64()).max();
    json!(highest.unwrap_or(0).saturating_add(1))
}

pub fn delete(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 1000)?;
    let mut data = state.write();
    check_spaces(&data, &list)?;
    let deleted = remove(&mut data, &list)?;
    Ok(Reply::ok(&json!({ "items": deleted })))
}

/// What is deleted need not be there, but its space has to.
fn check_spaces(data: &Data, list: &[Object]) -> Result<()> {
    list.iter().try_for_each(|item| {
        let space = crate::generic::need(item, "space")?;
        permit_space(space)?;
        need_space(data, space)
    })
}

/// Edges of a node that goes, go too. Answers with what was there.
fn remove(data: &mut Data, list: &[Object]) -> Result<Vec<Value>> {
    let mut deleted = Vec::new();
    for item in list {
        let key = key(item)?;
        let Some(instance) = data.instances.all.get(&key) else { continue };
        let reference = instance.reference();
        deleted.push(Value::Object(instance.head()));
        let ends = |edge: &Instance| ["startNode", "endNode"].iter().any(|end| edge.ends.get(*end) == Some(&reference));
        let mut gone: Vec<Key> = Vec::new();
        if !key.0 {
            gone.extend(data.instances.of_type(true).filter(|e| ends(e)).map(|e| e.key.clone()));
        }
        gone.push(key);
        for key in gone {
            let Some(mut old) = data.instances.all.remove(&key) else { continue };
            data.instances.seq += 1;
            old.seq = data.instances.seq;
            old.deleted = Some(now_ms());
            data.release(1, old.weight());
            nodes::removed(data, &key);
            file_nodes::removed(data, &key);
            data.instances.bury(old);
        }
    }
    Ok(deleted)
}
