//! What spaces, containers, views and data models have to be.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::schema::{CONTAINERS, MODELS, VIEWS, container, source_name};
use super::values;
use crate::areas::units;
use crate::error::{ApiError, Result};
use crate::generic::{Ctx, object, rows, text};
use crate::resources::table::Object;
use crate::state::Data;

const RESERVED_SPACES: [&str; 8] = ["space", "cdf", "dms", "pg3", "shared", "system", "node", "edge"];
const RESERVED_PROPERTIES: [&str; 12] = [
    "space",
    "externalId",
    "createdTime",
    "lastUpdatedTime",
    "deletedTime",
    "edge_id",
    "node_id",
    "project_id",
    "property_group",
    "seq",
    "tg_table_name",
    "extensions",
];
const RESERVED_VIEWS: [&str; 19] = [
    "Query",
    "Mutation",
    "Subscription",
    "String",
    "Int32",
    "Int64",
    "Int",
    "Float32",
    "Float64",
    "Float",
    "Timestamp",
    "JSONObject",
    "Date",
    "Numeric",
    "Boolean",
    "PageInfo",
    "File",
    "Sequence",
    "TimeSeries",
];
const MAX_PROPERTIES: usize = 100;
const TYPES: [&str; 14] = [
    "text",
    "boolean",
    "float32",
    "float64",
    "int32",
    "int64",
    "timestamp",
    "date",
    "json",
    "direct",
    "timeseries",
    "file",
    "sequence",
    "enum",
];

/// An identifier, as the API has it.
enum Form {
    Space,
    Name,
    Property,
    Version,
}

fn is(form: &Form, text: &str) -> bool {
    static FORMS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
        let forms = [
            "^[a-zA-Z][a-zA-Z0-9_-]{0,41}[a-zA-Z0-9]?$",
            "^[a-zA-Z]([a-zA-Z0-9_]{0,253}[a-zA-Z0-9])?$",
            "^[a-zA-Z0-9][a-zA-Z0-9_-]{0,253}[a-zA-Z0-9]?$",
            "^[a-zA-Z0-9]([.a-zA-Z0-9_-]{0,41}[a-zA-Z0-9])?$",
        ];
        forms.iter().filter_map(|f| Regex::new(f).ok()).collect()
    });
    let n = match form {
        Form::Space => 0,
        Form::Name => 1,
        Form::Property => 2,
        Form::Version => 3,
    };
    FORMS.get(n).is_some_and(|f| f.is_match(text))
}

fn named(what: &str, name: &str, valid: bool) -> Result<()> {
    if valid { Ok(()) } else { Err(ApiError::bad(format!("'{name}' is not a valid identifier of {what}"))) }
}

pub fn space(name: &str) -> Result<()> {
    named("a space", name, is(&Form::Space, name) && !RESERVED_SPACES.contains(&name))
}

pub fn external_id(what: &str, row: &Object) -> Result<()> {
    let name = text(row, "externalId");
    named(what, name, is(&Form::Name, name))
}

pub fn version(what: &str, row: &Object) -> Result<()> {
    let version = text(row, "version");
    named(&format!("the version of {what}"), version, is(&Form::Version, version))
}

pub fn view_name(row: &Object) -> Result<()> {
    external_id("a view", row)?;
    named("a view", text(row, "externalId"), !RESERVED_VIEWS.contains(&text(row, "externalId")))?;
    version("a view", row)?;
    properties(row.get("properties").and_then(Value::as_object).unwrap_or(&Object::new()))
}

fn properties(all: &Object) -> Result<()> {
    if all.len() > MAX_PROPERTIES {
        return Err(ApiError::bad(format!("There can be at most {MAX_PROPERTIES} properties, were {}", all.len())));
    }
    let valid = |name: &str| is(&Form::Property, name) && !RESERVED_PROPERTIES.contains(&name);
    all.keys().try_for_each(|name| named("a property", name, valid(name)))
}

