//! Content of files: up from memory or disk, down into either. The service is asked where the content goes or lies; the
//! content itself goes to and from the storage, by `http/transfer`.

mod download;
mod multipart;
mod source;
mod target;
mod upload;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Method, Url};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::Client;
use super::client::total_time;
use super::operations::table::find;
use super::outgoing::{Outgoing, Payload};
use crate::auth::credentials::LONGEST_TIME;
use crate::config::concurrency::BudgetKey;
use crate::error::{Cause, Error, Status};
use crate::http::class::classify;
use crate::http::client::user_agent;
use crate::http::cut::watched;
use crate::http::{Call, Response, url};
use crate::runtime::{self, CancelToken};

pub use download::DownloadRequest;
pub use multipart::Multipart;
pub use upload::{Content, UploadRequest};

/// Work that was accepted.
pub type Work = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

/// Bytes that are read or written at a time where the settings do not say. More of it costs memory, less of it time.
const CHUNK: u64 = 256 << 10;
const MAX_CHUNK: u64 = 16 << 20;

fn chunk(wanted: Option<u64>) -> usize {
    wanted.unwrap_or(CHUNK).clamp(1, MAX_CHUNK) as usize
}

/// What all requests of one transfer have in common.
#[derive(Clone)]
struct Way {
    client: Arc<Client>,
    /// For all of it.
    deadline: Instant,
    total: Duration,
    cancel: Option<CancelToken>,
}

impl Way {
    /// `timeout` zero: as long as data moves. Then each question to the service has the client's time for a call.
    fn new(client: &Arc<Client>, timeout: Duration, cancel: Option<&CancelToken>) -> Result<Self, Error> {
        let total = total_time(timeout, LONGEST_TIME)?;
        Ok(Self { client: Arc::clone(client), deadline: Instant::now() + total, total, cancel: cancel.cloned() })
    }

    /// Asks the service: an operation of the table, with what is in its query and its body.
    async fn ask(&self, operation: &str, query: &str, body: String) -> Result<Response, Error> {
        let o = find(operation)?;
        let path = format!("{}{}{query}", self.client.project_path()?, o.path);
        self.client
            .send(Outgoing {
                method: o.method.clone(),
                path,
                payload: Payload::Json(body.into_bytes()),
                accept: None,
                version: None,
                class: Some(o.class()),
                budget: o.budget_key(),
                deadline: self.deadline.min(Instant::now() + self.client.config().total_timeout),
                cancel: self.cancel.clone(),
                shelf: None,
            })
            .await
    }

    /// A request to where a link points. The link is all the permission a storage needs, and all it gets.
    fn call(&self, method: Method, link: &Link, budget: &str) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, user_agent());
        let class = classify(&method, None);
        Call {
            method,
            url: link.url.clone(),
            authorize: link.ours,
            headers: Arc::new(headers.into()),
            body: bytes::Bytes::new(),
            class,
            gate: self.client.http.gates().pick(None, class),
            budget: BudgetKey::parse(budget).ok(),
            total: self.deadline.saturating_duration_since(Instant::now()),
            cancel: self.cancel.clone(),
            shelf: None,
        }
    }

    /// Waits for something of this machine's; it ends with the call.
    async fn wait<T>(&self, what: impl Future<Output = T>) -> Result<T, Error> {
        watched(what, self.deadline, self.cancel.as_ref())
            .await
            .map_err(|cut| cut.error(self.total.as_millis(), " (content of a file)"))
    }

    /// Waits for work that may block, on a thread of its own. Whoever starts that hands its signal mask down, so it is not a
    /// thread of the host's.
    async fn local<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        runtime::on_engine().await;
        self.wait(tokio::task::spawn_blocking(work)).await?.unwrap_or_else(|_| Err(Error::shutdown()))
    }

    /// A place among the files that the process has open at a time. Nothing is asked of the service while it is held: the
    /// answer could hang on a token, and that on code of the host's which makes calls itself.
    async fn open_file(&self) -> Result<crate::http::budget::Permit, Error> {
        let ticket = self.client.http.budgets().get(BudgetKey::open_files()).ticket();
        self.wait(ticket.permit()).await
    }

    fn link(&self, text: &str) -> Result<Link, Error> {
        let base = &self.client.http.checked().base_url;
        let whole = text.starts_with("http://") || text.starts_with("https://");
        let below = if whole || text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
        // What is wrong with a link must not be told by quoting it.
        let target = url::resolve(base, &below, None).map_err(|_| odd("a link that is no URL"))?;
        Ok(Link { url: target.url, ours: !whole, since: Instant::now() })
    }
}

