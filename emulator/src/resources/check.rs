//! Checks of incoming fields against the kind's table.

use serde_json::{Number, Value, json};

use super::kinds::{Field, Kind, Type};
use super::special::END_TYPES;
use super::table::Object;
use crate::error::{ApiError, Result};

const MAX_METADATA_ENTRIES: usize = 256;
const MAX_METADATA_KEY: usize = 128;
const MAX_ID: i64 = 9_007_199_254_740_991;

/// The checked and defaulted fields of an item to create. Fields the kind does not know are dropped.
pub fn incoming(kind: &Kind, item: &Object) -> Result<Object> {
    let mut out = Object::new();
    for field in kind.fields {
        match item.get(field.name) {
            None | Some(Value::Null) => {
                if field.required {
                    return Err(ApiError {
                        missing: vec![json!({ "field": field.name })],
                        ..ApiError::bad(format!("Missing required field {} of {}", field.name, kind.noun))
                    });
                }
                if let Some(value) = field.default {
                    out.insert(field.name.into(), Value::Bool(value));
                }
            }
            Some(value) => {
                out.insert(field.name.into(), checked(field, value)?);
            }
        }
    }
    Ok(out)
}

/// What the service says of fields that are not as they have to be.
pub fn violations(what: &[String]) -> ApiError {
    ApiError::bad(format!(
        "Request had {} constraint violations. Please fix the request and try again. [{}]",
        what.len(),
        what.join(", ")
    ))
}

/// The value in its stored form, or why it does not fit.
pub fn checked(field: &Field, value: &Value) -> Result<Value> {
    let name = field.name;
    let wrong = |what: &str| ApiError::bad(format!("Invalid value for field {name}: expected {what}"));
    match (field.ty, value) {
        (Type::Text(max), Value::String(text)) => {
            let length = text.chars().count();
            if length > max {
                return Err(violations(&[format!(
                    "{name} size must be between {} and {max}",
                    u8::from(field.required)
                )]));
            }
            if field.required && length == 0 {
                return Err(violations(&[format!("{name} size must be between 1 and {max}")]));
            }
            Ok(value.clone())
        }
        (Type::Text(_), _) => Err(wrong("a string")),
        (Type::Int, Value::Number(number)) => integer(number).map(Value::from).ok_or_else(|| wrong("an integer")),
        (Type::Int, _) => Err(wrong("an integer")),
        (Type::Float, Value::Number(_)) | (Type::Bool, Value::Bool(_)) => Ok(value.clone()),
        (Type::Float, _) => Err(wrong("a number")),
        (Type::Bool, _) => Err(wrong("true or false")),
        (Type::StringMap(value_most, most), Value::Object(map)) => {
            metadata(name, map, value_most, most)?;
            Ok(value.clone())
        }
        (Type::StringMap(..), _) => Err(wrong("a map of strings")),
        (Type::Ids, Value::Array(items)) if items.iter().all(|v| v.as_i64().is_some()) => Ok(value.clone()),
        (Type::Ids, _) => Err(wrong("a list of integers")),
        (Type::Labels, Value::Array(items)) => {
            if items.len() > 10 {
                return Err(ApiError::bad(format!("Field {name} holds at most 10 labels")));
            }
            let named = |v: &Value| v.get("externalId").is_some_and(Value::is_string);
            if items.iter().all(named) { Ok(value.clone()) } else { Err(wrong("a list of objects with externalId")) }
        }
        (Type::Labels, _) => Err(wrong("a list of labels")),
        (Type::Json, _) => Ok(value.clone()),
    }
}

fn metadata(name: &str, map: &Object, value_most: usize, most: usize) -> Result<()> {
    if map.len() > MAX_METADATA_ENTRIES {
        return Err(ApiError::bad(format!("Field {name} holds at most {MAX_METADATA_ENTRIES} entries")));
    }
    let mut bytes = 0;
    for (key, value) in map {
        if key.len() > MAX_METADATA_KEY {
            return Err(ApiError::bad(format!("A key of {name} is longer than {MAX_METADATA_KEY} bytes")));
        }
        let Some(text) = value.as_str() else {
            return Err(ApiError::bad(format!("Invalid value for field {name}.{key}: expected a string")));
        };
        if text.len() > value_most {
            return Err(ApiError::bad(format!("The value of {name}.{key} is longer than {value_most} bytes")));
        }
        bytes += key.len() + text.len();
    }
    if bytes > most {
        return Err(ApiError::bad(format!("Field {name} holds at most {most} bytes, has {bytes}")));
    }
    Ok(())
}

/// What the fields of an item have to be together.
pub fn together(kind: &Kind, item: &Object) -> Result<()> {
    let number = |name: &str| item.get(name).and_then(Value::as_f64);
    if matches!(kind.path, "events" | "relationships") {
        let (start, end) = (number("startTime"), number("endTime"));
        if start.is_some_and(|t| t < 0.0) || end.is_some_and(|t| t < 0.0) {
            return Err(ApiError::bad("startTime and endTime must not be negative"));
        }
        if start.zip(end).is_some_and(|(start, end)| start > end) {
            return Err(ApiError::bad("startTime must not be after endTime"));
        }
    }
    if kind.path == "relationships" {
        if number("confidence").is_some_and(|c| !(0.0..=1.0).contains(&c)) {
            return Err(ApiError::bad("confidence must be between 0 and 1"));
        }
        for end in ["sourceType", "targetType"] {
            let ty = item.get(end).and_then(Value::as_str).unwrap_or("");
            if !END_TYPES.contains(&ty) {
                return Err(ApiError::bad(format!("{end} must be one of {}, was '{ty}'", END_TYPES.join(", "))));
            }
        }
    }
    Ok(())
}

/// Whole numbers may arrive as `5.0`.
fn integer(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let value = number.as_f64()?;
        (value.fract() == 0.0 && value.abs() <= MAX_ID as f64).then_some(value as i64)
    })
}

/// The `items` of a request, within the limit.
pub fn items(body: &mut Object, limit: usize) -> Result<Vec<Object>> {
    let Some(Value::Array(list)) = body.remove("items") else {
        return Err(ApiError::bad("Missing required field items: expected a list"));
    };
    if list.is_empty() || list.len() > limit {
        return Err(ApiError::bad(format!("items must hold between 1 and {limit} elements, has {}", list.len())));
    }
    list.into_iter()
        .map(|item| match item {
            Value::Object(map) => Ok(map),
            _ => Err(ApiError::bad("Every element of items must be an object")),
        })
        .collect()
}

pub fn flag(body: &Object, name: &str) -> Result<bool> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(ApiError::bad(format!("{name} must be true or false"))),
    }
}
