//! Many items to one resource: cut into requests, sent several at a time in phases, and each item placed by what became
//! of its request. Knows nothing of CDF's resources; see `outcome` for the one result that comes of it.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;

use bytes::Bytes;
use serde_json::Value;

use super::answer::unusable;
use super::lanes::Lanes;
use super::outcome::{Outcome, Place};
use super::raw;
use crate::error::{Error, Status};
use crate::http::Response;
use crate::runtime::panics::contained;

/// One item to be written.
#[derive(Clone, Debug)]
pub struct Item {
    /// As it goes into the request.
    pub json: Bytes,
    /// How it is told of in an error; `None`: as it was sent.
    pub name: Option<Bytes>,
    /// How many datapoints are in it.
    pub points: usize,
}

impl Item {
    pub fn of(json: Bytes) -> Self {
        Self { json, name: None, points: 0 }
    }

    pub fn named(json: impl Into<Bytes>, name: impl Into<Bytes>) -> Self {
        Self { json: json.into(), name: Some(name.into()), points: 0 }
    }

    pub fn name(&self) -> &Bytes {
        self.name.as_ref().unwrap_or(&self.json)
    }
}

/// The order in which items may be sent.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Positions of items. Nothing of a phase is sent before the one before it has ended.
    pub phases: Vec<Vec<u32>>,
    /// For each item the one that has to be there first, in the same request or before; it is not sent without it.
    /// `None`: a phase is sent only if everything before it succeeded.
    pub needs: Option<Vec<Option<u32>>>,
}

impl Plan {
    /// No order.
    pub fn any(items: usize) -> Self {
        Self { phases: vec![(0..items as u32).collect()], needs: None }
    }
}

/// Most datapoints of a request.
pub(super) const MOST_POINTS: usize = 100_000;

/// What a request may hold, and how many there may be at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub items: usize,
    pub bytes: usize,
    pub in_flight: usize,
    /// A request that is refused for some of its items is sent again in parts.
    pub split: bool,
    pub answers: Answers,
}

/// Whether an answer tells of its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// One that does not is no answer to this request.
    Items,
    /// Some do.
    Perhaps,
    /// It has nothing worth reading.
    Nothing,
}

pub type Posted<'a> = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>;

/// Sends one request with this body and gives the answer.
pub type Post<'a> = dyn Fn(Vec<u8>) -> Posted<'a> + Send + Sync + 'a;

/// A request to be: which items, and its place in the order of requests.
struct Chunk {
    positions: Vec<u32>,
    order: usize,
}

/// Sends all items and places each. `tail`: further members of each request's object, with a comma in front.
pub async fn write(items: &[Item], plan: &Plan, limits: &Limits, tail: &str, post: &Post<'_>) -> Outcome {
    let mut out = Outcome::new(items.len());
    let mut order = 0;
    for (n, phase) in plan.phases.iter().enumerate() {
        let ready = match &plan.needs {
            None if n > 0 && out.failures() > 0 => break,
            None => phase.clone(),
            Some(needs) => with_parents(phase, needs, &out),
        };
        let mut waiting: VecDeque<Chunk> = VecDeque::new();
        let weight = |i| items.get(i as usize).map_or((0, 0), |item| (item.json.len(), item.points));
        for positions in cut(&ready, limits, weight) {
            waiting.push_back(Chunk { positions, order });
            order += 1;
        }
        let request = Request { items, plan, limits, tail, post };
        if !request.all(waiting, &mut out).await {
            break;
        }
    }
    out.settle();
    out
}

/// What the requests of an operation have in common.
struct Request<'a, 'p> {
    items: &'a [Item],
    plan: &'a Plan,
    limits: &'a Limits,
    tail: &'a str,
    post: &'a Post<'p>,
}

impl Request<'_, '_> {
    /// Sends what waits. False: something from outside ended the operation, and nothing more is to be sent.
    async fn all(&self, mut waiting: VecDeque<Chunk>, out: &mut Outcome) -> bool {
        let mut running = Lanes::none();
        let mut most = self.limits.in_flight.max(1);
        let mut going = true;
        loop {
            while going && running.len() < most {
                let Some(mut chunk) = waiting.pop_front() else { break };
                if let Some(needs) = &self.plan.needs {
                    // Of a request that was divided the first part may have failed.
                    chunk.positions = with_parents(&chunk.positions, needs, out);
                }
                if chunk.positions.is_empty() {
                    continue;
                }
                // Until there is word of them.
                out.place(&chunk.positions, Place::Unknown);
                let sent = contained((self.post)(body(self.items, &chunk.positions, self.tail)));
                running.start(chunk.order, async move {
                    let result = sent.await.and_then(|r| r);
                    (chunk, result)
                });
            }
            let Some((_, (chunk, result))) = running.next().await else { return going };
            match result.and_then(|answer| answered(answer, self.limits.answers, out)) {
                Ok(answers) => out.succeed(&chunk.positions, answers),
                Err(error) if divisible(&error, self.limits) && chunk.positions.len() > 1 => {
                    let (named, rest) = divide(self.items, &chunk.positions, &error);
                    if !named.is_empty() {
                        out.fail(chunk.order, named, Place::Failed, error);
                    }
                    for positions in rest.into_iter().rev() {
                        out.place(&positions, Place::Skipped);
                        waiting.push_front(Chunk { positions, order: chunk.order });
                    }
                    if self.plan.needs.is_some() || self.plan.phases.len() > 1 {
                        // What was in one request may depend on each other: one part after the other.
                        most = 1;
                    }
                }
                Err(mut error) => {
                    let place = place_of(&error);
                    error.detail_mut().in_doubt = place == Place::Unknown;
                    going &= !ends(&error);
                    out.fail(chunk.order, chunk.positions, place, error);
                }
            }
        }
    }
}

