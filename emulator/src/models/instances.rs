//! Nodes and edges: the store, and reading them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::filter::{Eval, Values};
use super::schema::{ViewMap, source_name, views};
use crate::areas::UNIT_SPACE;
use crate::areas::units::Conversion;
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{answer, object, paged, text};
use crate::resources::table::{Object, map_weight};
use crate::resources::{compare, items};
use crate::scope::{allow, reads_space};
use crate::state::State;

/// Room for instances that were deleted.
const MAX_GONE_BYTES: u64 = 64 << 20;

/// Whether it is an edge, its space and its external id.
pub type Key = (bool, String, String);

#[derive(Clone)]
pub struct Instance {
    pub key: Key,
    /// Counts every change of any instance, for those that follow.
    pub seq: u64,
    pub version: i64,
    pub created: i64,
    pub updated: i64,
    pub deleted: Option<i64>,
    /// type, startNode and endNode, where there are any.
    pub ends: Object,
    /// Properties by container.
    pub properties: BTreeMap<String, Object>,
}

impl Instance {
    pub fn weight(&self) -> u64 {
        256 + self.properties.values().map(map_weight).sum::<u64>()
    }

    pub fn reference(&self) -> Value {
        json!({"space": self.key.1, "externalId": self.key.2})
    }

    /// The name without the properties.
    pub fn head(&self) -> Object {
        object(
            json!({"instanceType": if self.key.0 { "edge" } else { "node" }, "space": self.key.1, "externalId": self.key.2}),
        )
    }
}

impl Values for Instance {
    fn own(&self, field: &str) -> Option<Value> {
        Some(match field {
            "space" => json!(self.key.1),
            "externalId" => json!(self.key.2),
            "instanceType" => json!(if self.key.0 { "edge" } else { "node" }),
            "version" => json!(self.version),
            "createdTime" => json!(self.created),
            "lastUpdatedTime" => json!(self.updated),
            "deletedTime" => json!(self.deleted?),
            _ => self.ends.get(field)?.clone(),
        })
    }

    fn in_container(&self, container: &str, property: &str) -> Option<&Value> {
        self.properties.get(container)?.get(property)
    }

    fn has_container(&self, container: &str) -> bool {
        self.properties.contains_key(container)
    }
}

#[derive(Default, Clone)]
pub struct Instances {
    pub all: BTreeMap<Key, Instance>,
    /// What was deleted, for those that follow.
    pub gone: BTreeMap<Key, Instance>,
    gone_bytes: u64,
    pub seq: u64,
}

impl Instances {
    pub fn counts(&self, space: Option<&str>) -> (usize, usize) {
        let keys = self.all.keys().filter(|k| space.is_none_or(|s| k.1 == s));
        keys.fold((0, 0), |(nodes, edges), k| if k.0 { (nodes, edges + 1) } else { (nodes + 1, edges) })
    }

    pub fn of_type(&self, edge: bool) -> impl Iterator<Item = &Instance> {
        let end = if edge { None } else { Some((true, String::new(), String::new())) };
        let start = (edge, String::new(), String::new());
        self.all.range(start..).take_while(move |(k, _)| end.as_ref().is_none_or(|e| *k < e)).map(|(_, i)| i)
    }

    /// Keeps what was deleted; of too much the oldest half is forgotten.
    pub fn bury(&mut self, old: Instance) {
        self.gone_bytes += old.weight();
        let before = self.gone.insert(old.key.clone(), old);
        self.gone_bytes -= before.map_or(0, |b| b.weight());
        if self.gone_bytes > MAX_GONE_BYTES {
            let mut all: Vec<u64> = self.gone.values().map(|i| i.seq).collect();
            all.sort_unstable();
            let from = all.get(all.len() / 2).copied().unwrap_or(u64::MAX);
            self.gone.retain(|_, i| i.seq > from);
            self.gone_bytes = self.gone.values().map(Instance::weight).sum();
        }
    }

    /// What was deleted is there again.
    pub fn unbury(&mut self, key: &Key) {
        self.gone_bytes -= self.gone.remove(key).map_or(0, |old| old.weight());
    }

    /// What instances have in a container, when that is gone.
    pub fn forget_container(&mut self, name: &str) {
        for instance in self.all.values_mut() {
            instance.properties.remove(name);
        }
    }

