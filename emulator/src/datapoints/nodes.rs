//! Time series that are nodes: a node with the properties of `CogniteTimeSeries` has a time series behind it, which comes
//! and goes with it.

use serde_json::{Value, json};

use super::{changes, states};
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::Special;
use crate::models::{Instance, Key, Values as _};
use crate::resources::items;
use crate::resources::table::{Identifier, Object, pair};
use crate::state::{Data, State, now_ms};

const TABLE: &str = "timeseries";
const CONTAINER: &str = "cdf_cdm/CogniteTimeSeries";
const DESCRIBABLE: &str = "cdf_cdm/CogniteDescribable";
/// What the time series API may change of such a time series.
const OWN: [&str; 4] = ["externalId", "metadata", "assetId", "dataSetId"];

/// Whether the node may become so.
pub fn check(old: Option<&Instance>, new: &Instance) -> Result<()> {
    if let Some(states) = new.in_container(states::CONTAINER, "states") {
        states::check(states)?;
    }
    let Some(ty) = new.in_container(CONTAINER, "type") else { return Ok(()) };
    if !["numeric", "string", "state"].iter().any(|t| ty == t) {
        return Err(ApiError::bad(format!("The type of a time series is numeric, string or state, was {ty}")));
    }
    let before = old.and_then(|o| o.in_container(CONTAINER, "type"));
    if before.is_some_and(|before| before != ty) {
        return Err(ApiError::bad("The type of a time series cannot be changed"));
    }
    if ty == "state" && new.in_container(CONTAINER, "stateSet").is_none() {
        return Err(ApiError::bad("A state time series needs a stateSet"));
    }
    if let Some(unit) = new.in_container(CONTAINER, "unit")
        && unit.get("space").and_then(Value::as_str) == Some(crate::areas::UNIT_SPACE)
        && ty != "numeric"
    {
        return Err(ApiError::bad("Only numeric time series have a unit"));
    }
    Ok(())
}

/// Called when a node was stored.
pub fn stored(data: &mut Data, key: &Key) {
    let Some(node) = data.instances.all.get(key).filter(|n| !key.0 && n.has_container(CONTAINER)) else { return };
    let get = |container: &str, field: &str| node.in_container(container, field).cloned();
    let ty = get(CONTAINER, "type").unwrap_or(json!("numeric"));
    let mut fields = vec![
        ("instanceId", Some(node.reference())),
        ("isString", Some(json!(ty == "string"))),
        ("isStep", get(CONTAINER, "isStep")),
        ("name", get(DESCRIBABLE, "name")),
        ("description", get(DESCRIBABLE, "description")),
        ("unit", get(CONTAINER, "sourceUnit")),
        ("unitExternalId", get(CONTAINER, "unit").and_then(|u| u.get("externalId").cloned())),
        ("stateSet", get(CONTAINER, "stateSet")),
        ("createdTime", Some(json!(node.created))),
        ("lastUpdatedTime", Some(json!(node.updated))),
    ];
    fields.push(("type", Some(ty)));
    let name = Identifier::Instance(key.1.clone(), key.2.clone());
    let pending = data.pending.remove(&(key.1.clone(), key.2.clone()));
    let known = data.table(TABLE).and_then(|t| t.resolve(&name)).or(pending);
    let id = known.unwrap_or(data.next_id);
    data.next_id = data.next_id.max(id + 1);
    let mut row = data.table(TABLE).and_then(|t| t.get(id)).cloned().unwrap_or_default();
    row.insert("id".into(), json!(id));
    row.remove("pendingInstanceId");
    for (field, value) in fields {
        match value {
            Some(value) => row.insert(field.into(), value),
            None => row.remove(field),
        };
    }
    if super::dress_unit(&mut row).is_err() {
        row.remove("unitExternalId");
    }
    // Its room is the node's.
    let freed = data.table_mut(TABLE).put(id, row, 0);
    data.release(u64::from(pending.is_some()), freed);
    changes::changed(data, id);
}

/// Called when a node is gone: so are the datapoints.
pub fn removed(data: &mut Data, key: &Key) {
    let name = Identifier::Instance(key.1.clone(), key.2.clone());
    let Some(id) = data.table(TABLE).filter(|_| !key.0).and_then(|t| t.resolve(&name)) else { return };
    if let Some(row) = data.table_mut(TABLE).remove(id) {
        changes::gone(data, id, &row.value);
    }
    forget(data, id);
}

/// The datapoints of a time series that was deleted.
pub fn forget(data: &mut Data, id: i64) {
    if let Some(series) = data.series.remove(&id) {
        data.datapoints = data.datapoints.saturating_sub(series.cost());
    }
    data.pending.retain(|_, pending| *pending != id);
}

/// Whether the time series API may change, or without a new row delete, the time series.
pub fn may_change(old: &Object, new: Option<&Object>) -> Result<()> {
    let Some(instance) = old.get("instanceId") else { return Ok(()) };
    let Some(new) = new else {
        return Err(ApiError::bad(format!("The time series {instance} is deleted by deleting its node")));
    };
    let kept = |field: &str| OWN.contains(&field) || field == "lastUpdatedTime" || old.get(field) == new.get(field);
    match old.keys().chain(new.keys()).find(|field| !kept(field)) {
        None => Ok(()),
        Some(field) => Err(ApiError::bad(format!("{field} of the time series {instance} is changed on its node"))),
    }
}

pub static SPECIALS: &[Special] = &[("POST", "timeseries/set-pending-instance-ids", set_pending)];

/// Names a node that does not exist yet: once it is made, it has this time series behind it.
fn set_pending(state: &State, call: &Call, _: &[&str]) -> Result<Reply> {
    let list = items(&mut call.object()?, 1000)?;
    let mut data = state.write();
    let mut answers = Vec::new();
    for item in &list {
        let node = item.get("pendingInstanceId").and_then(pair);
        let node = node.ok_or_else(|| crate::generic::missing_field("pendingInstanceId"))?;
        let key = Identifier::parse(item)?;
        let Some((id, row)) = super::permitted(&data, &key)? else {
            return Err(ApiError::missing("Time series not found", vec![key.to_json()]));
        };
        let taken = data.instances.all.contains_key(&(false, node.0.clone(), node.1.clone()));
        if taken || data.pending.contains_key(&node) || row.contains_key("instanceId") {
            return Err(ApiError::new(409, format!("The node {}:{} or the time series is taken", node.0, node.1)));
        }
        let mut row = row.clone();
        row.insert("pendingInstanceId".into(), json!({"space": node.0, "externalId": node.1}));
        row.insert("lastUpdatedTime".into(), json!(now_ms()));
        crate::generic::put(&mut data, TABLE, crate::resources::table::EXTERNAL_ID, id, row.clone())?;
        data.pending.insert(node, id);
        row.remove(super::QUANTITY);
        answers.push(row);
    }
    Ok(Reply::ok(&json!({ "items": answers })))
}
