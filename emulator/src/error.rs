//! Errors in the shape the API answers with.

use serde_json::{Map, Value, json};

#[derive(Debug, Clone)]
pub struct ApiError {
    pub status: u16,
    pub message: String,
    pub missing: Vec<Value>,
    pub duplicated: Vec<Value>,
}

pub type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), missing: Vec::new(), duplicated: Vec::new() }
    }

    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    pub fn missing(message: impl Into<String>, missing: Vec<Value>) -> Self {
        Self { missing, ..Self::new(400, message) }
    }

    pub fn duplicated(status: u16, message: impl Into<String>, duplicated: Vec<Value>) -> Self {
        Self { duplicated, ..Self::new(status, message) }
    }

    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized")
    }

    /// The emulator keeps everything in memory, so every store has a ceiling.
    pub fn full(what: &str) -> Self {
        Self::new(507, format!("The emulator is full: {what}"))
    }

    pub fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("code".into(), json!(self.status));
        error.insert("message".into(), json!(self.message));
        if !self.missing.is_empty() {
            error.insert("missing".into(), json!(self.missing));
        }
        if !self.duplicated.is_empty() {
            error.insert("duplicated".into(), json!(self.duplicated));
        }
        json!({ "error": error })
    }
}
