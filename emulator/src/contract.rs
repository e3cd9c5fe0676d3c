//! Strict mode: requests and answers are held against an API description (OpenAPI 3.1). Nothing is refused for it;
//! what does not fit is counted and listed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};

use crate::call::{Call, Reply};

const DOCUMENT: &str = "http://emulator.invalid/openapi";
const MAX_LISTED: usize = 1000;
const MAX_ERRORS: usize = 3;
const MAX_TEXT: usize = 400;

struct Operation {
    method: String,
    segments: Vec<String>,
    pointer: String,
}

pub struct Contract {
    document: Value,
    registry: Registry<'static>,
    operations: Vec<Operation>,
    validators: Mutex<HashMap<String, Option<Arc<Validator>>>>,
    report: Mutex<Report>,
}

#[derive(Default)]
struct Report {
    requests: u64,
    answers: u64,
    violations: BTreeMap<&'static str, u64>,
    /// Operations the document does not have, with how often they were called.
    unknown: BTreeMap<String, u64>,
    items: VecDeque<Value>,
}

/// A segment of a JSON pointer, for use in the fragment of a reference.
fn escaped(segment: &str) -> String {
    let mut out = String::new();
    for c in segment.replace('~', "~0").replace('/', "~1").chars() {
        if c.is_ascii_alphanumeric() || "-_.~*+".contains(c) {
            out.push(c);
        } else {
            out.extend(c.to_string().bytes().map(|b| format!("%{b:02X}")));
        }
    }
    out
}

/// Alternatives of the description overlap, so most of what the API takes fits several of them. `oneOf` is read as
/// `anyOf`: to fit none is the violation.
fn loosen(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if !map.contains_key("anyOf")
                && map.get("oneOf").is_some_and(Value::is_array)
                && let Some(list) = map.remove("oneOf")
            {
                map.insert("anyOf".into(), list);
            }
            // A slip of the public document: it means the character zero, not a backslash, an x and zeros.
            if let Some(Value::String(pattern)) = map.get_mut("pattern") {
                *pattern = pattern.replace(r"\\x00", r"\x00");
            }
            map.values_mut().for_each(loosen);
        }
        Value::Array(list) => list.iter_mut().for_each(loosen),
        _ => {}
    }
}

impl Contract {
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let document: Value = serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::new(document).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn new(document: Value) -> Result<Self, String> {
        let mut document = document;
        loosen(&mut document);
        let registry = Registry::new().draft(Draft::Draft202012).add(DOCUMENT, document.clone());
        let registry = registry.and_then(|r| r.prepare()).map_err(|e| e.to_string())?;
        let paths = document.get("paths").and_then(Value::as_object).ok_or("there are no paths in it")?;
        let mut operations = Vec::new();
        for (path, methods) in paths {
            for method in methods.as_object().into_iter().flatten().map(|(method, _)| method) {
                if ["get", "post", "put", "delete", "patch"].contains(&method.as_str()) {
                    operations.push(Operation {
                        method: method.to_uppercase(),
                        segments: path.split('/').skip(1).filter(|s| !s.is_empty()).map(str::to_owned).collect(),
                        pointer: format!("/paths/{}/{method}", escaped(path)),
                    });
                }
            }
        }
        // Literal paths come before those with parameters.
        operations.sort_by_key(|o| o.segments.iter().map(|s| s.starts_with('{')).collect::<Vec<_>>());
        Ok(Self { document, registry, operations, validators: Mutex::default(), report: Mutex::default() })
    }

