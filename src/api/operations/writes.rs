//! Operations that change items: what goes into their requests, in which order, and what each item is called.

use bytes::Bytes;
use tokio::time::Instant;

use super::chunks::{Answers, Item, Limits, Plan, Posted, write};
use super::outcome::Outcome;
use super::patches::{self, Mode};
use super::run::{SPLIT, Work, combined};
use super::table::Operation;
use super::{hierarchy, point_items, raw, sequence_rows, upsert};
use crate::api::outgoing::Payload;
use crate::error::Error;
use crate::http::Response;

/// Largest body before compression. The service names this limit for some resources and has one for all.
pub(super) const MOST_BYTES: usize = 10_000_000;

/// Arguments of a row that are for the library.
pub fn own(operation: &Operation) -> &'static str {
    if operation.items.is_some() && operation.name.ends_with(".update") { "mode" } else { "" }
}

/// All items of the operation, as its row says.
pub async fn run(work: &Work, given: Vec<Bytes>) -> Result<Response, Error> {
    let (resource, verb) = work.operation.name.rsplit_once('.').unwrap_or_default();
    let mut items: Vec<Item> = match (work.operation.name, verb) {
        ("sequences.data.insert" | "sequences.data.delete", _) => sequence_rows::items(&given, verb)?,
        ("time_series.data.insert", _) => point_items::items(&given)?,
        ("raw.rows.insert", _) => given.into_iter().map(row).collect::<Result<_, _>>()?,
        (_, "update") => {
            let mode = mode(work, Mode::ReplaceIgnoreNull)?;
            given.iter().map(|json| patches::item(resource, json, mode)).collect::<Result<_, _>>()?
        }
        _ => given.into_iter().map(Item::of).collect(),
    };
    let limits = limits(work, work.operation);
    let plan = match work.operation.name {
        "data_modeling.instances.apply" => nodes_first(&items, &limits),
        _ => Plan::any(items.len()),
    };
    send(work, &mut items, &plan, &limits).await
}

/// Assets, every parent before its children.
pub async fn hierarchy(work: &Work, given: Vec<Bytes>) -> Result<Response, Error> {
    let limits = limits(work, work.operation);
    let plan = hierarchy::plan(&given, &limits, work.own_flag("ignoreOrphans")?)?;
    let mut items: Vec<Item> = given.into_iter().map(Item::of).collect();
    send(work, &mut items, &plan, &limits).await
}

/// What exists is updated, what does not is created.
pub async fn upserted(work: &Work, given: Vec<Bytes>, create: &'static Operation) -> Result<Response, Error> {
    let started = Instant::now();
    let resource = work.operation.name.rsplit_once('.').unwrap_or_default().0;
    let mode = mode(work, Mode::Patch)?;
    if mode == Mode::ReplaceIgnoreNull {
        return Err(Error::argument("arguments.mode of an upsert must be patch or replace"));
    }
    work.no_members()?;
    let [to_update, to_create] = [work.operation, create].map(|operation| move |body| posted(work, operation, body));
    let limits = [work.operation, create].map(|operation| limits(work, operation));
    let ways = upsert::Ways { update: (&limits[0], &to_update), create: (&limits[1], &to_create) };
    let (items, outcome) = upsert::upsert(resource, &given, mode, &ways).await?;
    finish(outcome, &items, started)
}

async fn send(work: &Work, items: &mut [Item], plan: &Plan, limits: &Limits) -> Result<Response, Error> {
    let started = Instant::now();
    let post = |body| posted(work, work.operation, body);
    let comma = if work.arguments.members.is_empty() { "" } else { "," };
    let tail = format!("{comma}{}", work.arguments.members);
    let outcome = write(items, plan, limits, &tail, &post).await;
    finish(outcome, items, started)
}

fn finish(outcome: Outcome, items: &[Item], started: Instant) -> Result<Response, Error> {
    let attempts = outcome.attempts;
    Ok(combined(outcome.result(items)?, attempts, started))
}

fn posted<'a>(work: &'a Work, operation: &'static Operation, body: Vec<u8>) -> Posted<'a> {
    Box::pin(async move {
        // All of one operation go to one address; that of an upsert's other half has no parameters.
        let address =
            if operation.name == work.operation.name { work.arguments.address("") } else { operation.path.to_owned() };
        work.send_as(operation, address, Payload::Json(body)).await
    })
}

