//! A range read page by page, with a few pages ahead: memory is bounded however many points it has. Pages come in the
//! order of the query's series, and of each series in the order of time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::answers::{PROTOBUF, body, decode, items, next_asked, paired, points_of};
use super::columns::{Columns, Points};
use super::crew::{Crew, Work};
use super::query::{Ask, parse};
use super::read::{Limits, Way, missing, now_ms, packed, response};
use super::windows::{Asked, MAX_SERIES, Reading};
use crate::api::Client;
use crate::error::{Error, Status};
use crate::http::Response;
use crate::http::body::Shelf;
use crate::runtime::panics::contained;

/// More pages ahead than this only cost memory.
const MOST_AHEAD: u32 = 16;

/// A range being read.
pub struct ColumnPages(Arc<Inner>);

struct Inner {
    client: Arc<Client>,
    way: Way,
    timeout: Duration,
    ahead: usize,
    /// Places for pages that nobody has taken; where none is read ahead, one for each that is asked for.
    room: Arc<Semaphore>,
    state: tokio::sync::Mutex<State>,
    /// Outlives a caller that is waiting, so that freeing the pages ends everything.
    task: Mutex<Task>,
}

#[derive(Default)]
struct Task {
    running: Option<AbortHandle>,
    freed: bool,
}

enum State {
    New(Box<Plan>),
    Reading(UnboundedReceiver<Message>),
    Ended(Error),
}

enum Message {
    /// Its place among the pages ahead is given back when it is taken out.
    Page(Columns, OwnedSemaphorePermit),
    Ended(Error),
}

/// What is to be read, as a line of requests.
#[derive(Default)]
struct Plan {
    /// Told in an error, as the service does.
    project: String,
    readings: Vec<Reading>,
    line: VecDeque<Slot>,
}

enum Slot {
    Todo(Vec<Asked>),
    Running(u64, Vec<Asked>, OwnedSemaphorePermit),
    Ready(Columns, OwnedSemaphorePermit),
    Failed(Error),
    /// Being changed.
    Gone,
}

/// `ahead`: how many pages are fetched before they are asked for. The time is for each page.
pub fn begin(client: &Arc<Client>, query: &[u8], ahead: u32, limits: &Limits) -> Result<ColumnPages, Error> {
    if ahead > MOST_AHEAD {
        return Err(Error::argument(format!("prefetch is {ahead}; at most {MOST_AHEAD} pages are fetched ahead")));
    }
    let queries = parse(query, now_ms(), Ask::Range)?;
    if queries.iter().any(|q| q.outside) {
        return Err(Error::argument("includeOutsidePoints is not for pages; cognite_columns_read() takes it"));
    }
    let readings = queries.into_iter().enumerate().map(|(n, q)| Reading::new(n, q)).collect();
    let way = Way::new(client, "/data/list", limits)?;
    way.shelf.keep(way.bodies());
    let plan = Plan::new(client.project(), readings, way.width);
    Ok(ColumnPages(Arc::new(Inner {
        client: Arc::clone(client),
        way,
        timeout: limits.timeout,
        ahead: ahead as usize,
        room: Arc::new(Semaphore::new(ahead as usize)),
        state: tokio::sync::Mutex::new(State::New(Box::new(plan))),
        task: Mutex::default(),
    })))
}

impl ColumnPages {
    /// The next page, the columns of which are the payload of the response; EMPTY after the last one.
    pub fn next(&self) -> Result<Work, Error> {
        let inner = Arc::clone(&self.0);
        let place = inner.client.accept_work()?;
        Ok(Box::pin(async move {
            let page = inner.next().await;
            drop(place);
            page.map(response)
        }))
    }
}

impl Drop for ColumnPages {
    fn drop(&mut self) {
        let mut task = self.0.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.freed = true;
        if let Some(running) = task.running.take() {
            running.abort();
        }
    }
}

