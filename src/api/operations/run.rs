//! An operation from the caller's words to its result: accepted once, one deadline, one place among the accepted calls.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::arguments::Arguments;
use super::composites::{self, Composite};
use super::table::{Operation, Shape, find};
use super::version::version;
use super::{items, list, writes};
use crate::api::Client;
use crate::api::client::{Accepted, total_time};
use crate::api::outgoing::{Outgoing, Payload, segment};
use crate::error::{Cause, Error};
use crate::http::Response;
use crate::http::body::Shelf;
use crate::http::fields::Fields;
use crate::runtime::CancelToken;
use crate::runtime::usage::{BODY_BYTES, Held};

/// A request that is refused for some of its items is sent again in parts.
pub(crate) const SPLIT: u32 = 1;

/// An operation as the caller gives it; borrowed for the time of the call that takes it.
#[derive(Default)]
pub struct OperationRequest<'a> {
    /// Such as `assets.list`.
    pub name: &'a str,
    /// A JSON object; empty: none.
    pub arguments: &'a str,
    /// For all of it; zero: the client's.
    pub timeout: Duration,
    /// [`SPLIT`], or nothing.
    pub flags: u32,
    pub cancel: Option<&'a CancelToken>,
}

/// What an operation needs to know while it runs.
pub struct Work {
    pub client: Arc<Client>,
    pub operation: &'static Operation,
    pub arguments: Arguments,
    pub deadline: Instant,
    /// What that was made from.
    pub total: Duration,
    /// Each request has as long as this, instead of all of them together.
    pub each: Option<Duration>,
    pub cancel: Option<CancelToken>,
    pub flags: u32,
    /// Where large answers come from and go to, of an operation that has many.
    pub shelf: Option<Arc<Shelf>>,
    composite: Option<&'static Composite>,
    /// As a segment of a path.
    project: String,
}

pub struct AcceptedOperation {
    work: Work,
    _place: Accepted,
    _counted: Held,
}

impl Client {
    /// Checks and takes over an operation's arguments; afterwards nothing of the caller's memory is needed.
    pub fn accept_operation(self: &Arc<Self>, request: &OperationRequest<'_>) -> Result<AcceptedOperation, Error> {
        if request.flags & !SPLIT != 0 {
            return Err(unknown_flags(request.flags));
        }
        let work = self.work(request)?;
        let _counted = BODY_BYTES.hold(work.arguments.items.bytes());
        Ok(AcceptedOperation { work, _place: self.accept_work()?, _counted })
    }

    /// The operation as it is to be carried out.
    pub(super) fn work(self: &Arc<Self>, request: &OperationRequest<'_>) -> Result<Work, Error> {
        let composite = composites::named(request.name);
        let operation = find(composite.map_or(request.name, |c| c.base))?;
        let own = composite.map_or_else(|| writes::own(operation), |c| c.own);
        let arguments = Arguments::read(operation, own, request.arguments)?;
        let total = total_time(request.timeout, self.config().total_timeout)?;
        let project = segment("project", &self.http.checked().project)?;
        Ok(Work {
            client: Arc::clone(self),
            operation,
            arguments,
            deadline: Instant::now() + total,
            total,
            each: None,
            cancel: request.cancel.cloned(),
            flags: request.flags,
            shelf: None,
            composite,
            project,
        })
    }
}

pub(super) fn unknown_flags(flags: u32) -> Error {
    Error::argument(format!("operation.flags is {flags:#x}, which holds flags that are not known here"))
}

