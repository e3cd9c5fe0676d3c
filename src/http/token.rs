//! Token requests over the same transport as everything else.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, Url};

use super::client::user_agent;
use super::progress::Progress;
use super::retry::retry_after;
use super::transport::{Exchange, Transport};
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
}

impl TokenTransport {
    async fn post(&self, request: &FormRequest) -> Result<FormAnswer, Error> {
        let mut url = Url::parse(&request.url).map_err(|_| Error::config("token_url is not a URL"))?;
        let body = Bytes::copy_from_slice(request.form.as_bytes());
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            headers.insert(USER_AGENT, user_agent());
            let idle = request.timeout.unwrap_or(self.timeout);
            let exchange = Exchange { method: Method::POST, url: url.clone(), headers, body: body.clone(), idle };
            let progress = Progress::new(true);
            let sending = self.transport.exchange(exchange, &progress);
            let answer = match tokio::time::timeout(idle * 2, sending).await {
                Ok(done) => done.map_err(|f| f.into_error())?,
                Err(_) => {
                    return Err(Error::new(
                        crate::error::Status::Timeout,
                        format!("the token endpoint did not answer within {} ms", (idle * 2).as_millis()),
                    ));
                }
            };
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
                _ => {
                    let asked = answer.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok());
                    return Ok(FormAnswer {
                        status: answer.status,
                        body: answer.body.into(),
                        retry_after: asked.and_then(|v| retry_after(v, SystemTime::now())),
                    });
                }
            }
        }
        Err(Error::auth(format!("the token endpoint redirected more than {MAX_REDIRECTS} times")))
    }
}
