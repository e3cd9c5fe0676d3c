//! Reading: a query becomes requests, several at a time; their answers become columns.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::columns::{Columns, Info, Points};
use super::crew::{Crew, Work};
use super::proto_read::{self, Expected, Item};
use super::query::{Ask, Query, parse};
use super::windows::{Asked, MAX_AGGREGATES, MAX_RAW, MAX_SERIES, Reading};
use crate::api::Client;
use crate::api::client::Accepted;
use crate::api::outgoing::{Outgoing, Payload};
use crate::config::concurrency::BudgetKey;
use crate::error::{Cause, Error, Status};
use crate::http::Response;
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
}

impl Way {
    pub fn new(client: &Arc<Client>, below: &str, limits: &Limits) -> Result<Self, Error> {
        let budget = BudgetKey::parse(if below == "/delete" { "datapoints.delete" } else { "datapoints.read" })?;
        Ok(Self {
            budget: Some(budget),
            width: client.width(budget),
            client: Arc::clone(client),
            path: format!("{}/timeseries/data{below}", client.project_path()?),
            deadline: client.deadline(limits.timeout)?,
            cancel: limits.cancel.clone(),
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
        };
        Box::pin(async move { client.send(outgoing).await })
    }
}

/// A query that was accepted.
pub struct Read {
    way: Way,
    readings: Vec<Reading>,
    ignore_unknown: bool,
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
    let way = Way::new(client, "/list", limits)?;
    let readings: Vec<Reading> = queries.items.into_iter().map(Reading::new).collect();
    let mut read = Read {
        grouped: readings.len() > way.width,
        way,
        readings,
        ignore_unknown: queries.ignore_unknown,
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
            for (number, reading) in self.readings.iter_mut().enumerate() {
                let asked = reading.begin(number, pieces, u64::MAX);
                self.first.extend(asked.into_iter().map(|a| vec![a]));
                self.first.extend(reading.ask_outside(number).map(|a| vec![a]));
            }
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

    /// The next request: of the first round, or as many small rests as fit.
    fn next_request(&mut self) -> Option<Vec<Asked>> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        if !self.grouped {
            // The earliest first: what comes after it waits for it.
            self.pending.sort_by_key(|a| std::cmp::Reverse((a.series, a.start)));
            return self.pending.pop().map(|a| vec![a]);
        }
        self.pending.sort_by_key(|a| std::cmp::Reverse((a.limit, a.series, a.start)));
        let mut chosen: Vec<Asked> = Vec::new();
        let mut sums = [0u64; 2];
        while let Some(last) = self.pending.last() {
            let aggregated = self.readings.get(last.series).is_some_and(|r| !r.query.aggregates.is_empty());
            let most = if aggregated { MAX_AGGREGATES } else { MAX_RAW };
            let sum = sums[usize::from(aggregated)] + last.limit;
            // One series stands in one request once only: answers are told apart by it.
            if chosen.len() >= MAX_SERIES || sum > most || chosen.iter().any(|c| c.series == last.series) {
                break;
            }
            sums[usize::from(aggregated)] = sum;
            chosen.extend(self.pending.pop());
        }
        (!chosen.is_empty()).then_some(chosen)
    }

    fn body(&self, asked: &[Asked]) -> Value {
        let item = |a: &Asked| {
            let mut item = Map::new();
            if let Some(Query { key, also, .. }) = self.readings.get(a.series).map(|r| &r.query) {
                item.extend(key.clone());
                item.extend(also.clone());
            }
            item.insert("start".into(), json!(a.start));
            item.insert("end".into(), json!(a.end));
            item.insert("limit".into(), json!(a.limit));
            if let Some(cursor) = &a.cursor {
                item.insert("cursor".into(), json!(cursor));
            }
            if a.outside {
                item.insert("includeOutsidePoints".into(), json!(true));
            }
            Value::Object(item)
        };
        json!({"items": asked.iter().map(item).collect::<Vec<_>>(), "ignoreUnknownIds": self.grouped})
    }

    fn run(self) -> Work {
        Box::pin(async move { self.go().await.map(response) })
    }

    async fn go(mut self) -> Result<Columns, Error> {
        let mut under_way = Crew::default();
        let mut asked: HashMap<u64, Vec<Asked>> = HashMap::new();
        let mut number = 0;
        loop {
            while self.error.is_none() && under_way.len() < self.way.width {
                let Some(next) = self.next_request() else { break };
                under_way.start(number, self.way.ask(&self.body(&next), Some("application/protobuf")));
                asked.insert(number, next);
                number += 1;
            }
            // After a failure nothing new is asked, but what is on its way is still taken.
            let Some((ended, result)) = under_way.next().await else { break };
            let asked = asked.remove(&ended).unwrap_or_default();
            match result {
                Ok(response) => {
                    if let Err(e) = self.take(&asked, &response.body) {
                        self.error.get_or_insert(e);
                    }
                }
                Err(e) => self.failed(&asked, e),
            }
        }
        self.finish()
    }

