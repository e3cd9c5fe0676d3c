//! What an advanced filter and a sort may ask for, as the API bounds it.

use serde_json::{Value, json};

use super::kinds::{Kind, Type};
use super::table::Object;
use crate::error::{ApiError, Result};

const MAX_DEPTH: usize = 10;
const MAX_LEAVES: usize = 100;
const MAX_VALUES: usize = 100;
const MAX_SEARCHES: usize = 2;
const MAX_SEARCH_TEXT: usize = 128;
/// Properties of rows that are no fields of an item to create.
const MORE: [&str; 8] =
    ["id", "createdTime", "lastUpdatedTime", "rootId", "uploaded", "uploadedTime", "instanceId", "unitQuantity"];

/// The type of a property, `Json` for what is not looked into.
pub fn known(kind: &Kind, property: Option<&Value>) -> Result<Type> {
    let unknown = || {
        let shown = property.map_or_else(|| "none".to_owned(), Value::to_string);
        ApiError::bad(format!("Unknown property of {}: {shown}", kind.noun))
    };
    let path = property.and_then(Value::as_array).ok_or_else(unknown)?;
    let names = path.iter().map(|p| p.as_str().filter(|p| !p.trim().is_empty())).collect::<Option<Vec<_>>>();
    match names.ok_or_else(unknown)?.as_slice() {
        [name] if MORE.contains(name) => Ok(Type::Int),
        [name] => kind.field(name).map(|f| f.ty).ok_or_else(unknown),
        [name, _] => match kind.field(name).map(|f| f.ty) {
            Some(Type::StringMap(..)) => Ok(Type::Text(usize::MAX)),
            Some(Type::Json) => Ok(Type::Json),
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}

/// How much of a filter there is.
#[derive(Default)]
struct Count {
    leaves: usize,
    searches: usize,
}

/// Checks a filter whose form is right.
pub fn filter(kind: &Kind, filter: &Value) -> Result<()> {
    let mut count = Count::default();
    clause(kind, filter, 1, &mut count)?;
    if count.leaves > MAX_LEAVES || count.searches > MAX_SEARCHES {
        return Err(ApiError::bad(format!(
            "advancedFilter has {} clauses and {} searches, at most {MAX_LEAVES} and {MAX_SEARCHES} are allowed",
            count.leaves, count.searches
        )));
    }
    Ok(())
}

fn clause(kind: &Kind, filter: &Value, depth: usize, count: &mut Count) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(ApiError::bad(format!("advancedFilter is nested deeper than {MAX_DEPTH}")));
    }
    for (op, body) in filter.as_object().into_iter().flatten() {
        match op.as_str() {
            "and" | "or" => {
                body.as_array().into_iter().flatten().try_for_each(|f| clause(kind, f, depth + 1, count))?;
            }
            "not" => clause(kind, body, depth + 1, count)?,
            _ => {
                count.leaves += 1;
                count.searches += usize::from(op == "search");
                leaf(kind, op, body)?;
            }
        }
    }
    Ok(())
}

fn leaf(kind: &Kind, op: &str, body: &Value) -> Result<()> {
    let ty = known(kind, body.get("property"))?;
    let list = matches!(ty, Type::Labels | Type::Ids);
    let text = matches!(ty, Type::Text(_));
    let open = matches!(ty, Type::Json | Type::StringMap(..));
    let fits = match op {
        "containsAny" | "containsAll" => list || open,
        "prefix" => text || open,
        "equals" | "in" | "range" => !list,
        "search" => {
            let name = body.pointer("/property/0").and_then(Value::as_str).unwrap_or("");
            kind.search.iter().any(|(key, _)| *key == name && *key != "query")
        }
        _ => true,
    };
    if !fits {
        return Err(ApiError::bad(format!("{op} cannot be used with this property: {}", body["property"])));
    }
    let wrong = |what: &str| ApiError::bad(format!("{op} needs {what}"));
    let plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    if let Some(values) = body.get("values").and_then(Value::as_array)
        && (values.is_empty() || values.len() > MAX_VALUES || !values.iter().all(plain))
    {
        return Err(wrong(&format!("between 1 and {MAX_VALUES} texts or numbers as values")));
    }
    if body.get("value").is_some_and(|v| !plain(v)) {
        return Err(wrong("a text or a number as value"));
    }
    let bound = |name: &str| body.get(name).is_some();
    if (bound("gt") && bound("gte")) || (bound("lt") && bound("lte")) {
        return Err(wrong("only one of gt and gte, and only one of lt and lte"));
    }
    if ["gt", "gte", "lt", "lte"].iter().filter_map(|name| body.get(*name)).any(|v| !plain(v)) {
        return Err(wrong("texts or numbers as bounds"));
    }
    if op == "search" {
        let text = body.get("value").and_then(Value::as_str).unwrap_or("");
        if text.trim().is_empty() || text.chars().count() > MAX_SEARCH_TEXT {
            return Err(wrong(&format!("a text of 1 to {MAX_SEARCH_TEXT} characters")));
        }
    }
    Ok(())
}

/// Checks the sort of a list.
pub fn sort(kind: &Kind, body: &Object) -> Result<()> {
    let one = |key: &Value| -> Result<()> {
        if let Some(text) = key.as_str() {
            let (name, order) = text.split_once(':').unwrap_or((text, "asc"));
            known(kind, Some(&json!([name])))?;
            return within("order", Some(&json!(order.to_lowercase())), &["asc", "desc"]);
        }
        let property = key.get("property");
        let property = property.map(|p| if p.is_string() { json!([p]) } else { p.clone() });
        if property.as_ref().and_then(|p| p.get(0)).is_none_or(|p| p != "_score_") {
            known(kind, property.as_ref())?;
        }
        within("order", key.get("order"), &["asc", "desc"])?;
        within("nulls", key.get("nulls"), &["first", "last", "auto"])
    };
    match body.get("sort") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(list)) => list.iter().try_for_each(one),
        Some(key) => one(key),
    }
}

fn within(name: &str, value: Option<&Value>, allowed: &[&str]) -> Result<()> {
    match value.filter(|v| !v.is_null()) {
        Some(value) if !allowed.iter().any(|a| value == a) => {
            Err(ApiError::bad(format!("{name} of a sort must be one of {}, was {value}", allowed.join(", "))))
        }
        _ => Ok(()),
    }
}

/// The filter with what it says of metadata in lower case.
pub fn folded(filter: &Value) -> Value {
    let Value::Object(map) = filter else {
        return filter.as_array().map_or_else(|| filter.clone(), |list| list.iter().map(folded).collect());
    };
    if map.get("property").and_then(|p| p.get(0)).is_some_and(|p| p == "metadata") {
        return lower(filter, true);
    }
    Value::Object(map.iter().map(|(k, v)| (k.clone(), folded(v))).collect())
}

/// Texts in lower case, of an object the keys too.
pub fn lower(value: &Value, keep_keys: bool) -> Value {
    match value {
        Value::String(text) => json!(text.to_lowercase()),
        Value::Array(list) => list.iter().map(|v| lower(v, keep_keys)).collect(),
        Value::Object(map) => {
            let key = |k: &String| if keep_keys { k.clone() } else { k.to_lowercase() };
            Value::Object(map.iter().map(|(k, v)| (key(k), lower(v, keep_keys))).collect())
        }
        other => other.clone(),
    }
}
