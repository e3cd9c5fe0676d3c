//! Operations made of others: named and called like those of the table, on one of whose rows each is built.

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::cursors::Walk;
use super::lanes::Lanes;
use super::outcome::joined;
use super::run::{Work, combined};
use super::table::find;
use super::waiting::{self, Job};
use super::{graph, raw, sequence_rows, writes};
use crate::api::outgoing::Payload;
use crate::error::Error;
use crate::http::Response;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// With the operation that creates.
    Upsert(&'static str),
    Hierarchy,
    Subtree,
    Rows,
    DeleteRows,
    QueryAll,
    SyncAll,
    Wait(Job),
}

#[derive(Debug)]
pub struct Composite {
    pub name: &'static str,
    /// Whose arguments it takes.
    pub base: &'static str,
    /// Those it takes besides, separated by commas.
    pub own: &'static str,
    kind: Kind,
}

const fn made(name: &'static str, base: &'static str, own: &'static str, kind: Kind) -> Composite {
    Composite { name, base, own, kind }
}

static ALL: [Composite; 14] = [
    made("assets.create_hierarchy", "assets.create", "ignoreOrphans", Kind::Hierarchy),
    made("assets.retrieve_subtree", "assets.retrieve_multiple", "depth", Kind::Subtree),
    made("assets.upsert", "assets.update", "mode", Kind::Upsert("assets.create")),
    made("data_modeling.instances.query_all", "data_modeling.instances.query", "limit", Kind::QueryAll),
    made("data_modeling.instances.sync_all", "data_modeling.instances.sync", "limit", Kind::SyncAll),
    made("events.upsert", "events.update", "mode", Kind::Upsert("events.create")),
    made("functions.call_and_wait", "functions.call", "pollMs", Kind::Wait(Job::Function)),
    made("relationships.upsert", "relationships.update", "mode", Kind::Upsert("relationships.create")),
    made("sequences.data.delete_range", "sequences.data.retrieve", "", Kind::DeleteRows),
    made("sequences.data.retrieve", "sequences.data.retrieve", "limit", Kind::Rows),
    made("sequences.upsert", "sequences.update", "mode", Kind::Upsert("sequences.create")),
    made("time_series.upsert", "time_series.update", "mode", Kind::Upsert("time_series.create")),
    made("transformations.run_and_wait", "transformations.run", "pollMs", Kind::Wait(Job::Transformation)),
    made("workflows.executions.run_and_wait", "workflows.executions.run", "pollMs", Kind::Wait(Job::Workflow)),
];

/// The composite of that name; it goes before a row of the same name.
pub fn named(name: &str) -> Option<&'static Composite> {
    ALL.iter().find(|c| c.name == name)
}

pub fn all() -> impl Iterator<Item = &'static Composite> {
    ALL.iter()
}

impl Composite {
    pub fn to_json(&self) -> Value {
        let own: Vec<&str> = self.own.split(',').filter(|n| !n.is_empty()).collect();
        json!({"name": self.name, "shape": "composite", "base": self.base, "also": own})
    }

    pub async fn run(&self, work: &Work, items: Vec<Bytes>) -> Result<Response, Error> {
        match self.kind {
            Kind::Upsert(create) => writes::upserted(work, items, find(create)?).await,
            Kind::Hierarchy => writes::hierarchy(work, items).await,
            Kind::Subtree => subtree(work, items).await,
            Kind::Rows => sequence_rows::retrieve(work).await,
            Kind::DeleteRows => sequence_rows::delete_range(work).await,
            Kind::QueryAll => graph::query_all(work).await,
            Kind::SyncAll => graph::sync_all(work).await,
            Kind::Wait(job) => waiting::run(work, job).await,
        }
    }
}

/// Most parents whose children are asked for at a time.
const PARENTS: usize = 100;

