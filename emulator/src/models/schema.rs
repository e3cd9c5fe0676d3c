//! Spaces, containers, views and data models.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::{checks, core};
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{Ctx, SET, Set, Special, int, object, page, paging, rows, text};
use crate::resources::table::{Object, name};
use crate::resources::{items, violations};
use crate::scope;
use crate::state::{Data, State};

pub const SPACES: &str = "models/spaces";
pub const CONTAINERS: &str = "models/containers";
pub const VIEWS: &str = "models/views";
pub const MODELS: &str = "models/datamodels";
const PAIR: &[&str] = &["space", "externalId"];
pub const VERSIONED: &[&str] = &["space", "externalId", "version"];
const MAX_INHERITANCE: usize = 20;

pub static SETS: &[Set] = &[
    Set {
        path: SPACES,
        noun: "spaces",
        key: &["space"],
        numbered: false,
        ops: "apply:100 byids=some:100",
        created: 200,
        make: Some(make_space),
        ..SET
    },
    Set {
        path: CONTAINERS,
        noun: "containers",
        key: PAIR,
        numbered: false,
        required: "properties",
        filters: "space usedFor",
        ops: "GET:1000:10 apply:100 byids=some:100 drop:100",
        created: 200,
        make: Some(make_container),
        // What instances have in it goes along.
        gone: Some(|ctx, _, row| ctx.data.instances.forget_container(&source_name(row))),
        ..SET
    },
    Set {
        path: VIEWS,
        noun: "views",
        key: VERSIONED,
        numbered: false,
        filters: "space",
        ops: "apply:100 drop:100",
        created: 200,
        make: Some(make_view),
        show: Some(|view, row| *row = full_view(view.data, row, true)),
        ..SET
    },
    Set {
        path: MODELS,
        noun: "data models",
        key: VERSIONED,
        numbered: false,
        filters: "space",
        ops: "apply:100 drop:100",
        created: 200,
        make: Some(make_model),
        ..SET
    },
];

pub static SPECIALS: &[Special] = &[
    ("POST", "models/spaces/delete", |state, call, _| {
        let list = items(&mut call.object()?, 100)?;
        let mut data = state.write();
        let known = |item: &Object| data.table(SPACES).and_then(|t| t.id_of(text(item, "space")));
        let found: Vec<(i64, &Object)> = list.iter().filter_map(|item| Some((known(item)?, item))).collect();
        found.iter().try_for_each(|(_, item)| scope::permit(item))?;
        found.iter().try_for_each(|(_, item)| checks::is_empty(&data, text(item, "space")))?;
        for (id, _) in &found {
            crate::generic::remove(&mut data, SPACES, *id);
        }
        let gone: Vec<Value> = found.iter().map(|(_, item)| json!({"space": item.get("space")})).collect();
        Ok(Reply::ok(&json!({ "items": gone })))
    }),
    ("GET", SPACES, |state, call, _| {
        let data = state.read();
        let global = core::spaces().into_iter().filter(|_| call.param("includeGlobal") == Some("true"));
        let mut body = paging(call)?;
        if body.get("limit").is_none_or(Value::is_null) {
            body.insert("limit".into(), json!(10));
        }
        let all = seen(&data, SPACES).map(|(_, row)| Value::Object(row.clone())).chain(global);
        Ok(Reply::ok(&page(&body, 1000, all)?))
    }),
    ("GET", VIEWS, |state, call, _| versions(state, call, VIEWS)),
    ("GET", MODELS, |state, call, _| versions(state, call, MODELS)),
    ("POST", "models/views/byids", |state, call, _| by_ids(state, call, VIEWS)),
    ("POST", "models/datamodels/byids", |state, call, _| by_ids(state, call, MODELS)),
    ("POST", "models/containers/constraints/delete", |state, call, _| drop_part(state, call, "constraints")),
    ("POST", "models/containers/indexes/delete", |state, call, _| drop_part(state, call, "indexes")),
    ("GET", "models/statistics", |state, _, _| {
        let data = state.read();
        let count = |path: &str| rows(&data, path).count();
        let properties: usize = rows(&data, CONTAINERS)
            .map(|(_, c)| c.get("properties").and_then(Value::as_object).map_or(0, Object::len))
            .sum();
        let (nodes, edges) = data.instances.counts(None);
        let limited = |count: usize, limit: usize| json!({"count": count, "limit": limit});
        Ok(Reply::ok(&json!({"spaces": limited(count(SPACES), 100), "containers": limited(count(CONTAINERS), 1000),
            "views": limited(count(VIEWS), 2000), "dataModels": limited(count(MODELS), 500), "containerProperties": limited(properties, 25_000),
            "instances": {"nodes": nodes, "edges": edges, "softDeletedNodes": 0, "softDeletedEdges": 0, "instances": nodes + edges,
                "instancesLimit": 5_000_000, "softDeletedInstances": 0, "softDeletedInstancesLimit": 10_000_000},
            "concurrentReadLimit": 10, "concurrentWriteLimit": 4, "concurrentDeleteLimit": 2})))
    }),
    ("GET", "models/statistics/spaces", |state, _, _| {
        let data = state.read();
        let all: Vec<Value> = seen(&data, SPACES).map(|(_, row)| space_statistics(&data, text(row, "space"))).collect();
        Ok(Reply::ok(&json!({ "items": all })))
    }),
    ("POST", "models/statistics/spaces/byids", |state, call, _| {
        let list = items(&mut call.object()?, 100)?;
        let data = state.read();
        list.iter().try_for_each(scope::permit)?;
        let known = |item: &&Object| data.table(SPACES).is_some_and(|t| t.id_of(text(item, "space")).is_some());
        let found: Vec<Value> =
            list.iter().filter(known).map(|item| space_statistics(&data, text(item, "space"))).collect();
        Ok(Reply::ok(&json!({ "items": found })))
    }),
];

