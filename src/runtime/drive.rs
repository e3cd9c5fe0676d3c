//! A call driven on the thread that makes it: its future is polled here and its sockets are waited for here, so that a
//! request costs a send, a wait and a receive. Connecting, timers and everything spawned stay on the engine's threads, whose
//! wakes arrive by a handle that is waited for together with the sockets.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::panics::{self, Contained, contained};
use crate::error::Error;
use crate::sys::readiness::Readiness;
use crate::sys::wait::{self, Watched, watched};

/// What a driven call may need of the caller's stack, with a wide margin: a request takes a tenth of it in a build that is
/// not optimised. Threads with less hand their call over.
pub(super) const STACK: usize = if cfg!(debug_assertions) { 768 << 10 } else { 192 << 10 };

thread_local! {
    /// What the call that is being polled on this thread waits for; `None`: none is.
    static WAITS: RefCell<Option<Vec<Wait>>> = const { RefCell::new(None) };
    /// The call that is being polled is not to be driven any further.
    static HANDED_OVER: Cell<bool> = const { Cell::new(false) };
}

/// From here on the call runs on an I/O thread: for code that writes to sockets its own way, which may raise SIGPIPE.
pub async fn on_engine() {
    std::future::poll_fn(|cx| match is_driving() {
        true => {
            HANDED_OVER.with(|h| h.set(true));
            // Who polls only what was woken is to look at it again there.
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        false => Poll::Ready(()),
    })
    .await;
}

struct Wait {
    fd: i32,
    write: bool,
    waker: Waker,
}

/// Whether the code that asks is part of a call that its caller drives.
pub fn is_driving() -> bool {
    WAITS.try_with(|w| w.try_borrow().is_ok_and(|w| w.is_some())).unwrap_or(false)
}

/// Whether this thread can drive a call: it drives none, and is not so far in its end that it has lost what that needs.
pub fn can_drive() -> bool {
    WAITS.try_with(|w| w.try_borrow().is_ok_and(|w| w.is_none())).unwrap_or(false)
}

/// Has `waker` woken once the socket can be read or written. Once: who is not content asks again.
pub fn wait_for(socket: &impl AsRawFd, write: bool, waker: &Waker) {
    let fd = socket.as_raw_fd();
    with_waits(|waits| match waits.iter_mut().find(|w| w.fd == fd && w.write == write) {
        Some(known) => known.waker.clone_from(waker),
        None => waits.push(Wait { fd, write, waker: waker.clone() }),
    });
}

/// Nobody waits for the socket any more: it is at rest, or about to be closed.
pub fn forget(socket: &impl AsRawFd) {
    let fd = socket.as_raw_fd();
    with_waits(|waits| waits.retain(|w| w.fd != fd));
}

fn with_waits(f: impl FnOnce(&mut Vec<Wait>)) {
    let _ = WAITS.try_with(|w| {
        if let Ok(mut w) = w.try_borrow_mut()
            && let Some(waits) = w.as_mut()
        {
            f(waits);
        }
    });
}

const IDLE: u8 = 0;
const ASLEEP: u8 = 1;
const WOKEN: u8 = 2;

/// What wakes a thread that drives a call. Kept by the engine and used again.
pub struct Bell {
    state: AtomicU8,
    handle: Readiness,
}

impl Bell {
    pub fn new() -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self { state: AtomicU8::new(IDLE), handle: Readiness::new()? }))
    }

    pub fn ring(&self) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == ASLEEP {
            self.handle.raise();
        }
    }

    /// Until it rings or something of `waits` is ready, whose wakers are then woken.
    fn sleep(&self, waits: &mut Vec<Wait>, watch: &mut Vec<Watched>) {
        if self.state.compare_exchange(IDLE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            watch.clear();
            watch.push(watched(self.handle.handle() as i32, false));
            watch.extend(waits.iter().map(|w| watched(w.fd, w.write)));
            wait::wait(watch);
            self.state.store(WOKEN, Ordering::Relaxed);
            let mut seen = watch.iter();
            if seen.next().is_some_and(|bell| bell.revents != 0) {
                self.handle.clear();
            }
            waits.retain(|w| {
                let ready = seen.next().is_some_and(|s| s.revents != 0);
                if ready {
                    w.waker.wake_by_ref();
                }
                !ready
            });
        }
        // What was done before a ring is seen by the poll that follows.
        self.state.swap(IDLE, Ordering::AcqRel);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// How far a call came.
pub enum Driven<T, F> {
    Done(Result<T, Error>),
    /// It wants to go on elsewhere ([`on_engine`]).
    HandedOver(Contained<F>),
}

/// Polls `future` on this thread until it is done, or until `given_up` says that nobody will help it any more.
pub fn run<T, F>(future: F, bell: &Arc<Bell>, given_up: impl Fn() -> bool) -> Driven<T, F>
where
    F: Future<Output = Result<T, Error>> + Unpin,
{
    let waker = Waker::from(Arc::clone(bell));
    let mut cx = Context::from_waker(&waker);
    let mut future = contained(future);
    let (mut waits, mut watch) = (Vec::with_capacity(4), Vec::with_capacity(4));
    loop {
        if given_up() {
            let _ = panics::contain(move || drop(future));
            return Driven::Done(Err(Error::shutdown()));
        }
        let polled;
        (polled, waits) = among(waits, || Pin::new(&mut future).poll(&mut cx));
        if let Poll::Ready(result) = polled {
            return Driven::Done(result.and_then(|r| r));
        }
        if HANDED_OVER.with(|h| h.replace(false)) {
            // Who waited for a socket here asks anew there.
            waits.into_iter().for_each(|w| w.waker.wake());
            return Driven::HandedOver(future);
        }
        bell.sleep(&mut waits, &mut watch);
    }
}

/// Polls with `waits` as what this thread waits for. Panics do not come out of `poll`.
fn among<T>(waits: Vec<Wait>, poll: impl FnOnce() -> T) -> (T, Vec<Wait>) {
    let outer = WAITS.with(|w| w.replace(Some(waits)));
    let polled = poll();
    let waits = WAITS.with(|w| w.replace(outer)).unwrap_or_default();
    (polled, waits)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::error::Status;
    use crate::runtime::{block_on, on_io_thread};

    #[test]
    fn a_call_is_driven_here_until_it_wants_to_go_elsewhere() {
        let here = thread::current().id();
        let call = async move {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert!(is_driving() && thread::current().id() == here);
            }
            // What is spawned wakes this thread from another one.
            assert!(tokio::spawn(async { on_io_thread() }).await.unwrap());
            on_engine().await;
            assert!(on_io_thread() && !is_driving());
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(5)
        };
        assert_eq!(block_on(Box::pin(call)).unwrap(), 5);
        assert!(!is_driving() && can_drive());
    }

    #[test]
    fn a_small_stack_hands_its_call_over() {
        let small = thread::Builder::new().stack_size(STACK / 2);
        // The system may give it a larger one that was used before.
        let spawned = small.spawn(|| (wait::stack_left() < STACK, block_on(Box::pin(async { Ok(on_io_thread()) }))));
        let (too_small, elsewhere) = spawned.unwrap().join().unwrap();
        assert_eq!(elsewhere.unwrap(), too_small);
    }

    #[test]
    fn a_defect_in_a_driven_call_is_contained() {
        let e = block_on::<(), _>(Box::pin(async {
            tokio::task::yield_now().await;
            panic!("canary");
        }));
        assert_eq!(e.unwrap_err().status(), Status::Internal);
        assert!(!is_driving());
        assert!(block_on(Box::pin(async { Ok(is_driving()) })).unwrap());
    }

    #[test]
    fn a_bell_that_rings_at_any_time_is_heard() {
        const RINGS: u32 = 2000;
        let bell = Bell::new().unwrap();
        let told = Arc::new(AtomicU32::new(0));
        let other = {
            let (bell, told) = (Arc::clone(&bell), Arc::clone(&told));
            thread::spawn(move || {
                for n in 1..=RINGS {
                    told.store(n, Ordering::Relaxed);
                    bell.ring();
                    if n % 7 == 0 {
                        thread::yield_now();
                    }
                }
            })
        };
        // Looks, then sleeps until it rings: were the last ring lost, it would sleep for ever.
        while told.load(Ordering::Relaxed) < RINGS {
            bell.sleep(&mut Vec::new(), &mut Vec::new());
        }
        other.join().unwrap();
    }
}
