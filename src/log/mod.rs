//! Records for the host: made anywhere, kept in a bounded inbox, handed over on a callback thread of the runtime's.
//! Nothing here starts a thread or runs code of the host's where a record is made.

mod record;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

pub use record::Record;

/// Records that wait at most; then the oldest is dropped. A host that writes to a slow disk must not fill the memory.
pub const CAPACITY: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    Error = 1,
    Warning = 2,
    Info = 3,
    Debug = 4,
}

impl Level {
    pub fn of(number: i32) -> Option<Self> {
        [Level::Error, Level::Warning, Level::Info, Level::Debug].into_iter().find(|l| *l as i32 == number)
    }

    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// Where records go. Called by one thread at a time.
pub trait Sink: Send + Sync {
    fn write(&self, level: Level, json: String);
}

/// The least important level that is wanted; 0 without a sink. Read for every record, so it is apart from the lock.
static WANTED: AtomicI32 = AtomicI32::new(0);

struct Inbox {
    sink: Option<Arc<dyn Sink>>,
    records: VecDeque<Record>,
    dropped: u64,
    /// A delivery was asked for and has not found the inbox empty yet.
    under_way: bool,
}

static INBOX: Mutex<Inbox> = Mutex::new(Inbox { sink: None, records: VecDeque::new(), dropped: 0, under_way: false });

/// Asks the runtime to call [`deliver_one`] until it answers false. Answers whether it will.
static COURIER: OnceLock<fn() -> bool> = OnceLock::new();

fn inbox() -> MutexGuard<'static, Inbox> {
    INBOX.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn set_courier(ask: fn() -> bool) {
    let _ = COURIER.set(ask);
}

/// Whether a record of this level would be kept: asked before one is made.
pub fn enabled(level: Level) -> bool {
    level as i32 <= WANTED.load(Ordering::Relaxed)
}

/// Replaces where records go. Without a sink those that wait are dropped. The old sink is dropped here, or when the
/// record it is being given has been taken.
pub fn set_sink(sink: Option<Arc<dyn Sink>>, level: Level) {
    let old = {
        let mut inbox = inbox();
        WANTED.store(if sink.is_some() { level as i32 } else { 0 }, Ordering::Relaxed);
        if sink.is_none() {
            inbox.records.clear();
            inbox.dropped = 0;
        }
        std::mem::replace(&mut inbox.sink, sink)
    };
    // Outside the lock: dropping it runs code of the host's.
    drop(old);
}

/// Keeps a record for delivery, if its level is wanted.
pub fn emit(record: Record) {
    if !enabled(record.level) {
        return;
    }
    {
        let mut inbox = inbox();
        if inbox.sink.is_none() {
            return;
        }
        if inbox.records.len() >= CAPACITY {
            inbox.records.pop_front();
            inbox.dropped += 1;
        }
        inbox.records.push_back(record);
        if std::mem::replace(&mut inbox.under_way, true) {
            return;
        }
    }
    ask();
}

/// Asks for delivery if anything waits: records made while there was no thread to deliver them.
pub fn resume() {
    {
        let mut inbox = inbox();
        if inbox.records.is_empty() || std::mem::replace(&mut inbox.under_way, true) {
            return;
        }
    }
    ask();
}

fn ask() {
    if !COURIER.get().is_some_and(|ask| ask()) {
        inbox().under_way = false;
    }
}

/// Whether anything waits.
pub fn waiting() -> bool {
    !inbox().records.is_empty()
}

/// Hands the oldest record over. Answers whether there may be another one.
pub fn deliver_one() -> bool {
    let (sink, mut record, dropped) = {
        let mut inbox = inbox();
        let (Some(sink), Some(record)) = (inbox.sink.clone(), inbox.records.pop_front()) else {
            inbox.under_way = false;
            return false;
        };
        (sink, record, std::mem::take(&mut inbox.dropped))
    };
    if dropped > 0 {
        record = record.with("dropped", dropped);
    }
    let (level, json) = (record.level, record.into_json());
    // A shutdown without an engine delivers on a thread of its own; another call may start an engine meanwhile.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    sink.write(level, json);
    true
}