/// An asset, and what is below it down to some depth. An asset that does not exist has nothing.
async fn subtree(work: &Work, root: Vec<Bytes>) -> Result<Response, Error> {
    let started = Instant::now();
    let depth: Option<usize> = match work.own("depth") {
        None | Some("null") => None,
        Some(n) => {
            Some(n.parse().map_err(|_| Error::argument("arguments.depth must be a whole number, or null for all"))?)
        }
    };
    work.no_members()?;
    let [root] = root.as_slice() else {
        return Err(Error::argument("a subtree has one root: give an id or an externalId"));
    };
    let body = [b"{\"items\":[", &root[..], b"],\"ignoreUnknownIds\":true}"].concat();
    let answer = work.send(work.arguments.address(""), Payload::Json(body)).await?;
    let mut attempts = answer.attempts;
    let found = raw::understood(answer, "it has no items", |body| raw::items(body)?)?;
    let mut out: Vec<Bytes> = found;
    let mut level = ids(&out);
    let id = level.first().cloned();
    match (id, depth) {
        (None, _) => {}
        (Some(id), None) => {
            let filter = format!("{{\"assetSubtreeIds\":[{{\"id\":{id}}}]}}");
            let (below, more) = listed(work, &filter).await?;
            attempts += more;
            // The root is part of its subtree, and stands at the front already.
            out.extend(below.into_iter().filter(|asset| id_of(asset).as_deref() != Some(id.as_str())));
        }
        (Some(id), Some(depth)) => {
            let mut seen = HashSet::from([id]);
            for _ in 0..depth {
                let mut lanes = Lanes::none();
                let mut parts: Vec<Vec<Bytes>> = Vec::new();
                let mut ahead = level.chunks(PARENTS).enumerate();
                loop {
                    while lanes.len() < work.width()
                        && let Some((n, parents)) = ahead.next()
                    {
                        parts.push(Vec::new());
                        let filter = format!("{{\"parentIds\":[{}]}}", parents.join(","));
                        lanes.start(n, async move { listed(work, &filter).await });
                    }
                    let Some((n, result)) = lanes.next().await else { break };
                    let (assets, more) = result?;
                    attempts += more;
                    if let Some(part) = parts.get_mut(n) {
                        *part = assets;
                    }
                }
                // What was there already is no child of the last level, whoever says so: the tree would never end.
                let mut children = parts.concat();
                children.retain(|asset| id_of(asset).is_some_and(|id| seen.insert(id)));
                if children.is_empty() {
                    break;
                }
                level = ids(&children);
                out.extend(children);
            }
        }
    }
    Ok(combined(joined(out.iter()), attempts, started))
}

fn id_of(asset: &Bytes) -> Option<String> {
    raw::members(asset)?.remove("id").map(|id| String::from_utf8_lossy(&id).into_owned())
}

fn ids(assets: &[Bytes]) -> Vec<String> {
    assets.iter().filter_map(id_of).collect()
}

/// All assets that fit.
async fn listed(work: &Work, filter: &str) -> Result<(Vec<Bytes>, u32), Error> {
    let list = find("assets.list")?;
    let (mut out, mut attempts, mut walk) = (Vec::new(), 0, Walk::default());
    loop {
        let from = walk.cursor.as_deref().map(|c| format!(",\"cursor\":{}", raw::quoted(c))).unwrap_or_default();
        let body = format!("{{\"filter\":{filter},\"limit\":{}{from}}}", list.page.unwrap_or(1000));
        let answer = work.send_as(list, list.path.to_owned(), Payload::Json(body.into_bytes())).await?;
        attempts += answer.attempts;
        let status = answer.status;
        let (page, next) = raw::understood(answer, "it has no items", |body| {
            Some((raw::items(body)??, raw::cursor(&raw::members(body)?)))
        })?;
        out.extend(page);
        walk.step(next, status)?;
        if walk.cursor.is_none() {
            return Ok((out, attempts));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_built_on_a_row() {
        for c in &ALL {
            assert!(find(c.base).is_ok(), "{}", c.name);
            assert!(named(c.name).is_some());
            if let Kind::Upsert(create) = c.kind {
                assert_eq!(find(create).unwrap().path_parameters().count(), 0);
            }
        }
        assert!(named("assets.create").is_none());
    }
}
