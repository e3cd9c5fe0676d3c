//! Reading: a query becomes requests, several at a time; their answers become columns.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::answers::{PROTOBUF, body, decode, items, next_asked, paired, points_of};
use super::columns::{Columns, Points};
use super::crew::Work;
use super::proto_read::Item;
use super::query::{Ask, parse};
use super::windows::{Asked, MAX_AGGREGATES, MAX_RAW, MAX_SERIES, Reading};
use crate::api::Client;
use crate::api::client::Accepted;
use crate::api::operations::lanes::Lanes;
use crate::api::outgoing::{Outgoing, Payload};
use crate::config::concurrency::BudgetKey;
use crate::error::{Error, Status};
use crate::http::Response;
use crate::http::body::Shelf;
use crate::runtime::CancelToken;

/// What ends a query from outside.
#[derive(Clone, Default)]
pub struct Limits {
    /// Zero: the client's.
    pub timeout: Duration,
    pub cancel: Option<CancelToken>,
}

/// Where and until when all requests of one query go.
#[derive(Clone)]
pub(super) struct Way {
    pub client: Arc<Client>,
    pub path: String,
    pub budget: Option<BudgetKey>,
    /// Requests kept under way at a time.
    pub width: usize,
    pub deadline: Instant,
    pub cancel: Option<CancelToken>,
    /// Answers that were read.
    pub shelf: Arc<Shelf>,
}

/// The next request of those that wait, from the end of `pending`: as many as one may hold together.
pub(super) fn packed(readings: &[Reading], pending: &mut Vec<Asked>) -> Vec<Asked> {
    let mut chosen: Vec<Asked> = Vec::new();
    let mut sums = [0u64; 2];
    while let Some(last) = pending.last() {
        let aggregated = readings.get(last.series).is_some_and(|r| !r.query.aggregates.is_empty());
        let most = if aggregated { MAX_AGGREGATES } else { MAX_RAW };
        let sum = sums[usize::from(aggregated)].saturating_add(last.limit);
        // One series stands in one request once only: answers are told apart by it.
        if chosen.len() >= MAX_SERIES || sum > most || chosen.iter().any(|c| c.series == last.series) {
            break;
        }
        sums[usize::from(aggregated)] = sum;
        chosen.extend(pending.pop());
    }
    chosen
}

impl Way {
    /// Answers kept to be received into: one for each that is under way, and for what they are unpacked from.
    pub fn bodies(&self) -> usize {
        self.width + 3
    }

    /// `below`: what follows `/timeseries`.
    pub fn new(client: &Arc<Client>, below: &str, limits: &Limits) -> Result<Self, Error> {
        let budget = BudgetKey::parse(if below == "/data/delete" { "datapoints.delete" } else { "datapoints.read" })?;
        Ok(Self {
            budget: Some(budget),
            width: client.width(budget),
            client: Arc::clone(client),
            path: format!("{}/timeseries{below}", client.project_path()?),
            deadline: client.deadline(limits.timeout)?,
            cancel: limits.cancel.clone(),
            shelf: Arc::new(Shelf::new(0)),
        })
    }

    pub fn ask(&self, body: &Value, accept: Option<&'static str>) -> Work {
        let client = Arc::clone(&self.client);
        let outgoing = Outgoing {
            method: Method::POST,
            path: self.path.clone(),
            payload: Payload::Json(body.to_string().into_bytes()),
            accept,
            version: None,
            class: None,
            budget: self.budget,
            deadline: self.deadline,
            cancel: self.cancel.clone(),
            shelf: Some(Arc::clone(&self.shelf)),
        };
        Box::pin(async move { client.send(outgoing).await })
    }
}

/// A query that was accepted.
pub struct Read {
    way: Way,
    readings: Vec<Reading>,
    /// More series than requests at a time: several go into one request.
    grouped: bool,
    /// Requests of the first round, then what follows from their answers.
    first: VecDeque<Vec<Asked>>,
    pending: Vec<Asked>,
    /// With the place of each in the query.
    missing: Vec<(usize, Value)>,
    error: Option<Error>,
    _place: Accepted,
}