/// Where content goes to or comes from.
struct Link {
    url: Arc<Url>,
    /// Below the base URL, by the service's word: the service itself takes the content, and wants to know from whom.
    ours: bool,
    since: Instant,
}

fn odd(what: &str) -> Error {
    Error::new(Status::Decode, format!("the service answered with {what}")).with(|d| d.cause = Some(Cause::Protocol))
}

/// An error with what it happened at, and to which file if that is known.
fn at_step(step: &str, file: Option<&Map<String, Value>>, error: Error) -> Error {
    error.with(|d| {
        let mut extra = match d.extra.take() {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        extra.insert("step".into(), step.into());
        if let Some(file) = file {
            extra.insert("file".into(), Value::Object(file.clone()));
        }
        d.extra = Some(Value::Object(extra));
    })
}

/// The object of an answer that holds it as it is or as the only item of a list.
fn only_object(response: &Response) -> Result<Map<String, Value>, Error> {
    let value = serde_json::from_slice(&response.body).map_err(|_| odd("something that is no JSON"))?;
    let Value::Object(mut object) = value else { return Err(odd("something that is no file")) };
    match object.get_mut("items").and_then(Value::as_array_mut).and_then(|list| list.drain(..).next()) {
        Some(Value::Object(item)) => Ok(item),
        Some(_) => Err(odd("something that is no file")),
        None => Ok(object),
    }
}

/// Which file is meant: one of `id`, `externalId`, `instanceId`.
fn identifier(what: &str, text: &str) -> Result<String, Error> {
    let wrong = || {
        Error::argument(format!(
            "{what} must name a file: {{\"id\":1}}, {{\"externalId\":\"a\"}} or {{\"instanceId\":{{\"space\":\"s\",\"externalId\":\"a\"}}}}"
        ))
    };
    let members = url::pairs(text).map_err(|_| wrong())?;
    let [(name, value)] = members.as_slice() else { return Err(wrong()) };
    let value = value.get().trim();
    let fits = match name.as_str() {
        "id" => value.parse::<i64>().is_ok(),
        "externalId" => value.starts_with('"'),
        "instanceId" => value.starts_with('{'),
        _ => false,
    };
    if fits { Ok(format!("{{\"{name}\":{value}}}")) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_file() {
        for (given, wanted) in [
            ("{\"id\": 12345678901234567 }", "{\"id\":12345678901234567}"),
            ("{\"externalId\":\"a\\\"b\"}", "{\"externalId\":\"a\\\"b\"}"),
            (
                "{\"instanceId\":{\"space\":\"s\",\"externalId\":\"e\"}}",
                "{\"instanceId\":{\"space\":\"s\",\"externalId\":\"e\"}}",
            ),
        ] {
            assert_eq!(identifier("file", given).unwrap(), wanted);
        }
        for bad in [
            "",
            "{}",
            "[]",
            "1",
            "{\"id\":\"1\"}",
            "{\"id\":1,\"externalId\":\"a\"}",
            "{\"name\":\"a\"}",
            "{\"externalId\":1}",
        ] {
            assert!(identifier("file", bad).unwrap_err().message().contains("externalId"), "{bad}");
        }
    }
}
