//! Scopes of capabilities: which rows a request may touch. A request has one, as it has a time.

use std::cell::RefCell;

use serde_json::{Value, json};

use crate::areas::UNIT_SPACE;
use crate::error::{ApiError, Result};
use crate::generic::rows;
use crate::models::CORE_SPACE;
use crate::resources::table::Object;
use crate::state::Data;

/// Scope in small letters, its list, and the field of a row that has to be in the list.
const SCOPES: &[(&str, &str, &str)] = &[
    ("assetrootidscope", "rootIds", "rootId"),
    ("datasetscope", "ids", "dataSetId"),
    ("extractionpipelinescope", "ids", "id"),
    ("idscope", "ids", "id"),
    ("spaceidscope", "spaceIds", "space"),
];

/// Rows that have no such field themselves, but name one that has: capability, field, table of the named rows, their
/// name there, and here.
const THROUGH: &[(&str, &str, &str, &str, &str)] = &[
    ("extractionConfigsAcl", "dataSetId", "extpipes", "externalId", "externalId"),
    ("extractionConfigsAcl", "id", "extpipes", "externalId", "externalId"),
    ("extractionRunsAcl", "dataSetId", "extpipes", "externalId", "externalId"),
    ("extractionRunsAcl", "id", "extpipes", "externalId", "externalId"),
    ("timeSeriesAcl", "rootId", "assets", "id", "assetId"),
    ("transformationsAcl", "dataSetId", "transformations", "id", "@transformationId"),
    ("transformationsAcl", "dataSetId", "transformations", "id", "transformationId"),
    ("workflowOrchestrationAcl", "dataSetId", "workflows", "externalId", "workflowExternalId"),
];

/// Fields of rows with the values of which one is enough.
pub struct Scope(Vec<(&'static str, Vec<Value>)>);

thread_local! {
    /// None where everything is within.
    static SCOPE: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

impl Scope {
    /// The scopes together; None if one of them is everything. `mine` are the source ids of the client's groups.
    pub fn new(data: &Data, acl: &str, mine: Vec<String>, scopes: &[&Value]) -> Option<Self> {
        if scopes.iter().any(|scope| scope.get("all").is_some()) {
            return None;
        }
        let mut bounds = vec![];
        for (name, inner) in scopes.iter().filter_map(|scope| scope.as_object()).flatten() {
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                "currentuserscope" => bounds.push(("sourceId", mine.iter().map(|m| json!(m)).collect())),
                "tablescope" => bounds.extend(tables(inner)),
                _ => {}
            }
            let Some((_, list, field)) = SCOPES.iter().find(|known| known.0 == name) else { continue };
            let values = inner.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
            for (_, _, table, there, here) in THROUGH.iter().filter(|t| (t.0, t.1) == (acl, *field)) {
                let within = rows(data, table).filter(|(_, row)| row.get(*field).is_some_and(|v| values.contains(v)));
                bounds.push((*here, within.filter_map(|(_, row)| row.get(*there).cloned()).collect()));
            }
            bounds.push((*field, values));
        }
        Some(Self(bounds))
    }
}

/// Tables of RAW; a database without any stands for all of its tables.
fn tables(scope: &Value) -> [(&'static str, Vec<Value>); 2] {
    let (mut whole, mut single) = (Vec::new(), Vec::new());
    for (db, tables) in scope.get("dbsToTables").and_then(Value::as_object).into_iter().flatten() {
        match tables.get("tables").unwrap_or(tables).as_array() {
            Some(list) if list.is_empty() => whole.push(json!(db)),
            list => single.extend(list.into_iter().flatten().map(|table| json!([db, table]))),
        }
    }
    [("db", whole), ("table", single)]
}

/// Does something for a request with that scope.
pub fn within<T>(scope: Option<Scope>, what: impl FnOnce() -> T) -> T {
    SCOPE.set(scope);
    let done = what();
    SCOPE.set(None);
    done
}

/// Whether a value that the scope has for the field is one of those.
pub fn holds(field: &str, is: impl Fn(&Value) -> bool) -> bool {
    SCOPE.with_borrow(|scope| {
        let Some(Scope(bounds)) = scope else { return true };
        bounds.iter().any(|(bound, values)| *bound == field && values.iter().any(&is))
    })
}

/// Whether the row is within the scope of the request.
pub fn sees(row: &Object) -> bool {
    SCOPE.with_borrow(|scope| {
        let Some(Scope(bounds)) = scope else { return true };
        bounds.iter().any(|(field, values)| row.get(*field).is_some_and(|value| values.contains(value)))
    })
}

pub fn permit(row: &Object) -> Result<()> {
    allow(sees(row))
}

/// The service does not tell what is out of reach from what is not there.
pub fn allow(within: bool) -> Result<()> {
    if within {
        return Ok(());
    }
    Err(ApiError::new(403, "Resource not found. This may also be due to insufficient access rights."))
}

pub fn permit_space(space: &str) -> Result<()> {
    allow(holds("space", |v| v == space))
}

/// What the system brings along is for all to read.
pub fn reads_space(space: &str) -> bool {
    [CORE_SPACE, UNIT_SPACE].contains(&space) || holds("space", |v| v == space)
}
