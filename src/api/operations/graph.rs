//! Queries of the graph with all their pages. Each result set has a cursor of its own; one that starts from another is read
//! to its end for each page of that one, as its cursors belong to that page.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use tokio::time::Instant;

use super::cursors::Walk;
use super::raw;
use super::run::{Work, combined};
use crate::api::outgoing::Payload;
use crate::error::Error;
use crate::http::Response;

/// More result sets than this the service does not take.
const MOST_SETS: usize = 50;

/// How many changes of a set the service gives at a time unless the caller says.
const SYNC_PAGE: usize = 100;

const NO_SETS: &str = "it has no items for each result set";

/// One of the expressions in `with`.
#[derive(Default)]
struct Set {
    name: String,
    /// The set it starts from.
    from: Option<usize>,
    /// The caller wants to see it; else it is only read for what starts from it.
    wanted: bool,
    /// What the page at hand was asked for with; the walk has what its next one is to be asked for with.
    current: Option<String>,
    walk: Walk,
    items: Vec<Bytes>,
    /// What has come: several pages of what it starts from may lead to the same instance.
    seen: HashSet<(Bytes, Bytes)>,
    /// There is more of it than was wanted.
    more: bool,
}

/// An answer: what it says of each set, and the rest.
struct Page {
    items: BTreeMap<String, Bytes>,
    cursors: BTreeMap<String, Bytes>,
    rest: BTreeMap<String, Bytes>,
}

/// All of each set, or `limit` of each: `{"items":{"a":[…],…}}`, with `more` naming the sets of which there is more.
pub async fn query_all(work: &Work) -> Result<Response, Error> {
    let started = Instant::now();
    let limit = work.own_limit()?;
    let mut given = raw::members(&work.arguments.body("").into()).unwrap_or_default();
    if given.remove("cursors").is_some() {
        return Err(Error::argument("arguments.cursors: this operation reads from the beginning, and to the end"));
    }
    let mut sets = sets(&mut given)?;
    let (mut attempts, mut rest) = (0, None);
    // Of which sets the page to come has not been seen.
    let mut fresh = vec![true; sets.len()];
    loop {
        let cursors = sets.iter().filter_map(|s| Some((s.name.as_str(), s.current.as_deref()?)));
        let (mut page, tries, status) = ask(work, &given, cursors).await?;
        attempts += tries;
        for (set, _) in sets.iter_mut().zip(&fresh).filter(|(_, fresh)| **fresh) {
            set.take(&mut page, limit, status)?;
        }
        rest.get_or_insert(page.rest);
        // The innermost sets that have more; what starts from them begins again, with nothing in between.
        let inner: Vec<usize> = (0..sets.len())
            .filter(|i| sets.get(*i).is_some_and(|s| s.walk.cursor.is_some()))
            .filter(|i| !sets.iter().enumerate().any(|(j, s)| s.walk.cursor.is_some() && starts_from(&sets, j, *i)))
            .collect();
        if inner.is_empty() {
            break;
        }
        let below: Vec<bool> = (0..sets.len()).map(|j| inner.iter().any(|i| starts_from(&sets, j, *i))).collect();
        fresh.fill(false);
        for (i, (set, fresh)) in sets.iter_mut().zip(&mut fresh).enumerate() {
            if below.get(i) == Some(&true) {
                (set.current, set.walk, *fresh) = (None, Walk::default(), true);
            } else if inner.contains(&i) {
                (set.current, *fresh) = (set.walk.cursor.clone(), true);
            }
        }
    }
    let more: Vec<&str> = sets.iter().filter(|s| s.wanted && s.more).map(|s| s.name.as_str()).collect();
    let more = if more.is_empty() { String::new() } else { format!(",\"more\":{}", serde_json::json!(more)) };
    let lists = sets.iter().filter(|s| s.wanted).map(|s| (s.name.as_str(), s.items.as_slice()));
    Ok(combined(answer(lists, &rest.unwrap_or_default(), &more), attempts, started))
}

