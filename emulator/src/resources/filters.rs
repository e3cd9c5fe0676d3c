//! List filters: prepared once per request, then asked per row.

use std::collections::HashSet;

use serde_json::Value;

use super::kinds::{Kind, Test, Type};
use super::special;
use super::table::Object;
use super::{advanced, limits};
use crate::error::{ApiError, Result};
use crate::scope;
use crate::state::Data;

enum Prepared {
    Equals(&'static str, Value),
    AnyOf(&'static str, Vec<Value>),
    Range {
        field: &'static str,
        min: Option<f64>,
        max: Option<f64>,
        is_null: Option<bool>,
    },
    Prefix(&'static str, String),
    Metadata(Object),
    Labels {
        all: bool,
        names: Vec<String>,
    },
    Ids(&'static str, HashSet<i64>),
    Roots(HashSet<i64>),
    RootsOf(&'static str, HashSet<i64>),
    IsRoot(bool),
    ActiveAt {
        min: f64,
        max: f64,
    },
    EitherEnd(Vec<(Option<String>, Option<String>)>),
    /// With metadata in any case, or as it is written.
    Advanced(advanced::Node, bool),
}

pub struct Matcher<'a> {
    data: &'a Data,
    tests: Vec<Prepared>,
}

impl<'a> Matcher<'a> {
    pub fn new(data: &'a Data, kind: &Kind, filter: Option<&Value>, advanced: Option<&Value>) -> Result<Self> {
        let mut tests = Vec::new();
        match filter {
            None | Some(Value::Null) => {}
            Some(Value::Object(map)) => {
                for (key, value) in map.iter().filter(|(_, v)| !v.is_null()) {
                    let Some(known) = kind.filters.iter().find(|f| f.key == key) else {
                        return Err(ApiError::bad(format!("Unknown filter field for {}: {key}", kind.noun)));
                    };
                    tests.push(prepare(data, kind, key, known.test, value)?);
                }
            }
            Some(_) => return Err(ApiError::bad("filter must be an object")),
        }
        if let Some(value) = advanced.filter(|v| !v.is_null()) {
            advanced::parse(value, 0)?;
            limits::filter(kind, value)?;
            let fold = kind.path == "events";
            let value = if fold { limits::folded(value) } else { value.clone() };
            tests.push(Prepared::Advanced(advanced::parse(&value, 0)?, fold));
        }
        Ok(Self { data, tests })
    }

    pub fn matches(&self, id: i64, row: &Object) -> bool {
        scope::sees(row) && self.tests.iter().all(|test| self.passes(test, id, row))
    }

    fn passes(&self, test: &Prepared, id: i64, row: &Object) -> bool {
        match test {
            Prepared::Equals(field, value) => row.get(*field) == Some(value),
            Prepared::AnyOf(field, values) => match row.get(*field) {
                Some(Value::Array(items)) => items.iter().any(|v| values.contains(v)),
                Some(value) => values.contains(value),
                None => false,
            },
            Prepared::Range { field, min, max, is_null } => match row.get(*field).and_then(Value::as_f64) {
                Some(value) => {
                    *is_null != Some(true) && min.is_none_or(|m| value >= m) && max.is_none_or(|m| value <= m)
                }
                None => *is_null == Some(true),
            },
            Prepared::Prefix(field, prefix) => {
                row.get(*field).and_then(Value::as_str).is_some_and(|text| text.starts_with(prefix))
            }
            Prepared::Metadata(wanted) => {
                let have = row.get("metadata").and_then(Value::as_object);
                wanted.iter().all(|(k, v)| have.is_some_and(|map| map.get(k) == Some(v)))
            }
            Prepared::Labels { all, names } => {
                let labels = row.get("labels").and_then(Value::as_array);
                let has = |name: &String| {
                    let mut found = labels.into_iter().flatten();
                    found.any(|l| l.get("externalId").and_then(Value::as_str) == Some(name))
                };
                if *all { names.iter().all(has) } else { names.iter().any(has) }
            }
            Prepared::Ids(field, ids) => ids_in(row, id, field).iter().any(|i| ids.contains(i)),
            Prepared::Roots(roots) => row.get("rootId").and_then(Value::as_i64).is_some_and(|i| roots.contains(&i)),
            Prepared::RootsOf(field, roots) => {
                let assets = self.data.table("assets");
                let root = |i: &i64| assets.and_then(|t| t.get(*i)).and_then(|a| a.get("rootId")?.as_i64());
                ids_in(row, id, field).iter().filter_map(root).any(|r| roots.contains(&r))
            }
            Prepared::IsRoot(wanted) => row.contains_key("parentId") != *wanted,
            Prepared::ActiveAt { min, max } => {
                let time = |name: &str| row.get(name).and_then(Value::as_f64);
                time("startTime").is_none_or(|t| t <= *max) && time("endTime").is_none_or(|t| t >= *min)
            }
            Prepared::EitherEnd(ends) => {
                let is = |ty: &str, name: &str, end: &(Option<String>, Option<String>)| {
                    let text = |key: &str| row.get(key).and_then(Value::as_str);
                    end.0.as_deref().is_none_or(|t| text(ty) == Some(t))
                        && end.1.as_deref().is_none_or(|n| text(name) == Some(n))
                };
                ends.iter()
                    .any(|end| is("sourceType", "sourceExternalId", end) || is("targetType", "targetExternalId", end))
            }
            Prepared::Advanced(node, fold) => match row.get("metadata").filter(|_| *fold) {
                None => node.matches(row),
                Some(metadata) => {
                    let mut row = row.clone();
                    row.insert("metadata".into(), limits::lower(metadata, false));
                    node.matches(&row)
                }
            },
        }
    }
}

/// The ids a field holds: the row's own, one, or a list.
fn ids_in(row: &Object, id: i64, field: &str) -> Vec<i64> {
    if field == "id" {
        return vec![id];
    }
    match row.get(field) {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_i64).collect(),
        Some(value) => value.as_i64().into_iter().collect(),
        None => Vec::new(),
    }
}

fn prepare(data: &Data, kind: &Kind, key: &str, test: Test, value: &Value) -> Result<Prepared> {
    let wrong = |what: &str| ApiError::bad(format!("Invalid value for filter {key}: expected {what}"));
    let list = || value.as_array().filter(|l| !l.is_empty()).ok_or_else(|| wrong("a list that is not empty"));
    let number = |name: &str| value.get(name).and_then(Value::as_f64);
    Ok(match test {
        Test::Equals(field) => match kind.field(field).map(|f| f.ty) {
            Some(Type::Text(_)) if !value.is_string() => return Err(wrong("a string")),
            Some(Type::Bool) if !value.is_boolean() => return Err(wrong("true or false")),
            _ => Prepared::Equals(field, value.clone()),
        },
        Test::AnyOf(field) => {
            let mut values = list()?.clone();
            if field.ends_with("Type") {
                values.iter_mut().for_each(super::special::usual_type);
            }
            Prepared::AnyOf(field, values)
        }
        Test::Range(field) => {
            if !value.is_object() {
                return Err(wrong("an object with min and max"));
            }
            let bounds = ["min", "max"].map(|name| value.get(name).filter(|v| !v.is_null()));
            if bounds.into_iter().flatten().any(|v| !v.is_number()) {
                return Err(wrong("numbers as min and max"));
            }
            let is_null = value.get("isNull").and_then(Value::as_bool);
            Prepared::Range { field, min: number("min"), max: number("max"), is_null }
        }
        Test::Prefix(field) => Prepared::Prefix(field, value.as_str().ok_or_else(|| wrong("a string"))?.to_owned()),
        Test::Metadata => {
            let map = value.as_object().filter(|m| m.values().all(Value::is_string));
            Prepared::Metadata(map.ok_or_else(|| wrong("an object of strings"))?.clone())
        }
        Test::Labels => {
            let all = value.get("containsAll").is_some();
            let labels = value.get(if all { "containsAll" } else { "containsAny" }).and_then(Value::as_array);
            let labels = labels.ok_or_else(|| wrong("containsAny or containsAll"))?;
            let name = |l: &Value| l.get("externalId").and_then(Value::as_str).map(str::to_owned);
            Prepared::Labels { all, names: labels.iter().filter_map(name).collect() }
        }
        Test::DataSets => Prepared::Ids("dataSetId", identifiers(data, "datasets", list()?)),
        Test::AssetExternalIds(field) => {
            let names: Vec<&str> = list()?.iter().filter_map(Value::as_str).collect();
            Prepared::Ids(field, special::ids_of(data, "assets", &names).into_iter().collect())
        }
        Test::AssetRoots(field) => {
            let roots = identifiers(data, "assets", list()?);
            if field == "id" { Prepared::Roots(roots) } else { Prepared::RootsOf(field, roots) }
        }
        Test::AssetSubtrees(field) => {
            let roots: Vec<i64> = identifiers(data, "assets", list()?).into_iter().collect();
            Prepared::Ids(field, special::subtree(data, &roots))
        }
        Test::IsRoot => Prepared::IsRoot(value.as_bool().ok_or_else(|| wrong("true or false"))?),
        Test::ActiveAt => Prepared::ActiveAt {
            min: number("min").unwrap_or(f64::NEG_INFINITY),
            max: number("max").unwrap_or(f64::INFINITY),
        },
        Test::EitherEnd => {
            let text = |v: &Value, name: &str| v.get(name).and_then(Value::as_str).map(str::to_owned);
            Prepared::EitherEnd(list()?.iter().map(|v| (text(v, "type"), text(v, "externalId"))).collect())
        }
    })
}

/// Plain ids, or objects with id or externalId. Unknown ones match nothing.
fn identifiers(data: &Data, path: &str, list: &[Value]) -> HashSet<i64> {
    let mut ids = HashSet::new();
    for value in list {
        if let Some(id) = value.as_i64().or_else(|| value.get("id").and_then(Value::as_i64)) {
            ids.insert(id);
        } else if let Some(name) = value.get("externalId").and_then(Value::as_str) {
            ids.extend(special::ids_of(data, path, &[name]));
        }
    }
    ids
}
