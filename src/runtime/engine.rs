//! Start, use and end of the engine. One per process at a time; it may be started again after a shutdown.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::cancel::Token;
use super::completion::{Completion, Notify, Via};
use super::dispatcher::{self, Dispatcher, Job};
#[cfg(unix)]
use super::drive::Driven;
use super::panics::{self, contained};
use super::threads::Threads;
use super::workers;
use crate::error::{Error, Status};
use crate::log;
use crate::sys::process;

pub use super::dispatcher::in_callback;

/// How long a shutdown waits for a host name look-up that cannot be interrupted.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(30);
/// How long a shutdown lets the calls end by themselves, each with what it knows of its request, before it drops them.
const CUT_WAIT: Duration = Duration::from_secs(2);

pub struct Engine {
    handle: Handle,
    runtime: Mutex<Option<tokio::runtime::Runtime>>,
    dispatcher: Dispatcher,
    /// Asks the host for things (tokens). Apart from the completions, so that a callback which waits for a call that
    /// waits for a token does not wait for itself.
    askers: Dispatcher,
    /// Hands log records over. Apart from both, so that a slow log delays nothing else.
    loggers: Dispatcher,
    /// Calls between being accepted and being handed to the runtime; a shutdown lets them finish that step.
    submitting: AtomicUsize,
    /// Calls handed to the runtime and not ended.
    running: AtomicUsize,
    #[cfg(unix)]
    driven: super::driven::Driven,
}

enum State {
    Stopped,
    Running(Arc<Engine>),
    Stopping(Arc<Engine>),
}

/// For the next start.
static CHOSEN: Mutex<Option<Threads>> = Mutex::new(None);
static STATE: Mutex<State> = Mutex::new(State::Stopped);
static STOPPED: Condvar = Condvar::new();
/// Of the engine there is: while it ends there is no other.
static STOPPING: Token = Token::new();
/// The process whose threads the engine has; 0 while it has none. Read without a lock: in a forked child any lock
/// may be held for ever by a thread that does not exist there.
static OWNER: AtomicU32 = AtomicU32::new(0);

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this process was forked from one whose engine was running: no thread of it exists here.
pub fn is_forked_child() -> bool {
    let owner = OWNER.load(Ordering::Acquire);
    owner != 0 && owner != process::id()
}

impl Engine {
    fn start() -> Result<Arc<Self>, Error> {
        let threads = lock(&CHOSEN).clone().unwrap_or_default();
        let runtime = workers::start(&threads)?;
        Ok(Arc::new(Self {
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            dispatcher: Dispatcher::new(threads.callback(), &threads),
            askers: Dispatcher::new(1, &threads),
            loggers: Dispatcher::new(1, &threads),
            submitting: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            #[cfg(unix)]
            driven: super::driven::Driven::default(),
        }))
    }
}

/// A use of the engine during which it is not shut down. Short: hand over the work, then drop it.
pub struct Use(Arc<Engine>);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.submitting.fetch_sub(1, Ordering::Release);
    }
}

/// The running engine, started if need be.
pub fn enter() -> Result<Use, Error> {
    if is_forked_child() {
        return Err(forked());
    }
    // Before anything is locked or started: a child that another thread forks now must know that it is one.
    if OWNER.load(Ordering::Acquire) == 0 {
        let _ = OWNER.compare_exchange(0, process::id(), Ordering::AcqRel, Ordering::Relaxed);
    }
    let mut state = lock(&STATE);
    let engine = match &*state {
        State::Running(engine) => Arc::clone(engine),
        State::Stopping(_) => return Err(Error::shutdown()),
        State::Stopped => {
            static EXIT_HANDLER: AtomicBool = AtomicBool::new(false);
            // A shutdown may have ended since.
            OWNER.store(process::id(), Ordering::Release);
            let engine = Engine::start().inspect_err(|_| OWNER.store(0, Ordering::Release))?;
            if !EXIT_HANDLER.swap(true, Ordering::AcqRel) {
                process::at_exit(on_exit);
            }
            *state = State::Running(Arc::clone(&engine));
            log::set_courier(carry);
            engine.submitting.fetch_add(1, Ordering::Acquire);
            drop(state);
            // Records made before there was an engine.
            log::resume();
            return Ok(Use(engine));
        }
    };
    engine.submitting.fetch_add(1, Ordering::Acquire);
    Ok(Use(engine))
}

pub fn forked() -> Error {
    Error::new(
        Status::Forked,
        "this process was forked while the library was in use; its threads exist in the parent only. Fork before the first call or after cognite_shutdown, or call exec",
    )
}

/// How many threads there are and how they look, from the next start on. Refused while the engine runs.
pub fn set_threads(threads: Threads) -> Result<(), Error> {
    let state = lock(&STATE);
    match &*state {
        State::Stopped => {
            *lock(&CHOSEN) = Some(threads);
            Ok(())
        }
        State::Running(_) | State::Stopping(_) => Err(Error::config(
            "the threads of the library are running: set io_threads, callback_threads, thread_stack_size and thread_name_prefix before the first call, or after cognite_shutdown",
        )),
    }
}

extern "C" fn on_exit() {
    let owner = OWNER.load(Ordering::Acquire);
    if owner != 0 && owner == process::id() {
        dispatcher::gate::close();
    }
}

