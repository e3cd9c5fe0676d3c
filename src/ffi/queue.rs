//! Queues of finished calls: for event loops, and for languages that cannot be called back.

use std::sync::Arc;
use std::time::Duration;

use super::error::{ErrorBox, cognite_error};
use super::guard::{Out, access, cognite_status, entry};
use super::handle::{Object, free, get, into_raw};
use super::notify::{Sized, write_sized};
use super::response::{ResponseBox, cognite_response};
use crate::error::{Error, Status};
use crate::runtime::{self, Queue};

/// Finished calls, to be fetched. Used by any number of threads at a time. Free it with cognite_queue_free().
pub struct cognite_queue {
    _opaque: [u8; 0],
}

/// A finished call as it waits: ready to be handed out.
pub(crate) struct Finished {
    pub(crate) tag: u64,
    pub(crate) result: Result<ResponseBox, Error>,
}

pub(crate) struct QueueBox(pub(crate) Arc<Queue<Finished>>);

impl Object for QueueBox {
    type C = cognite_queue;
    const TAG: u64 = 0x636f_675f_7175_6575;
    const NAME: &'static str = "cognite_queue";
}

impl Drop for QueueBox {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// What `limit` 0 means.
const DEFAULT_LIMIT: usize = 65_536;

/// A finished call, filled by cognite_queue_next(). Begin with COGNITE_COMPLETION_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_completion {
    /// sizeof(cognite_completion), set by COGNITE_COMPLETION_INIT. The library writes no further than this.
    pub struct_size: usize,
    /// As given in the cognite_notify.
    pub tag: u64,
    /// On success: yours, to be freed. Else NULL.
    pub response: *mut cognite_response,
    /// On failure: yours, to be freed. Else NULL.
    pub error: *mut cognite_error,
    /// `COGNITE_OK` or what went wrong with the call.
    pub status: cognite_status,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and zeros are all zero.
unsafe impl Sized for cognite_completion {
    const NAME: &'static str = "cognite_completion";
    const FIRST: usize = size_of::<cognite_completion>();
}

/// Makes a queue. Calls are told to it that name it in their cognite_notify, without passing a callback thread.
///
/// @param limit     How many completions may wait in it or be still to come; beyond it calls are refused with BUSY. 0:
///                  65536.
/// @param[out] out  The queue. Not NULL.
/// @param[out] err  May be NULL.
/// @return `COGNITE_OK`, INVALID_ARGUMENT, IO (no descriptor left).
///
/// **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_queue_new(
    limit: u64,
    out: *mut *mut cognite_queue,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or a place for the result.
    let out = unsafe { Out::new(out) };
    entry(err, || {
        out.required("out")?;
        let limit = if limit == 0 { DEFAULT_LIMIT } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        out.set(into_raw(QueueBox(Queue::new(limit)?)));
        Ok(())
    })
}

/// What an event loop waits on (poll, epoll, kqueue, select): a file descriptor that is readable exactly while
/// cognite_queue_next() would not answer EMPTY, that is, while a completion is there, and from cognite_queue_close() on.
/// On Windows a HANDLE of a manual-reset event that is signalled exactly then, for WaitForMultipleObjects. Never read it,
/// write it, set it or close it.
///
/// @param queue  The queue, or NULL.
/// @return The descriptor or HANDLE, the same at every call; -1 for NULL.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the queue; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_queue_os_handle(queue: *const cognite_queue) -> isize {
    if runtime::is_forked_child() {
        return -1;
    }
    // SAFETY: NULL or a live queue.
    access(-1, || Ok(unsafe { get::<QueueBox>(queue, "queue") }?.0.handle()))
}

/// Takes the oldest completion out. `COGNITE_OK` says that there was one; how its call went is in the completion.
///
/// @param queue       The queue. Not NULL.
/// @param timeout_ms  How long to wait for one: 0 not at all, negative until one comes or the queue is closed.
/// @param[out] out    Filled on success, all zero otherwise. Its struct_size must be set. Not NULL.
/// @param[out] err    May be NULL: best so where EMPTY is usual.
/// @return `COGNITE_OK`; EMPTY: nothing came within the time; SHUTDOWN: the queue was closed and is empty;
///         WOULD_DEADLOCK: waiting without end in a callback; INVALID_ARGUMENT, FORKED.
///
/// **Blocks:** as long as said; ended by cognite_queue_close(), not by cognite_shutdown(). **Threads:** any number.
/// **Owns:** the caller response and error of the completion. **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_queue_next(
    queue: *mut cognite_queue,
    timeout_ms: i64,
    out: *mut cognite_completion,
    err: *mut *mut cognite_error,
) -> cognite_status {
    const NOTHING: cognite_completion = cognite_completion {
        struct_size: 0,
        tag: 0,
        response: std::ptr::null_mut(),
        error: std::ptr::null_mut(),
        status: 0,
        reserved: 0,
    };
    // SAFETY: NULL or a place as large as its first field says, for the time of the call. In a forked child as well.
    let cleared = unsafe { write_sized(out, &NOTHING, "out") };
    entry(err, || {
        cleared?;
        // SAFETY: NULL or a live queue.
        let queue = unsafe { get::<QueueBox>(queue, "queue") }?;
        if timeout_ms < 0 && runtime::in_callback() {
            return Err(Error::new(
                Status::WouldDeadlock,
                "a callback may not wait without end for a queue: it would keep cognite_shutdown from returning",
            ));
        }
        let finished = queue.0.next(u64::try_from(timeout_ms).ok().map(Duration::from_millis))?;
        let mut done = cognite_completion { tag: finished.tag, ..NOTHING };
        match finished.result {
            Ok(response) => done.response = into_raw(response),
            Err(e) => {
                done.status = e.status().code();
                done.error = into_raw(ErrorBox::new(e));
            }
        }
        // SAFETY: as above.
        unsafe { write_sized(out, &done, "out") }
    })
}

/// Ends the use of a queue: wakes every thread that waits in cognite_queue_next(), makes the handle readable for good,
/// and has new calls refused that name the queue. What is in it, or is still to come from accepted calls, can be fetched;
/// whenever it is empty cognite_queue_next() answers SHUTDOWN at once.
///
/// @param queue  The queue; NULL does nothing.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_queue_close(queue: *mut cognite_queue) {
    if runtime::is_forked_child() {
        return;
    }
    access((), || {
        // SAFETY: NULL or a live queue.
        unsafe { get::<QueueBox>(queue, "queue") }?.0.close();
        Ok(())
    });
}

/// Frees a queue and what was not fetched from it. NULL does nothing. Accepted calls go on; what they would have told is
/// freed as it comes. The handle is closed: take it out of the event loop first.
///
/// @param queue  The queue; not used afterwards. No thread may wait in cognite_queue_next(): close it and wait for them.
///
/// **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the queue. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_queue_free(queue: *mut cognite_queue) {
    // SAFETY: NULL or a queue the caller gives up.
    unsafe { free::<QueueBox>(queue) }
}