/// All changes so far, or at least `limit` of them, and where the next ones begin:
/// `{"items":{"a":[…],…},"nextCursor":{"a":"…",…}}`.
pub async fn sync_all(work: &Work) -> Result<Response, Error> {
    let started = Instant::now();
    let limit = work.own_limit()?;
    let mut given = raw::members(&work.arguments.body("").into()).unwrap_or_default();
    let with = object(&given, "with")?;
    let select = object(&given, "select")?;
    let mut cursors: BTreeMap<String, String> = match given.remove("cursors") {
        Some(json) => serde_json::from_slice::<BTreeMap<String, Option<String>>>(&json)
            .map_err(|_| Error::argument("arguments.cursors must be an object of texts"))?
            .into_iter()
            .filter_map(|(name, cursor)| Some((name, cursor?)))
            .collect(),
        None => BTreeMap::new(),
    };
    let full = |name: &str, count: usize| {
        let limit = with.get(name).and_then(raw::members).and_then(|mut m| m.remove("limit"));
        let limit = limit.and_then(|l| serde_json::from_slice(&l).ok()).unwrap_or(SYNC_PAGE);
        count > 0 && count >= limit
    };
    let mut lists: BTreeMap<&str, Vec<Bytes>> = select.keys().map(|name| (name.as_str(), Vec::new())).collect();
    let (mut attempts, mut rest, mut total) = (0, None, 0usize);
    let mut walk = Walk::default();
    loop {
        let (mut page, tries, status) =
            ask(work, &given, cursors.iter().map(|(n, c)| (n.as_str(), c.as_str()))).await?;
        attempts += tries;
        let mut going = false;
        for (name, list) in &mut lists {
            let items = page.of(name, status)?;
            let next = page.cursor(name, status)?;
            going |= full(name, items.len());
            total += items.len();
            list.extend(items);
            cursors.extend(next.map(|cursor| ((*name).to_owned(), cursor)));
        }
        rest.get_or_insert(page.rest);
        if !going || total >= limit {
            break;
        }
        // All of them are one place; it has to be another one each time.
        walk.step(serde_json::to_string(&cursors).ok(), status)?;
    }
    let next = format!(",\"nextCursor\":{}", serde_json::json!(cursors));
    let lists = lists.iter().map(|(name, items)| (*name, items.as_slice()));
    Ok(combined(answer(lists, &rest.unwrap_or_default(), &next), attempts, started))
}

impl Set {
    /// What the page has of this set.
    fn take(&mut self, page: &mut Page, limit: usize, http_status: u16) -> Result<(), Error> {
        let items = page.of(&self.name, http_status)?;
        self.walk.step(page.cursor(&self.name, http_status)?, http_status)?;
        // What is only passed through is not kept, and has no limit: what starts from it has.
        for item in items.into_iter().filter(|_| self.wanted) {
            if self.from.is_some() && name_of(&item).is_some_and(|name| !self.seen.insert(name)) {
                continue;
            }
            if self.items.len() >= limit {
                self.more = true;
                break;
            }
            self.items.push(item);
        }
        if self.wanted && self.items.len() >= limit && self.walk.cursor.take().is_some() {
            self.more = true;
        }
        Ok(())
    }
}

impl Page {
    fn of(&mut self, name: &str, http_status: u16) -> Result<Vec<Bytes>, Error> {
        // A copy: the answer also has what came with other pages already, and would be kept as a whole.
        let list = self.items.remove(name).map(|list| Bytes::copy_from_slice(&list));
        let list = list.as_ref().and_then(raw::elements);
        list.ok_or_else(|| raw::not_understood(NO_SETS).with(|d| d.http_status = http_status))
    }

    fn cursor(&self, name: &str, http_status: u16) -> Result<Option<String>, Error> {
        let Some(cursor) = self.cursors.get(name) else { return Ok(None) };
        let cursor: Option<String> = serde_json::from_slice(cursor)
            .map_err(|_| raw::not_understood("a cursor is no text").with(|d| d.http_status = http_status))?;
        Ok(cursor.filter(|c| !c.is_empty()))
    }
}

