//! An upload whose parts the caller makes: in any order, from any thread, each as often as it takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::source::{MOST_PARTS, Memory};
use super::upload::{Begun, Content, File, UploadRequest};
use super::{Way, Work};
use crate::api::Client;
use crate::error::Error;
use crate::http::Response;
use crate::runtime::usage::BODY_BYTES;
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Missing,
    UnderWay,
    There,
}

pub struct Multipart(Arc<Inner>);

struct Inner {
    way: Way,
    file: File,
    /// Made by the first who needs it.
    begun: OnceCell<Begun>,
    parts: Mutex<Vec<State>>,
}

fn lock(m: &Mutex<Vec<State>>) -> MutexGuard<'_, Vec<State>> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A part on its way; one that does not arrive may be sent again.
struct Sending {
    inner: Arc<Inner>,
    number: usize,
    arrived: bool,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(state) = lock(&self.inner.parts).get_mut(self.number) {
            *state = if self.arrived { State::There } else { State::Missing };
        }
    }
}

impl Client {
    /// The content of `request` is not looked at. Asks nothing of the service yet.
    pub fn multipart(self: &Arc<Self>, request: &UploadRequest<'_>, parts: u32) -> Result<Multipart, Error> {
        if !matches!(request.content, Content::Memory([])) {
            return Err(Error::argument("upload.content and upload.path must be empty: the content comes in parts"));
        }
        if !(1..=MOST_PARTS).contains(&parts.into()) {
            return Err(Error::argument(format!("parts is {parts}; an upload has 1 to {MOST_PARTS} parts")));
        }
        Ok(Multipart(Arc::new(Inner {
            way: Way::new(self, request.timeout, request.cancel)?,
            file: File::read(request, None)?,
            begun: OnceCell::new(),
            parts: Mutex::new(vec![State::Missing; parts as usize]),
        })))
    }
}

impl Inner {
    async fn begun(&self) -> Result<&Begun, Error> {
        let count = lock(&self.parts).len() as u64;
        let begin = self.begun.get_or_try_init(|| self.file.begin(&self.way, Some(count)));
        // Others may have to wait for the one who begins.
        self.way.wait(begin).await?
    }
}

impl Multipart {
    pub fn part(&self, number: u32, bytes: &[u8]) -> Result<Work, Error> {
        let place = self.0.way.client.accept_work()?;
        let number = number as usize;
        let mut parts = lock(&self.0.parts);
        let count = parts.len();
        match parts.get_mut(number) {
            Some(state @ State::Missing) => *state = State::UnderWay,
            Some(_) => return Err(Error::argument(format!("part {number} was sent already, or is under way"))),
            None => {
                return Err(Error::argument(format!(
                    "there is no part {number}: the {count} parts are counted from 0"
                )));
            }
        }
        drop(parts);
        let mut sending = Sending { inner: Arc::clone(&self.0), number, arrived: false };
        let counted = BODY_BYTES.hold(bytes.len());
        let source = Arc::new(Memory(Bytes::copy_from_slice(bytes)));
        Ok(Box::pin(async move {
            let inner = Arc::clone(&sending.inner);
            let sent = inner.begun().await?.put(&inner.way, number, source).await?;
            sending.arrived = true;
            // Before anybody hears of it.
            drop((sending, place, counted));
            Ok(Response {
                attempts: sent.attempts,
                elapsed: sent.elapsed,
                ..Response::of_json(&json!({"part": number}))
            })
        }))
    }

    pub fn complete(&self) -> Result<Work, Error> {
        let place = self.0.way.client.accept_work()?;
        let missing = lock(&self.0.parts).iter().position(|state| *state != State::There);
        if let Some(number) = missing {
            return Err(Error::argument(format!("part {number} was not sent; without all parts there is no content")));
        }
        let inner = Arc::clone(&self.0);
        Ok(Box::pin(async move {
            let begun = inner.begun().await?;
            let done = begun.complete(&inner.way).await?;
            drop(place);
            Ok(begun.response(done.attempts))
        }))
    }
}
