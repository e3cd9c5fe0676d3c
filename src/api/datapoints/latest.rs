//! The newest datapoint of each series, before a time. The service answers JSON here.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::answers::{decode, is_named};
use super::columns::{Columns, Points, Series};
use super::crew::{Crew, Work};
use super::json_read::{info, push};
use super::query::{Ask, Query, parse};
use super::read::{Limits, Way, keep_first, missing, now_ms, response};
use super::windows::MAX_SERIES;
use crate::api::Client;
use crate::api::client::Accepted;
use crate::error::{Error, Items};

/// A question that was accepted.
pub struct Latest {
    way: Way,
    queries: Vec<Query>,
    _place: Accepted,
}

fn accept(client: &Arc<Client>, query: &[u8], limits: &Limits) -> Result<Latest, Error> {
    let queries = parse(query, now_ms(), Ask::Latest)?;
    Ok(Latest { way: Way::new(client, "/data/latest", limits)?, queries, _place: client.accept_work()? })
}

/// The same, ready to run: the columns are the payload of the response.
pub fn work(client: &Arc<Client>, query: &[u8], limits: &Limits) -> Result<Work, Error> {
    accept(client, query, limits).map(Latest::run)
}

impl Latest {
    fn run(self) -> Work {
        Box::pin(async move { self.go().await.map(response) })
    }

    async fn go(self) -> Result<Columns, Error> {
        let items = &self.queries;
        // Where some that do not exist are to be left out, what is missed is looked for in the answers.
        let ignore_unknown = items.iter().any(|q| q.ignore_unknown);
        let mut series: Vec<Series> = (0..items.len()).map(|item| Series { item, ..Series::default() }).collect();
        let mut under_way = Crew::default();
        let mut chunks = (0..items.len()).step_by(MAX_SERIES);
        let mut failed = None;
        let mut ends: BTreeMap<usize, bool> = BTreeMap::new();
        loop {
            while failed.is_none() && under_way.len() < self.way.width {
                let Some(from) = chunks.next() else { break };
                let part = items.iter().skip(from).take(MAX_SERIES).map(|q| {
                    let mut item = q.key.clone();
                    item.insert("before".into(), json!(q.end));
                    item.extend(q.also.clone());
                    Value::Object(item)
                });
                let body = json!({"items": part.collect::<Vec<_>>(), "ignoreUnknownIds": ignore_unknown});
                under_way.start(from as u64, self.way.ask(&body, None));
            }
            // After a failure nothing new is asked, but what is on its way is still taken.
            let Some((from, result)) = under_way.next().await else { break };
            let taken = result.and_then(|response| self.take(from as usize, &response.body, &mut series));
            ends.insert(from as usize, taken.is_ok());
            if let Err(e) = taken {
                keep_first(&mut failed, e);
            }
        }
        let columns = Columns { series };
        match failed {
            None => Ok(columns),
            Some(error) => Err(error.with(|d| {
                d.partial = Some(Arc::new(columns));
                d.items = Some(Arc::new(self.places(&ends)));
            })),
        }
    }

    /// Which series were read, which failed, and which were not asked for any more. `ends`: by where a request begins.
    fn places(&self, ends: &BTreeMap<usize, bool>) -> Items {
        let mut places = Items::default();
        for (n, query) in self.queries.iter().enumerate() {
            let list = match ends.get(&(n / MAX_SERIES * MAX_SERIES)) {
                Some(true) => &mut places.succeeded,
                Some(false) => &mut places.failed,
                None => &mut places.skipped,
            };
            list.push(Bytes::from(Value::Object(query.key.clone()).to_string()));
        }
        places
    }

    fn take(&self, from: usize, body: &[u8], series: &mut [Series]) -> Result<(), Error> {
        let body: Value = serde_json::from_slice(body).map_err(|_| decode("it is not JSON"))?;
        let answers = body.get("items").and_then(Value::as_array).ok_or_else(|| decode("it has no items"))?;
        let mut answers = answers.iter().filter_map(Value::as_object).peekable();
        let told = self.queries.iter().any(|q| q.ignore_unknown);
        let mut unknown = Vec::new();
        for (query, series) in self.queries.iter().zip(series).skip(from).take(MAX_SERIES) {
            let Some(answer) = answers.next_if(|a| is_named(&info(a), &query.key)) else {
                match (query.ignore_unknown, told) {
                    (true, _) => {}
                    (false, true) => unknown.push(Value::Object(query.key.clone())),
                    (false, false) => return Err(decode("a series is not in it")),
                }
                continue;
            };
            let (info, mut points) = (info(answer), Points::default());
            for point in answer.get("datapoints").and_then(Value::as_array).into_iter().flatten() {
                push(point, &info, &mut points).ok_or_else(|| decode("a datapoint is damaged"))?;
            }
            series.info = info;
            series.points = points;
            series.found = true;
            series.complete = true;
            series.with_status = query.with_status();
        }
        match answers.next() {
            None if unknown.is_empty() => Ok(()),
            None => Err(missing(self.way.client.project(), unknown, self.queries.len())),
            Some(_) => Err(decode("it has a series that was not asked for")),
        }
    }
}
