//! What became of each item of an operation that makes several requests.

use bytes::Bytes;
use serde_json::Value;

use super::{Error, Status};

/// Every item given is in exactly one of the first four lists, as JSON.
#[derive(Clone, Debug, Default)]
pub struct Items {
    pub succeeded: Vec<Bytes>,
    /// Surely not applied.
    pub failed: Vec<Bytes>,
    /// Sent, and no word of what became of it.
    pub unknown: Vec<Bytes>,
    /// Not attempted.
    pub skipped: Vec<Bytes>,
    /// What the service answered for those that succeeded, in the order given.
    pub answered: Vec<Bytes>,
    pub requests: Vec<FailedRequest>,
}

#[derive(Clone, Debug)]
pub struct FailedRequest {
    /// Of its items, counted from 0 in the order given.
    pub positions: Vec<u32>,
    pub error: Error,
}

/// The error of several requests of which some failed, in the order in which they were made: the last that is not about
/// missing or duplicated items, else the last about missing ones, else the last; with all that is missing or duplicated.
pub fn told<'a>(failed: impl DoubleEndedIterator<Item = &'a Error> + Clone) -> Option<Error> {
    let last = |fits: fn(Status) -> bool| failed.clone().rev().find(|e| fits(e.status()));
    let error = last(|s| !matches!(s, Status::NotFound | Status::Duplicated))
        .or_else(|| last(|s| s == Status::NotFound))
        .or_else(|| last(|_| true))?;
    let of = |list: fn(&Error) -> &Option<Vec<Value>>| -> Option<Vec<Value>> {
        let all: Vec<Value> = failed.clone().filter_map(|e| list(e).clone()).flatten().collect();
        (!all.is_empty()).then_some(all)
    };
    let (missing, duplicated) = (of(|e| &e.detail().missing), of(|e| &e.detail().duplicated));
    Some(error.clone().with(|d| {
        d.missing = missing;
        d.duplicated = duplicated;
    }))
}

impl Items {
    /// As members of an object that has some already.
    pub(super) fn write(&self, text: &mut String) {
        for (name, list) in [
            ("succeeded", &self.succeeded),
            ("failed", &self.failed),
            ("unknown", &self.unknown),
            ("skipped", &self.skipped),
            ("answered", &self.answered),
        ] {
            text.push_str(&format!(",\"{name}\":["));
            for (n, item) in list.iter().enumerate() {
                if n > 0 {
                    text.push(',');
                }
                // JSON that was checked when it came in.
                text.push_str(&String::from_utf8_lossy(item));
            }
            text.push(']');
        }
        text.push_str(",\"requests\":[");
        for (n, request) in self.requests.iter().enumerate() {
            if n > 0 {
                text.push(',');
            }
            text.push_str(&format!("{{\"positions\":{:?},", request.positions));
            let error = request.error.to_json().to_string();
            text.push_str(error.strip_prefix('{').unwrap_or("}"));
        }
        text.push(']');
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::Status;

    #[test]
    fn lists_are_part_of_the_document_and_keep_their_digits() {
        let inner = Error::new(Status::Api, "no").with(|d| d.http_status = 400);
        let items = Items {
            succeeded: vec![Bytes::from_static(b"{\"v\":12345678901234567890123.10}")],
            failed: vec![Bytes::from_static(b"{\"id\":1}"), Bytes::from_static(b"2")],
            requests: vec![FailedRequest { positions: vec![1, 2], error: inner.clone() }],
            ..Items::default()
        };
        let text = inner.with(|d| d.items = Some(Arc::new(items))).to_json_text();
        assert!(
            text.contains("\"succeeded\":[{\"v\":12345678901234567890123.10}],\"failed\":[{\"id\":1},2]"),
            "{text}"
        );
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["requests"][0]["positions"], serde_json::json!([1, 2]));
        assert_eq!((&value["requests"][0]["httpStatus"], &value["unknown"]), (&400.into(), &serde_json::json!([])));
        assert!(!Error::auth("no").to_json_text().contains("succeeded"));
    }
}
