//! What containers demand of more than one value: other containers, and values that are there only once.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::filter::Values as _;
use super::instances::{Instance, Key};
use super::schema::{container, source_name};
use crate::error::{ApiError, Result};
use crate::generic::object;
use crate::resources::table::Object;
use crate::state::Data;

/// Checks the instances as they will be.
pub fn check(data: &Data, changes: &BTreeMap<Key, Instance>) -> Result<()> {
    let mut unique: BTreeMap<String, Vec<(String, Object)>> = BTreeMap::new();
    for instance in changes.values() {
        for name in instance.properties.keys() {
            let Some(definition) = definition(data, name) else { continue };
            let all = definition.get("constraints").and_then(Value::as_object);
            for (constraint, inner) in all.into_iter().flatten() {
                if let Some(required) = inner.get("require").and_then(Value::as_object) {
                    if !instance.has_container(&source_name(required)) {
                        let other = source_name(required);
                        return Err(violated(instance, name, constraint, &format!("has no data in {other}")));
                    }
                } else if !unique.contains_key(name) {
                    let plain = all.into_iter().flatten().filter(|(_, inner)| inner.get("properties").is_some());
                    unique.insert(name.clone(), plain.map(|(n, inner)| (n.clone(), object(inner.clone()))).collect());
                }
            }
        }
    }
    unique.iter().try_for_each(|(container, constraints)| {
        constraints.iter().try_for_each(|(name, inner)| once(data, changes, container, name, inner))
    })
}

fn definition<'a>(data: &'a Data, name: &str) -> Option<&'a Object> {
    let (space, external_id) = name.split_once('/')?;
    container(data, &object(json!({"space": space, "externalId": external_id})))
}

/// No two instances have the same values; those without one of them do not count.
fn once(data: &Data, changes: &BTreeMap<Key, Instance>, container: &str, name: &str, inner: &Object) -> Result<()> {
    let fields: Vec<&str> =
        inner.get("properties").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let by_space = inner.get("bySpace") == Some(&json!(true));
    let values = |instance: &Instance| -> Option<String> {
        let values = fields.iter().map(|f| instance.in_container(container, f)).collect::<Option<Vec<_>>>()?;
        Some(json!([by_space.then_some(&instance.key.1), values]).to_string())
    };
    let mut seen: HashMap<String, &Key> = HashMap::new();
    for instance in changes.values() {
        if let Some(values) = values(instance)
            && seen.insert(values, &instance.key).is_some()
        {
            return Err(violated(instance, container, name, "has values that are there already"));
        }
    }
    if seen.is_empty() {
        return Ok(());
    }
    for instance in data.instances.all.values().filter(|i| i.has_container(container) && !changes.contains_key(&i.key))
    {
        if let Some(key) = values(instance).and_then(|v| seen.get(&v))
            && let Some(new) = changes.get(*key)
        {
            return Err(violated(new, container, name, "has values that are there already"));
        }
    }
    Ok(())
}

fn violated(instance: &Instance, container: &str, constraint: &str, why: &str) -> ApiError {
    let key = &instance.key;
    ApiError::bad(format!("Constraint {constraint} of container {container} is violated: {}:{} {why}", key.1, key.2))
}
