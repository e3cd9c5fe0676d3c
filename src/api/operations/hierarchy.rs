//! Assets that name their parents by external id, put into an order in which every parent comes before its children.
//! What cannot be ordered is told of before anything is sent.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::chunks::{Limits, Plan};
use super::raw;
use crate::error::Error;

/// Most names of one kind that an error's sentence shows; its `extra` has all.
const SHOWN: usize = 10;

struct Asset {
    external_id: Option<String>,
    parent: Option<String>,
}

/// A parent that is not among the assets is taken to exist already when `ignore_orphans` is set.
pub fn plan(assets: &[Bytes], limits: &Limits, ignore_orphans: bool) -> Result<Plan, Error> {
    let mut faults = Faults::default();
    let assets: Vec<(usize, Asset)> =
        assets.iter().enumerate().map(|(n, json)| (json.len() + 1, read(n, json, &mut faults))).collect();
    let mut by_name: HashMap<&str, u32> = HashMap::with_capacity(assets.len());
    for (n, (_, asset)) in assets.iter().enumerate() {
        if let Some(name) = &asset.external_id
            && by_name.insert(name, n as u32).is_some()
        {
            faults.add("duplicates", json!(name));
        }
    }
    let mut needs: Vec<Option<u32>> = vec![None; assets.len()];
    for ((_, asset), need) in assets.iter().zip(&mut needs) {
        if let Some(parent) = &asset.parent {
            *need = by_name.get(parent.as_str()).copied();
            if need.is_none() && !ignore_orphans {
                faults.add("orphans", json!({"externalId": asset.external_id, "parentExternalId": parent}));
            }
        }
    }
    faults.check()?;
    let levels = levels(&needs);
    if levels.iter().map(Vec::len).sum::<usize>() < assets.len() {
        let placed: std::collections::HashSet<u32> = levels.iter().flatten().copied().collect();
        for n in (0..assets.len() as u32).filter(|n| !placed.contains(n)) {
            faults.add("cycles", json!(assets.get(n as usize).and_then(|a| a.1.external_id.as_ref())));
        }
        faults.check()?;
    }
    Ok(Plan { phases: phases(levels, &assets, limits), needs: Some(needs) })
}

fn read(n: usize, json: &Bytes, faults: &mut Faults) -> Asset {
    let Some(members) = raw::members(json) else {
        faults.add("invalid", json!({"position": n, "why": "not an object"}));
        return Asset { external_id: None, parent: None };
    };
    let mut text = |key: &str| match members.get(key).map(|v| serde_json::from_slice::<Option<String>>(v)) {
        Some(Ok(value)) => value,
        Some(Err(_)) => {
            faults.add("invalid", json!({"position": n, "why": format!("{key} is not text")}));
            None
        }
        None => None,
    };
    let (external_id, parent, name) = (text("externalId"), text("parentExternalId"), text("name"));
    if name.is_none() {
        faults.add("invalid", json!({"position": n, "externalId": external_id, "why": "no name"}));
    }
    if parent.is_some() && members.get("parentId").is_some_and(|id| &id[..] != b"null") {
        faults.add("unsureParents", json!({"position": n, "externalId": external_id}));
    }
    Asset { external_id, parent }
}

/// Roots first, then their children, and so on; in the order given within a level. Assets of a cycle are in none.
fn levels(needs: &[Option<u32>]) -> Vec<Vec<u32>> {
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); needs.len()];
    let mut level = Vec::new();
    for (n, need) in needs.iter().enumerate() {
        match need.and_then(|p| children.get_mut(p as usize)) {
            Some(siblings) => siblings.push(n as u32),
            None => level.push(n as u32),
        }
    }
    let mut out = Vec::new();
    while !level.is_empty() {
        let mut next: Vec<u32> = Vec::new();
        for n in &level {
            next.extend(children.get_mut(*n as usize).map(std::mem::take).unwrap_or_default());
        }
        next.sort_unstable();
        out.push(std::mem::replace(&mut level, next));
    }
    out
}

