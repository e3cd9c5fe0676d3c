//! Bodies: JSON checked and compressed on the way out, decompressed within a bound on the way in.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::de::IgnoredAny;

use crate::error::Error;
use crate::runtime::usage::{BODY_BYTES, Held};
use crate::sys::inflate::{Inflater, Unpacked};
use crate::sys::memory;

/// Level 2: on CDF's JSON a third smaller than level 1 for a fifth more time; higher levels cost much and save little.
const LEVEL: u32 = 2;

/// What goes on the wire, and whether it is compressed.
pub struct Prepared {
    pub bytes: Bytes,
    pub gzip: bool,
}

/// Checks and, from `gzip_min` bytes on, compresses a JSON body. Reads the caller's memory, keeps none of it.
pub fn json(body: &[u8], gzip_min: Option<u64>) -> Result<Prepared, Error> {
    if body.is_empty() {
        return Ok(Prepared { bytes: Bytes::new(), gzip: false });
    }
    let text = std::str::from_utf8(body)
        .map_err(|e| Error::argument(format!("the body is not valid UTF-8 (byte {})", e.valid_up_to())))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|e| {
        let hint = if body.windows(3).any(|w| w == b"NaN" || w == b"Inf") {
            " (NaN and infinities have no JSON form; datapoints take them as text)"
        } else {
            ""
        };
        Error::argument(format!("the body is not valid JSON: line {}, column {}{hint}", e.line(), e.column()))
    })?;
    match gzip_min {
        Some(least) if body.len() as u64 >= least => packed(body),
        _ => Ok(Prepared { bytes: Bytes::copy_from_slice(body), gzip: false }),
    }
}

/// The same for a body that is the library's own: not checked, and not copied where it stays as it is.
pub fn compressed(body: Vec<u8>, gzip_min: Option<u64>) -> Result<Prepared, Error> {
    match gzip_min {
        Some(least) if body.len() as u64 >= least => packed(&body),
        _ => Ok(Prepared { bytes: body.into(), gzip: false }),
    }
}

fn packed(body: &[u8]) -> Result<Prepared, Error> {
    let mut out = GzEncoder::new(Vec::with_capacity(body.len() / 4 + 64), Compression::new(LEVEL));
    let done = out.write_all(body).and_then(|()| out.finish());
    let bytes = done.map_err(|e| Error::internal(format!("gzip: {e}")))?;
    Ok(Prepared { bytes: bytes.into(), gzip: true })
}

/// Why a body could not be taken in.
#[derive(Debug)]
pub enum Fault {
    TooLarge,
    Undecodable,
}

/// Whether a body is compressed, by its `content-encoding`; the name of an encoding that nobody asked for is an error.
pub fn is_gzip(encoding: Option<&[u8]>) -> Result<bool, String> {
    match encoding.map(|v| v.trim_ascii()) {
        None | Some(b"") => Ok(false),
        Some(v) if v.eq_ignore_ascii_case(b"identity") => Ok(false),
        Some(v) if v.eq_ignore_ascii_case(b"gzip") || v.eq_ignore_ascii_case(b"x-gzip") => Ok(true),
        Some(v) => Err(String::from_utf8_lossy(v).to_ascii_lowercase()),
    }
}

/// Memory reserved on a server's word at most.
const RESERVED_AT_MOST: u64 = 16 << 20;

/// Bodies of answers that were read, to be received into again by an operation with many large ones: memory that is touched
/// for the first time costs more than what is written into it.
pub struct Shelf(Mutex<Kept>);

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shelf")
    }
}

struct Kept {
    most: usize,
    bodies: Vec<Vec<u8>>,
}

impl Shelf {
    /// What is smaller costs little anew.
    const LEAST: usize = 128 << 10;