impl Inner {
    async fn next(&self) -> Result<Columns, Error> {
        let mut state = self.state.lock().await;
        if let State::New(plan) = &mut *state {
            let plan = std::mem::take(&mut **plan);
            *state = State::Reading(self.start(plan)?);
        }
        let State::Reading(pages) = &mut *state else {
            let State::Ended(error) = &*state else { return Err(Error::internal("pages without a plan")) };
            return Err(error.clone());
        };
        let on_demand = self.ahead == 0;
        if on_demand {
            self.room.add_permits(1);
        }
        match pages.recv().await {
            Some(Message::Page(columns, room)) => {
                if on_demand {
                    room.forget();
                }
                Ok(columns)
            }
            Some(Message::Ended(error)) => {
                *state = State::Ended(error.clone());
                Err(error)
            }
            // The task is gone without a word: freed, or the library was shut down.
            None => Err(Error::shutdown()),
        }
    }

    fn start(&self, plan: Plan) -> Result<UnboundedReceiver<Message>, Error> {
        // What is behind it is bounded by the places for pages.
        let (tell, pages) = unbounded_channel();
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.freed {
            return Err(Error::shutdown());
        }
        let reader = Reader {
            plan,
            way: self.way.clone(),
            timeout: self.timeout,
            room: Arc::clone(&self.room),
            spare: Vec::new(),
            crew: Crew::default(),
            number: 0,
        };
        let (reading, last) = (Box::pin(reader.run(tell.clone())), tell);
        let work = async move {
            let end = contained(reading).await.unwrap_or_else(Some);
            if let Some(end) = end {
                let _ = last.send(Message::Ended(end));
            }
        };
        task.running = Some(tokio::spawn(work).abort_handle());
        Ok(pages)
    }
}

impl Plan {
    fn new(project: &str, readings: Vec<Reading>, width: usize) -> Self {
        let mut plan = Self { project: project.to_owned(), readings, line: VecDeque::new() };
        // Few series have a request each; many share one, evenly at first: then it is known which are long.
        let n = plan.readings.len();
        let together = if n <= width { 1 } else { n.div_ceil(width).min(MAX_SERIES) };
        for (number, reading) in plan.readings.iter_mut().enumerate() {
            let asked = reading.begin(number, 1, reading.most() / together as u64);
            match plan.line.back_mut() {
                Some(Slot::Todo(last)) if last.len() < together => last.extend(asked),
                _ => plan.line.push_back(Slot::Todo(asked)),
            }
        }
        plan
    }

