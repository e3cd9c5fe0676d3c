//! Inserting: from columns to requests to one result.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::column::Column;
use super::create::{Creator, Template};
use super::crew::{Crew, Work};
use super::plan::{Cut, Plan};
use super::points::Points;
use super::sender::{Built, Sender, Step};
use super::{json_write, pack, proto_write};
use crate::api::Client;
use crate::api::client::Accepted;
use crate::api::outgoing::{Outgoing, Payload};
use crate::config::client::DEFAULT_API_SUBVERSION;
use crate::config::concurrency::BudgetKey;
use crate::error::Error;
use crate::http::Response;
use crate::runtime::{self, CancelToken, Notify, Via};

/// How an insert is made.
#[derive(Clone, Default)]
pub struct Options {
    /// Zero: the client's.
    pub timeout: Duration,
    pub cancel: Option<CancelToken>,
    /// JSON instead of protobuf; states always go as protobuf.
    pub json: bool,
    /// Series that do not exist are made like this.
    pub create: Option<Template>,
}

/// Of states: the service serves them there only.
const STATE_VERSION: &str = "beta";

struct Packed {
    bytes: Bytes,
    gzip: bool,
    json: bool,
}

/// What all requests of one insert have in common.
struct Job {
    client: Arc<Client>,
    path: String,
    budget: Option<BudgetKey>,
    /// Requests kept under way at a time.
    width: usize,
    deadline: Instant,
    cancel: Option<CancelToken>,
    creator: Option<Arc<Creator>>,
}

impl Job {
    fn new(client: &Arc<Client>, plan: &Plan<'_>, options: &Options) -> Result<Self, Error> {
        let deadline = client.deadline(options.timeout)?;
        let creator = options.create.as_ref();
        let creator = creator.map(|t| Creator::new(client, t, plan, deadline, options.cancel.clone()));
        let budget = BudgetKey::parse("datapoints.write")?;
        Ok(Self {
            budget: Some(budget),
            width: client.width(budget),
            client: Arc::clone(client),
            path: format!("{}/timeseries/data", client.project_path()?),
            deadline,
            cancel: options.cancel.clone(),
            creator: creator.map(Arc::new),
        })
    }

    fn send(&self, body: Packed, state: bool) -> Work {
        let (client, path, cancel) = (Arc::clone(&self.client), self.path.clone(), self.cancel.clone());
        let (budget, deadline) = (self.budget, self.deadline);
        // A config that names a version means this too.
        let is_default = client.config().api_subversion == DEFAULT_API_SUBVERSION;
        let send = move || -> Work {
            let client = Arc::clone(&client);
            let outgoing = Outgoing {
                method: Method::POST,
                path: path.clone(),
                payload: Payload::Raw {
                    bytes: body.bytes.clone(),
                    content_type: if body.json { "application/json" } else { "application/protobuf" },
                    gzip: body.gzip,
                },
                accept: None,
                version: (state && is_default).then(|| STATE_VERSION.to_owned()),
                class: None,
                budget,
                deadline,
                cancel: cancel.clone(),
                shelf: None,
            };
            Box::pin(async move { client.send(outgoing).await })
        };
        match self.creator.clone() {
            None => send(),
            Some(creator) => Box::pin(async move { creator.insert(send).await }),
        }
    }

    /// The result, with the number of series that were made for it.
    fn told(&self, ended: Result<Value, Error>) -> Result<Response, Error> {
        let Some(creator) = &self.creator else { return ended.map(|document| Response::of_json(&document)) };
        let created = json!(creator.created());
        match ended {
            Ok(mut document) => {
                if let Some(members) = document.as_object_mut() {
                    members.insert("created".into(), created);
                }
                Ok(Response::of_json(&document))
            }
            Err(error) => Err(error.with(|d| {
                let extra = d.extra.get_or_insert_with(|| json!({}));
                if let Some(members) = extra.as_object_mut() {
                    members.insert("created".into(), created);
                }
            })),
        }
    }
}

/// Encodes and compresses requests one after the other, in one piece of memory.
struct Builder {
    plain: Vec<u8>,
    json: bool,
    gzip_min: Option<u64>,
    /// Bodies under way or gone by, to be written into again: new memory costs as much as encoding.
    sent: Vec<Bytes>,
}

