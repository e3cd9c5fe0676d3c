//! Lists: page after page along the cursors, up to a limit, or in parts side by side.

use tokio::time::Instant;

use super::answer::{self, Spliced};
use super::arguments::{Limit, form_pair};
use super::lanes::Lanes;
use super::run::{Work, combined};
use super::table::Place;
use crate::api::outgoing::Payload;
use crate::error::{Error, Status};
use crate::http::Response;

/// One chain of pages.
pub struct Chain {
    /// `None`: the beginning.
    pub cursor: Option<String>,
    /// Still wanted; `None`: all there is.
    left: Option<u64>,
    /// Which part of how many.
    part: Option<(usize, usize)>,
    /// A cursor seen before, kept for 1, 2, 4, 8 … pages: a circle of any length comes back to it.
    mark: Option<String>,
    pages: u64,
    ended: bool,
}

/// One page: the answer and what is in it.
pub struct Fetched {
    pub response: Response,
    pub page: answer::Page,
}

impl Chain {
    pub fn new(work: &Work, all: bool) -> Self {
        let left = match work.arguments.limit {
            Limit::All => None,
            Limit::Exactly(n) => Some(n),
            Limit::Default if all => None,
            Limit::Default => Some(work.operation.default_limit()),
        };
        Self { cursor: work.arguments.cursor.clone(), left, part: None, mark: None, pages: 0, ended: false }
    }

    fn part(work: &Work, index: usize, of: usize) -> Self {
        Self { part: Some((index, of)), ..Self::new(work, true) }
    }

    /// The next page; `None` after the last one.
    pub async fn next(&mut self, work: &Work) -> Result<Option<Fetched>, Error> {
        if self.ended {
            return Ok(None);
        }
        let a = &work.arguments;
        let largest = a.page.or(work.operation.page).unwrap_or(1000);
        let asked = self.left.map_or(largest, |l| largest.min(usize::try_from(l).unwrap_or(usize::MAX)));
        let response = match work.operation.method == reqwest::Method::GET {
            true => work.send(a.address(&self.query(asked)), Payload::None).await?,
            false => work.send(a.address(""), Payload::Json(a.body(&self.members(work, asked)))).await?,
        };
        let most = self.left.map_or(usize::MAX, |l| usize::try_from(l).unwrap_or(usize::MAX));
        let page = match answer::page(&response.body, most) {
            Ok(Some(page)) => page,
            Ok(None) => return Err(answer::unusable(&response, "it has no items")),
            Err(what) => return Err(answer::unusable(&response, &what)),
        };
        self.step(&page, work.operation.cursor != Place::Nowhere, &response)?;
        Ok(Some(Fetched { response, page }))
    }

    fn step(&mut self, page: &answer::Page, paged: bool, response: &Response) -> Result<(), Error> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(page.count as u64);
        }
        let next = page.cursor.clone().filter(|_| paged);
        if next.is_some() && (next == self.cursor || next == self.mark) {
            let what = "the service gave a cursor that it had given before: the list would never end";
            return Err(Error::new(Status::Decode, what).with(|d| d.http_status = response.status));
        }
        self.pages += 1;
        if self.pages.is_power_of_two() {
            self.mark.clone_from(&next);
        }
        self.ended = next.is_none() || self.left == Some(0);
        self.cursor = next;
        Ok(())
    }

    fn query(&self, asked: usize) -> String {
        let mut out = format!("limit={asked}");
        match (&self.cursor, self.part) {
            (Some(cursor), _) => form_pair(&mut out, "cursor", cursor),
            (None, Some(_)) => out.push_str("&cursor="),
            (None, None) => {}
        }
        if let Some((index, of)) = self.part {
            form_pair(&mut out, "partition", &format!("{}/{of}", index + 1));
        }
        out
    }

    fn members(&self, work: &Work, asked: usize) -> String {
        let mut out = format!("\"limit\":{asked}");
        match (&self.cursor, self.part) {
            (Some(cursor), _) => out.push_str(&format!(",\"cursor\":{}", serde_json::Value::from(cursor.as_str()))),
            (None, Some(_)) => out.push_str(",\"cursor\":null"),
            (None, None) => {}
        }
        if let Some((index, of)) = self.part.filter(|_| work.operation.partitions == Place::Body) {
            out.push_str(&format!(",\"partition\":\"{}/{of}\"", index + 1));
        }
        out
    }
}

/// All pages of a chain: their elements, and how many attempts they took.
async fn collect(work: &Work, mut chain: Chain) -> Result<(Spliced, Option<String>, u32), Error> {
    let mut out = Spliced::open();
    let mut attempts = 0;
    while let Some(Fetched { response, page }) = chain.next(work).await? {
        attempts += response.attempts;
        out.add(response.body.get(page.items).unwrap_or_default());
    }
    Ok((out, chain.cursor, attempts))
}

pub async fn run(work: &Work) -> Result<Response, Error> {
    let started = Instant::now();
    let Some(parts) = work.arguments.partitions else {
        let (items, cursor, attempts) = collect(work, Chain::new(work, false)).await?;
        return Ok(combined(items.finish(cursor.as_deref()), attempts, started));
    };
    let mut done: Vec<Option<Spliced>> = Vec::new();
    done.resize_with(parts, || None);
    let mut ahead = 0..parts;
    let mut lanes = Lanes::none();
    let mut attempts = 0;
    loop {
        while lanes.len() < work.width()
            && let Some(n) = ahead.next()
        {
            lanes.start(n, collect(work, Chain::part(work, n, parts)));
        }
        let Some((n, result)) = lanes.next().await else { break };
        let (items, _, tries) = result?;
        attempts += tries;
        if let Some(slot) = done.get_mut(n) {
            *slot = Some(items);
        }
    }
    let mut out = Spliced::open();
    for part in done.into_iter().flatten() {
        out.add(part.elements());
    }
    Ok(combined(out.finish(None), attempts, started))
}
