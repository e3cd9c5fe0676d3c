//! Inserting: from columns to requests to one result.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use tokio::time::Instant;

use super::column::Column;
use super::crew::{Crew, Work};
use super::plan::{Cut, Plan};
use super::points::Points;
use super::sender::{Built, Sender, Step};
use super::{json_write, pack, proto_write};
use crate::api::Client;
use crate::api::client::Accepted;
use crate::api::outgoing::{Outgoing, Payload};
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
    deadline: Instant,
    cancel: Option<CancelToken>,
}

impl Job {
    fn new(client: &Arc<Client>, options: &Options) -> Result<Self, Error> {
        Ok(Self {
            client: Arc::clone(client),
            path: format!("{}/timeseries/data", client.project_path()?),
            deadline: client.deadline(options.timeout)?,
            cancel: options.cancel.clone(),
        })
    }

    fn send(&self, body: Packed, state: bool) -> Work {
        let client = Arc::clone(&self.client);
        let outgoing = Outgoing {
            method: Method::POST,
            path: self.path.clone(),
            payload: Payload::Raw {
                bytes: body.bytes,
                content_type: if body.json { "application/json" } else { "application/protobuf" },
                gzip: body.gzip,
            },
            accept: None,
            version: state.then(|| STATE_VERSION.to_owned()),
            class: None,
            deadline: self.deadline,
            cancel: self.cancel.clone(),
        };
        Box::pin(async move { client.send(outgoing).await })
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
    let job = Job::new(client, options)?;
    let plan = Plan::new(columns)?;
    let _place = client.accept_work()?;
    let mut builder = Builder::new(client, options);
    let mut sender = Sender::new(plan);
    let (tell, told) = mpsc::channel();
    loop {
        match sender.step(&mut |plan, cut| builder.build(plan, cut)) {
            Step::Done => break,
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
    sender.finish().map(|document| Response::of_json(&document))
}

/// An insert that was accepted and runs on the engine, which encodes from the collected copies.
pub struct Insert {
    job: Job,
    points: Points,
    builder: Builder,
    _place: Accepted,
}

pub fn accept(client: &Arc<Client>, points: &Points, options: &Options) -> Result<Insert, Error> {
    let job = Job::new(client, options)?;
    // What cannot be sent is told at once, not by the completion.
    Plan::new(&points.columns())?;
    Ok(Insert { job, points: points.clone(), builder: Builder::new(client, options), _place: client.accept_work()? })
}

impl Insert {
    pub fn run(self) -> Work {
        Box::pin(self.go())
    }

    async fn go(mut self) -> Result<Response, Error> {
        let columns = self.points.columns();
        let mut sender = Sender::new(Plan::new(&columns)?);
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
        sender.finish().map(|document| Response::of_json(&document))
    }
}
