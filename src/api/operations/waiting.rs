//! Jobs of the service: begun, then looked at until they have ended.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::raw;
use super::run::{Work, combined};
use super::table::{Operation, find};
use crate::api::outgoing::{Payload, segment};
use crate::auth::Credentials;
use crate::error::Error;
use crate::http::Response;
use crate::http::cut::watched;

/// How often a job is looked at unless the caller says.
const EVERY: Duration = Duration::from_secs(1);

const NO_JOB: &str = "it is no job";

/// Which job it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    Transformation,
    Function,
    Workflow,
}

/// Begins the job and gives what the service says of it when it has ended, well or not.
pub async fn run(work: &Work, kind: Job) -> Result<Response, Error> {
    let started = Instant::now();
    let every = match work.own("pollMs").map(str::parse) {
        None => EVERY,
        Some(Ok(ms @ 10..=3_600_000)) => Duration::from_millis(ms),
        Some(_) => return Err(Error::argument("arguments.pollMs must be 10 to 3600000")),
    };
    let more = match kind {
        Job::Transformation => String::new(),
        Job::Function | Job::Workflow => session(work, kind).await?,
    };
    let begun = work.send(work.arguments.address(""), Payload::Json(work.arguments.body(&more))).await?;
    let mut attempts = begun.attempts;
    let (mut job, id) = raw::understood(begun, NO_JOB, |job| {
        status(job)?;
        Some((job.clone(), raw::members(job)?.remove("id")?))
    })?;
    let id = String::from_utf8_lossy(&id).into_owned();
    while !ended(&job, kind) {
        watched(sleep(every), work.deadline, work.cancel.as_ref())
            .await
            .map_err(|cut| cut.error(started.elapsed().as_millis(), ""))
            .map_err(|e| still(e, &job))?;
        let (seen, more) = look(work, kind, &id).await.map_err(|e| still(e, &job))?;
        attempts += more;
        job = seen;
    }
    if kind == Job::Function {
        let operation = find("functions.calls.get_response")?;
        let address = format!("{}/response", below(work, "/calls/", &id)?);
        let response = work.send_as(operation, address, Payload::None).await.map_err(|e| still(e, &job))?;
        attempts += response.attempts;
        let answer = raw::members(&response.body.into()).and_then(|mut m| m.remove("response"));
        if let (Some(answer), Some(open)) = (answer, job.strip_suffix(b"}")) {
            job = [open, b",\"response\":", &answer, b"}"].concat().into();
        }
    }
    Ok(combined(job.to_vec(), attempts, started))
}

/// A word of the service on the job.
async fn look(work: &Work, kind: Job, id: &str) -> Result<(Bytes, u32), Error> {
    let (operation, address): (&'static Operation, String) = match kind {
        Job::Transformation => {
            let operation = find("transformations.jobs.retrieve_multiple")?;
            (operation, operation.path.to_owned())
        }
        Job::Function => (find("functions.calls.retrieve")?, below(work, "/calls/byids", "")?),
        Job::Workflow => {
            let id = segment("id", id.trim_matches('"'))?;
            (find("workflows.executions.retrieve_detailed")?, format!("/workflows/executions/{id}"))
        }
    };
    let payload = match kind {
        Job::Workflow => Payload::None,
        _ => Payload::Json(format!("{{\"items\":[{{\"id\":{id}}}]}}").into_bytes()),
    };
    let response = work.send_as(operation, address, payload).await?;
    let attempts = response.attempts;
    let job = raw::understood(response, NO_JOB, |body| {
        let job = match kind {
            Job::Workflow => body.clone(),
            _ => raw::items(body)??.into_iter().next()?,
        };
        // Without a status nobody knows whether it has ended.
        status(&job)?;
        Some(job)
    })?;
    Ok((job, attempts))
}

/// An address below the function that was called.
fn below(work: &Work, what: &str, id: &str) -> Result<String, Error> {
    let function = work.arguments.path.trim_end_matches("/call");
    let id = if id.is_empty() { String::new() } else { segment("id", id)? };
    Ok(format!("{function}{what}{id}"))
}

fn status(job: &Bytes) -> Option<String> {
    serde_json::from_slice(&raw::members(job)?.remove("status")?).ok()
}

fn ended(job: &Bytes, kind: Job) -> bool {
    let status = status(job).unwrap_or_default();
    let going: &[&str] = match kind {
        Job::Transformation => &["created", "running"],
        Job::Function | Job::Workflow => &["running"],
    };
    !going.contains(&status.to_ascii_lowercase().as_str())
}

/// An error while the job goes on: which one it is, so that it can be looked at later.
fn still(mut error: Error, job: &Bytes) -> Error {
    let message = format!("the job was begun and goes on; looking at it ended: {}", error.message());
    error.set_message(message);
    let known: Value = serde_json::from_slice(job).unwrap_or_default();
    error.with(|d| {
        d.in_doubt = true;
        d.retryable = false;
        d.extra = Some(json!({"job": known}));
    })
}

/// A session's nonce as a member of the body, unless the caller gave one.
async fn session(work: &Work, kind: Job) -> Result<String, Error> {
    let given = raw::members(&work.arguments.body("").into()).unwrap_or_default();
    let name = if kind == Job::Function { "nonce" } else { "authentication" };
    if given.contains_key(name) {
        return Ok(String::new());
    }
    let item = match &work.client.config().credentials {
        Some(Credentials::ClientCredentials(c)) => {
            json!({"clientId": c.client_id, "clientSecret": c.client_secret.reveal()})
        }
        Some(Credentials::ClientCertificate(_)) => {
            return Err(Error::argument(format!(
                "a login by certificate can make no session: give arguments.{name} yourself"
            )));
        }
        _ => json!({"tokenExchange": true}),
    };
    let operation = find("iam.sessions.create")?;
    let body = json!({"items": [item]}).to_string().into_bytes();
    let answer = work.send_as(operation, operation.path.to_owned(), Payload::Json(body)).await?;
    let nonce =
        raw::understood(answer, "it has no nonce", |body| raw::members(raw::items(body)??.first()?)?.remove("nonce"))?;
    let nonce = String::from_utf8_lossy(&nonce);
    Ok(match kind {
        Job::Workflow => format!("\"authentication\":{{\"nonce\":{nonce}}}"),
        _ => format!("\"nonce\":{nonce}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_ends_with_any_status_that_is_not_under_way() {
        let with = |status: &str| Bytes::from(format!("{{\"status\":\"{status}\"}}"));
        for (kind, status, wanted) in [
            (Job::Transformation, "Created", false),
            (Job::Transformation, "Running", false),
            (Job::Transformation, "Failed", true),
            (Job::Function, "Running", false),
            (Job::Function, "Timeout", true),
            (Job::Workflow, "RUNNING", false),
            (Job::Workflow, "terminated", true),
        ] {
            assert_eq!(ended(&with(status), kind), wanted, "{kind:?} {status}");
        }
    }

    #[test]
    fn an_error_names_the_job_that_goes_on() {
        let e = still(Error::argument("x"), &Bytes::from_static(br#"{"id":7}"#));
        assert!(e.detail().in_doubt && !e.detail().retryable);
        assert_eq!(e.detail().extra.as_ref().unwrap()["job"]["id"], 7);
    }
}
