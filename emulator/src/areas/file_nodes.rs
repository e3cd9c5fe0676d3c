//! Files that are nodes: a node with the properties of `CogniteFile` has a file behind it, which comes and goes with it.

use serde_json::{Value, json};

use crate::error::{ApiError, Result};
use crate::models::{Key, Values as _};
use crate::resources::table::{Identifier, Object, pair};
use crate::state::Data;

const TABLE: &str = "files";
const CONTAINER: &str = "cdf_cdm/CogniteFile";
const DESCRIBABLE: &str = "cdf_cdm/CogniteDescribable";
/// What the files API may change of such a file.
const OWN: [&str; 8] = [
    "externalId",
    "metadata",
    "dataSetId",
    "assetIds",
    "labels",
    "lastUpdatedTime",
    "securityCategories",
    "geoLocation",
];

fn find(data: &Data, key: &Key) -> Option<i64> {
    let name = Identifier::Instance(key.1.clone(), key.2.clone());
    data.table(TABLE).filter(|_| !key.0).and_then(|t| t.resolve(&name))
}

/// Called when a node was stored.
pub fn stored(data: &mut Data, key: &Key) {
    let Some(node) = data.instances.all.get(key).filter(|n| !key.0 && n.has_container(CONTAINER)) else { return };
    let get = |container: &str, field: &str| node.in_container(container, field).cloned();
    let fields = [
        ("instanceId", Some(node.reference())),
        ("name", get(DESCRIBABLE, "name").or_else(|| Some(json!(key.2)))),
        ("mimeType", get(CONTAINER, "mimeType")),
        ("directory", get(CONTAINER, "directory")),
        ("createdTime", Some(json!(node.created))),
        ("lastUpdatedTime", Some(json!(node.updated))),
    ];
    let id = find(data, key).unwrap_or(data.next_id);
    data.next_id = data.next_id.max(id + 1);
    let mut row = data.table(TABLE).and_then(|t| t.get(id)).cloned().unwrap_or_default();
    row.insert("id".into(), json!(id));
    row.entry("uploaded").or_insert(json!(false));
    for (field, value) in fields {
        match value {
            Some(value) => row.insert(field.into(), value),
            None => row.remove(field),
        };
    }
    // Its room is the node's.
    let freed = data.table_mut(TABLE).put(id, row, 0);
    data.release(0, freed);
}

/// Called when the file has content: its node says so.
pub fn uploaded(data: &mut Data, row: &Object) {
    let Some((space, name)) = row.get("instanceId").and_then(pair) else { return };
    let time =
        row.get("uploadedTime").and_then(Value::as_i64).and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let time = time.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string();
    let Some(node) = data.instances.all.get_mut(&(false, space, name)) else { return };
    data.instances.seq += 1;
    node.seq = data.instances.seq;
    node.version += 1;
    node.updated = crate::clock::now_ms();
    if let Some(file) = node.properties.get_mut(CONTAINER) {
        file.insert("isUploaded".into(), json!(true));
        file.insert("uploadedTime".into(), json!(time));
    }
}

/// Called when a node is gone: so is the content.
pub fn removed(data: &mut Data, key: &Key) {
    let Some(id) = find(data, key) else { return };
    if let Some(row) = data.table_mut(TABLE).remove(id) {
        data.release(0, row.weight);
    }
    super::files::forget(data, id);
}

/// Whether the files API may change, or without a new row delete, the file.
pub fn may_change(old: &Object, new: Option<&Object>) -> Result<()> {
    let Some(instance) = old.get("instanceId") else { return Ok(()) };
    let Some(new) = new else {
        return Err(ApiError::bad(format!("The file {instance} is deleted by deleting its node")));
    };
    let kept = |field: &str| OWN.contains(&field) || old.get(field) == new.get(field);
    match old.keys().chain(new.keys()).find(|field| !kept(field)) {
        None => Ok(()),
        Some(field) => Err(ApiError::bad(format!("{field} of the file {instance} is changed on its node"))),
    }
}
