//! What happened to the time series that subscriptions listen to, in order, and which series each listened to when.

use std::collections::{HashMap, HashSet, VecDeque};

use serde_json::{Value, json};

use super::series::Series;
use crate::error::Result;
use crate::generic::object;
use crate::resources::table::{Object, external_id, pair};
use crate::resources::{Node, parse_filter};
use crate::state::{Data, now_ms};

/// Datapoints remembered; beyond that the oldest changes are forgotten.
const MAX_REMEMBERED: usize = 4_000_000;

#[derive(Clone)]
pub enum What {
    Upserts(Series),
    Delete(i64, i64),
    /// The series, as it is shown, came into the subscription of that name, or left it.
    Member(String, bool, Value),
}

#[derive(Clone)]
pub struct Entry {
    pub time: i64,
    pub series: i64,
    pub what: What,
}

/// Who is listened to. Series are found by what names them, also when they are made later.
#[derive(Clone)]
struct Subscription {
    filter: Option<Node>,
    names: HashSet<String>,
    instances: HashSet<(String, String)>,
    /// For each series the spans of positions in the log in which it was a member; the last may be open.
    members: HashMap<i64, Vec<(i64, i64)>>,
}

impl Subscription {
    fn wants(&self, row: &Object) -> bool {
        match &self.filter {
            Some(filter) => filter.matches(row),
            None => {
                external_id(row).is_some_and(|name| self.names.contains(name))
                    || row.get("instanceId").and_then(pair).is_some_and(|node| self.instances.contains(&node))
            }
        }
    }

    fn has(&self, series: i64) -> bool {
        self.members.get(&series).and_then(|spans| spans.last()).is_some_and(|(_, end)| *end == i64::MAX)
    }
}

/// Kept only once there is a subscription.
#[derive(Default, Clone)]
pub struct Changes {
    pub first: i64,
    remembered: usize,
    log: VecDeque<Entry>,
    subscriptions: HashMap<String, Subscription>,
}

impl Changes {
    /// `what` is asked for only if someone may want to know.
    pub fn add(&mut self, series: i64, what: impl FnOnce() -> What) {
        if self.subscriptions.is_empty() {
            return;
        }
        let what = what();
        self.remembered += size(&what);
        self.log.push_back(Entry { time: now_ms(), series, what });
        while self.remembered > MAX_REMEMBERED {
            let Some(old) = self.log.pop_front() else { break };
            self.remembered -= size(&old.what);
            self.first += 1;
        }
    }

    pub fn next(&self) -> i64 {
        self.first + self.log.len() as i64
    }

    /// Entries from a position on, with their positions.
    pub fn from(&self, at: i64) -> impl Iterator<Item = (i64, &Entry)> {
        let skip = usize::try_from(at - self.first).unwrap_or(0).min(self.log.len());
        (at.max(self.first)..).zip(self.log.range(skip..))
    }

    /// Position of the first entry at or after the time.
    pub fn at_time(&self, time: i64) -> i64 {
        self.first + self.log.partition_point(|e| e.time < time) as i64
    }

    /// Whether the subscription listened to the series at that position.
    pub fn listened(&self, subscription: &str, series: i64, at: i64) -> bool {
        let spans = self.subscriptions.get(subscription).and_then(|s| s.members.get(&series));
        spans.is_some_and(|spans| spans.iter().any(|(from, to)| (*from..*to).contains(&at)))
    }

    pub fn members(&self, subscription: &str) -> Vec<i64> {
        let Some(found) = self.subscriptions.get(subscription) else { return Vec::new() };
        let mut ids: Vec<i64> = found.members.keys().copied().filter(|id| found.has(*id)).collect();
        ids.sort_unstable();
        ids
    }

    /// Begins a span of membership, or ends it, and remembers that it did.
    fn turn(&mut self, name: &str, series: i64, who: Value, came: bool) {
        self.add(series, || What::Member(name.to_owned(), came, who));
        let at = self.next();
        let Some(found) = self.subscriptions.get_mut(name) else { return };
        let spans = found.members.entry(series).or_default();
        match spans.last_mut() {
            Some(open) if !came => open.1 = at,
            _ => spans.push((at, i64::MAX)),
        }
    }
}

fn size(what: &What) -> usize {
    if let What::Upserts(series) = what { series.len() + 4 } else { 4 }
}

/// A series as the data of a subscription names it.
pub fn who(id: i64, row: &Object) -> Value {
    let string = row.get("isString").cloned().unwrap_or(json!(false));
    let mut who = object(json!({"id": id, "isString": string, "type": row.get("type")}));
    let names = ["externalId", "instanceId"];
    who.extend(names.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone()))));
    Value::Object(who)
}

/// Called with a subscription's row when it is made or changed. A new one begins with its members coming.
pub fn define(data: &mut Data, name: &str, row: &Object, fresh: bool) -> Result<()> {
    let list = |field: &str| row.get(field).and_then(Value::as_array).into_iter().flatten();
    let filter = row.get("filter").map(|f| parse_filter(f, 0)).transpose()?;
    let members =
        data.changes.subscriptions.remove(name).filter(|_| !fresh).map_or_else(HashMap::new, |old| old.members);
    let names = list("timeSeriesIds").filter_map(Value::as_str).map(str::to_owned).collect();
    let instances = list("instanceIds").filter_map(pair).collect();
    data.changes.subscriptions.insert(name.to_owned(), Subscription { filter, names, instances, members });
    let mut turns = Vec::new();
    if let (Some(found), Some(table)) = (data.changes.subscriptions.get(name), data.table("timeseries")) {
        let changed = table.iter().filter(|(id, row)| found.wants(row) != found.has(*id));
        turns.extend(changed.map(|(id, row)| (id, who(id, row), found.wants(row))));
    }
    for (id, who, came) in turns {
        data.changes.turn(name, id, who, came);
    }
    Ok(())
}

pub fn forget(data: &mut Data, name: &str) {
    data.changes.subscriptions.remove(name);
}

/// Called when a time series was made or changed.
pub fn changed(data: &mut Data, id: i64) {
    if data.changes.subscriptions.is_empty() {
        return;
    }
    let Some(row) = data.table("timeseries").and_then(|t| t.get(id)) else { return };
    let who = who(id, row);
    let all = data.changes.subscriptions.iter();
    let turns: Vec<(String, bool)> =
        all.filter(|(_, s)| s.wants(row) != s.has(id)).map(|(name, s)| (name.clone(), !s.has(id))).collect();
    for (name, came) in turns {
        data.changes.turn(&name, id, who.clone(), came);
    }
}

/// Called when a time series was deleted.
pub fn gone(data: &mut Data, id: i64, row: &Object) {
    let all = data.changes.subscriptions.iter();
    let of: Vec<String> = all.filter(|(_, s)| s.has(id)).map(|(name, _)| name.clone()).collect();
    for name in of {
        data.changes.turn(&name, id, who(id, row), false);
    }
}
