//! `/timeseries/data`: datapoints and their aggregates.

mod aggregate;
mod binary;
pub mod changes;
mod columns;
mod encode;
mod expression;
mod insert;
pub mod nodes;
pub mod proto;
mod query;
pub mod series;
mod states;
mod status;
pub mod subscriptions;
pub mod synthetic;
mod time;

pub use time::parse as parse_time;

use serde_json::Value;

use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::resources::no_such_path;
use crate::resources::table::{Identifier, Object};
use crate::state::{Data, State};
use series::Kind;

pub fn serve(state: &State, call: &Call) -> Result<Reply> {
    let rest: Vec<&str> = call.segments.iter().skip(2).map(String::as_str).collect();
    match (call.method.as_str(), rest.as_slice()) {
        ("POST", []) => insert::insert(state, call),
        ("POST", ["list"]) => query::list(state, call),
        ("POST", ["latest"]) => query::latest(state, call),
        ("POST", ["delete"]) => insert::delete(state, call),
        _ => Err(no_such_path(call)),
    }
}

fn find<'a>(data: &'a Data, key: &Identifier) -> Option<(i64, &'a Object)> {
    let table = data.table("timeseries")?;
    let id = table.resolve(key)?;
    Some((id, table.get(id)?))
}

/// The same within the scope of the request.
fn permitted<'a>(data: &'a Data, key: &Identifier) -> Result<Option<(i64, &'a Object)>> {
    let found = find(data, key);
    found.map_or(Ok(()), |(_, row)| crate::scope::permit(row))?;
    Ok(found)
}

fn kind(row: &Object) -> Kind {
    match row.get("type").and_then(Value::as_str) {
        Some("string") => Kind::Text,
        Some("state") => Kind::State,
        _ => Kind::Number,
    }
}

/// Checks the unit of a new or changed time series, and keeps what it measures for filters.
pub fn dress_unit(row: &mut Object) -> Result<()> {
    row.remove(QUANTITY);
    let Some(unit) = row.get("unitExternalId").and_then(Value::as_str) else { return Ok(()) };
    if row.get("isString").and_then(Value::as_bool) == Some(true) {
        return Err(ApiError::bad("unitExternalId is only for numeric time series"));
    }
    crate::areas::units::check(unit)?;
    let quantity = crate::areas::units::quantity(unit);
    row.insert(QUANTITY.into(), quantity.into());
    Ok(())
}

/// A field that filters know and no answer shows.
pub const QUANTITY: &str = "unitQuantity";