/// The rows that the request may list.
fn seen<'a>(data: &'a Data, path: &str) -> impl Iterator<Item = (i64, &'a Object)> + use<'a> {
    rows(data, path).filter(|(_, row)| scope::sees(row))
}

fn space_statistics(data: &Data, space: &str) -> Value {
    let count = |path: &str| rows(data, path).filter(|(_, row)| text(row, "space") == space).count();
    let (nodes, edges) = data.instances.counts(Some(space));
    json!({"space": space, "containers": count(CONTAINERS), "views": count(VIEWS), "dataModels": count(MODELS), "edges": edges,
        "softDeletedEdges": 0, "nodes": nodes, "softDeletedNodes": 0})
}

pub fn need_space(data: &Data, space: &str) -> Result<()> {
    match data.table(SPACES).and_then(|t| t.id_of(space)) {
        Some(_) => Ok(()),
        None if space == core::SPACE => Ok(()),
        None => Err(ApiError::bad(format!("One or more spaces do not exist: '{space}'"))),
    }
}

fn make_space(_: &mut Ctx, old: Option<&Object>, row: &mut Object) -> Result<()> {
    checks::space(text(row, "space"))?;
    row.insert("isGlobal".into(), json!(false));
    let long: Vec<String> = [("name", 255), ("description", 1024)]
        .iter()
        .filter(|(field, most)| text(row, field).chars().count() > *most)
        .map(|(field, most)| format!("{field} size must be between 0 and {most}"))
        .collect();
    if long.is_empty() {
        checks::keep_time(old, row);
        return Ok(());
    }
    Err(violations(&long))
}

fn make_container(ctx: &mut Ctx, old: Option<&Object>, row: &mut Object) -> Result<()> {
    need_space(ctx.data, text(row, "space"))?;
    row.entry("usedFor").or_insert(json!("node"));
    row.insert("isGlobal".into(), json!(false));
    for part in ["constraints", "indexes"] {
        for inner in row.entry(part).or_insert(json!({})).as_object_mut().into_iter().flat_map(|m| m.values_mut()) {
            if let Value::Object(inner) = inner {
                inner.insert("state".into(), json!("current"));
            }
        }
    }
    let Some(Value::Object(properties)) = row.get_mut("properties") else {
        return Err(ApiError::bad("properties must be an object"));
    };
    for (name, property) in properties {
        let Value::Object(property) = property else {
            return Err(ApiError::bad(format!("Property {name} must be an object")));
        };
        let Some(Value::Object(ty)) = property.get_mut("type") else {
            return Err(ApiError::bad(format!("Property {name} needs a type")));
        };
        ty.entry("list").or_insert(json!(false));
        if ty.get("type") == Some(&json!("text")) {
            ty.entry("collation").or_insert(json!("ucs_basic"));
        }
        for (field, value) in [("immutable", json!(false)), ("nullable", json!(true)), ("autoIncrement", json!(false))]
        {
            property.entry(field).or_insert(value);
        }
        property.insert("constraintState".into(), json!({"nullability": "current"}));
    }
    checks::container_row(ctx, old, row)?;
    checks::keep_time(old, row);
    Ok(())
}

/// A property of a view, as it is stored: where it comes from.
fn mapped(property: &Value) -> Option<(String, &str)> {
    let container = property.get("container")?.as_object()?;
    Some((source_name(container), property.get("containerPropertyIdentifier")?.as_str()?))
}

/// Containers and views by one text each.
pub fn source_name(source: &Object) -> String {
    let version = source.get("version").and_then(Value::as_str).map(|v| format!("/{v}"));
    format!("{}/{}{}", text(source, "space"), text(source, "externalId"), version.unwrap_or_default())
}

fn stored<'a>(data: &'a Data, path: &str, key: &[&str], reference: &Object) -> Option<&'a Object> {
    let name = name(key, reference)?;
    let own = data.table(path).and_then(|t| t.get(t.id_of(&name)?));
    own.or_else(|| core::find(if path == CONTAINERS { core::containers() } else { core::views() }, &name))
}