/// Runs `future` and waits for it: on the caller's thread, which then does the I/O of its call itself, or on the I/O threads
/// where the caller's stack is too small for that. Its signal mask may be any.
pub fn block_on<T, F>(future: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + Unpin + 'static,
{
    let engine = enter()?;
    let this = Arc::clone(&engine.0);
    let running = Running::new(&this);
    #[cfg(unix)]
    let future = match this.driven.place() {
        None => contained(future),
        Some(place) => {
            // Counted as running; a shutdown waits for that.
            drop(engine);
            match place.run(&this.handle, future) {
                Driven::Done(result) => return result,
                Driven::HandedOver(future) => future,
            }
        }
    };
    #[cfg(not(unix))]
    let future = contained(future);
    let (tell, told) = mpsc::sync_channel(1);
    this.handle.spawn(async move {
        let result = future.await.and_then(|r| r);
        let _ = tell.send(result);
        drop(running);
    });
    // The sender is dropped without a word only when the runtime drops the task: shutdown.
    told.recv().unwrap_or_else(|_| Err(Error::shutdown()))
}

/// Runs `future` on the I/O threads and tells its result exactly once. An error means: not accepted, never told.
pub fn spawn_notified<T, F>(future: F, notify: Notify<T>) -> Result<(), Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + Unpin + 'static,
{
    let engine = enter()?;
    if notify.via == Via::Callback && !engine.0.dispatcher.ensure_started() {
        return Err(Error::new(Status::Io, "the callback thread could not be started"));
    }
    let completion = Completion::new(Running::new(&engine.0), notify);
    engine.0.handle.spawn(async move {
        let result = contained(future).await.and_then(|r| r);
        completion.complete(result);
    });
    Ok(())
}

/// Counts a task until it ended or was dropped.
pub struct Running(Arc<Engine>);

impl Running {
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.0.dispatcher
    }

    fn new(engine: &Arc<Engine>) -> Self {
        engine.running.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(engine))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a running call watches: ends when the library is being shut down, so that the call tells whether its request may have
/// been applied.
pub fn stopping() -> impl Future<Output = ()> {
    STOPPING.triggered()
}

/// Queues `job` for a callback thread: for callbacks that are not completions, such as asking for a token.
pub fn run_later(job: Job) -> Result<(), Error> {
    let engine = enter()?;
    if engine.0.askers.push(job) {
        Ok(())
    } else {
        Err(Error::new(Status::Io, "the callback thread could not be started"))
    }
}

/// Has `job` run on a callback thread, also while the engine ends: for an I/O thread that has something to do that is not its
/// own business. Where there is no callback thread any more it is done at once.
pub fn run_to_the_last(job: Job) {
    let engine = match &*lock(&STATE) {
        State::Running(engine) | State::Stopping(engine) => Some(Arc::clone(engine)),
        State::Stopped => None,
    };
    let left = match engine {
        Some(engine) => engine.askers.offer(job).err(),
        None => Some(job),
    };
    if let Some(job) = left {
        let _ = dispatcher::gate::pass(job);
    }
}

/// Has log records delivered, one job each, so that an exiting process does not wait for all of them. Answers false while
/// there is no engine: records wait for the next one, or for the end of the shutdown that is going on.
fn carry() -> bool {
    match &*lock(&STATE) {
        State::Running(engine) => {
            let engine = Arc::clone(engine);
            carry_with(engine)
        }
        _ => false,
    }
}

fn carry_with(engine: Arc<Engine>) -> bool {
    let next = Arc::clone(&engine);
    engine.loggers.push(Box::new(move || {
        if log::deliver_one() {
            carry_with(next);
        }
    }))
}

/// Delivers what waits on a thread of its own, when there is no engine.
fn flush_records() {
    let dispatcher = Dispatcher::new(1, &lock(&CHOSEN).clone().unwrap_or_default());
    dispatcher.push(Box::new(|| while log::deliver_one() {}));
    dispatcher.close();
}

/// Refuses new calls, ends the running ones (each is told), waits until the last callback has returned, joins every
/// thread. Afterwards the next call starts afresh. A second caller waits for the first.
pub fn shutdown() -> Result<(), Error> {
    if is_forked_child() {
        return Err(forked());
    }
    if in_callback() || workers::on_io_thread() {
        return Err(Error::new(
            Status::WouldDeadlock,
            "cognite_shutdown waits for callbacks and so cannot be called from one",
        ));
    }
    let engine = {
        let mut state = lock(&STATE);
        loop {
            match &*state {
                State::Stopped => {
                    drop(state);
                    if log::waiting() {
                        flush_records();
                    }
                    return Ok(());
                }
                State::Stopping(_) => state = STOPPED.wait(state).unwrap_or_else(PoisonError::into_inner),
                State::Running(engine) => {
                    let engine = Arc::clone(engine);
                    *state = State::Stopping(Arc::clone(&engine));
                    break engine;
                }
            }
        }
    };
    while engine.submitting.load(Ordering::Acquire) != 0 {
        std::thread::yield_now();
    }
    STOPPING.trigger();
    let until = Instant::now() + CUT_WAIT;
    while engine.running.load(Ordering::Acquire) != 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    // Before the runtime, which their futures use.
    #[cfg(unix)]
    engine.driven.end(SHUTDOWN_WAIT);
    let runtime = lock(&engine.runtime).take();
    if let Some(runtime) = runtime {
        // Dropping a task that is left drops its completion, which tells.
        let _ = panics::contain(|| runtime.shutdown_timeout(SHUTDOWN_WAIT));
    }
    engine.askers.close();
    engine.dispatcher.close();
    // Last, as the tasks and callbacks above may have had something to say.
    if log::waiting() {
        carry_with(Arc::clone(&engine));
    }
    engine.loggers.close();
    {
        let mut state = lock(&STATE);
        *state = State::Stopped;
        STOPPING.reset();
        // Last: a child forked in between finds itself a child, not a library that is for ever about to stop.
        OWNER.store(0, Ordering::Release);
    }
    STOPPED.notify_all();
    Ok(())
}