    fn failed(&mut self, asked: &[Asked], error: Error) {
        if self.ignore_unknown && error.status() == Status::NotFound && asked.len() == 1 {
            for a in asked {
                if let Some(reading) = self.readings.get_mut(a.series) {
                    reading.give_up();
                }
            }
            return;
        }
        match &mut self.error {
            None => self.error = Some(error),
            Some(first) => {
                if let (Some(have), Some(add)) = (&mut first.detail_mut().missing, &error.detail().missing) {
                    have.extend(add.iter().filter(|a| !have.contains(a)).cloned().collect::<Vec<_>>());
                }
            }
        }
    }

    fn take(&mut self, asked: &[Asked], body: &[u8]) -> Result<(), Error> {
        let damaged = |_| decode("it is no list of datapoints in protobuf");
        let items = proto_read::items(body).map_err(damaged)?;
        let mut items = items.iter().peekable();
        for a in asked {
            let Some(reading) = self.readings.get_mut(a.series) else { continue };
            // In the order of the request, without those that do not exist.
            let Some(item) = items.next_if(|i| is_named(&i.info, &reading.query.key)) else {
                if !self.grouped {
                    return Err(decode("a series is not in it"));
                }
                if !a.outside {
                    self.missing.push((a.series, Value::Object(reading.query.key.clone())));
                }
                reading.give_up();
                continue;
            };
            self.pending.extend(take_item(reading, a, item)?);
        }
        match items.next() {
            None => Ok(()),
            Some(_) => Err(decode("it has a series that was not asked for")),
        }
    }

    fn finish(mut self) -> Result<Columns, Error> {
        if self.error.is_none() && !self.ignore_unknown && !self.missing.is_empty() {
            let n = self.missing.len();
            self.missing.sort_by_key(|(at, _)| *at);
            let missing = self.missing.drain(..).map(|(_, key)| key).collect();
            // What the service answers when it is not told to ignore them.
            let error = Error::new(Status::NotFound, format!("{n} of {} series do not exist", self.readings.len()));
            self.error = Some(error.with(|d| {
                d.http_status = 400;
                d.code = Some("400".into());
                d.missing = Some(missing);
            }));
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

/// The points of one item, and what is to be asked next.
fn take_item(reading: &mut Reading, asked: &Asked, item: &Item<'_>) -> Result<Vec<Asked>, Error> {
    let columns = reading.query.columns.clone();
    let expected = if columns.is_empty() { Expected::Raw } else { Expected::Aggregates(&columns) };
    let damaged = |_| decode("its points are damaged, or not what was asked for");
    if !reading.series.found {
        reading.series.found = true;
        reading.series.info = item.info.clone();
    }
    if asked.outside {
        let mut points = Points::default();
        item.read(&expected, &mut points).map_err(damaged)?;
        reading.shape = same(reading.shape, points.shape())?;
        reading.keep_outside(&points);
        return Ok(Vec::new());
    }
    let known = reading.shape;
    let place = reading.place(asked);
    let before = place.len();
    item.read(&expected, place).map_err(damaged)?;
    let shape = same(known, place.shape()).inspect_err(|_| place.truncate(before))?;
    let count = (place.len() - before) as u64;
    let last = place.timestamps.last().copied().filter(|_| count > 0).unwrap_or(asked.start);
    reading.shape = shape;
    reading.taken(asked, count, last, item.cursor.clone()).map_err(|_| decode("it repeats a page that was read before"))
}

/// A series has one kind of values on all its pages.
fn same(known: Option<[bool; 3]>, new: Option<[bool; 3]>) -> Result<Option<[bool; 3]>, Error> {
    match (known, new) {
        (Some(a), Some(b)) if a != b => Err(decode("a series has values of another kind than on the page before")),
        _ => Ok(new.or(known)),
    }
}

/// As operations tell their results: counts for people, the columns for programs.
pub(super) fn response(columns: Columns) -> Response {
    let counts = json!({"series": columns.series.len(), "points": columns.points()});
    let payload: Arc<dyn Any + Send + Sync> = Arc::new(columns);
    Response { payload: Some(payload), ..Response::of_json(&counts) }
}

/// Whether the series of an answer is the one a request named.
pub(super) fn is_named(info: &Info, key: &Map<String, Value>) -> bool {
    key.iter().next().is_some_and(|(name, value)| match name.as_str() {
        "id" => value.as_i64() == Some(info.id),
        "externalId" => value.as_str() == Some(&info.external_id),
        _ => info.instance.as_ref().is_some_and(|(space, external_id)| {
            let text = |name: &str| value.get(name).and_then(Value::as_str);
            text("space") == Some(space) && text("externalId") == Some(external_id)
        }),
    })
}

pub(super) fn decode(what: &str) -> Error {
    Error::new(Status::Decode, format!("the answer cannot be understood: {what}"))
        .with(|d| d.cause = Some(Cause::BodyDecode))
}