    /// `most`: bodies kept.
    pub fn new(most: usize) -> Self {
        Self(Mutex::new(Kept { most, bodies: Vec::new() }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on no more than `most`.
    pub fn keep(&self, most: usize) {
        let mut kept = self.kept();
        kept.most = most;
        let few = kept.bodies.len().min(most);
        let gone = kept.bodies.split_off(few);
        drop(kept);
        gone.into_iter().for_each(memory::release);
    }

    /// Empty, with so much room at least.
    fn take(&self, room: usize) -> Vec<u8> {
        let mut kept = self.kept();
        // One that is far too large is another's: what is unpacked is larger than what it came as.
        // Of those that fit the last: most of it is still in the processor's cache.
        let fits = kept.bodies.iter().rposition(|b| (room..=room.saturating_mul(2)).contains(&b.capacity()));
        let found = fits.map(|at| kept.bodies.remove(at));
        drop(kept);
        // The next is rarely exactly as long.
        found.unwrap_or_else(|| Vec::with_capacity(room.next_multiple_of(Self::LEAST / 2)))
    }

    pub fn put(&self, mut body: Vec<u8>) {
        if !(Self::LEAST..=RESERVED_AT_MOST as usize).contains(&body.capacity()) {
            return;
        }
        body.clear();
        let mut kept = self.kept();
        kept.bodies.push(body);
        if kept.bodies.len() > kept.most {
            // Of a length that is not asked for any more.
            let oldest = kept.bodies.remove(0);
            drop(kept);
            memory::release(oldest);
        }
    }
}

/// Collects an answer's body as it is on the wire, never beyond `limit` bytes, and unpacks it in the end: with all of it
/// there the decompressor never stops and starts.
pub struct Sink<'a> {
    bytes: Vec<u8>,
    gzip: bool,
    limit: usize,
    counted: Held,
    shelf: Option<&'a Shelf>,
}

impl<'a> Sink<'a> {
    /// `announced` is the length the server gives; it is believed only so far that memory is reserved.
    pub fn new(gzip: bool, announced: Option<u64>, limit: u64, shelf: Option<&'a Shelf>) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let first = announced.unwrap_or(4096).min(RESERVED_AT_MOST) as usize;
        // One more than announced: the terminating NUL must not cost a second allocation.
        Self { bytes: room(first + 1, shelf), gzip, limit, counted: BODY_BYTES.hold(0), shelf }
    }

    pub fn take(&mut self, data: &[u8]) -> Result<(), Fault> {
        if data.len() > self.limit.saturating_sub(self.bytes.len()) {
            return Err(Fault::TooLarge);
        }
        self.bytes.extend_from_slice(data);
        self.counted()
    }

    /// Where up to `most` bytes can be received into, and how many of them now. [`Sink::counted`] follows.
    pub fn room(&mut self, most: u64) -> (&mut Vec<u8>, usize) {
        let left = self.limit.saturating_sub(self.bytes.len());
        // Where nothing fits any more there may be nothing more: one byte tells.
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(left.saturating_add(1));
        let spare = self.bytes.capacity() - self.bytes.len();
        if spare < most.min(LEAST_ROOM) {
            self.bytes.reserve(most.saturating_add(1).min(self.bytes.len().max(LEAST_ROOM)));
        }
        let most = most.min(self.bytes.capacity() - self.bytes.len());
        (&mut self.bytes, most)
    }

    pub fn counted(&mut self) -> Result<(), Fault> {
        self.counted.set(self.bytes.len());
        if self.bytes.len() > self.limit { Err(Fault::TooLarge) } else { Ok(()) }
    }

    /// The whole body; a compressed stream that ends early is an error, not a shorter body. An empty one with
    /// content-encoding gzip (204, HEAD) is an empty body.
    pub fn finish(mut self) -> Result<Vec<u8>, Fault> {
        if !self.gzip || self.bytes.is_empty() {
            return Ok(self.bytes);
        }
        let plain = gunzip(&self.bytes, self.limit, &mut self.counted, self.shelf);
        if let Some(shelf) = self.shelf {
            shelf.put(self.bytes);
        }
        plain
    }
}

fn room(least: usize, shelf: Option<&Shelf>) -> Vec<u8> {
    match shelf.filter(|_| least >= Shelf::LEAST) {
        Some(shelf) => shelf.take(least),
        None => Vec::with_capacity(least),
    }
}

/// Received at a time at least, where so much is wanted.
const LEAST_ROOM: usize = 64 << 10;

/// Unpacks one or more members that follow one another.
fn gunzip(packed: &[u8], limit: usize, counted: &mut Held, shelf: Option<&Shelf>) -> Result<Vec<u8>, Fault> {
    // The last four bytes say how much there is; believed like an announced length.
    let said = packed.last_chunk().map_or(0, |n| u32::from_le_bytes(*n));
    let first = u64::from(said).min(RESERVED_AT_MOST).min(limit as u64) as usize;
    let mut out = room(first + 1, shelf);
    let mut inflater = Inflater::new().ok_or(Fault::Undecodable)?;
    let mut rest = packed;
    while !rest.is_empty() {
        let left = limit.saturating_sub(out.len());
        match inflater.member(rest, &mut out, left) {
            Unpacked::Member(read) => rest = rest.get(read..).unwrap_or_default(),
            Unpacked::NoRoom if out.capacity() - out.len() >= left => return Err(Fault::TooLarge),
            // Begun anew with twice the room, so a false promise costs as much again, not its square.
            Unpacked::NoRoom => out.reserve_exact(out.capacity().max(4096).min(left).saturating_add(1)),
            Unpacked::Bad => return Err(Fault::Undecodable),
        }
        counted.set(packed.len() + out.capacity());
    }
    counted.set(out.len());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_checked_and_compressed_above_the_threshold() {
        assert!(!json(b"{}", Some(1024)).unwrap().gzip);
        assert!(!json(b"{}", None).unwrap().gzip);
        let p = json(b" [1, 2]\n", Some(0)).unwrap();
        let mut sink = Sink::new(true, None, 100, None);
        sink.take(&p.bytes).unwrap();
        assert_eq!(sink.finish().unwrap(), b" [1, 2]\n");
        for bad in ["{", "NaN", "{\"a\":Infinity}", "{} {}", "{\"a\":1,}", "\u{feff}{}"] {
            assert!(json(bad.as_bytes(), None).is_err(), "{bad}");
        }
        assert!(json(b"\"\xff\"", None).is_err());
        assert!(json(format!("{}{}", "[".repeat(200_000), "]".repeat(200_000)).as_bytes(), None).is_ok());
    }

    #[test]
    fn a_large_body_is_received_where_one_was_that_was_read() {
        let shelf = Shelf::new(2);
        let body = |n: usize, shelf| {
            let mut sink = Sink::new(false, Some(n as u64), 1 << 30, shelf);
            sink.take(&vec![7; n]).unwrap();
            sink.finish().unwrap()
        };
        let first = body(1_000_000, Some(&shelf));
        let place = first.as_ptr();
        shelf.put(first);
        let second = body(1_000_100, Some(&shelf));
        assert!(second.as_ptr() == place && second.len() == 1_000_100 && second.iter().all(|b| *b == 7));
        // Nothing that is far too large, or small, comes from it.
        shelf.put(second);
        let (third, small) = (body(200_000, Some(&shelf)), body(1000, Some(&shelf)));
        assert!(third.as_ptr() != place && small.capacity() == 1001);
        for n in [200_000, 300_000, 1000, RESERVED_AT_MOST as usize * 2] {
            shelf.put(Vec::with_capacity(n));
        }
        assert_eq!(shelf.kept().bodies.iter().map(Vec::capacity).collect::<Vec<_>>(), [200_000, 300_000]);
        // What is unpacked comes from it too, and what it was unpacked from goes there.
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(300_000).collect();
        let mut packed = GzEncoder::new(Vec::new(), Compression::new(1));
        packed.write_all(&noise).unwrap();
        let packed = packed.finish().unwrap();
        for _ in 0..2 {
            let mut sink = Sink::new(true, Some(packed.len() as u64), 1 << 30, Some(&shelf));
            sink.take(&packed).unwrap();
            let plain = sink.finish().unwrap();
            assert_eq!(plain, noise);
            shelf.put(plain);
            assert_eq!(shelf.kept().bodies.len(), 2);
        }
        shelf.keep(1);
        assert_eq!(shelf.kept().bodies.len(), 1);
        shelf.keep(0);
        shelf.put(Vec::with_capacity(300_000));
        assert!(shelf.kept().bodies.is_empty());
    }

    #[test]
    fn answers_are_bounded() {
        let zeros = json(format!("\"{}\"", "0".repeat(1 << 20)).as_bytes(), Some(0)).unwrap().bytes;
        let mut sink = Sink::new(true, Some(zeros.len() as u64), 1000, None);
        sink.take(&zeros[..900]).unwrap();
        assert!(matches!(sink.take(&zeros[900..]).and_then(|()| sink.finish()), Err(Fault::TooLarge)));
        let mut sink = Sink::new(false, Some(u64::MAX), 3, None);
        sink.take(b"abc").unwrap();
        assert!(matches!(sink.take(b"d"), Err(Fault::TooLarge)));
        let mut sink = Sink::new(true, None, 1 << 30, None);
        sink.take(&zeros[..zeros.len() - 9]).unwrap();
        assert!(matches!(sink.finish(), Err(Fault::Undecodable)));
        let mut sink = Sink::new(true, None, 100, None);
        assert!(sink.take(b"this is not a gzip stream").and_then(|()| sink.finish().map(|_| ())).is_err());
    }
}