    /// Units are nodes too, which are always there.
    pub fn get(&self, key: &Key) -> Option<&Instance> {
        self.all.get(key).or_else(|| units().get(key))
    }

    pub fn node(&self, reference: &Value) -> Option<&Instance> {
        let part = |field: &str| reference.get(field).and_then(Value::as_str).map(str::to_owned);
        self.get(&(false, part("space")?, part("externalId")?))
    }

    /// All of one kind; those that are always there only for a filter that names their space.
    pub fn listed(&self, edge: bool, filter: Option<&Value>) -> impl Iterator<Item = &Instance> {
        let named = !edge && filter.is_some_and(|f| f.to_string().contains(&format!("\"{UNIT_SPACE}\"")));
        self.of_type(edge).filter(|i| reads_space(&i.key.1)).chain(units().values().filter(move |_| named))
    }
}

fn units() -> &'static BTreeMap<Key, Instance> {
    static ALL: OnceLock<BTreeMap<Key, Instance>> = OnceLock::new();
    ALL.get_or_init(|| {
        let node = |(id, symbol, quantity): (&str, &str, String)| {
            let key = (false, UNIT_SPACE.to_owned(), id.to_owned());
            let named = object(json!({"name": id.split_once(':').map_or(id, |(_, name)| name)}));
            let unit = object(json!({"symbol": symbol, "quantity": quantity}));
            let properties =
                [("cdf_cdm/CogniteDescribable", named), ("cdf_cdm/CogniteUnit", unit)].map(|(c, p)| (c.to_owned(), p));
            let properties = BTreeMap::from(properties);
            (
                key.clone(),
                Instance {
                    key,
                    seq: 0,
                    version: 1,
                    created: 0,
                    updated: 0,
                    deleted: None,
                    ends: Object::new(),
                    properties,
                },
            )
        };
        crate::areas::units::all().map(node).collect()
    })
}

pub fn key(item: &Object) -> Result<Key> {
    let edge = match text(item, "instanceType") {
        "edge" => true,
        "node" | "" => false,
        other => return Err(ApiError::bad(format!("Unknown instanceType: {other}"))),
    };
    Ok((edge, crate::generic::need(item, "space")?.to_owned(), crate::generic::need(item, "externalId")?.to_owned()))
}

/// The views or containers whose properties are asked for.
pub fn sources(body: &Object) -> Vec<Object> {
    let list = body.get("sources").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|s| Some(with_units(s.get("source").unwrap_or(s).as_object()?, s.get(UNITS)))).collect()
}

/// The units that values are wanted in, kept with the source whose properties they are for.
const UNITS: &str = "targetUnits";

pub fn with_units(source: &Object, units: Option<&Value>) -> Object {
    let mut source = source.clone();
    source.remove(UNITS);
    source.extend(units.filter(|u| !u.is_null()).map(|u| (UNITS.to_owned(), u.clone())));
    source
}

/// How the values of a property are converted.
fn conversion(view: &ViewMap, source: &Object, name: &str) -> Result<Option<Conversion>> {
    let mut wanted = source.get(UNITS).and_then(Value::as_array).into_iter().flatten();
    let Some(wanted) = wanted.find(|w| w.get("property").is_some_and(|p| p == name)) else { return Ok(None) };
    let from = view.definitions.get(name).and_then(|p| p.get("type")?.get("unit")?.get("externalId")?.as_str());
    let to = |field: &str| wanted.get("unit").and_then(|u| u.get(field)?.as_str());
    Conversion::new(from, to("externalId"), to("unitSystemName"))
}

/// A value of a property as the source wants it.
pub fn in_unit(view: &ViewMap, source: &Object, name: &str, value: &Value) -> Result<Value> {
    let Some(to) = conversion(view, source, name)? else { return Ok(value.clone()) };
    let one = |v: &Value| v.as_f64().map_or_else(|| v.clone(), |n| json!(to.value(n)));
    Ok(value.as_array().map_or_else(|| one(value), |list| list.iter().map(one).collect()))
}

