//! The last requests served, for tests to look at and to hold against what they expect.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{ApiError, Result};
use crate::faults::{Match, Pattern};

/// Headers that say what a request is; the others are the same for all, or secret.
pub const HEADERS: [&str; 4] = ["accept", "cdf-version", "content-encoding", "content-type"];

/// Longer bodies are not kept.
pub const MAX_BODY: usize = 4096;

#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub number: u64,
    /// Milliseconds since the epoch by the emulator's clock, when the request had arrived.
    pub time: i64,
    pub method: String,
    pub path: String,
    pub query: String,
    /// 0 where the connection was dropped without an answer.
    pub status: u16,
    pub ms: f64,
    pub headers: BTreeMap<&'static str, String>,
    /// Unpacked, if it is a short text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Bytes of the request body as sent.
    pub bytes: usize,
    /// Bytes of the answer's body as sent.
    pub answer_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// What a person should know of the request, though it was served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// The version of the API that is emulated, a date.
const VERSION: u32 = 20_230_101;

/// The date of a `cdf-version` that is newer than what is emulated; what follows the date says which stage.
pub fn newer_version(header: &str) -> Option<u32> {
    let date = header.trim().get(..8)?;
    date.parse().ok().filter(|d| date.bytes().all(|b| b.is_ascii_digit()) && *d > VERSION)
}

pub fn version_warning(date: u32) -> String {
    format!("cdf-version {date} is newer than {VERSION}, which is emulated; the request was served as that")
}

pub struct Journal {
    entries: VecDeque<Entry>,
    most: usize,
    /// Entries that had to make room.
    lost: u64,
}

/// What requests are expected to be in the journal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    #[serde(rename = "match", default)]
    matching: Match,
    query: Option<Pattern>,
    status: Option<u16>,
    fault: Option<String>,
    /// Only requests with a higher number.
    #[serde(default)]
    since: u64,
    count: Option<usize>,
    min: Option<usize>,
    max: Option<usize>,
}

impl Expected {
    fn matches(&self, entry: &Entry) -> bool {
        entry.number > self.since
            && self.matching.matches(&entry.method, &entry.path)
            && self.query.as_ref().is_none_or(|q| q.matches(&entry.query))
            && self.status.is_none_or(|s| s == entry.status)
            && self.fault.as_deref().is_none_or(|f| entry.fault == Some(f))
    }
}

impl Journal {
    pub fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), most, lost: 0 }
    }

    pub fn add(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        while self.entries.len() > self.most {
            self.entries.pop_front();
            self.lost += 1;
        }
    }

    pub fn clear(&mut self) {
        *self = Self::new(self.most);
    }

    /// Those with a higher number.
    pub fn shown(&self, after: u64) -> Value {
        let items: Vec<&Entry> = self.entries.iter().filter(|e| e.number > after).collect();
        json!({"items": items, "lost": self.lost})
    }

    /// A list of expectations; each is counted, and the answer is an error if one of them is not met. With
    /// `in_order` the requests they mean have to follow each other.
    pub fn check(&self, body: &[u8], in_order: bool) -> Result<Value> {
        let wrong = |e| ApiError::bad(format!("Invalid expectations: {e}"));
        let list: Vec<Expected> = match serde_json::from_slice(body).map_err(wrong)? {
            list @ Value::Array(_) => serde_json::from_value(list).map_err(wrong)?,
            one => vec![serde_json::from_value(one).map_err(wrong)?],
        };
        let (mut counts, mut unmet) = (Vec::new(), Vec::new());
        let mut from = 0;
        for (n, expected) in list.iter().enumerate() {
            let found: Vec<u64> = self.entries.iter().filter(|e| expected.matches(e)).map(|e| e.number).collect();
            counts.push(found.len());
            let next = found.iter().find(|number| **number > from);
            let met = expected.count.is_none_or(|c| c == found.len())
                && expected.min.is_none_or(|m| found.len() >= m)
                && expected.max.is_none_or(|m| found.len() <= m)
                && (!in_order || next.is_some());
            from = next.copied().unwrap_or(from);
            if !met {
                unmet.push(format!("{n} (found {})", found.len()));
            }
        }
        if unmet.is_empty() {
            return Ok(json!({"counts": counts, "lost": self.lost}));
        }
        let lost = if self.lost > 0 { format!("; the journal lost {} requests", self.lost) } else { String::new() };
        Err(ApiError::new(409, format!("Expectations that are not met: {}{lost}", unmet.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations() {
        let mut journal = Journal::new(3);
        for (number, method, status) in [(1, "POST", 500), (2, "GET", 200), (3, "POST", 201), (4, "POST", 200)] {
            let (path, query) = ("/api/x".to_owned(), "a=1".to_owned());
            let method = method.to_owned();
            journal.add(Entry {
                number,
                time: 0,
                method,
                path,
                query,
                status,
                ms: 0.0,
                headers: BTreeMap::new(),
                body: None,
                bytes: 0,
                answer_bytes: 0,
                fault: None,
                warning: None,
            });
        }
        let check = |order: Value, in_order| journal.check(order.to_string().as_bytes(), in_order);
        let get = json!({"match": {"method": "GET", "path": "/x$"}, "query": "a=", "count": 1});
        assert_eq!(check(get.clone(), false).unwrap(), json!({"counts": [1], "lost": 1}));
        assert_eq!(check(json!([get, {"status": 201}]), true).unwrap()["counts"], json!([1, 1]));
        assert_eq!(check(json!([{"status": 201}, get]), true).unwrap_err().status, 409);
        assert!(check(json!({"match": {"method": "POST"}, "max": 1}), false).is_err());
        assert_eq!(check(json!({"since": 3, "min": 1}), false).unwrap()["counts"], json!([1]));
        assert_eq!(check(json!({"count": 4}), false).unwrap_err().status, 409);
        assert_eq!(check(json!({"cuont": 4}), false).unwrap_err().status, 400);
    }
}
