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
use crate::error::{Error, Items, Status};
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
    let ranges = parse(ranges, now_ms(), Ask::Delete)?.items;
    Ok(Delete { way: Way::new(client, "/data/delete", limits)?, ranges, _place: client.accept_work()? })
}

fn range(q: &Query) -> Value {
    let mut item = q.key.clone();
    item.insert("inclusiveBegin".into(), json!(q.start));
    item.insert("exclusiveEnd".into(), json!(q.end));
    Value::Object(item)
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
        if !items.succeeded.is_empty() {
            error.set_status(Status::Partial);
        }
        error.detail_mut().in_doubt = !items.unknown.is_empty();
        error.detail_mut().items = Some(Arc::new(items));
        Err(error)
    }
}
