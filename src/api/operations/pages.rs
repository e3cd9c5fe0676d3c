//! A list read page by page, with a few pages ahead: memory is bounded whatever the list's length.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::answer::Spliced;
use super::list::{Chain, Fetched, chains};
use super::run::{OperationRequest, Work, unknown_flags};
use super::table::Shape;
use crate::api::Client;
use crate::api::operations::arguments::Limit;
use crate::error::{Error, Status};
use crate::http::body::Shelf;
use crate::http::{Index, Response};
use crate::runtime::panics::contained;
use crate::runtime::usage::{BODY_BYTES, Held};

/// Pages are handed out as they came, without a look inside.
pub(crate) const UNCHECKED: u32 = 0x100;

/// More pages ahead than this only cost memory.
const MOST_AHEAD: u32 = 16;

/// A page to come.
pub type Next = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

pub struct Pages(Arc<Inner>);

struct Inner {
    work: Arc<Work>,
    unchecked: bool,
    ahead: usize,
    /// In order: who asks first gets the page that comes first.
    reader: tokio::sync::Mutex<Option<Reader>>,
    /// Outlives a reader that is waiting, so that freeing the pages ends everything.
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    running: Vec<AbortHandle>,
    freed: bool,
}

enum Reader {
    /// No page is fetched before it is asked for: who asks fetches it.
    Asked(Chain),
    Ahead {
        pages: UnboundedReceiver<Message>,
        /// Chains that have not ended.
        going: usize,
    },
    Failed(Error),
}

enum Message {
    /// Its place among the pages ahead is given back when it is taken out.
    Page(Box<Response>, Held, OwnedSemaphorePermit),
    End,
    Failed(Error),
}

impl Client {
    /// `ahead`: how many pages of a chain are fetched before they are asked for.
    pub fn pages(self: &Arc<Self>, request: &OperationRequest<'_>, ahead: u32) -> Result<Pages, Error> {
        if request.flags & !UNCHECKED != 0 {
            return Err(unknown_flags(request.flags));
        }
        if ahead > MOST_AHEAD {
            return Err(Error::argument(format!("prefetch is {ahead}; at most {MOST_AHEAD} pages are fetched ahead")));
        }
        let mut work = self.work(request)?;
        if work.operation.shape != Shape::List {
            let name = work.operation.name;
            return Err(Error::argument(format!(
                "{name} is no list, so it has no pages; see cognite_client_operate()"
            )));
        }
        let unchecked = request.flags & UNCHECKED != 0;
        if unchecked && matches!(work.arguments.limit, Limit::Exactly(_)) {
            return Err(Error::argument("pages that are not looked into cannot be counted, so there can be no limit"));
        }
        if work.arguments.partitions.is_some() && work.arguments.limit != Limit::All {
            return Err(Error::argument(
                "arguments.partitions needs \"limit\": null here: pages of parts cannot share a limit",
            ));
        }
        if ahead == 0 && work.arguments.partitions.is_some() {
            return Err(Error::argument("prefetch is 0, but reading parts side by side means to read ahead"));
        }
        work.each = Some(work.total);
        work.shelf = Some(Arc::new(Shelf::new(2)));
        Ok(Pages(Arc::new(Inner {
            work: Arc::new(work),
            unchecked,
            ahead: ahead as usize,
            reader: tokio::sync::Mutex::new(None),
            tasks: Mutex::default(),
        })))
    }
}

impl Pages {
    /// The next page; EMPTY after the last one.
    pub fn next(&self) -> Result<Next, Error> {
        let inner = Arc::clone(&self.0);
        let place = inner.work.client.accept_work()?;
        Ok(Box::pin(async move {
            let result = inner.next().await;
            drop(place);
            result
        }))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.freed = true;
        tasks.running.drain(..).for_each(|t| t.abort());
    }
}

impl Inner {
    async fn next(&self) -> Result<Response, Error> {
        let mut slot = self.reader.lock().await;
        if slot.is_none() {
            // One that could not begin is told again too, not begun again.
            *slot = Some(self.start().await.unwrap_or_else(Reader::Failed));
        }
        let Some(reader) = slot.as_mut() else { return Err(Error::internal("pages without a reader")) };
        let taken = match reader {
            Reader::Asked(chain) => chain.next(&self.work).await.map(|fetched| fetched.map(page)),
            Reader::Ahead { pages, going } => taken(pages, going).await,
            Reader::Failed(error) => return Err(error.clone()),
        };
        match taken {
            Ok(Some(page)) => Ok(page),
            Ok(None) => Err(Error::new(Status::Empty, "there are no more pages")),
            Err(error) => {
                self.stop();
                *reader = Reader::Failed(error.clone());
                Err(error)
            }
        }
    }