impl AcceptedOperation {
    pub fn run(mut self) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>> {
        Box::pin(async move {
            let changes = self.work.operation.shape == Shape::Items && self.work.operation.class().is_write();
            if let Some(composite) = self.work.composite {
                let items = self.work.arguments.items.take();
                return composite.run(&self.work, items).await;
            }
            if changes {
                let items = self.work.arguments.items.take();
                return writes::run(&self.work, items).await;
            }
            let w = &self.work;
            match w.operation.shape {
                Shape::List => list::run(w).await,
                Shape::Items => items::run(w).await,
                Shape::Bare => w.send(w.arguments.address(""), Payload::None).await,
                Shape::Upload => {
                    let bytes = w.arguments.content.clone().into();
                    let payload = Payload::Raw { bytes, content_type: "application/binary", gzip: false };
                    w.send(w.arguments.address(""), payload).await
                }
                _ if w.operation.method == reqwest::Method::GET => w.send(w.arguments.address(""), Payload::None).await,
                _ => w.send(w.arguments.address(""), Payload::Json(w.arguments.body(""))).await,
            }
        })
    }
}

impl Work {
    /// One request of the operation: `address` is the row's path with its query.
    pub async fn send(&self, address: String, payload: Payload) -> Result<Response, Error> {
        self.send_as(self.operation, address, payload).await
    }

    /// An argument that is for the library, as it was written.
    pub fn own(&self, name: &str) -> Option<&str> {
        self.arguments.own.iter().find(|(n, _)| n == name).map(|(_, value)| value.get())
    }

    pub fn own_flag(&self, name: &str) -> Result<bool, Error> {
        match self.own(name) {
            None | Some("false" | "null") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::argument(format!("arguments.{name} must be true or false"))),
        }
    }

    /// The argument `limit` where it is the library's: how many are wanted.
    pub fn own_limit(&self) -> Result<usize, Error> {
        match self.own("limit") {
            None | Some("null" | "-1") => Ok(usize::MAX),
            Some(n) => {
                n.parse().map_err(|_| Error::argument("arguments.limit must be a whole number, or null for all"))
            }
        }
    }

    /// Refuses what would go nowhere.
    pub fn no_members(&self) -> Result<(), Error> {
        if self.arguments.members.is_empty() {
            return Ok(());
        }
        Err(Error::argument(format!(
            "the arguments hold what this operation does not take: {}",
            self.arguments.members
        )))
    }

    /// A request of another operation that this one needs.
    pub async fn send_as(&self, o: &Operation, address: String, payload: Payload) -> Result<Response, Error> {
        let subversion = &self.client.config().api_subversion;
        // The host of organizations is another one, and gets the token: the caller has to name it.
        let elsewhere = address.strip_prefix('@');
        let path = match (elsewhere, address.strip_prefix("//")) {
            (Some(rest), _) => format!("{}{rest}", self.arguments.auth_url.as_deref().unwrap_or_default()),
            (_, Some(rest)) => format!("/{}", rest.replace("{project}", &self.project)),
            _ => format!("/api/v1/projects/{}{address}", self.project),
        };
        self.client
            .send_to(
                elsewhere.is_some(),
                Outgoing {
                    method: o.method.clone(),
                    path,
                    payload,
                    accept: o.answers.filter(|a| a.contains('/')),
                    version: version(o, &self.arguments.members, subversion),
                    class: Some(o.class()),
                    budget: o.budget_key(),
                    deadline: self.each.map_or(self.deadline, |t| Instant::now() + t),
                    cancel: self.cancel.clone(),
                    shelf: self.shelf.clone(),
                },
            )
            .await
            .map_err(|e| self.told(e))
    }

    /// A request knows what was left of the time when it began; who waits, how much there was for all of them.
    fn told(&self, mut error: Error) -> Error {
        if self.each.is_none() && error.detail().cause == Some(Cause::TotalTimeout) {
            let rest = error.message().split_once(" ms").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
            error.set_message(format!("the operation did not end within {} ms{rest}", self.total.as_millis()));
        }
        error
    }

    /// How many requests of this operation may be under way at a time: the budget of its kind.
    pub fn width(&self) -> usize {
        self.operation.budget_key().map_or(1, |key| self.client.width(key))
    }
}

/// A result put together from several answers.
pub fn combined(body: Vec<u8>, attempts: u32, started: Instant) -> Response {
    Response {
        status: 200,
        headers: Fields::default(),
        body,
        attempts,
        elapsed: started.elapsed(),
        index: None,
        payload: None,
        home: None,
    }
}