impl Builder {
    fn new(client: &Client, options: &Options) -> Self {
        Self { plain: Vec::new(), json: options.json, gzip_min: client.gzip_min(), sent: Vec::new() }
    }

    fn build(&mut self, plan: &Plan<'_>, cut: &Cut) -> Result<Built<Packed>, Error> {
        let json = self.json && !cut.state;
        if self.plain.capacity() == 0
            && let Some(at) = self.sent.iter().position(Bytes::is_unique)
            && let Ok(free) = self.sent.swap_remove(at).try_into_mut()
        {
            self.plain = Vec::from(free);
        }
        let runs = if json {
            json_write::write(plan, cut, &mut self.plain);
            Vec::new()
        } else {
            proto_write::write(plan, cut, &mut self.plain)
        };
        // The interface for states takes no compressed bodies.
        let gzip = !cut.state && self.gzip_min.is_some_and(|least| self.plain.len() as u64 >= least);
        let bytes = if gzip {
            pack::gzip(&self.plain, &runs)?
        } else {
            let bytes = Bytes::from(std::mem::take(&mut self.plain));
            self.sent.push(bytes.clone());
            bytes
        };
        Ok(Built { bytes: bytes.len(), body: Packed { bytes, gzip, json } })
    }
}

/// Writes the columns and waits. The caller's thread encodes and compresses the next request while the ones before are on
/// their way, straight from the caller's memory.
pub fn blocking(client: &Arc<Client>, columns: &[Column<'_>], options: &Options) -> Result<Response, Error> {
    let plan = Plan::new(columns)?;
    let job = Job::new(client, &plan, options)?;
    let _place = client.accept_work()?;
    let mut builder = Builder::new(client, options);
    let mut sender = Sender::new(plan, job.width);
    let (tell, told) = mpsc::channel();
    loop {
        match sender.step(&mut |plan, cut| builder.build(plan, cut)) {
            Step::Done => break,
            // What is all in one request is sent by the caller's thread: a hop to another and back costs as much.
            Step::Send { number, body, state } if sender.is_alone() => {
                let result = runtime::block_on(job.send(body, state));
                sender.ended(number, result.map(|_| ()));
            }
            Step::Send { number, body, state } => {
                let tell = tell.clone();
                let deliver = Box::new(move |result: Result<Response, Error>| {
                    let _ = tell.send((number, result.map(|_| ())));
                });
                let work = job.send(body, state);
                if let Err(e) = runtime::spawn_notified(work, Notify { deliver, via: Via::Here }) {
                    // Not taken: the library is being shut down.
                    sender.ended(number, Err(e));
                }
            }
            // Each request that was taken is told; the channel is open as long as `tell` lives.
            Step::Wait => match told.recv() {
                Ok((number, result)) => sender.ended(number, result),
                Err(_) => {
                    sender.give_up(Error::internal("an insert lost one of its requests"));
                    break;
                }
            },
        }
    }
    job.told(sender.finish())
}

/// An insert that was accepted and runs on the engine, which encodes from the collected copies.
pub struct Insert {
    job: Job,
    points: Points,
    builder: Builder,
    _place: Accepted,
}

pub fn accept(client: &Arc<Client>, points: &Points, options: &Options) -> Result<Insert, Error> {
    // What cannot be sent is told at once, not by the completion.
    let job = Job::new(client, &Plan::new(&points.columns())?, options)?;
    Ok(Insert { job, points: points.clone(), builder: Builder::new(client, options), _place: client.accept_work()? })
}

impl Insert {
    pub fn run(self) -> Work {
        Box::pin(self.go())
    }

    async fn go(mut self) -> Result<Response, Error> {
        let columns = self.points.columns();
        let mut sender = Sender::new(Plan::new(&columns)?, self.job.width);
        let mut under_way = Crew::default();
        loop {
            match sender.step(&mut |plan, cut| self.builder.build(plan, cut)) {
                Step::Done => break,
                Step::Send { number, body, state } => under_way.start(number, self.job.send(body, state)),
                Step::Wait => match under_way.next().await {
                    Some((number, result)) if number != u64::MAX => sender.ended(number, result.map(|_| ())),
                    _ => {
                        sender.give_up(Error::internal("an insert lost one of its requests"));
                        break;
                    }
                },
            }
        }
        self.job.told(sender.finish())
    }
}