    /// What a pointer leads to, and the pointer without references on the way.
    fn at(&self, pointer: &str) -> Option<(String, &Value)> {
        let mut pointer = pointer.to_owned();
        for _ in 0..10 {
            let plain = crate::call::decode(&pointer, false);
            let found = self.document.pointer(&plain)?;
            match found.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
                Some(target) => pointer = target.to_owned(),
                None => return Some((pointer, found)),
            }
        }
        None
    }

    /// A schema that cannot be used is one the document got wrong; nothing is held against it.
    fn validator(&self, pointer: &str) -> Option<Arc<Validator>> {
        let mut known = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let build = || {
            let schema = json!({"$ref": format!("{DOCUMENT}#{pointer}")});
            let built =
                jsonschema::options().with_draft(Draft::Draft202012).with_registry(&self.registry).build(&schema);
            built.ok().map(Arc::new)
        };
        known.entry(pointer.to_owned()).or_insert_with(build).clone()
    }

    fn errors(&self, pointer: &str, value: &Value) -> Vec<String> {
        let Some(validator) = self.validator(pointer) else { return Vec::new() };
        let text = |e: jsonschema::ValidationError| {
            format!("{}: {e}", e.instance_path()).chars().take(MAX_TEXT).collect::<String>()
        };
        validator.iter_errors(value).take(MAX_ERRORS).map(text).collect()
    }

    pub fn check(&self, call: &Call, reply: &Reply) {
        let named: Vec<&String> = call.segments.iter().filter(|s| !s.is_empty()).collect();
        let fits = |o: &&Operation| {
            o.method == call.method
                && o.segments.len() == named.len()
                && o.segments.iter().zip(&named).all(|(part, have)| part.starts_with('{') || part == *have)
        };
        let path = call.segments.join("/");
        let Some(operation) = self.operations.iter().find(fits) else {
            let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
            if report.unknown.len() < MAX_LISTED {
                *report.unknown.entry(format!("{} /{path}", call.method)).or_default() += 1;
            }
            return;
        };
        let findings = [
            ("query", self.query(operation, call)),
            ("request", self.request(operation, call)),
            ("answer", self.answer(operation, reply)),
        ];
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.requests += 1;
        report.answers += 1;
        for (side, errors) in findings.into_iter().filter(|(_, errors)| !errors.is_empty()) {
            *report.violations.entry(side).or_default() += 1;
            if report.items.len() >= MAX_LISTED {
                report.items.pop_front();
            }
            let method = &call.method;
            report.items.push_back(
                json!({"side": side, "method": method, "path": path, "status": reply.status, "errors": errors}),
            );
        }
    }

    fn query(&self, operation: &Operation, call: &Call) -> Vec<String> {
        let above = operation.pointer.rsplit_once('/').map_or("", |(path, _)| path);
        let mut declared = Vec::new();
        for place in [above, &operation.pointer] {
            let count = self.at(place).and_then(|(_, v)| v.get("parameters")?.as_array().map(Vec::len)).unwrap_or(0);
            let found = (0..count).filter_map(|n| self.at(&format!("{place}/parameters/{n}")));
            declared.extend(found.filter(|(_, p)| p.get("in").and_then(Value::as_str) == Some("query")));
        }
        let name = |p: &Value| p.get("name").and_then(Value::as_str).unwrap_or("").to_owned();
        let mut errors = Vec::new();
        for (key, value) in &call.query {
            let Some((pointer, _)) = declared.iter().find(|(_, p)| name(p) == *key) else {
                errors.push(format!("The query parameter {key} is not declared"));
                continue;
            };
            let pointer = format!("{pointer}/schema");
            let kind = self.at(&pointer).and_then(|(_, s)| s.get("type")?.as_str().map(str::to_owned));
            let typed = match kind.as_deref() {
                Some("integer" | "number" | "boolean") => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
                Some("string") => json!(value),
                // Lists and unions are written in more than one way.
                _ => continue,
            };
            errors.extend(self.errors(&pointer, &typed).into_iter().map(|e| format!("{key}: {e}")));
        }
        for (_, parameter) in declared.iter().filter(|(_, p)| p.get("required") == Some(&json!(true))) {
            if call.param(&name(parameter)).is_none() {
                errors.push(format!("The query parameter {} is missing", name(parameter)));
            }
        }
        errors
    }

    fn json_schema(&self, pointer: &str) -> Option<String> {
        let (pointer, content) = self.at(pointer).and_then(|(p, v)| Some((p, v.get("content")?)))?;
        let (kind, _) =
            content.as_object()?.iter().find(|(kind, c)| kind.contains("json") && c.get("schema").is_some())?;
        Some(format!("{pointer}/content/{}/schema", escaped(kind)))
    }

    fn request(&self, operation: &Operation, call: &Call) -> Vec<String> {
        let Some(schema) = self.json_schema(&format!("{}/requestBody", operation.pointer)) else { return Vec::new() };
        let kind = call.header("content-type");
        if !(kind.is_empty() || kind.contains("json")) {
            return Vec::new();
        }
        if call.body.is_empty() {
            let required =
                self.at(&format!("{}/requestBody", operation.pointer)).and_then(|(_, b)| b.get("required")?.as_bool());
            return if required == Some(true) { vec!["The body is missing".into()] } else { Vec::new() };
        }
        match serde_json::from_slice(&call.body) {
            Ok(body) => self.errors(&schema, &body),
            Err(e) => vec![format!("The body is no JSON: {e}")],
        }
    }

    fn answer(&self, operation: &Operation, reply: &Reply) -> Vec<String> {
        let place = |status: &str| self.at(&format!("{}/responses/{status}", operation.pointer)).map(|(p, _)| p);
        let class = format!("{}XX", reply.status / 100);
        let status = reply.status.to_string();
        let Some(pointer) = place(&status).or_else(|| place(&class)).or_else(|| place("default")) else {
            let undeclared = reply.status < 300;
            return if undeclared { vec![format!("The status {status} is not declared")] } else { Vec::new() };
        };
        let Some(schema) = self.json_schema(&pointer).filter(|_| reply.content_type.contains("json")) else {
            return Vec::new();
        };
        match serde_json::from_slice(&reply.body) {
            Ok(body) => self.errors(&schema, &body),
            // A stream of several values is no single one.
            Err(_) => Vec::new(),
        }
    }

    pub fn report(&self) -> Value {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let count: u64 = report.violations.values().sum();
        json!({"requests": report.requests, "answers": report.answers, "violations": count, "by_side": report.violations,
            "not_in_document": report.unknown, "items": report.items})
    }

    pub fn reset(&self) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Report::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderMap;

    fn contract() -> Contract {
        let item = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer", "minimum": 1}},
            "additionalProperties": false});
        let list = json!({"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "maxItems": 2, "items": {"$ref": "#/components/schemas/Item"}}}});
        let json_body = |schema: Value| json!({"content": {"application/json": {"schema": schema}}});
        let limit = json!({"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 10}});
        let reference = json!({"$ref": "#/components/schemas/List"});
        Contract::new(json!({"openapi": "3.1.0",
            "paths": {"/things/{id}/parts": {"parameters": [limit],
                "post": {"requestBody": json_body(reference.clone()), "responses": {"200": {"$ref": "#/components/responses/Parts"}}}}},
            "components": {"schemas": {"Item": item, "List": list}, "responses": {"Parts": json_body(reference)}}}))
        .unwrap()
    }

    fn sides(query: &str, body: &str, status: u16, answer: &str) -> Vec<String> {
        let contract = contract();
        let call = Call {
            method: "POST".into(),
            segments: ["things", "7", "parts"].map(str::to_owned).into(),
            query: crate::call::pairs(query),
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
        };
        contract.check(&call, &Reply { status, content_type: "application/json", body: answer.into() });
        let report = contract.report();
        let items = report["items"].as_array().unwrap().clone();
        items.iter().map(|i| i["side"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_does_not_fit_is_found_on_its_side() {
        let good = r#"{"items": [{"id": 1}]}"#;
        assert!(sides("limit=3", good, 200, good).is_empty());
        assert_eq!(sides("limit=30", good, 200, good), ["query"]);
        assert_eq!(sides("other=3", good, 200, good), ["query"]);
        assert_eq!(sides("", r#"{"items": [{"id": 0}]}"#, 200, good), ["request"]);
        assert_eq!(sides("", r#"{"items": [{"id": 1}, {"id": 1}, {"id": 1}]}"#, 200, good), ["request"]);
        assert_eq!(sides("", good, 200, r#"{"items": [{"id": 1, "more": 1}]}"#), ["answer"]);
        assert_eq!(sides("", good, 201, good), ["answer"]);
        assert_eq!(sides("", "no JSON", 400, "{}"), ["request"]);
    }
}
