//! Token requests over the same transport as everything else.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, Url};

use super::client::user_agent;
use super::progress::Progress;
use super::retry::retry_after;
use super::transport::{Answer, Exchange, Transport};
use crate::auth::token_endpoint::{FormAnswer, FormFuture, FormRequest, FormTransport};
use crate::error::Error;

const MAX_REDIRECTS: usize = 5;

pub struct TokenTransport {
    pub transport: Arc<Transport>,
    pub timeout: Duration,
}

impl FormTransport for TokenTransport {
    fn post_form<'a>(&'a self, request: &'a FormRequest) -> FormFuture<'a> {
        Box::pin(self.post(request))
    }

    fn get<'a>(&'a self, url: &'a str) -> FormFuture<'a> {
        Box::pin(self.document(url))
    }
}

/// For a document that describes a provider: nobody should wait long to learn where to log in.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(30);

fn read(answer: Answer) -> FormAnswer {
    let header = |name: &str| answer.headers.get(name).and_then(|v| v.to_str().ok());
    FormAnswer {
        status: answer.status,
        retry_after: header(RETRY_AFTER.as_str()).and_then(|v| retry_after(v, SystemTime::now())),
        request_id: header("x-ms-request-id").map(|id| id.chars().take(200).collect()),
        body: answer.body.into(),
    }
}

impl TokenTransport {
    async fn document(&self, url: &str) -> Result<FormAnswer, Error> {
        let url = Url::parse(url).map_err(|_| Error::config("the address of the identity provider is not a URL"))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, user_agent());
        let (headers, idle) = (headers.into(), self.timeout.min(DOCUMENT_TIMEOUT));
        let body = Bytes::new();
        let exchange = Exchange::alone(&Method::GET, &url, &headers, &body, idle);
        self.within(idle.saturating_mul(2), exchange).await.map(read)
    }

    async fn within(&self, limit: Duration, exchange: Exchange<'_>) -> Result<Answer, Error> {
        let progress = Progress::new(!exchange.body.is_empty());
        match tokio::time::timeout(limit, self.transport.exchange(exchange, &progress)).await {
            Ok(done) => done.map_err(|f| f.into_error()),
            Err(_) => Err(Error::new(
                crate::error::Status::Timeout,
                format!("the identity provider did not answer within {} ms", limit.as_millis()),
            )),
        }
    }

    async fn post(&self, request: &FormRequest) -> Result<FormAnswer, Error> {
        let mut url = Url::parse(&request.url).map_err(|_| Error::config("the token endpoint is not a URL"))?;
        let form = if request.names_charset {
            "application/x-www-form-urlencoded;charset=UTF-8"
        } else {
            "application/x-www-form-urlencoded"
        };
        let body = Bytes::copy_from_slice(request.form.as_bytes());
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(form));
            headers.insert(USER_AGENT, user_agent());
            let (headers, idle) = (headers.into(), request.timeout.unwrap_or(self.timeout));
            let exchange = Exchange::alone(&Method::POST, &url, &headers, &body, idle);
            let answer = self.within(idle.saturating_mul(2), exchange).await?;
            let next = answer.headers.get(LOCATION).and_then(|l| l.to_str().ok()).and_then(|l| url.join(l).ok());
            match next {
                // The form holds the secret: it follows to the same origin only, and only where it stays a POST.
                Some(next)
                    if request.follow_redirects
                        && matches!(answer.status, 307 | 308)
                        && next.origin() == url.origin() =>
                {
                    url = next;
                }
                _ => return Ok(read(answer)),
            }
        }
        Err(Error::auth(format!("the token endpoint redirected more than {MAX_REDIRECTS} times")))
    }
}