    fn stop(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.running.drain(..).for_each(|t| t.abort());
    }

    async fn start(&self) -> Result<Reader, Error> {
        let mut chains = chains(&self.work, true).await?;
        if self.ahead == 0
            && let Some(mut only) = chains.pop()
        {
            only.unchecked = self.unchecked;
            return Ok(Reader::Asked(only));
        }
        let (tell, pages) = unbounded_channel();
        // The budget bounds the requests; this bounds the pages in memory.
        let going = chains.len();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.freed {
            return Err(Error::shutdown());
        }
        let lanes = deal(chains, self.work.width().max(1));
        // Those under way, those ahead, and what one is unpacked from.
        self.work.shelf.iter().for_each(|s| s.keep(lanes.len() * (self.ahead + 1) + 1));
        for mine in lanes {
            let room = Arc::new(Semaphore::new(self.ahead));
            let reading = read(Arc::clone(&self.work), mine, self.unchecked, room, tell.clone());
            let (reading, last) = (Box::pin(reading), tell.clone());
            let task = async move {
                if let Err(defect) = contained(reading).await {
                    let _ = last.send(Message::Failed(defect));
                }
            };
            tasks.running.push(tokio::spawn(task).abort_handle());
        }
        Ok(Reader::Ahead { pages, going })
    }
}

/// The next page of those that are read ahead; `None` after the last one of the last chain.
async fn taken(pages: &mut UnboundedReceiver<Message>, going: &mut usize) -> Result<Option<Response>, Error> {
    while *going > 0 {
        match pages.recv().await {
            Some(Message::Page(response, _counted, _room)) => return Ok(Some(*response)),
            Some(Message::End) => *going -= 1,
            Some(Message::Failed(error)) => return Err(error),
            // The tasks are gone without a word: freed, or the library was shut down.
            None => return Err(Error::shutdown()),
        }
    }
    Ok(None)
}

/// As many readers as there is budget for, each with its chains, in turn.
fn deal(chains: Vec<Chain>, readers: usize) -> Vec<Vec<Chain>> {
    let mut out: Vec<Vec<Chain>> = Vec::new();
    for (n, chain) in chains.into_iter().enumerate() {
        match out.get_mut(n % readers) {
            Some(mine) => mine.push(chain),
            None => out.push(vec![chain]),
        }
    }
    out
}

/// Reads chains one after the other, a page whenever there is room for one.
async fn read(
    work: Arc<Work>,
    chains: Vec<Chain>,
    unchecked: bool,
    room: Arc<Semaphore>,
    tell: UnboundedSender<Message>,
) {
    for mut chain in chains {
        chain.unchecked = unchecked;
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let message = match chain.next(&work).await {
                Ok(Some(fetched)) => {
                    let response = Box::new(page(fetched));
                    let counted = BODY_BYTES.hold(response.body.len());
                    Message::Page(response, counted, place)
                }
                Ok(None) => break,
                Err(error) => Message::Failed(error),
            };
            let last = matches!(message, Message::Failed(_));
            if tell.send(message).is_err() || last {
                return;
            }
        }
        if tell.send(Message::End).is_err() {
            return;
        }
    }
}

/// A page as it is handed out: the service's answer, with what is known of it.
fn page(fetched: Fetched) -> Response {
    let Fetched { mut response, page } = fetched;
    let Some(page) = page else { return response };
    if page.cut {
        let mut out = Spliced::open();
        out.add(response.body.get(page.span()).unwrap_or_default());
        response.body = out.finish(None);
        let first = page.items.first().map_or(0, |i| i.0);
        let shift = |n: u32| n - first + Spliced::OPENING;
        let items = page.items.iter().map(|(a, b)| (shift(*a), shift(*b))).collect();
        response.index = Some(Box::new(Index { items, cursor: None }));
        return response;
    }
    response.index = Some(page.into_index());
    response
}
