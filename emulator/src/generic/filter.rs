//! Filters of lists. Which test a key means is told by the form of its value.

use serde_json::{Value, json};

use super::Set;
use crate::error::{ApiError, Result};
use crate::resources::table::Object;
use crate::resources::{Node, parse_filter};
use crate::state::Data;

/// Pairs of field and wanted value, and the filter language where the set has that.
pub struct Filter(Vec<(String, Value)>, Option<Node>);

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty() && self.1.is_none()
    }

    /// A key the set does not know is refused: ignored, it would find too much.
    pub fn new(data: &Data, set: &Set, filter: Option<&Value>) -> Result<Self> {
        let wanted = match filter {
            None | Some(Value::Null) => return Ok(Self(Vec::new(), None)),
            Some(Value::Object(map)) if map.is_empty() => return Ok(Self(Vec::new(), None)),
            Some(value) if set.filters == "*" => return Ok(Self(Vec::new(), Some(parse_filter(value, 0)?))),
            Some(Value::Object(map)) => map,
            Some(_) => return Err(ApiError::bad("filter must be an object")),
        };
        let mut tests = Vec::new();
        let empty = |v: &Value| v.is_null() || v.as_object().is_some_and(Object::is_empty);
        for (key, value) in wanted.iter().filter(|(_, v)| !empty(v)) {
            let Some(field) = set.filter_field(key) else {
                return Err(ApiError::bad(format!("Unknown filter field for {}: {key}", set.noun)));
            };
            let value = match key.as_str() {
                "createdTimeStart" => json!({ "min": value }),
                "createdTimeEnd" => json!({ "max": value }),
                _ if field == "dataSetId" => data_sets(data, value),
                _ => value.clone(),
            };
            tests.push((field.to_owned(), value));
        }
        Ok(Self(tests, None))
    }

    pub fn matches(&self, row: &Object) -> bool {
        self.1.as_ref().is_none_or(|node| node.matches(row))
            && self.0.iter().all(|(field, wanted)| {
                if field == "workflowFilters" {
                    let version =
                        |w: &Value| w.get("version").is_none_or(|v| v.is_null() || row.get("version") == Some(v));
                    let any = wanted.as_array().map_or(&[][..], Vec::as_slice);
                    return any.is_empty()
                        || any.iter().any(|w| row.get("workflowExternalId") == w.get("externalId") && version(w));
                }
                if let Some(field) = field.strip_suffix("Prefix") {
                    let have = row.get(field).and_then(Value::as_str);
                    return have.is_some_and(|text| wanted.as_str().is_some_and(|w| text.starts_with(w)));
                }
                row.get(field).is_some_and(|have| passes(have, wanted))
            })
    }
}

impl Set {
    /// The field a filter key is about, if the set has that key.
    pub fn filter_field(&self, key: &str) -> Option<&'static str> {
        let mut known = self.filters.split_whitespace().map(|f| f.split_once('>').unwrap_or((f, f)));
        known.find(|(name, _)| *name == key).map(|(_, field)| field)
    }
}

/// Data sets are named by id or external id; rows hold ids.
fn data_sets(data: &Data, wanted: &Value) -> Value {
    let Value::Array(list) = wanted else { return wanted.clone() };
    let id = |item: &Value| {
        let name = item.get("externalId").and_then(Value::as_str);
        let found = name.and_then(|n| data.table("datasets")?.id_of(n)).map(|id| json!(id));
        found.unwrap_or_else(|| item.get("id").unwrap_or(item).clone())
    };
    Value::Array(list.iter().map(id).collect())
}

fn passes(have: &Value, wanted: &Value) -> bool {
    match (have, wanted) {
        (Value::Array(items), Value::Array(any)) => items.iter().any(|v| any.iter().any(|w| same(v, w))),
        (_, Value::Array(any)) => any.iter().any(|w| same(have, w)),
        (_, Value::Object(map)) if map.contains_key("min") || map.contains_key("max") => {
            let bound = |name: &str| map.get(name).and_then(Value::as_f64);
            have.as_f64().is_some_and(|v| bound("min").is_none_or(|m| v >= m) && bound("max").is_none_or(|m| v <= m))
        }
        (Value::String(text), Value::Object(map)) if map.contains_key("substring") => {
            map.get("substring").and_then(Value::as_str).is_some_and(|part| text.contains(part))
        }
        (Value::Array(items), Value::Object(map)) => map.iter().all(|(how, list)| {
            let list = list.as_array().map_or(&[][..], Vec::as_slice);
            let holds = |w: &Value| items.iter().any(|v| same(v, w));
            if how == "containsAll" { list.iter().all(holds) } else { list.iter().any(holds) }
        }),
        (Value::Object(have), Value::Object(part)) => {
            part.iter().all(|(key, wanted)| have.get(key).is_some_and(|have| passes(have, wanted)))
        }
        (Value::Array(items), one) => items.iter().any(|v| same(v, one)),
        _ => same(have, wanted),
    }
}

/// Wanted values may be wrapped as identifiers. Query parameters are text, and enumerations in capitals are asked
/// for in small letters too.
fn same(have: &Value, wanted: &Value) -> bool {
    let wanted = wanted.get("externalId").or_else(|| wanted.get("id")).filter(|_| !have.is_object()).unwrap_or(wanted);
    match (have, wanted) {
        (Value::String(a), Value::String(b)) => {
            a == b || (a.eq_ignore_ascii_case(b) && !a.bytes().any(|c| c.is_ascii_lowercase()))
        }
        (Value::Number(number), Value::String(text)) => number.to_string().as_str() == text,
        (Value::Bool(flag), Value::String(text)) => text == if *flag { "true" } else { "false" },
        _ => have == wanted,
    }
}