pub(super) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub fn accept(client: &Arc<Client>, query: &[u8], limits: &Limits) -> Result<Read, Error> {
    let queries = parse(query, now_ms(), Ask::Range)?;
    let way = Way::new(client, "/data/list", limits)?;
    let readings: Vec<Reading> = queries.into_iter().enumerate().map(|(n, q)| Reading::new(n, q)).collect();
    let mut read = Read {
        grouped: readings.len() > way.width,
        way,
        readings,
        first: VecDeque::new(),
        pending: Vec::new(),
        missing: Vec::new(),
        error: None,
        _place: client.accept_work()?,
    };
    read.first_round();
    Ok(read)
}

/// The same, ready to run: the columns are the payload of the response.
pub fn work(client: &Arc<Client>, query: &[u8], limits: &Limits) -> Result<Work, Error> {
    accept(client, query, limits).map(Read::run)
}

impl Read {
    fn first_round(&mut self) {
        let n = self.readings.len();
        if !self.grouped {
            // As the reference: 5 / n, rounded half to even.
            let pieces = [0, 5, 2, 2, 1, 1].get(n).copied().unwrap_or(1);
            let mut rest = Vec::new();
            for (number, reading) in self.readings.iter_mut().enumerate() {
                let mut asked = reading.begin(number, pieces, u64::MAX).into_iter().map(|a| vec![a]);
                self.first.extend(asked.next());
                rest.extend(asked);
                rest.extend(reading.ask_outside(number).map(|a| vec![a]));
            }
            // Each series is asked for once before one of them can fail: all that are missing are told.
            self.first.extend(rest);
            return;
        }
        let requests = self.way.width.max(n.div_ceil(MAX_SERIES));
        let mut groups = vec![Vec::new(); requests];
        let mut sizes = vec![[0u64; 2]; requests];
        for (number, reading) in self.readings.iter().enumerate() {
            let raw = usize::from(!reading.query.aggregates.is_empty());
            if let Some(count) = sizes.get_mut(number % requests).and_then(|s| s.get_mut(raw)) {
                *count += 1;
            }
        }
        for (number, reading) in self.readings.iter_mut().enumerate() {
            let aggregated = !reading.query.aggregates.is_empty();
            let together = sizes.get(number % requests).map_or(1, |s| s[usize::from(aggregated)]).max(1);
            let share = if aggregated { MAX_AGGREGATES } else { MAX_RAW } / together;
            if let Some(group) = groups.get_mut(number % requests) {
                group.extend(reading.begin(number, 1, share));
            }
            self.pending.extend(reading.ask_outside(number));
        }
        self.first.extend(groups.into_iter().filter(|g: &Vec<Asked>| !g.is_empty()));
    }

    /// The next request: of the first round, or as many small rests as fit. With it, what it says of unknown series.
    fn next_request(&mut self) -> Option<(Vec<Asked>, Option<bool>)> {
        if let Some(first) = self.first.pop_front() {
            return Some((first, Some(self.grouped)));
        }
        if !self.grouped {
            // The earliest first: what comes after it waits for it.
            self.pending.sort_by_key(|a| std::cmp::Reverse((a.series, a.start)));
            return self.pending.pop().map(|a| (vec![a], None));
        }
        self.pending.sort_by_key(|a| std::cmp::Reverse((a.limit, a.series, a.start)));
        let chosen = packed(&self.readings, &mut self.pending);
        // One that has gone meanwhile does not take the others of its request with it.
        (!chosen.is_empty()).then_some((chosen, Some(true)))
    }

    fn run(self) -> Work {
        Box::pin(async move { self.go().await.map(response) })
    }

    async fn go(mut self) -> Result<Columns, Error> {
        // On one task: an answer becomes columns while it is still in the processor's cache, before the next is received.
        let mut under_way = Lanes::none();
        let mut asked: HashMap<usize, Vec<Asked>> = HashMap::new();
        let mut number = 0;
        loop {
            while self.error.is_none() && under_way.len() < self.way.width {
                let Some((next, ignore_unknown)) = self.next_request() else { break };
                let work = self.way.ask(&body(&self.readings, &next, ignore_unknown), Some(PROTOBUF));
                under_way.start(number, work);
                asked.insert(number, next);
                number += 1;
            }
            // Towards the end what was a body becomes columns: then no more of them are kept than are asked for.
            let rest = self.first.len() + self.pending.len();
            self.way.shelf.keep(self.way.bodies().min(rest * 2));
            // After a failure nothing new is asked, but what is on its way is still taken.
            let Some((ended, result)) = under_way.next().await else { break };
            let asked = asked.remove(&ended).unwrap_or_default();
            self.answered(&asked, result);
        }
        self.finish()
    }