    /// The columns of an answer, and what follows from it.
    fn take(&mut self, asked: &[Asked], body: &[u8]) -> Result<(Columns, Vec<Asked>), Error> {
        let items = items(body)?;
        let pairs = paired(&self.readings, asked, &items)?;
        let total = self.readings.len();
        let (mut series, mut more, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (a, item) in asked.iter().zip(pairs) {
            let Some(reading) = self.readings.get_mut(a.series) else { continue };
            let Some(item) = item else {
                reading.give_up();
                if !reading.query.ignore_unknown {
                    unknown.push(Value::Object(reading.query.key.clone()));
                }
                continue;
            };
            reading.meet(&item.info);
            let columns = reading.query.columns.clone();
            let mut points = Points::with_aggregates(columns.len());
            let got = points_of(item, reading.known(), a, &columns, &mut points)?;
            if !reading.goes_on(&points) {
                return Err(decode("its points are not behind those of the page before"));
            }
            // A service that gives more than was asked for does not make the pages longer than the limit.
            let left = usize::try_from(reading.remaining()).unwrap_or(usize::MAX);
            more.extend(next_asked(reading, a, item, &got)?);
            points.truncate(left);
            if !points.is_empty() {
                series.push(reading.page(points));
            }
        }
        if !unknown.is_empty() {
            return Err(missing(&self.project, unknown, total));
        }
        Ok((Columns { series }, more))
    }

    /// What an answer, or the lack of one, makes of its place in the line.
    fn ended(&mut self, number: u64, result: Result<Response, Error>, shelf: &Shelf) {
        let Some(at) = self.line.iter().position(|s| matches!(s, Slot::Running(n, ..) if *n == number)) else { return };
        let Some(Slot::Running(_, asked, room)) = self.line.get_mut(at).map(|s| std::mem::replace(s, Slot::Gone))
        else {
            return;
        };
        let taken = result.and_then(|r| {
            let taken = self.take(&asked, &r.body);
            shelf.put(r.body);
            taken
        });
        let (place, mut more) = match taken {
            Ok((columns, more)) => (Slot::Ready(columns, room), more),
            Err(error) => {
                // Pages before it are still handed out; there are none behind it.
                self.line.truncate(at + 1);
                (Slot::Failed(error), Vec::new())
            }
        };
        if let Some(slot) = self.line.get_mut(at) {
            *slot = place;
        }
        let mut behind = at + 1;
        more.reverse();
        while !more.is_empty() {
            let request = packed(&self.readings, &mut more);
            if request.is_empty() {
                break;
            }
            self.line.insert(behind, Slot::Todo(request));
            behind += 1;
        }
    }
}

/// Reads the line from its front, several requests at a time where there is room for their pages.
struct Reader {
    plan: Plan,
    way: Way,
    timeout: Duration,
    room: Arc<Semaphore>,
    /// Of pages that turned out to be empty.
    spare: Vec<OwnedSemaphorePermit>,
    crew: Crew,
    number: u64,
}

impl Reader {
    /// Hands out page after page; what ends them, unless nobody wants to know.
    async fn run(mut self, tell: UnboundedSender<Message>) -> Option<Error> {
        loop {
            match self.plan.line.pop_front() {
                None => return Some(Error::new(Status::Empty, "there are no more pages")),
                Some(Slot::Failed(error)) => return Some(error),
                Some(Slot::Gone) => continue,
                Some(Slot::Ready(columns, room)) => {
                    if columns.series.is_empty() {
                        self.spare.push(room);
                    } else if tell.send(Message::Page(columns, room)).is_err() {
                        return None;
                    }
                    continue;
                }
                Some(other) => self.plan.line.push_front(other),
            }
            let todo = self.plan.line.iter().position(|s| matches!(s, Slot::Todo(_)));
            let Some(at) = todo.filter(|_| self.crew.len() < self.way.width) else {
                self.wait().await;
                continue;
            };
            let room = match self.spare.pop() {
                Some(room) => room,
                None => tokio::select! {
                    biased;
                    room = Arc::clone(&self.room).acquire_owned() => match room {
                        Ok(room) => room,
                        Err(_) => return Some(Error::shutdown()),
                    },
                    Some((number, result)) = self.crew.next() => {
                        self.plan.ended(number, result, &self.way.shelf);
                        continue;
                    }
                },
            };
            if let Err(error) = self.send(at, room) {
                return Some(error);
            }
        }
    }

    async fn wait(&mut self) {
        match self.crew.next().await {
            Some((number, result)) => self.plan.ended(number, result, &self.way.shelf),
            // Nothing is on its way and nothing can be sent: a defect, which must not become a circle.
            None => self.plan.line = [Slot::Failed(Error::internal("pages wait for nothing"))].into(),
        }
    }

    fn send(&mut self, at: usize, room: OwnedSemaphorePermit) -> Result<(), Error> {
        self.way.deadline = self.way.client.deadline(self.timeout)?;
        let Some(Slot::Todo(asked)) = self.plan.line.get_mut(at).map(|s| std::mem::replace(s, Slot::Gone)) else {
            return Ok(());
        };
        let question = body(&self.plan.readings, &asked, Some(true));
        self.crew.start(self.number, self.way.ask(&question, Some(PROTOBUF)));
        if let Some(slot) = self.plan.line.get_mut(at) {
            *slot = Slot::Running(self.number, asked, room);
        }
        self.number += 1;
        Ok(())
    }
}
