//! The hierarchy of assets that are nodes: root and path of a `CogniteAsset` follow from the parents.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::filter::Values as _;
use super::instances::Key;
use crate::clock::now_ms;
use crate::state::Data;

const CONTAINER: &str = "cdf_cdm/CogniteAsset";

fn node(reference: &Value) -> Option<Key> {
    let (space, name) = crate::resources::table::pair(reference)?;
    Some((false, space, name))
}

/// Called when nodes were stored: those that are assets, and all below them, get their paths.
pub fn stored(data: &mut Data, changed: &[Key]) {
    let is_asset = |key: &&Key| data.instances.all.get(*key).is_some_and(|i| i.has_container(CONTAINER));
    let mut open: Vec<Key> = changed.iter().filter(is_asset).cloned().collect();
    if open.is_empty() {
        return;
    }
    let parent = |data: &Data, key: &Key| node(data.instances.all.get(key)?.in_container(CONTAINER, "parent")?);
    let mut children: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    for asset in data.instances.of_type(false).filter(|i| i.has_container(CONTAINER)) {
        if let Some(above) = parent(data, &asset.key) {
            children.entry(above).or_default().push(asset.key.clone());
        }
    }
    let time = jiff::Timestamp::from_millisecond(now_ms()).unwrap_or_default();
    let time = json!(time.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string());
    let mut done = HashSet::new();
    while let Some(key) = open.pop() {
        if !done.insert(key.clone()) {
            continue;
        }
        let mut path = vec![key.clone()];
        // In a circle nobody has a path.
        while let Some(above) = path.last().and_then(|last| parent(data, last)).filter(|above| !path.contains(above)) {
            path.push(above);
        }
        path.reverse();
        let path: Vec<Value> = path.iter().map(|k| json!({"space": k.1, "externalId": k.2})).collect();
        open.extend(children.get(&key).into_iter().flatten().cloned());
        let asset = data.instances.all.get_mut(&key).and_then(|i| i.properties.get_mut(CONTAINER));
        if let Some(asset) = asset {
            asset.insert("root".into(), path.first().cloned().unwrap_or_default());
            asset.insert("path".into(), Value::Array(path));
            asset.insert("pathLastUpdatedTime".into(), time.clone());
        }
    }
}
