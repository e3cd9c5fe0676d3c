//! The filter language of data modeling, evaluated on instances and records.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Value, json};

use super::schema::{ViewMap, source_name, view_map};
use crate::error::{ApiError, Result};
use crate::generic::object;
use crate::resources::compare;
use crate::resources::table::Object;
use crate::state::Data;

pub const MAX_DEPTH: usize = 20;

/// What filters look into.
pub trait Values {
    /// Fields of the thing itself, such as externalId.
    fn own(&self, field: &str) -> Option<Value>;
    fn in_container(&self, container: &str, property: &str) -> Option<&Value>;
    fn has_container(&self, container: &str) -> bool;
}

/// Name of a bound, the value it is for, and the order that fits.
type Bound<'a> = (&'a str, &'a Value, fn(Ordering) -> bool);

/// Views and parameters of one request.
pub struct Eval<'a> {
    pub data: &'a Data,
    pub(super) parameters: Object,
    /// Filters of views, checked.
    filters: RefCell<HashMap<String, Option<Rc<Value>>>>,
    views: RefCell<HashMap<String, Option<Rc<ViewMap>>>>,
}

impl<'a> Eval<'a> {
    pub fn new(data: &'a Data, parameters: Option<&Value>) -> Self {
        let parameters = parameters.and_then(Value::as_object).cloned().unwrap_or_default();
        Self { data, parameters, filters: RefCell::default(), views: RefCell::default() }
    }

    pub fn view(&self, reference: &Object) -> Result<Rc<ViewMap>> {
        let name = source_name(reference);
        let mut views = self.views.borrow_mut();
        let found = views.entry(name.clone()).or_insert_with(|| view_map(self.data, reference).map(Rc::new));
        found.clone().ok_or_else(|| ApiError::bad(format!("One or more views do not exist: '{name}'")))
    }

    /// The names of a source's containers.
    fn containers(&self, source: &Object) -> Result<Vec<String>> {
        let is_view = source.get("type").and_then(Value::as_str) == Some("view") || source.contains_key("version");
        if is_view { Ok(self.view(source)?.containers.clone()) } else { Ok(vec![source_name(source)]) }
    }

    /// A view with a filter of its own has what that lets through, else what has data in all its containers.
    pub fn has_data<V: Values + ?Sized>(&self, row: &V, source: &Object, depth: usize) -> Result<bool> {
        if let Some(filter) = self.filter_of(source)? {
            return self.matches(row, &filter, depth + 1);
        }
        let containers = self.containers(source)?;
        Ok(!containers.is_empty() && containers.iter().all(|c| row.has_container(c)))
    }

    fn filter_of(&self, source: &Object) -> Result<Option<Rc<Value>>> {
        if !source.contains_key("version") {
            return Ok(None);
        }
        let name = source_name(source);
        if let Some(found) = self.filters.borrow().get(&name) {
            return Ok(found.clone());
        }
        let filter = self.view(source)?.filter.as_ref().map(|f| self.prepared(f, 0)).transpose()?.map(Rc::new);
        self.filters.borrow_mut().insert(name, filter.clone());
        Ok(filter)
    }

    /// The value of `["node", "externalId"]`, `[space, "view/version", property]` or `[space, container, property]`.
    pub fn value<V: Values + ?Sized>(&self, row: &V, path: &[Value]) -> Result<Option<Value>> {
        let parts: Vec<&str> = path.iter().filter_map(Value::as_str).collect();
        match parts.as_slice() {
            [field] | ["node" | "edge", field] => Ok(row.own(field)),
            [space, source, property, rest @ ..] => {
                let found = match source.split_once('/') {
                    None => row.in_container(&format!("{space}/{source}"), property),
                    Some((name, version)) => {
                        let reference = object(json!({"space": space, "externalId": name, "version": version}));
                        let view = self.view(&reference)?;
                        let place = view.fields.get(*property);
                        let place = place.ok_or_else(|| {
                            ApiError::bad(format!("Unknown property {property} of view {space}/{source}"))
                        })?;
                        row.in_container(&place.0, &place.1)
                    }
                };
                let found = found.and_then(|v| rest.iter().try_fold(v, |v, key| v.get(*key)));
                Ok(found.filter(|v| !v.is_null()).cloned())
            }
            _ => Err(ApiError::bad("property must be a list of two or three strings")),
        }
    }

    /// A value in a filter may be another property.
    fn wanted<V: Values + ?Sized>(&self, row: &V, value: &Value) -> Result<Option<Value>> {
        match value.get("property").and_then(Value::as_array) {
            Some(path) => self.value(row, path),
            None => Ok(Some(value.clone())),
        }
    }