fn answered(answer: Response, how: Answers, out: &mut Outcome) -> Result<Vec<Bytes>, Error> {
    out.attempts += answer.attempts;
    if how == Answers::Nothing || (how == Answers::Perhaps && answer.body.iter().all(u8::is_ascii_whitespace)) {
        return Ok(Vec::new());
    }
    let (body, answer) = answer.parted();
    match raw::items(&body) {
        Some(Some(items)) => Ok(items),
        Some(None) if how == Answers::Perhaps => Ok(Vec::new()),
        _ => Err(unusable(&answer, "it has no items")),
    }
}

/// What a failed request means for its items.
fn place_of(error: &Error) -> Place {
    let d = error.detail();
    match error.status() {
        // It was answered with 2xx by whoever it was, or nobody knows how far it came.
        Status::Decode if (200..300).contains(&d.http_status) => Place::Unknown,
        Status::Internal => Place::Unknown,
        _ if d.in_doubt => Place::Unknown,
        Status::Cancelled | Status::Timeout | Status::Shutdown if d.attempts == 0 => Place::Skipped,
        _ => Place::Failed,
    }
}

/// Whether what ended this request ends all others too.
fn ends(error: &Error) -> bool {
    use crate::error::Cause;
    matches!(error.status(), Status::Cancelled | Status::Shutdown)
        || (error.status() == Status::Timeout
            && (error.detail().attempts == 0 || error.detail().cause == Some(Cause::TotalTimeout)))
}

/// A refusal that may be the fault of single items. One that is too large is always sent again in parts.
fn divisible(error: &Error, limits: &Limits) -> bool {
    let d = error.detail();
    !d.in_doubt && (d.http_status == 413 || (limits.split && matches!(d.http_status, 400 | 404 | 409 | 422)))
}

/// The items that the service named, which are settled, and what is to be sent again: all others in one request, or,
/// when it named none or not clearly, two halves.
fn divide(items: &[Item], positions: &[u32], error: &Error) -> (Vec<u32>, Vec<Vec<u32>>) {
    let d = error.detail();
    let names =
        |list: &Option<Vec<Value>>| list.iter().flatten().map(|v| (v.to_string(), 0)).collect::<HashMap<_, _>>();
    let (missing, mut named) = (names(&d.missing), names(&d.duplicated));
    named.extend(missing.keys().map(|k| (k.clone(), 0)));
    if !named.is_empty() {
        let mut bad = Vec::new();
        let mut good = Vec::new();
        for &i in positions {
            let hit = items.get(i as usize).and_then(|item| {
                let keys = raw::identifiers(item.name());
                // Missing is the item itself only where it is given by its name; else it is what the item refers to.
                let whole = serde_json::from_slice::<Value>(item.name()).map(|v| v.to_string()).unwrap_or_default();
                keys.into_iter().find(|k| named.contains_key(k) && (!missing.contains_key(k) || *k == whole))
            });
            match hit {
                Some(key) => {
                    *named.entry(key).or_default() += 1;
                    bad.push(i);
                }
                None => good.push(i),
            }
        }
        // One name for two items: perhaps one of them is good.
        if !bad.is_empty() && named.values().all(|n| *n <= 1) {
            return (bad, if good.is_empty() { Vec::new() } else { vec![good] });
        }
    }
    let (a, b) = positions.split_at(positions.len() / 2);
    (Vec::new(), vec![a.to_vec(), b.to_vec()])
}

/// Those of a phase whose parent is there, or comes with them.
fn with_parents(phase: &[u32], needs: &[Option<u32>], out: &Outcome) -> Vec<u32> {
    let mut coming = vec![false; needs.len()];
    let mut ready = Vec::with_capacity(phase.len());
    for &i in phase {
        let parent = needs.get(i as usize).copied().flatten();
        let there = parent.is_none_or(|p| coming.get(p as usize) == Some(&true) || out.place_of(p) == Place::Succeeded);
        if let (true, Some(flag)) = (there, coming.get_mut(i as usize)) {
            *flag = true;
            ready.push(i);
        }
    }
    ready
}

/// Runs of at most so many items, bytes and points; an item larger than that has a request of its own.
pub fn cut(positions: &[u32], limits: &Limits, weight: impl Fn(u32) -> (usize, usize)) -> Vec<Vec<u32>> {
    let mut out = Vec::new();
    let mut chunk: Vec<u32> = Vec::new();
    let (mut bytes, mut points) = (0, 0);
    for &i in positions {
        let (more, with) = weight(i);
        let more = more + 1;
        let full = chunk.len() >= limits.items.max(1) || bytes + more > limits.bytes || points + with > MOST_POINTS;
        if full && !chunk.is_empty() {
            out.push(std::mem::take(&mut chunk));
            (bytes, points) = (0, 0);
        }
        bytes += more;
        points += with;
        chunk.push(i);
    }
    if !chunk.is_empty() {
        out.push(chunk);
    }
    out
}

/// `{"items":[…],…}`.
fn body(items: &[Item], positions: &[u32], tail: &str) -> Vec<u8> {
    let all = || positions.iter().filter_map(|i| items.get(*i as usize));
    let mut out = Vec::with_capacity(12 + tail.len() + all().map(|i| i.json.len() + 1).sum::<usize>());
    out.extend_from_slice(b"{\"items\":[");
    for (n, item) in all().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&item.json);
    }
    out.push(b']');
    out.extend_from_slice(tail.as_bytes());
    out.push(b'}');
    out
}

#[cfg(test)]
#[path = "chunks_tests.rs"]
mod tests;