pub fn container<'a>(data: &'a Data, reference: &Object) -> Option<&'a Object> {
    stored(data, CONTAINERS, PAIR, reference)
}

fn make_view(ctx: &mut Ctx, old: Option<&Object>, row: &mut Object) -> Result<()> {
    need_space(ctx.data, text(row, "space"))?;
    checks::view_name(row)?;
    for parent in checks::references(row.get("implements")) {
        if stored(ctx.data, VIEWS, VERSIONED, &parent).is_none() && !checks::in_batch(ctx, &parent, VERSIONED) {
            return Err(ApiError::bad(format!("View {} that is implemented does not exist", source_name(&parent))));
        }
    }
    checks::not_its_own_parent(ctx, row, |view| {
        let implements = |view: &Object| checks::references(view.get("implements"));
        if view.contains_key("implements") {
            return implements(view);
        }
        stored(ctx.data, VIEWS, VERSIONED, view).map_or_else(Vec::new, implements)
    })?;
    let properties = row.entry("properties").or_insert(json!({})).as_object_mut();
    for (name, property) in properties.into_iter().flatten() {
        let known = mapped(property).map(|(_, field)| {
            let container = property.get("container").and_then(Value::as_object).and_then(|c| container(ctx.data, c));
            container.is_some_and(|c| c.get("properties").is_some_and(|p| p.get(field).is_some()))
        });
        if known == Some(false) {
            return Err(ApiError::bad(format!(
                "Property {name} is mapped to a container property that does not exist"
            )));
        }
        let Value::Object(property) = property else {
            return Err(ApiError::bad(format!("Property {name} must be an object")));
        };
        if property.contains_key("source") && known.is_none() {
            property.entry("connectionType").or_insert(json!("multi_edge_connection"));
            if property.contains_key("through") {
                property.insert("targetsList".into(), json!(false));
            } else {
                property.entry("direction").or_insert(json!("outwards"));
            }
        }
    }
    checks::keep_time(old, row);
    Ok(())
}

