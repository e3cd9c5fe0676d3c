//! The advanced filter language: and, or, not over leaf conditions on properties.

use std::cmp::Ordering;

use serde_json::Value;

use super::table::Object;
use crate::error::{ApiError, Result};

const MAX_DEPTH: usize = 20;

#[derive(Clone)]
pub enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Equals(Path, Value),
    In(Path, Vec<Value>),
    Range(Path, Vec<(Bound, Value)>),
    Prefix(Path, Value),
    Exists(Path),
    ContainsAny(Path, Vec<Value>),
    ContainsAll(Path, Vec<Value>),
    Search(Path, String),
}

pub type Path = Vec<String>;

#[derive(Clone, Copy)]
pub enum Bound {
    Gte,
    Gt,
    Lte,
    Lt,
}

pub fn parse(value: &Value, depth: usize) -> Result<Node> {
    if depth > MAX_DEPTH {
        return Err(ApiError::bad("advancedFilter is nested too deeply"));
    }
    let Some((name, body)) = value.as_object().filter(|m| m.len() == 1).and_then(|m| m.iter().next()) else {
        return Err(ApiError::bad("Every clause of advancedFilter must be an object with exactly one key"));
    };
    let clauses = || -> Result<Vec<Node>> {
        let list = body.as_array().filter(|l| !l.is_empty());
        let list = list.ok_or_else(|| ApiError::bad(format!("{name} must be a list that is not empty")))?;
        list.iter().map(|v| parse(v, depth + 1)).collect()
    };
    let get = |key: &str| body.get(key).ok_or_else(|| ApiError::bad(format!("{name} needs the field {key}")));
    let values = || -> Result<Vec<Value>> {
        let list = get("values")?.as_array();
        list.cloned().ok_or_else(|| ApiError::bad(format!("values of {name} must be a list")))
    };
    Ok(match name.as_str() {
        "and" => Node::And(clauses()?),
        "or" => Node::Or(clauses()?),
        "not" => Node::Not(Box::new(parse(body, depth + 1)?)),
        "equals" => Node::Equals(path(get("property")?)?, get("value")?.clone()),
        "in" => Node::In(path(get("property")?)?, values()?),
        "prefix" => Node::Prefix(path(get("property")?)?, get("value")?.clone()),
        "exists" => Node::Exists(path(get("property")?)?),
        "containsAny" => Node::ContainsAny(path(get("property")?)?, values()?),
        "containsAll" => Node::ContainsAll(path(get("property")?)?, values()?),
        "search" => {
            let text = get("value")?.as_str().ok_or_else(|| ApiError::bad("value of search must be a string"))?;
            Node::Search(path(get("property")?)?, text.to_lowercase())
        }
        "range" => {
            let bounds = [("gte", Bound::Gte), ("gt", Bound::Gt), ("lte", Bound::Lte), ("lt", Bound::Lt)];
            let bounds = bounds.iter().filter_map(|(key, b)| Some((*b, body.get(*key)?.clone()))).collect::<Vec<_>>();
            if bounds.is_empty() {
                return Err(ApiError::bad("range needs at least one bound"));
            }
            Node::Range(path(get("property")?)?, bounds)
        }
        _ => return Err(ApiError::bad(format!("The emulator does not know the advanced filter {name}"))),
    })
}

pub fn path(value: &Value) -> Result<Path> {
    let parts = value.as_array().map(|l| l.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>());
    parts.filter(|p| !p.is_empty()).ok_or_else(|| ApiError::bad("property must be a list of strings"))
}

pub fn lookup<'a>(row: &'a Object, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(row.get(first)?, |value, key| value.get(key)).filter(|v| !v.is_null())
}

/// Numbers and strings have an order, nothing else has.
pub fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    a == b || compare(a, b) == Some(Ordering::Equal)
}

/// Labels are filtered as plain external ids.
fn elements(value: &Value) -> Vec<&Value> {
    let items = value.as_array().map(|l| l.iter().collect()).unwrap_or_else(|| vec![value]);
    items.into_iter().map(|v| v.get("externalId").unwrap_or(v)).collect()
}

impl Node {
    pub fn matches(&self, row: &Object) -> bool {
        match self {
            Self::And(nodes) => nodes.iter().all(|n| n.matches(row)),
            Self::Or(nodes) => nodes.iter().any(|n| n.matches(row)),
            Self::Not(node) => !node.matches(row),
            Self::Equals(path, value) => lookup(row, path).is_some_and(|v| equal(v, value)),
            Self::In(path, values) => lookup(row, path).is_some_and(|v| values.iter().any(|w| equal(v, w))),
            Self::Exists(path) => lookup(row, path).is_some(),
            Self::Prefix(path, value) => match (lookup(row, path), value) {
                (Some(Value::String(text)), Value::String(prefix)) => text.starts_with(prefix.as_str()),
                _ => false,
            },
            Self::ContainsAny(path, values) => lookup(row, path).is_some_and(|v| {
                let have = elements(v);
                values.iter().any(|w| have.iter().any(|v| equal(v, w)))
            }),
            Self::ContainsAll(path, values) => lookup(row, path).is_some_and(|v| {
                let have = elements(v);
                values.iter().all(|w| have.iter().any(|v| equal(v, w)))
            }),
            Self::Search(path, words) => lookup(row, path)
                .and_then(Value::as_str)
                .is_some_and(|text| words.split_whitespace().all(|word| text.to_lowercase().contains(word))),
            Self::Range(path, bounds) => lookup(row, path).is_some_and(|v| {
                bounds.iter().all(|(bound, limit)| {
                    compare(v, limit).is_some_and(|order| match bound {
                        Bound::Gte => order.is_ge(),
                        Bound::Gt => order.is_gt(),
                        Bound::Lte => order.is_le(),
                        Bound::Lt => order.is_lt(),
                    })
                })
            }),
        }
    }
}
