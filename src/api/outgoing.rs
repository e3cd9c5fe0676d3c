//! One request from within an operation that makes several: built here, not by the caller, and not counted as a call of
//! its own. The operation holds the place among the accepted calls.

use std::sync::Arc;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use tokio::time::Instant;

use super::Client;
use crate::config::concurrency::BudgetKey;
use crate::error::{Error, Status};
use crate::http::body::Shelf;
use crate::http::class::classify;
use crate::http::headers::{Headers, set_gzip};
use crate::http::{Call, Class, Response, body};
use crate::runtime::CancelToken;

/// What RFC 3986 calls unreserved stays as it is in a path segment; everything else is escaped.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub enum Payload {
    None,
    /// JSON that the library wrote or has checked; compressed where that is worth it.
    Json(Vec<u8>),
    /// Anything else, as it goes on the wire.
    Raw {
        bytes: Bytes,
        content_type: &'static str,
        gzip: bool,
    },
}

pub struct Outgoing {
    pub method: Method,
    /// Below the base URL, escaped, with its query.
    pub path: String,
    pub payload: Payload,
    /// `None`: JSON.
    pub accept: Option<&'static str>,
    /// For `cdf-version`; `None`: the config's.
    pub version: Option<String>,
    /// `None`: by method and path.
    pub class: Option<Class>,
    /// The concurrency limit it counts against, as the table of operations names it.
    pub budget: Option<BudgetKey>,
    /// Of the operation, not of this request.
    pub deadline: Instant,
    pub cancel: Option<CancelToken>,
    /// Where the memory for a large answer may come from.
    pub shelf: Option<Arc<Shelf>>,
}

/// `name` as one segment of a path. One that is empty or only dots cannot be sent: an address takes `..`, escaped or not,
/// for "up", and the request would reach another resource.
pub fn segment(what: &str, name: &str) -> Result<String, Error> {
    if matches!(name, "" | "." | "..") {
        return Err(Error::argument(format!("{what} is \"{name}\", which cannot be part of an address")));
    }
    Ok(utf8_percent_encode(name, SEGMENT).to_string())
}

impl Client {
    /// `/api/v1/projects/{project}`.
    pub fn project_path(&self) -> Result<String, Error> {
        Ok(format!("/api/v1/projects/{}", segment("project", &self.http.checked().project)?))
    }

    /// How many requests of a kind may be under way at a time: an operation with many keeps no more ready.
    pub(super) fn width(&self, key: BudgetKey) -> usize {
        self.http.budgets().get(key).limit().max(1)
    }

    /// Sends it, repeats included, until an answer, an error or the deadline.
    pub async fn send(&self, o: Outgoing) -> Result<Response, Error> {
        self.send_to(false, o).await
    }

    /// The same, with the token also to another host than the base URL's when that is `trusted`.
    pub(super) async fn send_to(&self, trusted: bool, o: Outgoing) -> Result<Response, Error> {
        let checked = self.http.checked();
        let target = self.addresses.resolve(&checked.base_url, &o.path, None)?;
        let mut headers = Arc::clone(&self.standard);
        let gzipped;
        let body = match o.payload {
            Payload::None => {
                gzipped = false;
                Bytes::new()
            }
            Payload::Json(bytes) => {
                let prepared = body::compressed(bytes, self.gzip_min())?;
                gzipped = prepared.gzip;
                prepared.bytes
            }
            Payload::Raw { bytes, content_type, gzip } => {
                Headers::edit(&mut headers).insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                gzipped = gzip;
                bytes
            }
        };
        set_gzip(&mut headers, gzipped);
        if let Some(accept) = o.accept {
            Headers::edit(&mut headers).insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if let Some(version) = o.version {
            let value = HeaderValue::from_str(&version)
                .map_err(|_| Error::config("api_subversion holds characters that HTTP does not allow"))?;
            Headers::edit(&mut headers).insert("cdf-version", value);
        }
        let class = o.class.unwrap_or_else(|| classify(&o.method, target.path.as_deref()));
        let total = o.deadline.saturating_duration_since(Instant::now());
        if total.is_zero() {
            // Not sent, so a write is surely not applied.
            return Err(Error::new(
                Status::Timeout,
                "the operation's total time was over before this request was sent",
            )
            .with(|d| d.retryable = true));
        }
        let gate = self.http.gates().pick(target.path.as_deref(), class);
        let call = Call {
            method: o.method,
            url: target.url,
            authorize: trusted || target.own_origin,
            headers,
            body,
            class,
            gate,
            budget: o.budget,
            total,
            cancel: o.cancel,
            shelf: o.shelf,
        };
        // Boxed: the state of a call is kilobytes, and an operation may have many under way.
        Box::pin(self.http.call(&call)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one() {
        for (given, wanted) in
            [("a b/c", "a%20b%2Fc"), ("a.b", "a.b"), ("...", "..."), ("ø?#%", "%C3%B8%3F%23%25"), ("-_.~", "-_.~")]
        {
            assert_eq!(segment("x", given).unwrap(), wanted);
        }
        for bad in ["", ".", ".."] {
            assert!(segment("externalId", bad).unwrap_err().message().contains("externalId"));
        }
    }
}
