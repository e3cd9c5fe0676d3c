//! The last requests served, for tests to look at.

use std::collections::VecDeque;

use serde::Serialize;

const MAX_ENTRIES: usize = 1000;

#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub number: u64,
    /// Milliseconds since the epoch, when the request had arrived.
    pub time: i64,
    pub method: String,
    pub path: String,
    pub query: String,
    /// 0 where the connection was dropped without an answer.
    pub status: u16,
    pub ms: f64,
    /// Bytes of the request body as sent.
    pub bytes: usize,
    /// Bytes of the answer's body as sent.
    pub answer_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
}

#[derive(Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
}

impl Journal {
    pub fn add(&mut self, entry: Entry) {
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub fn entries(&self) -> &VecDeque<Entry> {
        &self.entries
    }
}