    fn answered(&mut self, asked: &[Asked], result: Result<Response, Error>) {
        match result {
            Ok(response) => {
                if let Err(e) = self.take(asked, &response.body) {
                    self.error.get_or_insert(e);
                }
                self.way.shelf.put(response.body);
            }
            Err(e) => self.failed(asked, e),
        }
    }

    fn failed(&mut self, asked: &[Asked], error: Error) {
        // A 404 that names no series is none of a series.
        let unknown =
            error.status() == Status::NotFound && error.detail().missing.as_ref().is_some_and(|m| !m.is_empty());
        if let [only] = asked
            && unknown
            && let Some(reading) = self.readings.get_mut(only.series)
            && reading.query.ignore_unknown
        {
            reading.give_up();
            return;
        }
        keep_first(&mut self.error, error);
    }

    fn take(&mut self, asked: &[Asked], body: &[u8]) -> Result<(), Error> {
        let items = items(body)?;
        for (a, item) in asked.iter().zip(paired(&self.readings, asked, &items)?) {
            let Some(reading) = self.readings.get_mut(a.series) else { continue };
            let Some(item) = item else {
                if !self.grouped {
                    return Err(decode("a series is not in it"));
                }
                if !a.outside && !reading.query.ignore_unknown {
                    self.missing.push((a.series, Value::Object(reading.query.key.clone())));
                }
                reading.give_up();
                continue;
            };
            self.pending.extend(take_item(reading, a, item)?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Columns, Error> {
        if self.error.is_none() && !self.missing.is_empty() {
            self.missing.sort_by_key(|(at, _)| *at);
            let unknown = self.missing.drain(..).map(|(_, key)| key).collect();
            self.error = Some(missing(self.way.client.project(), unknown, self.readings.len()));
        }
        let columns = Columns { series: self.readings.into_iter().map(Reading::finish).collect() };
        match self.error {
            None => Ok(columns),
            Some(error) => {
                let partial: Arc<dyn Any + Send + Sync> = Arc::new(columns);
                Err(error.with(|d| d.partial = Some(partial)))
            }
        }
    }
}

/// Of several errors the first is told, with all series that are missing.
pub(super) fn keep_first(kept: &mut Option<Error>, error: Error) {
    match kept {
        None => *kept = Some(error),
        Some(first) => {
            if let (Some(have), Some(add)) = (&mut first.detail_mut().missing, &error.detail().missing) {
                have.extend(add.iter().filter(|a| !have.contains(a)).cloned().collect::<Vec<_>>());
            }
        }
    }
}

/// The points of one item, and what is to be asked next.
fn take_item(reading: &mut Reading, asked: &Asked, item: &Item<'_>) -> Result<Vec<Asked>, Error> {
    reading.meet(&item.info);
    let (columns, known) = (reading.query.columns.clone(), reading.known());
    if asked.outside {
        let mut points = Points::default();
        reading.shape = points_of(item, known, asked, &columns, &mut points)?.shape;
        reading.keep_outside(&points);
        return Ok(Vec::new());
    }
    let got = points_of(item, known, asked, &columns, reading.place(asked))?;
    next_asked(reading, asked, item, &got)
}

/// Series that the service left out of its answer, as it was told to: what it says when it is not. `of`: how many were
/// asked for.
pub(super) fn missing(project: &str, unknown: Vec<Value>, of: usize) -> Error {
    let n = unknown.len();
    Error::new(Status::NotFound, format!("{n} of {of} series do not exist")).with(|d| {
        d.missing = Some(unknown);
        // As if the service had said it: how many series a query has makes no difference to who handles the error.
        d.http_status = 400;
        d.project = Some(project.to_owned());
    })
}

/// As operations tell their results: counts for people, the columns for programs.
pub(super) fn response(columns: Columns) -> Response {
    let counts = json!({"series": columns.series.len(), "points": columns.points()});
    let payload: Arc<dyn Any + Send + Sync> = Arc::new(columns);
    Response { payload: Some(payload), ..Response::of_json(&counts) }
}
