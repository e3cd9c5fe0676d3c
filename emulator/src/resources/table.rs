//! Rows of one kind, and the identifiers that name them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Map, Value, json};

use crate::clock::now_ms;
use crate::error::{ApiError, Result};

pub type Object = Map<String, Value>;

#[derive(Clone)]
pub struct Row {
    pub value: Object,
    pub weight: u64,
}

/// What names a row besides its id, where a kind does not say otherwise.
pub const EXTERNAL_ID: &[&str] = &["externalId"];

#[derive(Clone)]
pub struct Table {
    pub rows: BTreeMap<i64, Row>,
    key: &'static [&'static str],
    by_name: HashMap<String, i64>,
    by_instance: HashMap<(String, String), i64>,
    /// Milliseconds that lists are behind.
    lag: i64,
    /// What rows were before they changed, and when, for as long as lists show it.
    before: VecDeque<(i64, i64, Option<Row>)>,
}

impl Default for Table {
    fn default() -> Self {
        Self::new(EXTERNAL_ID, 0)
    }
}

impl Table {
    pub fn new(key: &'static [&'static str], lag: i64) -> Self {
        let (by_name, by_instance) = (HashMap::new(), HashMap::new());
        Self { rows: BTreeMap::new(), key, by_name, by_instance, lag, before: VecDeque::new() }
    }

    /// The rows as lists and searches see them.
    pub fn listed(&self) -> Cow<'_, BTreeMap<i64, Row>> {
        let seen = now_ms() - self.lag;
        if self.lag == 0 || self.before.back().is_none_or(|(at, _, _)| *at <= seen) {
            return Cow::Borrowed(&self.rows);
        }
        let mut rows = self.rows.clone();
        for (_, id, row) in self.before.iter().rev().take_while(|(at, _, _)| *at > seen) {
            match row {
                Some(row) => rows.insert(*id, row.clone()),
                None => rows.remove(id),
            };
        }
        Cow::Owned(rows)
    }

    fn remember(&mut self, id: i64, old: Option<Row>) {
        if self.lag == 0 {
            return;
        }
        let now = now_ms();
        self.before.push_back((now, id, old));
        while self.before.front().is_some_and(|(at, _, _)| *at < now - self.lag) {
            self.before.pop_front();
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (i64, &Object)> {
        self.rows.iter().map(|(id, row)| (*id, &row.value))
    }

    pub fn get(&self, id: i64) -> Option<&Object> {
        self.rows.get(&id).map(|row| &row.value)
    }

    pub fn id_of(&self, name: &str) -> Option<i64> {
        self.by_name.get(name).copied()
    }

    pub fn resolve(&self, key: &Identifier) -> Option<i64> {
        match key {
            Identifier::Id(id) => self.rows.contains_key(id).then_some(*id),
            Identifier::ExternalId(text) => self.id_of(text),
            Identifier::Instance(space, name) => self.by_instance.get(&(space.clone(), name.clone())).copied(),
        }
    }

    /// Inserts or replaces, keeping the external id index. Returns the weight of what was there before.
    pub fn put(&mut self, id: i64, value: Object, weight: u64) -> u64 {
        let old = self.take(id);
        self.remember(id, old.clone());
        if let Some(name) = name(self.key, &value) {
            self.by_name.insert(name, id);
        }
        if let Some(instance) = instance(&value) {
            self.by_instance.insert(instance, id);
        }
        self.rows.insert(id, Row { value, weight });
        old.map_or(0, |row| row.weight)
    }

    pub fn remove(&mut self, id: i64) -> Option<Row> {
        let old = self.take(id)?;
        self.remember(id, Some(old.clone()));
        Some(old)
    }

    fn take(&mut self, id: i64) -> Option<Row> {
        let row = self.rows.remove(&id)?;
        if let Some(name) = name(self.key, &row.value)
            && self.by_name.get(&name) == Some(&id)
        {
            self.by_name.remove(&name);
        }
        if let Some(instance) = instance(&row.value) {
            self.by_instance.remove(&instance);
        }
        Some(row)
    }
}

/// The text of a row's key: plain for one field, a JSON list for several. None where a field is missing.
pub fn name(key: &[&str], value: &Object) -> Option<String> {
    let part = |field: &&str| value.get(*field).filter(|v| !v.is_null());
    if let [only] = key {
        let value = part(only)?;
        return Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    if key.is_empty() {
        return None;
    }
    let parts: Option<Vec<&Value>> = key.iter().map(part).collect();
    parts.map(|parts| json!(parts).to_string())
}

/// Space and external id of the node a row belongs to.
fn instance(value: &Object) -> Option<(String, String)> {
    pair(value.get("instanceId")?)
}

/// Space and external id of a reference.
pub fn pair(reference: &Value) -> Option<(String, String)> {
    let part = |field: &str| reference.get(field).and_then(Value::as_str).map(str::to_owned);
    Some((part("space")?, part("externalId")?))
}

pub fn external_id(value: &Object) -> Option<&str> {
    value.get("externalId").and_then(Value::as_str)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identifier {
    Id(i64),
    ExternalId(String),
    /// Space and external id.
    Instance(String, String),
}

impl Identifier {
    /// Exactly one of id, externalId and instanceId.
    pub fn parse(item: &Object) -> Result<Self> {
        let mut found = None;
        for name in ["id", "externalId", "instanceId"] {
            let Some(value) = item.get(name).filter(|v| !v.is_null()) else { continue };
            if found.is_some() {
                return Err(ApiError::bad("Exactly one of id, externalId and instanceId must be given per item"));
            }
            found = Some(match (name, value) {
                ("id", v) => match v.as_i64() {
                    Some(id) => Self::Id(id),
                    None => return Err(ApiError::bad("id must be an integer")),
                },
                ("externalId", Value::String(text)) => Self::ExternalId(text.clone()),
                ("externalId", _) => return Err(ApiError::bad("externalId must be a string")),
                (_, v) => match pair(v) {
                    Some((space, name)) => Self::Instance(space, name),
                    None => return Err(ApiError::bad("instanceId must have space and externalId")),
                },
            });
        }
        found.ok_or_else(|| ApiError::bad("One of id and externalId must be given per item"))
    }

    pub fn to_json(&self) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::ExternalId(text) => json!({ "externalId": text }),
            Self::Instance(space, name) => json!({"instanceId": {"space": space, "externalId": name}}),
        }
    }
}

/// A rough count of the bytes a value takes, for the memory ceiling.
pub fn weight(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 16,
        Value::String(s) => 24 + s.len() as u64,
        Value::Array(items) => 24 + items.iter().map(weight).sum::<u64>(),
        Value::Object(map) => map_weight(map),
    }
}

pub fn map_weight(map: &Object) -> u64 {
    64 + map.iter().map(|(k, v)| 32 + k.len() as u64 + weight(v)).sum::<u64>()
}
