//! Resources that are rows with identifiers: one implementation for every kind in the table of `kinds`.

mod advanced;
mod check;
mod filters;
pub mod kinds;
mod limits;
mod read;
mod special;
pub mod table;
mod write;

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::scope;
use crate::state::{State, now_ms};
use kinds::{Kind, Special};
use table::Object;

pub use advanced::{Node, compare, parse as parse_filter};
pub use check::{flag, items, violations};
pub use read::{aggregate_rows, order, sort_keys};
pub use write::{create, references, update};

const MAX_ITEMS: usize = 1000;

/// Serves `/{kind}[/{operation}]`, or says that there is no such path.
pub fn serve(state: &State, kind: &'static Kind, call: &Call) -> Result<Reply> {
    let rest: Vec<&str> = call.segments.iter().skip(1).map(String::as_str).collect();
    let op = match (call.method.as_str(), rest.as_slice()) {
        ("POST", []) => "create",
        ("GET", []) => "get",
        ("GET", [id]) => return get_one(state, kind, id),
        ("POST", [op]) => *op,
        _ => return Err(no_such_path(call)),
    };
    // `get` is not an operation to post to.
    if !kind.serves(op) || (call.method == "POST" && op == "get") {
        return Err(no_such_path(call));
    }
    let now = now_ms();
    match op {
        "create" if kind.special == Special::File => {
            let item = call.object()?;
            let mut data = state.write();
            let created = write::create(&mut data, kind, &[item], now)?;
            Ok(Reply::json(kind.created_status, created.first().unwrap_or(&Value::Null)))
        }
        "create" => {
            let items = items(&mut call.object()?, kind.create_limit)?;
            let created = write::create(&mut state.write(), kind, &items, now)?;
            Ok(Reply::json(kind.created_status, &json!({ "items": created })))
        }
        "get" => Ok(Reply::ok(&read::list(&state.read(), kind, &query_as_body(kind, call)?)?)),
        "list" => {
            let (data, body) = (state.read(), body_or_empty(call)?);
            let mut answer = read::list(&data, kind, &body)?;
            if let Some(items) = answer.get_mut("items").filter(|_| flag(&body, "fetchResources").unwrap_or(false)) {
                special::fetch_ends(&data, items);
            }
            Ok(Reply::ok(&answer))
        }
        "byids" => {
            let mut body = call.object()?;
            let items = items(&mut body, MAX_ITEMS)?;
            let ignore = flag(&body, "ignoreUnknownIds")?;
            let aggregates = read::wanted_aggregates(&body);
            let data = state.read();
            let mut found = json!(read::by_ids(&data, kind, &items, ignore, aggregates)?);
            if flag(&body, "fetchResources")? {
                special::fetch_ends(&data, &mut found);
            }
            Ok(Reply::ok(&json!({ "items": found })))
        }
        "update" => {
            let items = items(&mut call.object()?, MAX_ITEMS)?;
            let updated = write::update(&mut state.write(), kind, &items, now)?;
            Ok(Reply::ok(&json!({ "items": updated })))
        }
        "delete" => {
            let mut body = call.object()?;
            let items = items(&mut body, MAX_ITEMS)?;
            write::delete(&mut state.write(), kind, &items, &body)?;
            Ok(Reply { status: if kind.path == "relationships" { 202 } else { 200 }, ..Reply::empty() })
        }
        "search" => Ok(Reply::ok(&read::search(&state.read(), kind, &body_or_empty(call)?)?)),
        "aggregate" => Ok(Reply::ok(&read::aggregate(&state.read(), kind, &body_or_empty(call)?)?)),
        _ => Err(no_such_path(call)),
    }
}

pub fn no_such_path(call: &Call) -> ApiError {
    ApiError::not_found(format!("No such path: {} /{}", call.method, call.segments.join("/")))
}

fn body_or_empty(call: &Call) -> Result<Object> {
    if call.body.is_empty() { Ok(Object::new()) } else { call.object() }
}

fn get_one(state: &State, kind: &'static Kind, id: &str) -> Result<Reply> {
    let data = state.read();
    let found = id.parse().ok().filter(|_| kind.has_id && kind.serves("get"));
    if let Some(row) = found.and_then(|id| data.table(kind.path)?.get(id)) {
        scope::permit(row)?;
    }
    match found.and_then(|id: i64| special::present(&data, kind, id, &[])) {
        Some(value) => Ok(Reply::ok(&value)),
        None => Err(ApiError::not_found(format!("{} with id {id} not found", kind.noun))),
    }
}

/// The GET form of a list has its filter in the query.
fn query_as_body(kind: &Kind, call: &Call) -> Result<Object> {
    let mut body = Object::new();
    let mut filter = Object::new();
    if let Some(limit) = call.int_param("limit")? {
        body.insert("limit".into(), json!(limit));
    }
    for (key, value) in &call.query {
        match key.as_str() {
            "limit" | "includeMetadata" => {}
            "cursor" | "partition" | "sort" if value.is_empty() => {}
            "cursor" | "partition" | "sort" => {
                body.insert(key.clone(), json!(value));
            }
            _ => {
                let bound = key.strip_prefix("min").map(|k| ("min", k)).or(key.strip_prefix("max").map(|k| ("max", k)));
                let ranged = bound.and_then(|(bound, name)| {
                    let mut name = name.to_owned();
                    name.get_mut(..1)?.make_ascii_lowercase();
                    kind.filters.iter().any(|f| f.key == name).then_some((bound, name))
                });
                if let Some((bound, name)) = ranged {
                    let number: i64 =
                        value.parse().map_err(|_| ApiError::bad(format!("{key} must be an integer, was '{value}'")))?;
                    let range = filter.entry(name).or_insert_with(|| json!({}));
                    if let Value::Object(range) = range {
                        range.insert(bound.into(), json!(number));
                    }
                } else {
                    filter.insert(key.clone(), typed(kind, key, value));
                }
            }
        }
    }
    if !filter.is_empty() {
        body.insert("filter".into(), Value::Object(filter));
    }
    Ok(body)
}

/// Lists, booleans and objects are written as JSON in a query; text is plain.
fn typed(kind: &Kind, key: &str, value: &str) -> Value {
    let is_text = kind.field(key).is_some_and(|f| matches!(f.ty, kinds::Type::Text(_))) || key.ends_with("Prefix");
    if is_text {
        return json!(value);
    }
    serde_json::from_str(value).unwrap_or_else(|_| json!(value))
}
