//! An operation from the caller's words to its result: accepted once, one deadline, one place among the accepted calls.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::arguments::Arguments;
use super::composites::{self, Composite};
use super::table::{Operation, Shape, find};
use super::{items, list, writes};
use crate::api::Client;
use crate::api::client::{Accepted, total_time};
use crate::api::outgoing::{Outgoing, Payload};
use crate::error::Error;
use crate::http::Response;
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
    pub cancel: Option<CancelToken>,
    pub flags: u32,
    composite: Option<&'static Composite>,
    /// The project's path, or nothing for what lies elsewhere.
    base: String,
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
            return Err(Error::argument(format!("operation.flags is {:#x}, which holds unknown flags", request.flags)));
        }
        let composite = composites::named(request.name);
        let operation = find(composite.map_or(request.name, |c| c.base))?;
        let own = composite.map_or_else(|| writes::own(operation), |c| c.own);
        let arguments = Arguments::read(operation, own, request.arguments)?;
        let total = total_time(request.timeout, self.config().total_timeout)?;
        let base = if operation.path.starts_with("//") { String::new() } else { self.project_path()? };
        let _counted = BODY_BYTES.hold(arguments.items.bytes());
        let work = Work {
            client: Arc::clone(self),
            operation,
            arguments,
            deadline: Instant::now() + total,
            cancel: request.cancel.cloned(),
            flags: request.flags,
            composite,
            base,
        };
        Ok(AcceptedOperation { work, _place: self.accept_work()?, _counted })
    }
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

    /// One request of another operation, as part of this one.
    pub async fn send_as(&self, o: &Operation, address: String, payload: Payload) -> Result<Response, Error> {
        let subversion = &self.client.config().api_subversion;
        let address = address
            .strip_prefix('/')
            .filter(|a| a.starts_with('/'))
            .map_or_else(|| format!("{}{address}", self.base), str::to_owned);
        self.client
            .send(Outgoing {
                method: o.method.clone(),
                path: address,
                payload,
                accept: o.answers.filter(|a| a.contains('/')),
                version: o.version.map(|v| v.replace("{default}", subversion)),
                class: Some(o.class()),
                deadline: self.deadline,
                cancel: self.cancel.clone(),
            })
            .await
    }

    /// How many requests of this operation may be under way at a time: the budget of its kind.
    pub fn width(&self) -> usize {
        let (family, kind) = self.operation.budget.unwrap_or_default().split_once('.').unwrap_or_default();
        match (family, kind) {
            ("data_modeling" | "records", "read" | "write" | "delete" | "write_schema") => 1,
            ("datapoints", _) | (_, "read") => 5,
            ("general", "write") => 4,
            _ => 2,
        }
    }
}

/// A result put together from several answers.
pub fn combined(body: Vec<u8>, attempts: u32, started: Instant) -> Response {
    Response { status: 200, headers: HeaderMap::new(), body, attempts, elapsed: started.elapsed() }
}
