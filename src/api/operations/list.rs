//! Lists: page after page along the cursors, up to a limit, or in parts side by side.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::answer::{self, Page, Spliced};
use super::arguments::{Limit, form_pair};
use super::cursors::Walk;
use super::lanes::Lanes;
use super::run::{Work, combined};
use super::table::{Place, find};
use crate::api::outgoing::Payload;
use crate::error::{Error, Status};
use crate::http::Response;

/// One chain of pages.
pub struct Chain {
    walk: Walk,
    /// Still wanted; `None`: all there is.
    left: Option<usize>,
    /// Which part of how many.
    part: Option<(usize, usize)>,
    ended: bool,
    /// Pages that say where they go on are not looked into.
    pub unchecked: bool,
}

/// One page: the answer, and what is in it unless nobody looked.
pub struct Fetched {
    pub response: Response,
    pub page: Option<Page>,
}

/// Rows for which another part of a table pays: the reference counts like this.
const ROWS_OF_A_PART: u64 = 20_000;

/// The chains that make up the list. `all`: what a caller who says no limit gets.
pub async fn chains(work: &Work, all: bool) -> Result<Vec<Chain>, Error> {
    let a = &work.arguments;
    let left = match a.limit {
        Limit::All => None,
        Limit::Exactly(n) => Some(usize::try_from(n).unwrap_or(usize::MAX)),
        Limit::Default if all => None,
        Limit::Default => Some(work.operation.default_limit() as usize),
    };
    let chain =
        |cursor: Option<String>, part| Chain { walk: Walk::from(cursor), left, part, ended: false, unchecked: false };
    match a.partitions {
        None => Ok(vec![chain(a.cursor.clone(), None)]),
        Some(parts) if work.operation.partitions == Place::Cursors => {
            // More than can be read at a time would wait.
            let parts = parts.min(work.width());
            let parts = shared(work).map_or(parts, |n| parts.min(n.div_ceil(ROWS_OF_A_PART) as usize));
            let cursors = cursors(work, parts).await?;
            let part = |c| Chain { left: None, ..chain(Some(c), None) };
            Ok(cursors.into_iter().map(part).collect())
        }
        Some(parts) => Ok((0..parts).map(|n| chain(None, Some((n, parts)))).collect()),
    }
}

/// The limit that the parts of a table have together.
fn shared(work: &Work) -> Option<u64> {
    work.arguments.partitions?;
    match work.arguments.limit {
        Limit::All => None,
        Limit::Exactly(n) => Some(n),
        Limit::Default => Some(work.operation.default_limit()),
    }
}

/// Where the parts of a RAW table begin.
async fn cursors(work: &Work, parts: usize) -> Result<Vec<String>, Error> {
    let a = &work.arguments;
    let mut query = format!("numberOfCursors={parts}");
    for pair in a.query.split('&').filter(|p| is_time(p)) {
        query.push('&');
        query.push_str(pair);
    }
    let operation = find("raw.rows.cursors")?;
    let path = a.path.strip_suffix("/rows").unwrap_or(&a.path);
    let response = work.send_as(operation, format!("{path}/cursors?{query}"), Payload::None).await?;
    let page = answer::some_page(&response)?;
    let read = |(start, end): &(u32, u32)| {
        let text = response.body.get(*start as usize..*end as usize).unwrap_or_default();
        serde_json::from_slice(text).map_err(|_| answer::unusable(&response, "a cursor is no text"))
    };
    page.items.iter().map(read).collect()
}

/// The cursors of the parts of a table hold the times already, which are asked for once, as the reference does.
fn untimed(address: String) -> String {
    let Some((path, query)) = address.split_once('?') else { return address };
    let left: Vec<&str> = query.split('&').filter(|p| !is_time(p)).collect();
    format!("{path}?{}", left.join("&"))
}

fn is_time(pair: &str) -> bool {
    pair.starts_with("minLastUpdatedTime=") || pair.starts_with("maxLastUpdatedTime=")
}