/// A container with what a request leaves out already put in.
pub fn container_row(ctx: &Ctx, old: Option<&Object>, row: &Object) -> Result<()> {
    let empty = Object::new();
    external_id("a container", row)?;
    let part = |row: &'_ Object, name: &str| row.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let all = part(row, "properties");
    properties(&all)?;
    if all.is_empty() {
        return Err(ApiError::bad("A container needs at least one property"));
    }
    if !["node", "edge", "all", "record"].contains(&text(row, "usedFor")) {
        return Err(ApiError::bad(format!(
            "usedFor must be node, edge, all or record, was '{}'",
            text(row, "usedFor")
        )));
    }
    let before = old.map_or(empty, |old| part(old, "properties"));
    for (name, property) in &all {
        let ty = property.get("type").cloned().unwrap_or_default();
        let kind = ty.get("type").and_then(Value::as_str).unwrap_or("");
        if !TYPES.contains(&kind) {
            return Err(ApiError::bad(format!("Property {name} has the unknown type '{kind}'")));
        }
        if let Some(unit) = ty.get("unit").and_then(|u| u.get("externalId")?.as_str()) {
            units::check(unit)?;
        }
        if let Some(default) = property.get("defaultValue").filter(|v| !v.is_null()) {
            values::kept(name, &ty, default)?;
        }
        let was = before.get(name).and_then(|p| p.get("type"));
        let same = |was: &Value| ["type", "list"].iter().all(|field| was.get(*field) == ty.get(*field));
        if was.is_some_and(|was| !same(was)) {
            return Err(ApiError::bad(format!("The type of property {name} cannot be changed")));
        }
    }
    if old.is_some_and(|old| old.get("usedFor") != row.get("usedFor")) {
        return Err(ApiError::bad("usedFor of a container cannot be changed"));
    }
    for (name, inner) in part(row, "constraints").iter().chain(&part(row, "indexes")) {
        named("a constraint or index", name, (1..=43).contains(&name.len()))?;
        let mut fields =
            inner.get("properties").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        if let Some(field) = fields.find(|f| !all.contains_key(*f)) {
            return Err(ApiError::bad(format!("{name} is about the property {field}, which does not exist")));
        }
        if let Some(Value::Object(required)) = inner.get("require")
            && container(ctx.data, required).is_none()
            && !in_batch(ctx, required, &["space", "externalId"])
        {
            return Err(ApiError::bad(format!(
                "Container {} that {name} requires does not exist",
                source_name(required)
            )));
        }
    }
    Ok(())
}

/// Whether the request has this itself.
pub fn in_batch(ctx: &Ctx, reference: &Object, key: &[&str]) -> bool {
    ctx.batch.iter().any(|row| key.iter().all(|field| row.get(*field) == reference.get(*field)))
}

/// What an upsert leaves as it was keeps its time.
pub fn keep_time(old: Option<&Object>, row: &mut Object) {
    const TIME: &str = "lastUpdatedTime";
    let Some(time) = old.and_then(|old| old.get(TIME)).cloned() else { return };
    let new = row.insert(TIME.into(), time);
    if old.is_some_and(|old| old != row) {
        row.insert(TIME.into(), json!(new));
    }
}

/// Only an empty space can go.
pub fn is_empty(data: &Data, space: &str) -> Result<()> {
    let holds =
        [CONTAINERS, VIEWS, MODELS].iter().any(|table| rows(data, table).any(|(_, row)| text(row, "space") == space));
    if holds || data.instances.counts(Some(space)) != (0, 0) {
        return Err(ApiError::bad(format!("Space '{space}' is not empty, and only empty spaces can be deleted")));
    }
    Ok(())
}

/// Whether the view would be among those that it implements.
pub fn not_its_own_parent(ctx: &Ctx, view: &Object, parents_of: impl Fn(&Object) -> Vec<Object>) -> Result<()> {
    let name = source_name(view);
    let mut open = parents_of(view);
    let mut seen = std::collections::HashSet::new();
    while let Some(parent) = open.pop() {
        let here = source_name(&parent);
        if here == name {
            return Err(ApiError::bad(format!("View {name} would implement itself")));
        }
        if seen.insert(here) {
            let fresh = ctx.batch.iter().find(|row| source_name(row) == source_name(&parent));
            open.extend(parents_of(fresh.unwrap_or(&parent)));
        }
    }
    Ok(())
}

/// The references in a list, as objects.
pub fn references(value: Option<&Value>) -> Vec<Object> {
    value.and_then(Value::as_array).into_iter().flatten().map(|v| object(v.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        for (name, valid) in [
            ("a", true),
            ("my-space_1", true),
            ("a-", true),
            ("1a", false),
            ("", false),
            ("a b", false),
            ("cdf", false),
        ] {
            assert_eq!(space(name).is_ok(), valid, "{name}");
        }
        assert!(space(&"x".repeat(43)).is_ok() && space(&"x".repeat(44)).is_err());
        let row = |version: &str| object(json!({"externalId": "V", "version": version}));
        assert!(view_name(&row("v1.2-a")).is_ok() && view_name(&row("1")).is_ok() && view_name(&row("v 1")).is_err());
    }
}
