//! Deleting ranges: as many requests as the service's limit makes of them, and an account of what became of each range.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::crew::{Crew, Work};
use super::query::{Ask, Query, parse};
use super::read::{Limits, Way, now_ms};
use crate::api::Client;
use crate::api::client::Accepted;
use crate::error::{Error, FailedRequest, Items, Status};
use crate::http::Response;

/// The service's limit for one request.
const MAX_RANGES: usize = 10_000;

/// A deletion that was accepted.
pub struct Delete {
    way: Way,
    ranges: Vec<Query>,
    _place: Accepted,
}

pub fn accept(client: &Arc<Client>, ranges: &[u8], limits: &Limits) -> Result<Delete, Error> {
    let ranges = parse(ranges, now_ms(), Ask::Delete)?;
    Ok(Delete { way: Way::new(client, "/data/delete", limits)?, ranges, _place: client.accept_work()? })
}

fn range(q: &Query) -> Value {
    let mut item = q.key.clone();
    item.insert("inclusiveBegin".into(), json!(q.start));
    item.insert("exclusiveEnd".into(), json!(q.end));
    Value::Object(item)
}

/// Which of `total` ranges a request had.
fn request(number: u64, error: Error, total: usize) -> FailedRequest {
    let from = usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(MAX_RANGES);
    let positions = (from..total.min(from.saturating_add(MAX_RANGES))).filter_map(|n| u32::try_from(n).ok()).collect();
    FailedRequest { positions, error }
}

impl Delete {
    pub fn run(self) -> Work {
        Box::pin(self.go())
    }

    async fn go(self) -> Result<Response, Error> {
        let mut chunks = self.ranges.chunks(MAX_RANGES).enumerate();
        let mut ends: BTreeMap<u64, Result<(), bool>> = BTreeMap::new();
        let mut under_way = Crew::default();
        let mut error: Option<Error> = None;
        let mut failed: Vec<(u64, Error)> = Vec::new();
        loop {
            while under_way.len() < self.way.width && error.is_none() {
                let Some((number, chunk)) = chunks.next() else { break };
                let body = json!({"items": chunk.iter().map(range).collect::<Vec<_>>()});
                ends.insert(number as u64, Err(true));
                under_way.start(number as u64, self.way.ask(&body, None));
            }
            match under_way.next().await {
                None => break,
                Some((number, Ok(_))) => {
                    ends.insert(number, Ok(()));
                }
                Some((number, Err(e))) => {
                    ends.insert(number, Err(e.detail().in_doubt));
                    failed.push((number, e.clone()));
                    error.get_or_insert(e);
                }
            }
        }
        let Some(mut error) = error else {
            let counts = json!({"ranges": self.ranges.len(), "requests": ends.len()});
            return Ok(Response::of_json(&counts));
        };
        let mut items = Items::default();
        for (number, chunk) in self.ranges.chunks(MAX_RANGES).enumerate() {
            let list = match ends.get(&(number as u64)) {
                Some(Ok(())) => &mut items.succeeded,
                Some(Err(false)) => &mut items.failed,
                Some(Err(true)) => &mut items.unknown,
                None => &mut items.skipped,
            };
            list.extend(chunk.iter().map(|q| Bytes::from(Value::Object(q.key.clone()).to_string())));
        }
        failed.sort_by_key(|f| f.0);
        items.requests = failed.into_iter().map(|(number, error)| request(number, error, self.ranges.len())).collect();
        if !items.succeeded.is_empty() {
            error.set_status(Status::Partial);
        }
        error.detail_mut().in_doubt = !items.unknown.is_empty();
        error.detail_mut().items = Some(Arc::new(items));
        Err(error)
    }
}