impl Chain {
    /// The next page; `None` after the last one.
    pub async fn next(&mut self, work: &Work) -> Result<Option<Fetched>, Error> {
        if self.ended {
            return Ok(None);
        }
        let a = &work.arguments;
        let largest = a.page.or(work.operation.page).unwrap_or(1000);
        let asked = self.left.map_or(largest, |l| largest.min(l));
        let response = match work.operation.method == reqwest::Method::GET {
            true => {
                let address = a.address(&self.query(asked));
                work.send(if a.partitions.is_some() { untimed(address) } else { address }, Payload::None).await?
            }
            false => work.send(a.address(""), Payload::Json(a.body(&self.members(work, asked)))).await?,
        };
        let paged = work.operation.cursor != Place::Nowhere;
        // The last page is always looked at: what is no page at all must not pass for it.
        if self.unchecked
            && paged
            && let Some(cursor) = answer::cursor_at_end(&response.body)
        {
            self.step(Some(cursor), 0, &response)?;
            return Ok(Some(Fetched { response, page: None }));
        }
        let mut page = answer::some_page(&response)?;
        if !paged && self.left.is_none() && page.items.len() >= asked {
            let what = format!(
                "the service gave {asked} items, the most it gives of this list, and there may be more; \
                 ask for a part with a filter, or give a limit to take what there is"
            );
            return Err(Error::new(Status::Decode, what).with(|d| d.http_status = response.status));
        }
        // A server that ignores the limit does not make the result longer than it.
        page.cut = self.left.is_some_and(|left| page.items.len() > left);
        page.items.truncate(self.left.unwrap_or(usize::MAX));
        if !paged || page.cut {
            // Behind a page that was cut the list does not go on where the page says.
            page.cursor = None;
        }
        self.step(page.cursor.clone(), page.items.len(), &response)?;
        Ok(Some(Fetched { response, page: Some(page) }))
    }

    fn step(&mut self, next: Option<String>, count: usize, response: &Response) -> Result<(), Error> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(count);
        }
        self.ended = next.is_none() || self.left == Some(0);
        self.walk.step(next, response.status)
    }

    fn query(&self, asked: usize) -> String {
        let mut out = format!("limit={asked}");
        match (&self.walk.cursor, self.part) {
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
        match (&self.walk.cursor, self.part) {
            (Some(cursor), _) => out.push_str(&format!(",\"cursor\":{}", serde_json::Value::from(cursor.as_str()))),
            (None, Some(_)) => out.push_str(",\"cursor\":null"),
            (None, None) => {}
        }
        if let Some((index, of)) = self.part.filter(|_| work.operation.partitions == Place::Body) {
            out.push_str(&format!(",\"partition\":\"{}/{of}\"", index + 1));
            // The reference sends it with a partition, and only then, also when there is nothing in it.
            if !work.arguments.filtered {
                out.push_str(",\"filter\":{}");
            }
        }
        out
    }
}

/// All pages of a chain: their elements, where a limit ended it, and how many attempts they took. `left`: how many more are
/// wanted of all chains together.
async fn collect(
    work: &Work,
    mut chain: Chain,
    left: Option<&AtomicU64>,
) -> Result<(Spliced, Option<String>, u32), Error> {
    let mut out = Spliced::open();
    let mut attempts = 0;
    while left.is_none_or(|left| left.load(Ordering::Relaxed) > 0)
        && let Some(Fetched { response, mut page }) = chain.next(work).await?
    {
        attempts += response.attempts;
        if let (Some(left), Some(page)) = (left, &mut page) {
            // Chains take turns on one task.
            let wanted = left.load(Ordering::Relaxed);
            page.items.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
            left.store(wanted - page.items.len() as u64, Ordering::Relaxed);
        }
        let span = page.map(|p| p.span()).unwrap_or_default();
        out.add(response.body.get(span).unwrap_or_default());
    }
    Ok((out, chain.walk.cursor, attempts))
}

pub async fn run(work: &Work) -> Result<Response, Error> {
    let started = Instant::now();
    let mut chains = chains(work, false).await?;
    let left = shared(work).map(AtomicU64::new);
    if chains.len() == 1
        && let Some(only) = chains.pop()
    {
        let (items, cursor, attempts) = collect(work, only, left.as_ref()).await?;
        // Behind rows that were cut off the table does not go on where the page says.
        let cursor = cursor.filter(|_| left.is_none());
        return Ok(combined(items.finish(cursor.as_deref()), attempts, started));
    }
    let mut done: Vec<Option<Spliced>> = Vec::new();
    done.resize_with(chains.len(), || None);
    let mut ahead = chains.into_iter().enumerate();
    let mut lanes = Lanes::none();
    let mut attempts = 0;
    loop {
        while lanes.len() < work.width()
            && let Some((n, chain)) = ahead.next()
        {
            lanes.start(n, collect(work, chain, left.as_ref()));
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
