//! How much of what clients send may be in memory at a time. A body of many small values takes forty times its length
//! once it is read, so what is being handled is weighed, and the heaviest wait for each other.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::ApiError;

/// Bytes of bodies on their way in, of all connections together.
const READING: usize = 768 << 20;
/// Bytes that bodies take while they are handled, estimated; counted in KiB.
const HANDLING: usize = 1 << 20;
const KIB: usize = 1024;
/// What one value takes once it is read.
const VALUE: usize = 80;
/// The most that gzip makes of one byte.
const UNPACKED: usize = 1032;
/// A body has to go on coming, and to end.
const PAUSE: Duration = Duration::from_secs(60);
const WHOLE: Duration = Duration::from_secs(600);
/// For so long the rest of a body that is refused is read and dropped, so that the client sees why.
const REST: Duration = Duration::from_millis(500);

pub struct Room {
    reading: AtomicUsize,
    handling: Semaphore,
}

impl Default for Room {
    fn default() -> Self {
        Self { reading: AtomicUsize::new(0), handling: Semaphore::new(HANDLING) }
    }
}

/// A body, and the room it takes until it is dropped.
pub struct Received<'a> {
    pub bytes: Bytes,
    room: &'a Room,
    held: usize,
}

impl Drop for Received<'_> {
    fn drop(&mut self) {
        self.room.reading.fetch_sub(self.held, Ordering::Relaxed);
    }
}

/// Why there is no body.
pub enum Unread {
    TooLong,
    NoRoom,
    /// The client went away, broke the protocol or took too long.
    Gone,
}

impl Room {
    /// The whole body. One that is refused is read on for a moment.
    pub async fn receive<B>(&self, body: B, announced: u64, limit: usize) -> Result<Received<'_>, Unread>
    where
        B: Body<Data = Bytes> + Send,
    {
        let mut body = Box::pin(body);
        let mut got = Received { bytes: Bytes::new(), room: self, held: 0 };
        let read = async {
            if announced > limit as u64 {
                return Err(Unread::TooLong);
            }
            let mut whole = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
            while let Some(piece) = next(&mut body).await? {
                if whole.len() + piece.len() > limit {
                    return Err(Unread::TooLong);
                }
                got.held += piece.len();
                if self.reading.fetch_add(piece.len(), Ordering::Relaxed) + piece.len() > READING {
                    return Err(Unread::NoRoom);
                }
                whole.extend_from_slice(&piece);
            }
            Ok(whole)
        };
        let read = tokio::time::timeout(WHOLE, read).await.unwrap_or(Err(Unread::Gone));
        match read {
            Ok(whole) => {
                got.bytes = whole.into();
                Ok(got)
            }
            Err(Unread::Gone) => Err(Unread::Gone),
            Err(why) => {
                drop(got);
                let rest = async { while let Ok(Some(_)) = next(&mut body).await {} };
                let _over = tokio::time::timeout(REST, rest).await;
                Err(why)
            }
        }
    }

    /// Room for a body that is handled as it is.
    pub async fn plain(&self, bytes: &[u8]) -> Result<SemaphorePermit<'_>, ApiError> {
        let weight = weight(bytes);
        if weight > HANDLING {
            return Err(ApiError::new(413, "The request body has too many values"));
        }
        self.handling.acquire_many(weight as u32).await.map_err(|_| busy())
    }

    /// Room for what a packed body may become, before it is unpacked.
    pub async fn packed(&self, length: usize, limit: usize) -> Result<SemaphorePermit<'_>, ApiError> {
        let most = length.saturating_mul(UNPACKED).min(limit).div_ceil(KIB).min(HANDLING);
        self.handling.acquire_many(most as u32).await.map_err(|_| busy())
    }

    /// What it became: no more room than that, or more if there is some. Nobody waits who holds room.
    pub fn unpacked<'a>(
        &'a self,
        mut held: SemaphorePermit<'a>,
        bytes: &[u8],
    ) -> Result<SemaphorePermit<'a>, ApiError> {
        let (weight, have) = (weight(bytes), held.num_permits());
        if weight <= have {
            drop(held.split(have - weight));
            return Ok(held);
        }
        let more = u32::try_from(weight - have).ok().and_then(|n| self.handling.try_acquire_many(n).ok());
        held.merge(more.ok_or_else(busy)?);
        Ok(held)
    }
}

fn busy() -> ApiError {
    ApiError::new(503, "The emulator has no room for more request bodies at the moment")
}

impl Unread {
    pub fn error(&self) -> ApiError {
        match self {
            Self::TooLong => ApiError::new(413, "The request body is too large"),
            Self::NoRoom | Self::Gone => busy(),
        }
    }
}

async fn next<B: Body<Data = Bytes>>(body: &mut Pin<Box<B>>) -> Result<Option<Bytes>, Unread> {
    loop {
        let frame = tokio::time::timeout(PAUSE, poll_fn(|context| body.as_mut().poll_frame(context))).await;
        match frame {
            Ok(None) => return Ok(None),
            // Trailers say nothing here.
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
            Ok(Some(Err(_))) | Err(_) => return Err(Unread::Gone),
        }
    }
}

/// KiB that a body takes once it is read. What is not JSON has its own few of these signs, which does no harm.
fn weight(bytes: &[u8]) -> usize {
    let values = bytes.iter().filter(|b| matches!(b, b',' | b'[' | b'{')).count();
    values.saturating_mul(VALUE).saturating_add(bytes.len()).div_ceil(KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_values_weigh_more_than_their_length() {
        let room = Room::default();
        let small = room.plain(b"{\"items\":[1,2,3]}").await.unwrap();
        assert_eq!(small.num_permits(), 1);
        assert_eq!(room.plain(&b"0,".repeat(1 << 24)).await.unwrap_err().status, 413);
        // Packed: first the most it can be, then what it is.
        let held = room.packed(1000, 1 << 26).await.unwrap();
        assert_eq!(held.num_permits(), 1008);
        let held = room.unpacked(held, &[b' '; 2048]).unwrap();
        assert_eq!(held.num_permits(), 2);
        drop((held, small));
        let most = room.handling.acquire_many(HANDLING as u32).await.unwrap();
        assert_eq!(room.unpacked(most, &b"0,".repeat(1 << 24)).unwrap_err().status, 503);
    }
}
