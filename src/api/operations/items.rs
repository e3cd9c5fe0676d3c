//! Any number of items: cut into requests of what the API takes, sent side by side, the answers put together in order.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::answer::{self, Spliced};
use super::lanes::Lanes;
use super::run::{Work, combined};
use crate::api::outgoing::Payload;
use crate::error::{Error, Items};

use crate::http::Response;

/// Which items each request takes.
pub fn chunks(count: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let most = most.max(1);
    (0..count.div_ceil(most)).map(move |i| i * most..count.min((i + 1) * most))
}

/// What one request brought: its answer and where the elements lie in it.
pub struct Done {
    pub response: Response,
    pub elements: Range<usize>,
}

/// Sends the items of `range` in one request.
pub async fn send(work: &Work, range: Range<usize>) -> Result<Done, Error> {
    let body = work.arguments.body_of_items(range);
    let response = work.send(work.arguments.address(""), Payload::Json(body)).await?;
    Ok(Done { elements: answer::some_page(&response)?.span(), response })
}

/// All of it; the first failure ends it.
pub async fn run(work: &Work) -> Result<Response, Error> {
    let started = Instant::now();
    let total = work.arguments.items.len();
    let most = work.operation.items.unwrap_or(1);
    let mut ahead = chunks(total, most).enumerate();
    let mut done: Vec<Option<Done>> = Vec::new();
    done.resize_with(total.div_ceil(most), || None);
    let mut lanes = Lanes::none();
    loop {
        while lanes.len() < work.width()
            && let Some((n, range)) = ahead.next()
        {
            lanes.start(n, send(work, range));
        }
        let Some((n, result)) = lanes.next().await else { break };
        let result = match result {
            Ok(result) => result,
            Err(e) => return Err(placed(work, e, n, |chunk| done.get(chunk).is_some_and(Option::is_some))),
        };
        if let Some(slot) = done.get_mut(n) {
            *slot = Some(result);
        }
    }
    drop(lanes);
    let mut out = Spliced::open();
    let mut attempts = 0;
    if done.len() == 1
        && let Some(Some(only)) = done.pop()
    {
        if !only.elements.is_empty() {
            return Ok(only.response);
        }
        attempts = only.response.attempts;
    }
    for part in done.into_iter().flatten() {
        attempts += part.response.attempts;
        out.add(part.response.body.get(part.elements).unwrap_or_default());
    }
    Ok(combined(out.finish(None), attempts, started))
}

/// Says of which items the error tells, and which were read.
fn placed(work: &Work, mut error: Error, failed: usize, read: impl Fn(usize) -> bool) -> Error {
    let items = &work.arguments.items;
    let most = work.operation.items.unwrap_or(1);
    if items.len() > most {
        let first = failed * most;
        let last = items.len().min(first + most) - 1;
        let message = format!("items {first} to {last}: {}", error.message());
        error.set_message(message);
    }
    let mut places = Items::default();
    for (n, range) in chunks(items.len(), most).enumerate() {
        let list = match n {
            n if n == failed => &mut places.failed,
            n if read(n) => &mut places.succeeded,
            _ => &mut places.skipped,
        };
        list.extend(range.filter_map(|i| items.get(i)).map(|item| Bytes::copy_from_slice(item.as_bytes())));
    }
    error.with(|d| d.items = Some(Arc::new(places)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_in_one_chunk() {
        for (count, most) in [(0, 3), (1, 3), (3, 3), (7, 3), (5, 1), (2, 0)] {
            let all: Vec<usize> = chunks(count, most).flatten().collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
            assert!(chunks(count, most).all(|r| !r.is_empty() && r.len() <= most.max(1)));
        }
    }
}
