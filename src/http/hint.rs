//! What a refused token does reach: the last facts of a call that failed for want of access.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;

use super::class::Class;
use super::client::{Call, HttpClient, fault_of};
use super::progress::Progress;
use super::retry::{Budget, Fault, pause};
use super::transport::Exchange;
use crate::error::{Error, Status};

/// The look at `/token/inspect` must not make the failure much slower.
const HINT_TIMEOUT: Duration = Duration::from_secs(5);

impl HttpClient {
    /// Last facts of an error that is final.
    pub(super) async fn finish(&self, mut error: Error, call: &Call) -> Error {
        if error.status() == Status::Access && self.checked.config.project_hint_on_401 && call.authorize {
            let hint = tokio::time::timeout(HINT_TIMEOUT, self.other_projects()).await.ok().flatten();
            if let Some(names) = hint.as_ref().filter(|n| !n.is_empty()) {
                let message = format!("{}; the token does reach: {}", error.message(), names.join(", "));
                error.set_message(message);
            }
            error.detail_mut().maybe_projects = Some(hint);
        }
        error
    }

    /// The projects the token reaches, other than ours; `None` when that cannot be found out.
    async fn other_projects(&self) -> Option<Vec<String>> {
        let base = &self.checked.base_url;
        let target = super::url::resolve(base, "/api/v1/token/inspect", None).ok()?;
        let token = self.tokens.header().await.ok()?;
        let (headers, nothing) = (crate::http::headers::standard(&self.checked).ok()?, Bytes::new());
        let (settings, mut budget) = (self.settings(), Budget::default());
        let answer = loop {
            let alone = Exchange::alone(&Method::GET, &target.url, &headers, &nothing, HINT_TIMEOUT);
            let exchange = Exchange { authorization: Some(&token.value), ..alone };
            // Like a create by its status: only 429 is worth the wait, as the call itself has failed already.
            let (fault, class) = match self.transport.exchange(exchange, &Progress::new(false)).await {
                Ok(answer) if answer.status == 200 => break answer,
                Ok(answer) => (Fault::Status { code: answer.status, asked: false }, Class::Write),
                Err(failure) => (fault_of(failure.cause), Class::Read),
            };
            if !budget.allows(fault, class, true, &settings) {
                return None;
            }
            tokio::time::sleep(pause(budget.repeats(), settings.max_retry_backoff, None)).await;
        };
        let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        let mut names = Vec::new();
        for project in body.get("projects")?.as_array()? {
            names.push(project.get("projectUrlName")?.as_str()?.to_owned());
        }
        names.retain(|n| *n != self.checked.project);
        names.sort();
        names.dedup();
        Some(names)
    }
}