    pub fn matches<V: Values + ?Sized>(&self, row: &V, filter: &Value, depth: usize) -> Result<bool> {
        if depth > MAX_DEPTH {
            return Err(ApiError::bad("filter is nested too deeply"));
        }
        let single = filter.as_object().filter(|m| m.len() == 1).and_then(|m| m.iter().next());
        let (op, body) =
            single.ok_or_else(|| ApiError::bad("Every clause of filter must be an object with exactly one key"))?;
        let clauses = || body.as_array().ok_or_else(|| ApiError::bad(format!("{op} must be a list")));
        let field = |name: &str| {
            let path =
                body.get(name).and_then(Value::as_array).ok_or_else(|| ApiError::bad(format!("{op} needs {name}")))?;
            self.value(row, path)
        };
        let wanted = |name: &str| {
            let value = body.get(name).ok_or_else(|| ApiError::bad(format!("{op} needs {name}")))?;
            self.wanted(row, value)
        };
        Ok(match op.as_str() {
            "and" => clauses()?.iter().try_fold(true, |all, f| Ok(all && self.matches(row, f, depth + 1)?))?,
            "or" => clauses()?.iter().try_fold(false, |any, f| Ok(any || self.matches(row, f, depth + 1)?))?,
            "not" => !self.matches(row, body, depth + 1)?,
            "matchAll" => true,
            "exists" => field("property")?.is_some(),
            "equals" => field("property")?.zip(wanted("value")?).is_some_and(|(have, want)| same(&have, &want)),
            "prefix" => match field("property")?.zip(wanted("value")?) {
                Some((Value::String(have), Value::String(want))) => have.starts_with(&want),
                Some((Value::Array(have), Value::Array(want))) => have.starts_with(&want),
                _ => false,
            },
            "in" | "containsAny" => match field("property")?.zip(wanted("values")?) {
                Some((have, Value::Array(want))) => list(&have).iter().any(|v| want.iter().any(|w| same(v, w))),
                _ => false,
            },
            "containsAll" => match field("property")?.zip(wanted("values")?) {
                Some((have, Value::Array(want))) => want.iter().all(|w| list(&have).iter().any(|v| same(v, w))),
                _ => false,
            },
            "range" => match field("property")? {
                Some(have) => self.in_range(row, body, &have, &have)?,
                None => false,
            },
            "overlaps" => match (field("startProperty")?, field("endProperty")?) {
                (Some(start), Some(end)) => self.in_range(row, body, &end, &start)?,
                _ => false,
            },
            "hasData" => {
                let sources = clauses()?.iter().filter_map(Value::as_object);
                sources.map(|s| self.has_data(row, s, depth)).try_fold(true, |all, has| has.map(|h| all && h))?
            }
            "instanceReferences" => {
                let own = |field: &str| row.own(field);
                clauses()?.iter().any(|r| {
                    r.get("space") == own("space").as_ref() && r.get("externalId") == own("externalId").as_ref()
                })
            }
            "nested" => {
                let scope =
                    body.get("scope").and_then(Value::as_array).ok_or_else(|| ApiError::bad("nested needs scope"))?;
                let inner = body.get("filter").ok_or_else(|| ApiError::bad("nested needs filter"))?;
                let target = self.value(row, scope)?;
                let targets = target.map_or_else(Vec::new, |t| list(&t));
                let mut nodes = targets.iter().filter_map(|t| self.data.instances.node(t));
                nodes.try_fold(false, |any, node| Ok(any || self.matches(node, inner, depth + 1)?))?
            }
            _ => return Err(ApiError::bad(format!("Unknown filter: {op}"))),
        })
    }

    /// Lower bounds are asked of one value, upper ones of the other.
    fn in_range<V: Values + ?Sized>(&self, row: &V, body: &Value, low: &Value, high: &Value) -> Result<bool> {
        let bounds: [Bound; 4] = [
            ("gte", low, Ordering::is_ge),
            ("gt", low, Ordering::is_gt),
            ("lte", high, Ordering::is_le),
            ("lt", high, Ordering::is_lt),
        ];
        for (name, have, fits) in bounds {
            let Some(bound) = body.get(name).filter(|b| !b.is_null()) else { continue };
            let Some(bound) = self.wanted(row, bound)? else { return Ok(false) };
            if !compare(have, &bound).is_some_and(fits) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// References are equal by space and external id, whatever else they carry; a reference may be written as a pair.
fn same(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Object(a), Value::Object(b)) if a.contains_key("space") => {
            a.get("space") == b.get("space") && a.get("externalId") == b.get("externalId")
        }
        (Value::Object(a), Value::Array(pair)) => a.get("space") == pair.first() && a.get("externalId") == pair.get(1),
        _ => have == want || compare(have, want) == Some(Ordering::Equal),
    }
}