/// Properties of a view by name: its own and those it inherits.
fn properties(data: &Data, view: &Object, depth: usize) -> Object {
    let mut all = Object::new();
    if depth < MAX_INHERITANCE {
        for parent in
            view.get("implements").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
        {
            if let Some(parent) = stored(data, VIEWS, VERSIONED, parent) {
                all.extend(properties(data, parent, depth + 1));
            }
        }
    }
    all.extend(view.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
    all
}

/// A view as it is answered.
fn full_view(data: &Data, view: &Object, inherited: bool) -> Object {
    let mut row = view.clone();
    let properties =
        if inherited { properties(data, view, 0) } else { object(view.get("properties").cloned().unwrap_or_default()) };
    let mut containers = BTreeMap::new();
    let mut used_for = None;
    let full = properties.into_iter().map(|(name, mut property)| {
        if let Some((key, field)) = mapped(&property)
            && let Some(reference) = property.get("container").and_then(Value::as_object)
            && let Some(container) = container(data, reference)
        {
            containers.insert(key, json!({"type": "container", "space": reference.get("space"), "externalId": reference.get("externalId")}));
            // The narrowest of them.
            let own = container.get("usedFor").filter(|u| *u != "all" || used_for.is_none());
            used_for = own.cloned().or(used_for.take());
            let mut whole = object(container.get("properties").and_then(|p| p.get(field)).cloned().unwrap_or_default());
            let own = object(property.clone());
            if let (Some(Value::Object(ty)), Some(source)) = (whole.get_mut("type"), own.get("source")) {
                ty.insert("source".into(), source.clone());
            }
            whole.extend(own.into_iter().filter(|(k, _)| k != "source"));
            property = Value::Object(whole);
        }
        (name, property)
    });
    let full: Object = full.collect();
    row.insert("properties".into(), Value::Object(full));
    row.insert("mappedContainers".into(), json!(containers.into_values().collect::<Vec<_>>()));
    row.entry("implements").or_insert(json!([]));
    for (field, value) in [
        ("writable", json!(true)),
        ("queryable", json!(true)),
        ("isGlobal", json!(text(view, "space") == core::SPACE)),
        ("usedFor", used_for.unwrap_or(json!("node"))),
    ] {
        row.insert(field.into(), value);
    }
    row
}

/// Where the values of a view are: property to container and its property; and what the properties are.
pub struct ViewMap {
    pub fields: HashMap<String, (String, String)>,
    pub containers: Vec<String>,
    pub definitions: Object,
    /// What the view lets through, if that is not everything with data.
    pub filter: Option<Value>,
}

/// None where there is no such view.
pub fn view_map(data: &Data, reference: &Object) -> Option<ViewMap> {
    let view = full_view(data, stored(data, VIEWS, VERSIONED, reference)?, true);
    let definitions = object(view.get("properties").cloned().unwrap_or_default());
    let fields: HashMap<_, _> =
        definitions.iter().filter_map(|(name, p)| mapped(p).map(|(c, f)| (name.clone(), (c, f.to_owned())))).collect();
    let mut containers: Vec<String> = fields.values().map(|(c, _)| c.clone()).collect();
    containers.sort();
    containers.dedup();
    let filter = view.get("filter").filter(|f| !f.is_null()).cloned();
    Some(ViewMap { fields, containers, definitions, filter })
}

/// All views, as references.
pub fn views(data: &Data) -> impl Iterator<Item = Object> + use<'_> {
    rows(data, VIEWS).map(|(_, row)| row).chain(core::views().values()).map(|row| {
        object(json!({"type": "view", "space": row.get("space"), "externalId": row.get("externalId"), "version": row.get("version")}))
    })
}

fn make_model(ctx: &mut Ctx, old: Option<&Object>, row: &mut Object) -> Result<()> {
    scope::permit(row)?;
    need_space(ctx.data, text(row, "space"))?;
    checks::external_id("a data model", row)?;
    checks::version("a data model", row)?;
    row.insert("isGlobal".into(), json!(false));
    let Value::Array(views) = row.entry("views").or_insert(json!([])) else {
        return Err(ApiError::bad("views must be a list"));
    };
    let mut references = Vec::new();
    ctx.batch = views.iter().map(|view| object(view.clone())).collect();
    for view in views.drain(..) {
        let mut view = object(view);
        let reference = json!({"type": "view", "space": view.get("space"), "externalId": view.get("externalId"), "version": view.get("version")});
        if view.remove("type").is_none() {
            // A definition: the view is made along with the model.
            for field in ["createdTime", "lastUpdatedTime"] {
                view.insert(field.into(), json!(ctx.now));
            }
            make_view(ctx, None, &mut view)?;
            scope::permit(&view)?;
            let old = name(VERSIONED, &view).and_then(|n| ctx.data.table(VIEWS)?.id_of(&n));
            let id = old.unwrap_or(ctx.data.next_id);
            ctx.data.next_id += i64::from(old.is_none());
            crate::generic::put(ctx.data, VIEWS, VERSIONED, id, view)?;
        } else if stored(ctx.data, VIEWS, VERSIONED, &object(reference.clone())).is_none() {
            return Err(ApiError::bad(format!("View {} does not exist", source_name(&view))));
        }
        references.push(reference);
    }
    *views = references;
    checks::keep_time(old, row);
    Ok(())
}

