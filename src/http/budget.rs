//! How many requests of a kind are on their way at a time: one budget per origin, project and kind, shared by all
//! clients of the process; a client with a limit of its own has a budget of its own for it.
//!
//! A permit is held for one exchange: never while a call pauses, and never while a token is waited for, as the answer
//! may come from code of the program that makes calls itself. So whoever holds one ends without help from anybody who
//! waits for one. A call keeps the ticket of its first attempt: after a pause it stands where it stood before, and those
//! who came later do not overtake it twice. What must not overtake at all (edges the nodes they connect) is not sent before: operations see to it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use once_cell::sync::Lazy;
use tokio::sync::oneshot;

use super::metrics::Kind;
use crate::config::concurrency::{BudgetKey, KINDS, Limits};
use crate::config::global;

/// Most budgets remembered; beyond it what nobody uses is forgotten.
const MAX_BUDGETS: usize = 4096;

/// Origin, project and kind.
type Key = (String, String, BudgetKey);

static BUDGETS: Lazy<Mutex<HashMap<Key, Arc<Budget>>>> = Lazy::new(|| {
    global::on_change(limits_changed);
    Mutex::default()
});

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The settings are read under the lock: of two changes at a time the later one is read last.
fn limits_changed() {
    let all = lock(&BUDGETS);
    let limits = global::current().concurrency;
    for ((_, _, key), budget) in all.iter() {
        budget.set_limit(limits.get(*key));
    }
}

/// Who waits, and how many were let in. Pure: `W` is how a waiting one is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line<W> {
    limit: u32,
    held: u32,
    tickets: u64,
    waiting: BTreeMap<u64, W>,
}

impl<W> Line<W> {
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, held: 0, tickets: 0, waiting: BTreeMap::new() }
    }

    pub(super) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    pub(super) fn wait(&mut self, ticket: u64, who: W) {
        self.waiting.insert(ticket, who);
    }

    pub(super) fn give_up(&mut self, ticket: u64) {
        self.waiting.remove(&ticket);
    }

    /// The next to be let in, if there is room: the oldest ticket. Called until there is none, after each change.
    pub(super) fn let_in(&mut self) -> Option<W> {
        if self.held >= self.limit {
            return None;
        }
        let (_, who) = self.waiting.pop_first()?;
        self.held += 1;
        Some(who)
    }

    pub(super) fn give_back(&mut self) {
        self.held = self.held.saturating_sub(1);
    }
}

pub struct Budget {
    line: Mutex<Line<oneshot::Sender<Permit>>>,
}

impl Budget {
    fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self { line: Mutex::new(Line::new(limit)) })
    }

    fn set_limit(self: &Arc<Self>, limit: u32) {
        let mut line = lock(&self.line);
        line.limit = limit;
        self.settle(&mut line);
    }

    /// A permit is handed over, not left to be grabbed: nobody who just came is faster than who waits.
    fn settle(self: &Arc<Self>, line: &mut Line<oneshot::Sender<Permit>>) {
        while let Some(who) = line.let_in() {
            if let Err(mut unwanted) = who.send(Permit(Some(Arc::clone(self)))) {
                // Gone in this moment. The lock is held, so the permit is not given back by being dropped.
                unwanted.0 = None;
                line.give_back();
            }
        }
    }

    /// How many at a time, now.
    pub fn limit(&self) -> usize {
        lock(&self.line).limit as usize
    }

    pub fn ticket(self: &Arc<Self>) -> Ticket {
        Ticket { number: lock(&self.line).ticket(), budget: Arc::clone(self) }
    }
}

/// A call's place in the line, for all its attempts.
pub struct Ticket {
    budget: Arc<Budget>,
    number: u64,
}

impl Ticket {
    /// Waits for a permit; to stop waiting is to drop the future.
    pub async fn permit(&self) -> Permit {
        let (tell, told) = oneshot::channel();
        {
            let mut line = lock(&self.budget.line);
            line.wait(self.number, tell);
            self.budget.settle(&mut line);
        }
        let _waiting = Waiting(self);
        // Nobody drops the other end but the one who gives up.
        told.await.unwrap_or(Permit(None))
    }
}

struct Waiting<'a>(&'a Ticket);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.0.budget.line).give_up(self.0.number);
    }
}

/// One of a budget's places, given back when dropped, also when dropped on the way to who waited for it.
pub struct Permit(Option<Arc<Budget>>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(budget) = self.0.take() {
            let mut line = lock(&budget.line);
            line.give_back();
            budget.settle(&mut line);
        }
    }
}

/// The budgets of one client, found when they are first needed.
pub struct Budgets {
    origin: String,
    project: String,
    own: Limits,
    known: [OnceLock<Arc<Budget>>; KINDS],
}

impl Budgets {
    /// `own`: the client's own limits.
    pub fn of(origin: String, project: String, own: Limits) -> Self {
        Self { origin, project, own, known: [const { OnceLock::new() }; KINDS] }
    }

    pub fn get(&self, key: BudgetKey) -> &Arc<Budget> {
        self.known[key.index()].get_or_init(|| match self.own.get(key) {
            0 => self.shared(key),
            own => Budget::new(own),
        })
    }

    /// The budgets in use.
    pub fn state(&self) -> Vec<Kind> {
        let used = BudgetKey::all().filter_map(|key| Some((key, self.known[key.index()].get()?)));
        used.map(|(key, budget)| {
            let line = lock(&budget.line);
            let numbers =
                [("limit", line.limit.into()), ("held", line.held.into()), ("waiting", line.waiting.len().into())];
            Kind { name: key.to_string(), numbers: numbers.into() }
        })
        .collect()
    }

    fn shared(&self, key: BudgetKey) -> Arc<Budget> {
        let everywhere = key == BudgetKey::open_files();
        let (origin, project) =
            if everywhere { Default::default() } else { (self.origin.clone(), self.project.clone()) };
        let mut all = lock(&BUDGETS);
        if all.len() > MAX_BUDGETS {
            all.retain(|_, budget| Arc::strong_count(budget) > 1);
        }
        let limit = global::current().concurrency.get(key);
        Arc::clone(all.entry((origin, project, key)).or_insert_with(|| Budget::new(limit)))
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