/// An instance as it is answered, with the properties of the sources; `only` names those that are wanted.
pub fn shown(eval: &Eval, instance: &Instance, sources: &[(Object, Option<Vec<String>>)]) -> Result<Value> {
    let mut row = instance.head();
    row.insert("version".into(), json!(instance.version));
    row.extend(instance.ends.clone());
    row.insert("createdTime".into(), json!(instance.created));
    row.insert("lastUpdatedTime".into(), json!(instance.updated));
    if let Some(time) = instance.deleted {
        row.insert("deletedTime".into(), json!(time));
    }
    let mut spaces = Object::new();
    for (source, only) in sources {
        let keep = |name: &str| only.as_ref().is_none_or(|list| list.iter().any(|n| n == "*" || n == name));
        let (label, values) = if source.contains_key("version") {
            let view = eval.view(source)?;
            let value = |(name, (container, field)): (&String, &(String, String))| {
                let value = instance.in_container(container, field).filter(|_| keep(name))?;
                Some(in_unit(&view, source, name, value).map(|value| (name.clone(), value)))
            };
            (
                format!("{}/{}", text(source, "externalId"), text(source, "version")),
                view.fields.iter().filter_map(value).collect::<Result<Object>>()?,
            )
        } else {
            let all = instance.properties.get(&source_name(source)).cloned().unwrap_or_default();
            (text(source, "externalId").to_owned(), all.into_iter().filter(|(name, _)| keep(name)).collect())
        };
        if values.is_empty() {
            continue;
        }
        let space = spaces.entry(text(source, "space")).or_insert_with(|| json!({}));
        if let Value::Object(space) = space {
            space.insert(label, Value::Object(values));
        }
    }
    row.insert("properties".into(), Value::Object(spaces));
    Ok(Value::Object(row))
}

pub fn everything(sources: &[Object]) -> Vec<(Object, Option<Vec<String>>)> {
    sources.iter().map(|s| (s.clone(), None)).collect()
}

/// Types of the properties of the views asked for.
pub fn typing(eval: &Eval, sources: &[Object]) -> Result<Value> {
    let mut spaces = Object::new();
    for source in sources.iter().filter(|s| s.contains_key("version")) {
        let view = eval.view(source)?;
        let plain = view.definitions.iter().filter(|(name, _)| view.fields.contains_key(*name)).map(|(name, p)| {
            let keep = |(field, _): &(&String, &Value)| {
                ["type", "nullable", "autoIncrement", "immutable", "defaultValue", "name", "description"]
                    .contains(&field.as_str())
            };
            let mut row: Object = object(p.clone()).into_iter().filter(|(k, v)| keep(&(k, v))).collect();
            let unit = row.get_mut("type").and_then(|t| t.get_mut("unit")).and_then(Value::as_object_mut);
            if let (Some(unit), Some(to)) = (unit, conversion(&view, source, name)?) {
                unit.insert("externalId".into(), json!(to.to));
            }
            Ok((name.clone(), Value::Object(row)))
        });
        let label = format!("{}/{}", text(source, "externalId"), text(source, "version"));
        let plain: Object = plain.collect::<Result<_>>()?;
        let space = spaces.entry(text(source, "space")).or_insert_with(|| json!({}));
        if let Value::Object(space) = space {
            space.insert(label, Value::Object(plain));
        }
    }
    Ok(Value::Object(spaces))
}

/// Refuses sources that do not exist.
pub fn check_sources(eval: &Eval, sources: &[Object]) -> Result<()> {
    sources.iter().try_for_each(|source| eval.exists(source))
}