/// Levels that fit into one request together go together; one that is larger than a request is a phase of its own.
fn phases(levels: Vec<Vec<u32>>, assets: &[(usize, Asset)], limits: &Limits) -> Vec<Vec<u32>> {
    let mut out: Vec<Vec<u32>> = Vec::new();
    let mut bytes = 0;
    for level in levels {
        let weight: usize = level.iter().filter_map(|n| assets.get(*n as usize)).map(|a| a.0).sum();
        match out.last_mut() {
            Some(phase) if phase.len() + level.len() <= limits.items && bytes + weight <= limits.bytes => {
                phase.extend(level);
                bytes += weight;
            }
            _ => {
                out.push(level);
                bytes = weight;
            }
        }
    }
    out
}

#[derive(Default)]
struct Faults(Map<String, Value>);

impl Faults {
    fn add(&mut self, kind: &str, what: Value) {
        if let Value::Array(list) = self.0.entry(kind).or_insert_with(|| json!([])) {
            list.push(what);
        }
    }

    fn check(&mut self) -> Result<(), Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let kinds: Vec<String> = self
            .0
            .iter()
            .map(|(kind, list)| {
                let list = list.as_array().map_or(&[][..], Vec::as_slice);
                let shown: Vec<String> = list.iter().take(SHOWN).map(Value::to_string).collect();
                let more = if list.len() > SHOWN { ", …" } else { "" };
                format!("{kind}: {}{more}", shown.join(", "))
            })
            .collect();
        let what = "the assets are no hierarchy, so nothing was sent";
        let extra = Value::Object(std::mem::take(&mut self.0));
        Err(Error::argument(format!("{what}: {}", kinds.join("; "))).with(|d| d.extra = Some(extra)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        items: 3,
        bytes: 10_000,
        in_flight: 2,
        split: false,
        answers: crate::api::operations::chunks::Answers::Items,
    };

    fn assets(of: &[(&str, Option<&str>)]) -> Vec<Bytes> {
        of.iter()
            .map(|(id, parent)| json!({"externalId": id, "name": id, "parentExternalId": parent}).to_string().into())
            .collect()
    }

    #[test]
    fn parents_come_first_and_small_levels_share_a_request() {
        let given = assets(&[("d", Some("b")), ("b", Some("a")), ("c", Some("a")), ("a", None), ("e", Some("d"))]);
        let plan = plan(&given, &LIMITS, false).unwrap();
        assert_eq!(plan.phases, [vec![3, 1, 2], vec![0, 4]]);
        assert_eq!(plan.needs.unwrap(), [Some(1), Some(3), Some(3), None, Some(0)]);
    }

    #[test]
    fn a_large_level_is_a_phase() {
        let mut given = vec![("r", None)];
        let names: Vec<String> = (0..5).map(|n| format!("c{n}")).collect();
        given.extend(names.iter().map(|n| (n.as_str(), Some("r"))));
        given.push(("g", Some("c1")));
        let plan = plan(&assets(&given), &LIMITS, false).unwrap();
        assert_eq!(plan.phases, [vec![0], vec![1, 2, 3, 4, 5], vec![6]]);
    }

    #[test]
    fn what_is_wrong_is_named_before_anything_is_sent() {
        let fault = |given: &[Bytes], kind: &str| {
            let e = plan(given, &LIMITS, false).unwrap_err();
            assert!(e.message().contains(kind), "{e}");
            e.detail().extra.clone().unwrap()[kind].clone()
        };
        let given = assets(&[("a", Some("b")), ("b", Some("a")), ("c", Some("b")), ("ok", None)]);
        assert_eq!(fault(&given, "cycles"), json!(["a", "b", "c"]));
        assert_eq!(fault(&assets(&[("a", Some("a"))]), "cycles"), json!(["a"]));
        assert_eq!(fault(&assets(&[("a", None), ("a", None)]), "duplicates"), json!(["a"]));
        let orphan = assets(&[("a", Some("x"))]);
        assert_eq!(fault(&orphan, "orphans"), json!([{"externalId": "a", "parentExternalId": "x"}]));
        assert_eq!(plan(&orphan, &LIMITS, true).unwrap().phases, [[0]]);
        let given = [Bytes::from_static(br#"{"externalId":"a","name":"n","parentId":1,"parentExternalId":"b"}"#)];
        assert_eq!(fault(&given, "unsureParents")[0]["position"], 0);
        for (bad, why) in [("7", "not an object"), ("{}", "no name"), (r#"{"name":"n","externalId":5}"#, "not text")] {
            let shown = fault(&[Bytes::from_static(bad.as_bytes())], "invalid").to_string();
            assert!(shown.contains(why), "{shown}");
        }
    }
}
