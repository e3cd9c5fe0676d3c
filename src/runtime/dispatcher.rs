//! The callback threads: user code never runs on an I/O thread, so a slow callback delays callbacks only.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::threads::Threads;
use super::{engine, panics};
use crate::sys::process;
use crate::sys::signals::{Kind, Masked, mask_this_thread};

pub type Job = Box<dyn FnOnce() + Send>;

/// How long an exiting process waits for a callback that is running.
const EXIT_WAIT: Duration = Duration::from_secs(1);

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is running a callback of ours.
pub fn in_callback() -> bool {
    IN_CALLBACK.with(Cell::get)
}

/// Jobs that wait at most before a sleeping callback thread is woken in any case.
const BATCH: usize = 32;

thread_local! {
    /// Dispatchers the calling I/O thread gave jobs to without waking them.
    static PENDING: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// Called by an I/O thread before it sleeps.
pub fn wake_pending() {
    PENDING.with(|p| {
        for shared in p.borrow_mut().drain(..) {
            shared.ready.notify_one();
        }
    });
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Callback threads that sleep.
    sleeping: usize,
    /// No more jobs will come: run what is there, then end.
    closed: bool,
}

impl State {
    /// How many wait then, and how many threads sleep.
    fn queue(&mut self, job: Job) -> (usize, usize) {
        self.jobs.push_back(job);
        (self.jobs.len(), self.sleeping)
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ready: Condvar,
}

/// Threads start with the first job: a program that only makes blocking calls has none.
pub struct Dispatcher {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    started: AtomicBool,
    wanted: usize,
    name: String,
    stack_size: usize,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dispatcher {
    pub fn new(threads: usize, look: &Threads) -> Self {
        Self {
            shared: Arc::default(),
            threads: Mutex::default(),
            started: AtomicBool::new(false),
            wanted: threads.max(1),
            name: format!("{}-cb", look.name_prefix()),
            stack_size: look.stack_size(),
        }
    }

    /// Queues a job. Completions are never dropped; how many there can be is bounded where calls are accepted.
    /// Answers whether a thread is there to run it.
    pub fn push(&self, job: Job) -> bool {
        let (waiting, sleeping) = lock(&self.shared.state).queue(job);
        self.see_to(waiting, sleeping)
    }

    /// The same for a job that must be run: gives it back where nobody will.
    pub fn offer(&self, job: Job) -> Result<(), Job> {
        if !self.start() {
            return Err(job);
        }
        let (waiting, sleeping) = {
            let mut state = lock(&self.shared.state);
            if state.closed {
                return Err(job);
            }
            state.queue(job)
        };
        self.see_to(waiting, sleeping);
        Ok(())
    }

    fn see_to(&self, waiting: usize, sleeping: usize) -> bool {
        if sleeping > 0 {
            if waiting < BATCH && super::workers::on_io_thread() {
                PENDING.with(|p| {
                    let mut pending = p.borrow_mut();
                    if !pending.iter().any(|s| Arc::ptr_eq(s, &self.shared)) {
                        pending.push(Arc::clone(&self.shared));
                    }
                });
            } else {
                self.shared.ready.notify_one();
            }
        }
        self.start()
    }

    fn start(&self) -> bool {
        if self.started.load(Ordering::Acquire) {
            return true;
        }
        let mut threads = lock(&self.threads);
        if !threads.is_empty() {
            return true;
        }
        let _mask = Masked::while_starting(Kind::Callback);
        for _ in 0..self.wanted {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name(self.name.clone()).stack_size(self.stack_size);
            let started = thread.spawn(move || run(&shared));
            if let Ok(handle) = started {
                threads.push(handle);
            }
        }
        self.started.store(!threads.is_empty(), Ordering::Release);
        !threads.is_empty()
    }

    /// Makes sure a thread exists before a call is accepted that will need it.
    pub fn ensure_started(&self) -> bool {
        self.start()
    }

    /// Runs what is queued, then ends the threads. Not from a callback thread. Once the process is exiting nothing that is
    /// queued is run, and a callback that does not return is waited for only as long as the exit itself would.
    pub fn close(&self) {
        let exiting = gate::is_closed();
        {
            let mut state = lock(&self.shared.state);
            state.closed = true;
            if exiting {
                keep(&mut state.jobs);
            }
        }
        self.shared.ready.notify_all();
        let until = Instant::now() + EXIT_WAIT;
        for handle in lock(&self.threads).drain(..) {
            while exiting && !handle.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            if !exiting || handle.is_finished() {
                let _ = handle.join();
            }
        }
    }
}

/// What an exit left is not dropped: jobs own handles whose release would be a callback of its own kind.
fn keep(jobs: &mut VecDeque<Job>) {
    jobs.drain(..).for_each(std::mem::forget);
}

fn run(shared: &Shared) {
    mask_this_thread(Kind::Callback);
    let _counted = super::usage::THREADS.hold(1);
    IN_CALLBACK.with(|c| c.set(true));
    loop {
        let mut state = lock(&shared.state);
        let job = loop {
            if !gate::is_closed()
                && let Some(job) = state.jobs.pop_front()
            {
                break job;
            }
            if state.closed {
                keep(&mut state.jobs);
                return;
            }
            state.sleeping += 1;
            state = shared.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeping -= 1;
        };
        drop(state);
        if let Err(job) = gate::pass(job) {
            lock(&shared.state).jobs.push_front(job);
        }
    }
}

/// The exit gate: once the process is exiting no callback begins, as the objects it would touch are being destroyed.
pub mod gate {
    use super::{
        AtomicBool, AtomicUsize, Condvar, EXIT_WAIT, Instant, Job, Mutex, Ordering, PoisonError, engine, in_callback,
        lock, panics, process,
    };

    /// Set and read in one order with `RUNNING`: a callback that begins sees that the gate is closed, or is seen by who closes it.
    static CLOSED: AtomicBool = AtomicBool::new(false);
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    /// For who waits until callbacks have left.
    static WAITING: Mutex<()> = Mutex::new(());
    static LEFT: Condvar = Condvar::new();

    /// Runs `callback`, or gives it back.
    pub fn pass(callback: Job) -> Result<(), Job> {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        if is_closed() {
            leave();
            return Err(callback);
        }
        // A callback that unwinds (Rust hosts only; C++ must not throw) loses its own rest, nothing else.
        let _ = panics::contain(callback);
        // The child of a fork in the callback, which returned: it has only this thread, and what waits here is the parent's.
        if engine::is_forked_child() {
            process::end();
        }
        leave();
        Ok(())
    }

    fn leave() {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        // Only an exit waits for that; to notify asks the system each time.
        if is_closed() {
            drop(lock(&WAITING));
            LEFT.notify_all();
        }
    }

    pub fn is_closed() -> bool {
        CLOSED.load(Ordering::SeqCst)
    }

    /// Called by the exit handler: closes the gate, then waits a moment for callbacks that are running.
    pub fn close() {
        let until = Instant::now() + EXIT_WAIT;
        CLOSED.store(true, Ordering::SeqCst);
        let mut waiting = lock(&WAITING);
        // exit() called inside a callback: that one never ends.
        let own = usize::from(in_callback());
        while RUNNING.load(Ordering::SeqCst) > own {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = LEFT.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