/// In the order asked for, else as they are.
pub fn sort(eval: &Eval, sort: Option<&Value>, rows: &mut [&Instance]) -> Result<()> {
    let Some(keys) = sort.and_then(Value::as_array).filter(|k| !k.is_empty()) else { return Ok(()) };
    for key in keys.iter().rev() {
        let path = key.get("property").ok_or_else(|| ApiError::bad("sort needs property"))?;
        eval.type_of(path)?;
        let path = path.as_array().map_or(&[][..], Vec::as_slice);
        let descending = key.get("direction").and_then(Value::as_str) == Some("descending");
        let nulls_first = key.get("nullsFirst").and_then(Value::as_bool).unwrap_or(descending);
        let mut values = Vec::with_capacity(rows.len());
        for row in rows.iter() {
            values.push((eval.value(*row, path)?, *row));
        }
        values.sort_by(|(a, _), (b, _)| match (a, b) {
            (Some(a), Some(b)) => {
                let order = compare(a, b).unwrap_or(Ordering::Equal);
                if descending { order.reverse() } else { order }
            }
            (None, None) => Ordering::Equal,
            (a, _) => {
                if a.is_none() == nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        });
        for (slot, (_, row)) in rows.iter_mut().zip(values) {
            *slot = row;
        }
    }
    Ok(())
}

/// Whether the instance has data in all of these.
fn with_data(eval: &Eval, row: &Instance, with: &[Object]) -> Result<bool> {
    with.iter().map(|s| eval.has_data(row, s, 0)).try_fold(true, |all, has| has.map(|h| all && h))
}

pub fn filtered<'a>(
    eval: &Eval,
    rows: impl Iterator<Item = &'a Instance>,
    filter: Option<&Value>,
    with: &[Object],
) -> Result<Vec<&'a Instance>> {
    let filter = filter.filter(|f| !f.is_null()).map(|f| eval.prepared(f, 0)).transpose()?;
    let mut found = Vec::new();
    for row in rows {
        if with_data(eval, row, with)? && filter.as_ref().map_or(Ok(true), |f| eval.matches(row, f, 0))? {
            found.push(row);
        }
    }
    Ok(found)
}

pub fn by_ids(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let mut body = call.object()?;
    let list = items(&mut body, 1000)?;
    let data = state.read();
    let eval = Eval::new(&data, None);
    let sources = sources(&body);
    check_sources(&eval, &sources)?;
    let mut found = Vec::new();
    for item in &list {
        let key = key(item)?;
        allow(reads_space(&key.1))?;
        if let Some(instance) = data.instances.get(&key)
            && with_data(&eval, instance, &sources)?
        {
            found.push(shown(&eval, instance, &everything(&sources))?);
        }
    }
    finish(&eval, &body, &sources, json!({ "items": found }))
}

fn finish(eval: &Eval, body: &Object, sources: &[Object], mut answer: Value) -> Result<Reply> {
    if let (Some(true), Value::Object(map)) = (body.get("includeTyping").and_then(Value::as_bool), &mut answer) {
        map.insert("typing".into(), typing(eval, sources)?);
    }
    Ok(Reply::ok(&answer))
}

pub fn list(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let mut body = if call.body.is_empty() { Object::new() } else { call.object()? };
    let data = state.read();
    let eval = Eval::new(&data, None);
    let sources = sources(&body);
    check_sources(&eval, &sources)?;
    let edge = text(&body, "instanceType") == "edge";
    // Only what has data in all the sources is listed.
    let rows = data.instances.listed(edge, body.get("filter"));
    let mut found = filtered(&eval, rows, body.get("filter"), &sources)?;
    sort(&eval, body.get("sort"), &mut found)?;
    body.entry("limit").or_insert(json!(1000));
    let all = everything(&sources);
    let (page, next) = paged(&body, 1000, found.into_iter())?;
    let items = page.into_iter().map(|i| shown(&eval, i, &all)).collect::<Result<_>>()?;
    finish(&eval, &body, &sources, answer((items, next)))
}

/// Texts of a view, or of the properties named, that hold the words.
pub fn text_match(eval: &Eval, row: &Instance, view: &Object, body: &Object) -> Result<bool> {
    let query = text(body, "query").to_lowercase();
    if query.is_empty() {
        return Ok(true);
    }
    let only: Option<Vec<&str>> =
        body.get("properties").and_then(Value::as_array).map(|l| l.iter().filter_map(Value::as_str).collect());
    let view = eval.view(view)?;
    let fields = view.fields.iter().filter(|(name, _)| only.as_ref().is_none_or(|o| o.contains(&name.as_str())));
    let texts: Vec<String> = fields
        .filter_map(|(_, (container, field))| row.in_container(container, field))
        .flat_map(|v| v.as_array().map_or_else(|| vec![v], |l| l.iter().collect()))
        .filter_map(|v| v.as_str().map(str::to_lowercase))
        .collect();
    let holds = |word: &str| {
        texts.iter().any(|t| t.split(|c: char| !c.is_alphanumeric()).any(|w| w.starts_with(word)) || t.contains(word))
    };
    let any = text(body, "operator") == "OR";
    Ok(if any { query.split_whitespace().any(holds) } else { query.split_whitespace().all(holds) })
}

