//! State sets: which states a state time series may have, and what they are called.

use serde_json::Value;

use crate::error::{ApiError, Result};
use crate::models::Values as _;
use crate::resources::table::Object;
use crate::state::Data;

pub const CONTAINER: &str = "cdf_cdm/CogniteStateSet";
const MAX_STATES: usize = 100;

/// Numbers and names.
#[derive(Debug, Default)]
pub struct StateSet<'a>(Vec<(i32, &'a str)>);

impl<'a> StateSet<'a> {
    /// That of a time series; empty where there is none.
    pub fn of(data: &'a Data, row: &Object) -> Self {
        let node = row.get("stateSet").and_then(|reference| data.instances.node(reference));
        let list = node.and_then(|n| n.in_container(CONTAINER, "states")).and_then(Value::as_array);
        Self(list.into_iter().flatten().filter_map(entry).collect())
    }

    pub fn name(&self, number: i32) -> Option<&'a str> {
        self.0.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
    }

    /// The number of the state that number and name mean together.
    pub fn number(&self, number: Option<i64>, name: Option<&str>, at: i64) -> Result<i32> {
        let fits = |(n, text): &&(i32, &str)| {
            number.is_none_or(|number| number == i64::from(*n)) && name.is_none_or(|name| name == *text)
        };
        let found = self.0.iter().find(fits).map(|(n, _)| *n);
        found.ok_or_else(|| {
            let shown = match (number, name) {
                (Some(number), Some(name)) => format!("({number}, '{name}')"),
                (Some(number), None) => number.to_string(),
                (None, name) => format!("'{}'", name.unwrap_or("")),
            };
            ApiError::bad(format!("The state {shown} of the datapoint at {at} is not in the state set"))
        })
    }
}

fn entry(state: &Value) -> Option<(i32, &str)> {
    let number = state.get("numericValue")?;
    // A whole number may come as a float.
    let number = number.as_i64().or_else(|| number.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64))?;
    Some((i32::try_from(number).ok()?, state.get("stringValue")?.as_str().filter(|s| !s.is_empty())?))
}

/// Whether a list can be the states of a state set.
pub fn check(states: &Value) -> Result<()> {
    let list = states.as_array().map_or(&[][..], Vec::as_slice);
    if list.is_empty() || list.len() > MAX_STATES {
        return Err(ApiError::bad(format!("A state set has 1 to {MAX_STATES} states, has {}", list.len())));
    }
    let mut seen: Vec<(i32, &str)> = Vec::new();
    for state in list {
        let Some(entry) = entry(state) else {
            return Err(ApiError::bad(format!(
                "Invalid state {state}: expected numericValue (32 bits) and stringValue (not empty)"
            )));
        };
        if seen.iter().any(|(number, name)| *number == entry.0 || *name == entry.1) {
            return Err(ApiError::bad(format!("The state {state} has a number or a name that another has")));
        }
        seen.push(entry);
    }
    Ok(())
}
