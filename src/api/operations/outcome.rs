//! What became of many items, and the one result of it: all that was answered, or an error that places each.

use std::sync::Arc;

use bytes::Bytes;

use super::chunks::Item;
use crate::error::{Error, FailedRequest, Items, Status, told};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Not attempted.
    #[default]
    Skipped,
    Succeeded,
    /// Surely not applied.
    Failed,
    /// Sent, and no word of what became of it.
    Unknown,
}

#[derive(Debug, Default)]
pub struct Outcome {
    places: Vec<Place>,
    /// What was answered for each; answers that cannot be told apart stand at the first item of their request.
    answers: Vec<Option<Bytes>>,
    /// With the order of the request among all.
    failed: Vec<(usize, FailedRequest)>,
    /// Of the requests that succeeded.
    pub attempts: u32,
}

impl Outcome {
    pub fn new(items: usize) -> Self {
        Self { places: vec![Place::Skipped; items], answers: vec![None; items], failed: Vec::new(), attempts: 0 }
    }

    pub fn place_of(&self, item: u32) -> Place {
        self.places.get(item as usize).copied().unwrap_or_default()
    }

    pub fn failures(&self) -> usize {
        self.failed.len()
    }

    /// In the order of the requests.
    pub fn failed_requests(&self) -> impl Iterator<Item = &FailedRequest> {
        self.failed.iter().map(|f| &f.1)
    }

    pub fn place(&mut self, positions: &[u32], place: Place) {
        for &i in positions {
            if let Some(p) = self.places.get_mut(i as usize) {
                *p = place;
            }
        }
    }

    pub fn succeed(&mut self, positions: &[u32], answers: Vec<Bytes>) {
        self.place(positions, Place::Succeeded);
        if answers.len() == positions.len() {
            for (&i, answer) in positions.iter().zip(answers) {
                self.answer(i, answer);
            }
        } else if let (Some(&first), false) = (positions.first(), answers.is_empty()) {
            self.answer(first, answers.join(&b',').into());
        }
    }

    fn answer(&mut self, item: u32, answer: Bytes) {
        if let Some(a) = self.answers.get_mut(item as usize) {
            *a = Some(answer);
        }
    }

    pub fn fail(&mut self, order: usize, positions: Vec<u32>, place: Place, error: Error) {
        self.place(&positions, place);
        self.failed.push((order, FailedRequest { positions, error }));
    }

    /// Takes over what a later attempt at some of the items gave: `positions` says which they are here.
    pub fn replace(&mut self, positions: &[u32], later: Outcome) {
        self.attempts += later.attempts;
        let mut again = vec![false; self.places.len()];
        for &i in positions {
            if let Some(a) = again.get_mut(i as usize) {
                *a = true;
            }
        }
        for (_, request) in &mut self.failed {
            request.positions.retain(|i| again.get(*i as usize) != Some(&true));
        }
        self.failed.retain(|(_, r)| !r.positions.is_empty());
        let order = self.failed.last().map_or(0, |f| f.0 + 1);
        for ((&i, place), answer) in positions.iter().zip(later.places).zip(later.answers) {
            self.place(&[i], place);
            if let Some(a) = self.answers.get_mut(i as usize) {
                *a = answer;
            }
        }
        for (n, mut request) in later.failed {
            request.positions = request.positions.iter().filter_map(|i| positions.get(*i as usize).copied()).collect();
            self.failed.push((order + n, request));
        }
        self.settle();
    }

    /// Requests end in any order; they are told of in the order in which they were made.
    pub fn settle(&mut self) {
        self.failed.sort_by_key(|f| f.0);
    }

    /// The answers joined in the order given, as the elements of a list; or the error.
    pub fn result(self, items: &[Item]) -> Result<Vec<u8>, Error> {
        if self.places.iter().all(|p| *p == Place::Succeeded) {
            return Ok(joined(self.answers.iter().flatten()));
        }
        Err(self.error(items))
    }

    fn error(self, items: &[Item]) -> Error {
        let Some(mut error) = told(self.failed.iter().map(|f| &f.1.error)) else {
            return Error::internal("items without a place");
        };
        let mut lists = Items::default();
        for (place, item) in self.places.iter().zip(items) {
            let list = match place {
                Place::Succeeded => &mut lists.succeeded,
                Place::Failed => &mut lists.failed,
                Place::Unknown => &mut lists.unknown,
                Place::Skipped => &mut lists.skipped,
            };
            list.push(item.name().clone());
        }
        let [good, bad, open, left] = [&lists.succeeded, &lists.failed, &lists.unknown, &lists.skipped].map(Vec::len);
        let mixed = good > 0 || (open > 0 && bad + left > 0);
        let retryable = self.failed.iter().all(|f| f.1.error.detail().retryable);
        if mixed {
            error.set_status(Status::Partial);
        }
        if mixed || self.failed.len() > 1 || left > 0 {
            let counts = format!(
                "of {} items {good} succeeded, {bad} failed, {open} may have been applied and {left} were not attempted; ",
                items.len()
            );
            error.set_message(counts + error.message());
        }
        lists.answered = self.answers.into_iter().flatten().collect();
        lists.requests = self.failed.into_iter().map(|f| f.1).collect();
        error.with(|d| {
            d.in_doubt = open > 0;
            // Everything once more would repeat what succeeded.
            d.retryable = retryable && !mixed;
            d.items = Some(Arc::new(lists));
        })
    }
}

/// `{"items":[…]}`.
pub fn joined<'a>(parts: impl Iterator<Item = &'a Bytes>) -> Vec<u8> {
    let mut out = b"{\"items\":[".to_vec();
    for part in parts {
        if out.last() != Some(&b'[') {
            out.push(b',');
        }
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"]}");
    out
}