/// All instances of the view that fit filter and words.
pub fn in_view<'a>(eval: &Eval<'a>, body: &Object) -> Result<(Object, Vec<&'a Instance>)> {
    let view = body.get("view").and_then(Value::as_object).ok_or_else(|| crate::generic::missing_field("view"))?;
    let map = eval.view(view)?;
    let mut named = body.get("properties").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    if let Some(name) = named.find(|name| !map.fields.contains_key(*name)) {
        return Err(ApiError::bad(format!("Unknown property: {name}")));
    }
    let view = with_units(view, body.get(UNITS));
    let edge = text(body, "instanceType") == "edge";
    let rows = eval.data.instances.listed(edge, body.get("filter"));
    let found = filtered(eval, rows, body.get("filter"), std::slice::from_ref(&view))?;
    let mut kept = Vec::new();
    // Search and aggregates may be behind; then they do not know the newest.
    let seen = eval.data.horizon();
    for row in found.into_iter().filter(|row| row.created <= seen) {
        if text_match(eval, row, &view, body)? {
            kept.push(row);
        }
    }
    Ok((view, kept))
}

pub fn search(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let mut body = call.object()?;
    let data = state.read();
    let eval = Eval::new(&data, None);
    let (view, mut found) = in_view(&eval, &body)?;
    sort(&eval, body.get("sort"), &mut found)?;
    let sources = [view];
    let all = everything(&sources);
    body.entry("limit").or_insert(json!(1000));
    let (page, _) = paged(&body, 1000, found.into_iter())?;
    let items = page.into_iter().map(|i| shown(&eval, i, &all)).collect::<Result<_>>()?;
    finish(&eval, &body, &sources, answer((items, None)))
}

pub fn inspect(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let mut body = call.object()?;
    let list = items(&mut body, 1000)?;
    let data = state.read();
    let eval = Eval::new(&data, None);
    let operations = body.get("inspectionOperations").and_then(Value::as_object).cloned().unwrap_or_default();
    let all: Vec<Object> = views(&data).collect();
    let mut found = Vec::new();
    for item in &list {
        let key = key(item)?;
        allow(reads_space(&key.1))?;
        let Some(instance) = data.instances.all.get(&key) else { continue };
        let mut results = Object::new();
        if operations.contains_key("involvedViews") {
            let involved = all.iter().filter(|v| eval.has_data(instance, v, 0).unwrap_or(false));
            results.insert("involvedViews".into(), json!(involved.collect::<Vec<_>>()));
        }
        if operations.contains_key("involvedContainers") {
            let containers = instance.properties.keys().filter_map(|name| name.split_once('/'));
            let containers =
                containers.map(|(space, name)| json!({"type": "container", "space": space, "externalId": name}));
            results.insert("involvedContainers".into(), json!(containers.collect::<Vec<_>>()));
        }
        let mut row = instance.head();
        row.insert("inspectionResults".into(), Value::Object(results));
        found.push(row);
    }
    Ok(Reply::ok(&json!({ "items": found })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_deleted_takes_so_much_room_and_no_more() {
        let mut instances = Instances::default();
        let big = Object::from_iter([("a".to_owned(), json!("x".repeat(1 << 20)))]);
        for seq in 0..200 {
            let key = (false, "s".to_owned(), format!("n{seq}"));
            let properties = BTreeMap::from([("s/c".to_owned(), big.clone())]);
            let ends = Object::new();
            instances.bury(Instance {
                key,
                seq,
                version: 1,
                created: 0,
                updated: 0,
                deleted: Some(1),
                ends,
                properties,
            });
            assert!(instances.gone_bytes <= MAX_GONE_BYTES);
        }
        assert!(instances.gone.len() > 20 && instances.gone.values().any(|i| i.seq == 199));
        let keys: Vec<Key> = instances.gone.keys().cloned().collect();
        keys.iter().for_each(|key| instances.unbury(key));
        assert_eq!(instances.gone_bytes, 0);
    }
}