fn limits(work: &Work, operation: &Operation) -> Limits {
    let verb = operation.name.rsplit('.').next().unwrap_or_default();
    Limits {
        items: operation.items.unwrap_or(1),
        bytes: MOST_BYTES,
        in_flight: work.width(),
        split: work.flags & SPLIT != 0,
        answers: match verb {
            _ if operation.answers == Some("nothing") => Answers::Nothing,
            "create" | "update" | "apply" | "upsert" => Answers::Items,
            _ => Answers::Perhaps,
        },
    }
}

fn mode(work: &Work, default: Mode) -> Result<Mode, Error> {
    work.own("mode").map_or(Ok(default), |raw| Mode::of(raw.trim_matches('"')))
}

/// A row is called by its key.
fn row(json: Bytes) -> Result<Item, Error> {
    let key = raw::members(&json)
        .and_then(|mut m| m.remove("key"))
        .filter(|key| key.starts_with(b"\""))
        .ok_or_else(|| Error::argument("a row of items has no key that is text: {\"key\":\"k\",\"columns\":{}}"))?;
    let name = [&b"{\"key\":"[..], &key, b"}"].concat();
    Ok(Item::named(json, name))
}

/// Nodes before the edges between them. What fits into one request goes in one, as the service makes the nodes first.
fn nodes_first(items: &[Item], limits: &Limits) -> Plan {
    let is_edge = |item: &Item| {
        raw::members(&item.json).is_some_and(|m| m.get("instanceType").is_some_and(|t| &t[..] == b"\"edge\""))
    };
    let (edges, nodes): (Vec<u32>, Vec<u32>) =
        (0..items.len() as u32).partition(|i| items.get(*i as usize).is_some_and(is_edge));
    if edges.is_empty() {
        // Nothing waits for anything: one request that fails leaves the others as they are.
        return Plan { phases: vec![nodes].into_iter().filter(|p| !p.is_empty()).collect(), needs: None };
    }
    // The same requests as if both were one list, so that the one in the middle has some of each.
    let whole = nodes.len() / limits.items.max(1) * limits.items.max(1);
    let (first, rest) = nodes.split_at(whole.min(nodes.len()));
    let (with, last) = edges.split_at((limits.items - rest.len()).min(edges.len()));
    let weight = |list: &[u32]| -> usize {
        list.iter().filter_map(|i| items.get(*i as usize)).map(|item| item.json.len() + 1).sum()
    };
    let phases = if rest.is_empty() {
        vec![first.to_vec(), edges.clone()]
    } else if weight(rest) + weight(with) <= limits.bytes {
        vec![first.to_vec(), [rest, with].concat(), last.to_vec()]
    } else {
        vec![nodes.clone(), edges.clone()]
    };
    Plan { phases: phases.into_iter().filter(|p| !p.is_empty()).collect(), needs: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instances(kinds: &str) -> Vec<Item> {
        let json = |kind| match kind {
            'e' => r#"{"instanceType":"edge"}"#,
            _ => r#"{"instanceType":"node"}"#,
        };
        kinds.chars().map(|kind| Item::of(json(kind).into())).collect()
    }

    #[test]
    fn edges_never_overtake_nodes() {
        let phases = |kinds: &str, bytes| {
            let limits = Limits { items: 3, bytes, in_flight: 1, split: false, answers: Answers::Items };
            nodes_first(&instances(kinds), &limits).phases
        };
        assert_eq!(phases("en", 1000), [vec![1, 0]]);
        assert_eq!(phases("nnn", 1000), [vec![0, 1, 2]]);
        assert_eq!(phases("nnnnn", 1000), [vec![0, 1, 2, 3, 4]]);
        assert_eq!(phases("ee", 1000), [vec![0, 1]]);
        assert_eq!(phases("enenenene", 1000), [vec![1, 3, 5], vec![7, 0, 2], vec![4, 6, 8]]);
        assert_eq!(phases("nnnee", 1000), [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(phases("ne", 40), [vec![0], vec![1]]);
        assert!(phases("", 1000).is_empty());
    }

    #[test]
    fn rows_are_called_by_their_key() {
        let item = row(Bytes::from_static(br#"{"columns":{"a":1},"key":"k\u00e6"}"#)).unwrap();
        assert_eq!(item.name.unwrap(), &br#"{"key":"k\u00e6"}"#[..]);
        for bad in ["{}", "5", r#"{"key":5}"#] {
            assert!(row(Bytes::from_static(bad.as_bytes())).is_err());
        }
    }
}
