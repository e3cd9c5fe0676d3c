//! One record: a level, what happened, a sentence, and facts under names that never change their meaning.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use super::Level;

pub struct Record {
    pub(super) level: Level,
    members: Map<String, Value>,
}

impl Record {
    pub fn new(level: Level, event: &str, message: impl Into<String>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut members = Map::new();
        members.insert("time_ms".into(), json!(now.as_millis() as u64));
        members.insert("level".into(), json!(level.name()));
        members.insert("event".into(), json!(event));
        members.insert("message".into(), json!(message.into()));
        Self { level, members }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.into(), value.into());
        self
    }

    /// A fact that may be unknown: then it is left out.
    #[must_use]
    pub fn with_known<T: Into<Value>>(self, name: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub fn into_json(self) -> String {
        Value::Object(self.members).to_string()
    }
}