fn shown(data: &Data, path: &str, row: &Object, call: &Call) -> Value {
    if path == VIEWS {
        return Value::Object(full_view(data, row, call.param("includeInheritedProperties") != Some("false")));
    }
    let mut row = row.clone();
    if call.param("inlineViews") == Some("true")
        && let Some(Value::Array(views)) = row.get_mut("views")
    {
        for view in views {
            let found = view.as_object().and_then(|v| stored(data, VIEWS, VERSIONED, v));
            if let Some(found) = found {
                *view = Value::Object(full_view(data, found, true));
            }
        }
    }
    Value::Object(row)
}

/// Only the newest version of each, unless all are asked for.
fn versions(state: &State, call: &Call, path: &str) -> Result<Reply> {
    let data = state.read();
    let space = call.filled_param("space");
    let all = call.param("allVersions") == Some("true");
    let mut newest: HashMap<String, (Option<i64>, i64)> = HashMap::new();
    for (id, row) in rows(&data, path) {
        let this = (int(row, "createdTime"), id);
        let best = newest.entry(name(PAIR, row).unwrap_or_default()).or_insert(this);
        *best = this.max(*best);
    }
    let wanted = seen(&data, path).filter(|(id, row)| {
        let latest = newest.get(&name(PAIR, row).unwrap_or_default()).is_some_and(|(_, best)| best == id);
        (all || latest) && space.is_none_or(|s| text(row, "space") == s)
    });
    let mut body = paging(call)?;
    if body.get("limit").is_none_or(Value::is_null) {
        body.insert("limit".into(), json!(10));
    }
    let answers = wanted.map(|(_, row)| shown(&data, path, row, call));
    Ok(Reply::ok(&page(&body, 1000, answers)?))
}

/// Without a version all versions are found; what does not exist is left out.
fn by_ids(state: &State, call: &Call, path: &str) -> Result<Reply> {
    let list = items(&mut call.object()?, 100)?;
    let data = state.read();
    let asked = |row: &Object| {
        let fits =
            |item: &Object, field: &&str| item.get(*field).is_none_or(|v| v.is_null() || row.get(*field) == Some(v));
        list.iter().any(|item| VERSIONED.iter().all(|field| fits(item, field)))
    };
    let own: Vec<&Object> = rows(&data, path).map(|(_, row)| row).filter(|row| asked(row)).collect();
    own.iter().try_for_each(|row| scope::permit(row))?;
    let global = core::views().values().filter(|row| path == VIEWS && asked(row));
    let found = own.into_iter().chain(global).map(|row| shown(&data, path, row, call));
    let found: Vec<Value> = found.collect();
    Ok(Reply::ok(&json!({ "items": found })))
}

fn drop_part(state: &State, call: &Call, part: &str) -> Result<Reply> {
    let list = items(&mut call.object()?, 10)?;
    let mut data = state.write();
    let mut dropped = Vec::new();
    for item in list {
        let key = object(json!({"space": item.get("space"), "externalId": item.get("containerExternalId")}));
        let Some(id) = name(PAIR, &key).and_then(|n| data.table(CONTAINERS)?.id_of(&n)) else { continue };
        let mut row = data.table(CONTAINERS).and_then(|t| t.get(id)).cloned().unwrap_or_default();
        scope::permit(&row)?;
        let gone = row.get_mut(part).and_then(Value::as_object_mut).and_then(|m| m.remove(text(&item, "identifier")));
        if gone.is_some() {
            crate::generic::put(&mut data, CONTAINERS, PAIR, id, row)?;
            dropped.push(item);
        }
    }
    Ok(Reply::ok(&json!({ "items": dropped })))
}
