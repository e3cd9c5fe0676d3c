//! A filter is checked before it is evaluated, so that one that is wrong is refused also where there is nothing to
//! filter, and its values are brought into the form in which properties are kept.

use serde_json::{Value, json};

use super::filter::{Eval, MAX_DEPTH};
use super::schema::{container, source_name};
use super::values;
use crate::error::{ApiError, Result};
use crate::generic::object;
use crate::resources::table::Object;

/// Fields of instances with their types.
const OWN: [(&str, &str); 10] = [
    ("space", "text"),
    ("externalId", "text"),
    ("instanceType", "text"),
    ("version", "int64"),
    ("createdTime", "int64"),
    ("lastUpdatedTime", "int64"),
    ("deletedTime", "int64"),
    ("type", "direct"),
    ("startNode", "direct"),
    ("endNode", "direct"),
];

impl Eval<'_> {
    /// The type of a property that a filter or a sort names; it has to exist. `Null` inside of JSON.
    pub fn type_of(&self, path: &Value) -> Result<Value> {
        let wrong = || ApiError::bad("property must be a list of two or three strings");
        let parts = path.as_array().ok_or_else(wrong)?.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
        let unknown = |what: &str| ApiError::bad(format!("Unknown property in filter: {what}"));
        let (space, source, property, rest) = match parts.as_deref().ok_or_else(wrong)? {
            [field] | ["node" | "edge", field] => {
                let found = OWN.iter().find(|(name, _)| name == field);
                return found.map(|(_, ty)| json!({ "type": ty })).ok_or_else(|| unknown(field));
            }
            [space, source, property, rest @ ..] => (*space, *source, *property, rest),
            _ => return Err(wrong()),
        };
        let missing = || unknown(&format!("{space}/{source}.{property}"));
        let ty = match source.split_once('/') {
            Some((name, version)) => {
                let view = self.view(&object(json!({"space": space, "externalId": name, "version": version})))?;
                view.fields.get(property).ok_or_else(missing)?;
                view.definitions.get(property).and_then(|p| p.get("type")).cloned()
            }
            None => {
                let reference = object(json!({"space": space, "externalId": source}));
                let found = container(self.data, &reference);
                let found = found.ok_or_else(|| no_container(&reference))?;
                found.get("properties").and_then(|p| p.get(property)).ok_or_else(missing)?.get("type").cloned()
            }
        };
        Ok(if rest.is_empty() { ty.unwrap_or_default() } else { Value::Null })
    }

    pub fn prepared(&self, filter: &Value, depth: usize) -> Result<Value> {
        if depth > MAX_DEPTH {
            return Err(ApiError::bad("filter is nested too deeply"));
        }
        let single = filter.as_object().filter(|m| m.len() == 1).and_then(|m| m.iter().next());
        let (op, body) =
            single.ok_or_else(|| ApiError::bad("Every clause of filter must be an object with exactly one key"))?;
        let clauses = || body.as_array().ok_or_else(|| ApiError::bad(format!("{op} must be a list")));
        let need = |name: &str| body.get(name).ok_or_else(|| ApiError::bad(format!("{op} needs {name}")));
        let ty = |name: &str| self.type_of(need(name)?);
        let mut new = body.as_object().cloned().unwrap_or_default();
        match op.as_str() {
            "and" | "or" => {
                let inner: Result<Value> = clauses()?.iter().map(|f| self.prepared(f, depth + 1)).collect();
                return Ok(json!({op: inner?}));
            }
            "not" => return Ok(json!({op: self.prepared(body, depth + 1)?})),
            "matchAll" | "instanceReferences" => return Ok(filter.clone()),
            "hasData" => {
                for source in clauses()?.iter().filter_map(Value::as_object) {
                    self.exists(source)?;
                }
                return Ok(filter.clone());
            }
            "exists" => {
                ty("property")?;
            }
            "equals" => {
                let ty = ty("property")?;
                new.insert("value".into(), self.wanted_as(op, &ty, need("value")?, true)?);
            }
            "prefix" => {
                let ty = ty("property")?;
                let name = ty.get("type").and_then(Value::as_str);
                if !matches!(name, None | Some("text" | "enum")) {
                    return Err(ApiError::bad("prefix is for properties that are text"));
                }
                new.insert("value".into(), self.wanted_as(op, &ty, need("value")?, true)?);
            }
            "in" | "containsAny" | "containsAll" => {
                let ty = ty("property")?;
                new.insert("values".into(), self.wanted_as(op, &ty, need("values")?, true)?);
                let values = new.get("values").filter(|v| v.is_array() || v.get("property").is_some());
                values.ok_or_else(|| ApiError::bad(format!("values of {op} must be a list")))?;
            }
            "range" | "overlaps" => {
                let ty = ty(if op == "range" { "property" } else { "startProperty" })?;
                if op == "overlaps" {
                    self.type_of(need("endProperty")?)?;
                }
                let given = |name: &str| body.get(name).filter(|b| !b.is_null());
                if ["gte", "gt", "lte", "lt"].iter().all(|name| given(name).is_none()) {
                    return Err(ApiError::bad(format!("{op} needs at least one bound")));
                }
                for (one, other) in [("gte", "gt"), ("lte", "lt")] {
                    if given(one).is_some() && given(other).is_some() {
                        return Err(ApiError::bad(format!("{op} takes only one of {one} and {other}")));
                    }
                    for name in [one, other] {
                        if let Some(bound) = given(name) {
                            new.insert(name.into(), self.wanted_as(op, &ty, bound, false)?);
                        }
                    }
                }
            }
            "nested" => {
                if ty("scope")?.get("type").is_none_or(|t| t != "direct") {
                    return Err(ApiError::bad("scope of nested must be a direct relation"));
                }
                new.insert("filter".into(), self.prepared(need("filter")?, depth + 1)?);
            }
            _ => return Err(ApiError::bad(format!("Unknown filter: {op}"))),
        }
        Ok(json!({op: new}))
    }

    /// Refuses sources that do not exist.
    pub fn exists(&self, source: &Object) -> Result<()> {
        if source.contains_key("version") {
            return self.view(source).map(|_| ());
        }
        container(self.data, source).map(|_| ()).ok_or_else(|| no_container(source))
    }

    /// A value that a property is compared with. It may be a parameter, which is put in here, or another property.
    fn wanted_as(&self, op: &str, ty: &Value, value: &Value, lists: bool) -> Result<Value> {
        if let Some(name) = value.get("parameter").and_then(Value::as_str) {
            let found = self.parameters.get(name);
            let found = found.ok_or_else(|| ApiError::bad(format!("Parameter {name} is not given")))?;
            return self.wanted_as(op, ty, found, lists);
        }
        if let Some(path) = value.get("property").filter(|p| p.is_array()) {
            return self.type_of(path).map(|_| value.clone());
        }
        let name = ty.get("type").and_then(Value::as_str).unwrap_or("");
        if let (true, Some(list)) = (lists && name != "direct", value.as_array()) {
            return list.iter().map(|v| self.wanted_as(op, ty, v, false)).collect();
        }
        let fits = match name {
            "text" | "enum" | "date" | "timeseries" | "file" | "sequence" => value.is_string(),
            "boolean" => value.is_boolean(),
            "int32" | "int64" | "float32" | "float64" => value.is_number(),
            "timestamp" => {
                let time = value.as_str().and_then(values::timestamp);
                return time.map(Value::String).ok_or_else(|| unfit(op, name, value));
            }
            _ => true,
        };
        if fits { Ok(value.clone()) } else { Err(unfit(op, name, value)) }
    }
}

fn unfit(op: &str, name: &str, value: &Value) -> ApiError {
    ApiError::bad(format!("Invalid value in filter {op}: expected {name}, was {value}"))
}

fn no_container(reference: &Object) -> ApiError {
    ApiError::bad(format!("Container {} does not exist", source_name(reference)))
}