/// The sets of a query. What a set starts from is read page by page too, so `select` is given it where the caller did not.
fn sets(given: &mut BTreeMap<String, Bytes>) -> Result<Vec<Set>, Error> {
    let with = object(given, "with")?;
    let mut select = object(given, "select")?;
    let fault = |name: &str, why: &str| Error::argument(format!("arguments.with.{name} {why}"));
    let mut names: Vec<String> = select.keys().rev().cloned().collect();
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    while let Some(name) = names.pop() {
        if found.iter().any(|(known, _)| *known == name) {
            continue;
        }
        if found.len() >= MOST_SETS {
            return Err(Error::argument(format!("arguments.select asks for more than {MOST_SETS} result sets")));
        }
        let expression =
            with.get(&name).and_then(raw::members).ok_or_else(|| fault(&name, "is missing, or no object"))?;
        let of = ["nodes", "edges"].into_iter().find_map(|kind| expression.get(kind)).and_then(raw::members);
        let of = of.ok_or_else(|| {
            let why = "is neither of nodes nor of edges; what is made of several sets has no pages of its own: \
                       use data_modeling.instances.query";
            fault(&name, why)
        })?;
        let from = of.get("from").map_or(Ok(None), |from| serde_json::from_slice::<Option<String>>(from));
        let from = from.map_err(|_| fault(&name, "starts from what is no text"))?;
        names.extend(from.clone());
        found.push((name, from));
    }
    let place = |name: &String| found.iter().position(|(known, _)| known == name);
    let sets: Vec<Set> = found
        .iter()
        .map(|(name, from)| Set {
            name: name.clone(),
            from: from.as_ref().and_then(place),
            wanted: select.contains_key(name),
            ..Set::default()
        })
        .collect();
    for (i, set) in sets.iter().enumerate() {
        if starts_from(&sets, i, i) {
            return Err(fault(&set.name, "starts from itself"));
        }
        select.entry(set.name.clone()).or_insert_with(|| Bytes::from_static(b"{}"));
    }
    given.insert("select".to_owned(), written(&select).into());
    Ok(sets)
}

/// Whether one set starts from another, or from what starts from it.
fn starts_from(sets: &[Set], one: usize, other: usize) -> bool {
    let up = |i: &usize| sets.get(*i).and_then(|s| s.from);
    std::iter::successors(up(&one), up).take(sets.len()).any(|i| i == other)
}

fn object(given: &BTreeMap<String, Bytes>, name: &str) -> Result<BTreeMap<String, Bytes>, Error> {
    let found = given.get(name).and_then(raw::members).filter(|m| !m.is_empty());
    found
        .ok_or_else(|| Error::argument(format!("arguments.{name} must be an object with a member for each result set")))
}

/// The next pages of all sets.
async fn ask(
    work: &Work,
    given: &BTreeMap<String, Bytes>,
    cursors: impl Iterator<Item = (&str, &str)>,
) -> Result<(Page, u32, u16), Error> {
    let cursors: BTreeMap<String, Bytes> = cursors.map(|(n, c)| (n.to_owned(), raw::quoted(c).into())).collect();
    let mut body = given.clone();
    if !cursors.is_empty() {
        body.insert("cursors".to_owned(), written(&cursors).into());
    }
    let response = work.send(work.arguments.address(""), Payload::Json(written(&body))).await?;
    let (tries, status) = (response.attempts, response.status);
    let page = raw::understood(response, NO_SETS, |body| {
        let mut rest = raw::members(body)?;
        let items = raw::members(&rest.remove("items")?)?;
        let cursors = rest.remove("nextCursor").filter(|c| &c[..] != b"null");
        let cursors = cursors.map_or_else(|| Some(BTreeMap::new()), |c| raw::members(&c))?;
        Some(Page { items, cursors, rest })
    })?;
    Ok((page, tries, status))
}

/// `{"a":…,"b":…}`.
fn written(members: &BTreeMap<String, Bytes>) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (name, value) in members {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(raw::quoted(name).as_bytes());
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
    out
}

/// The lists as `items`, what else the first answer said, and `more`.
fn answer<'a>(
    lists: impl Iterator<Item = (&'a str, &'a [Bytes])>,
    rest: &BTreeMap<String, Bytes>,
    more: &str,
) -> Vec<u8> {
    let list = |items: &[Bytes]| Bytes::from([&b"["[..], &items.join(&b','), b"]"].concat());
    let items: BTreeMap<String, Bytes> = lists.map(|(name, items)| (name.to_owned(), list(items))).collect();
    let mut all = rest.clone();
    all.insert("items".to_owned(), written(&items).into());
    let mut out = written(&all);
    out.pop();
    out.extend_from_slice(more.as_bytes());
    out.push(b'}');
    out
}

/// What an instance is known by.
fn name_of(item: &Bytes) -> Option<(Bytes, Bytes)> {
    let mut members = raw::members(item)?;
    Some((members.remove("space")?, members.remove("externalId")?))
}
