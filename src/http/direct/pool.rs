//! Connections that wait for their next request, and requests that wait for a connection: whichever comes first, one that
//! became free or the new one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use reqwest::Url;
use tokio::sync::oneshot;

use super::connection::Connection;
use crate::http::failure::Unconnected;

/// Used again so soon, a connection is not looked at by a system call of its own.
const FRESH: Duration = Duration::from_millis(1);

/// Whom a connection is with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub secure: bool,
    pub host: String,
    pub port: u16,
}

impl Origin {
    pub fn of(url: &Url) -> Self {
        Self {
            secure: url.scheme() == "https",
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port_or_known_default().unwrap_or(0),
        }
    }

    fn is(&self, url: &Url) -> bool {
        Some(self.host.as_str()) == url.host_str()
            && Some(self.port) == url.port_or_known_default()
            && self.secure == (url.scheme() == "https")
    }
}

pub type Given = Result<Connection, Unconnected>;

/// A request that waits: told once.
pub struct Slot(Mutex<Option<oneshot::Sender<Given>>>);

impl Slot {
    /// Gives the connection back if nobody waits any more.
    fn give(&self, connection: Connection) -> Option<Connection> {
        match lock(&self.0).take() {
            None => Some(connection),
            Some(waiting) => waiting.send(Ok(connection)).err().and_then(Result::ok),
        }
    }

    pub fn fail(&self, why: Unconnected) {
        if let Some(waiting) = lock(&self.0).take() {
            let _ = waiting.send(Err(why));
        }
    }
}

struct Idle {
    origin: Arc<Origin>,
    since: Instant,
    connection: Connection,
}

#[derive(Default)]
struct State {
    /// The last one is used first: the others grow old and are closed.
    idle: Vec<Idle>,
    waiting: VecDeque<(Arc<Origin>, Weak<Slot>)>,
    swept: bool,
}

pub struct Pool {
    state: Mutex<State>,
    most: usize,
    idle: Duration,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// `most`: of one origin. `idle`: how long one is kept unused.
    pub fn new(most: usize, idle: Duration) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), most, idle })
    }

    /// One that is free and was not closed meanwhile; rather one that the calling thread need not have moved.
    pub fn take(&self, url: &Url, registered: bool, now: Instant) -> Option<(Arc<Origin>, Connection)> {
        loop {
            let mut found = {
                let mut state = lock(&self.state);
                let fits = |i: &Idle| i.origin.is(url);
                let same = |i: &Idle| i.connection.is_registered() == registered;
                let at = state.idle.iter().rposition(|i| fits(i) && same(i));
                let at = at.or_else(|| state.idle.iter().rposition(fits))?;
                state.idle.remove(at)
            };
            let unused = now.saturating_duration_since(found.since);
            if unused < self.idle && found.connection.is_quiet(unused < FRESH) {
                return Some((found.origin, found.connection));
            }
        }
    }

    /// Waits for a connection that becomes free.
    pub fn wait(&self, origin: &Arc<Origin>) -> (Arc<Slot>, oneshot::Receiver<Given>) {
        let (tell, told) = oneshot::channel();
        let slot = Arc::new(Slot(Mutex::new(Some(tell))));
        let mut state = lock(&self.state);
        state.waiting.retain(|(_, slot)| slot.strong_count() > 0);
        state.waiting.push_back((Arc::clone(origin), Arc::downgrade(&slot)));
        (slot, told)
    }

    /// To `slot` if it still waits, else as [`Pool::put`].
    pub fn give(self: &Arc<Self>, slot: &Slot, origin: Arc<Origin>, connection: Connection) {
        if let Some(connection) = slot.give(connection) {
            self.put(origin, connection, Instant::now());
        }
    }

    /// Takes one that is free: for who waits longest, or for later. Closed with the engine, so only on the engine or in a
    /// call that is driven.
    pub fn put(self: &Arc<Self>, origin: Arc<Origin>, mut connection: Connection, now: Instant) {
        let Ok(engine) = tokio::runtime::Handle::try_current() else { return };
        let mut state = lock(&self.state);
        while let Some(at) = state.waiting.iter().position(|(o, _)| *o == origin) {
            let Some(slot) = state.waiting.remove(at).and_then(|(_, slot)| slot.upgrade()) else { continue };
            match slot.give(connection) {
                None => return,
                Some(back) => connection = back,
            }
        }
        if state.idle.len() >= self.most && state.idle.iter().filter(|i| i.origin == origin).count() >= self.most {
            return;
        }
        state.idle.push(Idle { origin, since: now, connection });
        if !std::mem::replace(&mut state.swept, true) {
            drop(state);
            engine.spawn(sweep(Sweeper(Arc::downgrade(self)), self.idle));
        }
    }

    /// Closes what was not used for too long; whether anything is left.
    fn tidy(&self) -> bool {
        let (old, left) = {
            let mut state = lock(&self.state);
            let (old, young) =
                std::mem::take(&mut state.idle).into_iter().partition(|i| i.since.elapsed() >= self.idle);
            state.idle = young;
            state.swept = !state.idle.is_empty();
            (old, state.swept)
        };
        drop::<Vec<Idle>>(old);
        left
    }
}

/// Closes everything when it goes: with the last idle connection, or with the engine.
struct Sweeper(Weak<Pool>);

impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            let mut state = lock(&pool.state);
            let idle = std::mem::take(&mut state.idle);
            state.swept = false;
            drop(state);
            drop(idle);
        }
    }
}

async fn sweep(mut sweeper: Sweeper, idle: Duration) {
    // A timer cannot be set for ever.
    let pause = idle.clamp(Duration::from_millis(50), Duration::from_secs(86_400));
    loop {
        tokio::time::sleep(pause).await;
        match sweeper.0.upgrade() {
            Some(pool) if pool.tidy() => {}
            Some(_) => {
                // Another one is started with the next connection; it is not this one's to close.
                sweeper.0 = Weak::new();
                return;
            }
            None => return,
        }
    }
}
