//! Bodies: JSON checked and compressed on the way out, decompressed within a bound on the way in.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use serde::de::IgnoredAny;

use crate::error::Error;
use crate::runtime::usage::{BODY_BYTES, Held};
use crate::sys::inflate::{Inflater, Unpacked};

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

/// Whether a body is compressed; the name of an encoding that nobody asked for is an error.
pub fn is_gzip(headers: &HeaderMap) -> Result<bool, String> {
    match headers.get(CONTENT_ENCODING).map(|v| v.as_bytes().trim_ascii()) {
        None | Some(b"") => Ok(false),
        Some(v) if v.eq_ignore_ascii_case(b"identity") => Ok(false),
        Some(v) if v.eq_ignore_ascii_case(b"gzip") || v.eq_ignore_ascii_case(b"x-gzip") => Ok(true),
        Some(v) => Err(String::from_utf8_lossy(v).to_ascii_lowercase()),
    }
}

/// Memory reserved on a server's word at most.
const RESERVED_AT_MOST: u64 = 16 << 20;

/// Collects an answer's body as it is on the wire, never beyond `limit` bytes, and unpacks it in the end: with all of it
/// there the decompressor never stops and starts.
pub struct Sink {
    bytes: Vec<u8>,
    gzip: bool,
    limit: usize,
    counted: Held,
}

impl Sink {
    /// `announced` is the length the server gives; it is believed only so far that memory is reserved.
    pub fn new(gzip: bool, announced: Option<u64>, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let first = announced.unwrap_or(4096).min(RESERVED_AT_MOST) as usize;
        // One more than announced: the terminating NUL must not cost a second allocation.
        Self { bytes: Vec::with_capacity(first + 1), gzip, limit, counted: BODY_BYTES.hold(0) }
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
        match self.gzip && !self.bytes.is_empty() {
            true => gunzip(&self.bytes, self.limit, &mut self.counted),
            false => Ok(self.bytes),
        }
    }
}

/// Received at a time at least, where so much is wanted.
const LEAST_ROOM: usize = 64 << 10;

/// Unpacks one or more members that follow one another.
fn gunzip(packed: &[u8], limit: usize, counted: &mut Held) -> Result<Vec<u8>, Fault> {
    // The last four bytes say how much there is; believed like an announced length.
    let said = packed.last_chunk().map_or(0, |n| u32::from_le_bytes(*n));
    let first = u64::from(said).min(RESERVED_AT_MOST).min(limit as u64) as usize;
    let mut out = Vec::with_capacity(first + 1);
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
        let mut sink = Sink::new(true, None, 100);
        sink.take(&p.bytes).unwrap();
        assert_eq!(sink.finish().unwrap(), b" [1, 2]\n");
        for bad in ["{", "NaN", "{\"a\":Infinity}", "{} {}", "{\"a\":1,}", "\u{feff}{}"] {
            assert!(json(bad.as_bytes(), None).is_err(), "{bad}");
        }
        assert!(json(b"\"\xff\"", None).is_err());
        assert!(json(format!("{}{}", "[".repeat(200_000), "]".repeat(200_000)).as_bytes(), None).is_ok());
    }

    #[test]
    fn answers_are_bounded() {
        let zeros = json(format!("\"{}\"", "0".repeat(1 << 20)).as_bytes(), Some(0)).unwrap().bytes;
        let mut sink = Sink::new(true, Some(zeros.len() as u64), 1000);
        sink.take(&zeros[..900]).unwrap();
        assert!(matches!(sink.take(&zeros[900..]).and_then(|()| sink.finish()), Err(Fault::TooLarge)));
        let mut sink = Sink::new(false, Some(u64::MAX), 3);
        sink.take(b"abc").unwrap();
        assert!(matches!(sink.take(b"d"), Err(Fault::TooLarge)));
        let mut sink = Sink::new(true, None, 1 << 30);
        sink.take(&zeros[..zeros.len() - 9]).unwrap();
        assert!(matches!(sink.finish(), Err(Fault::Undecodable)));
        let mut sink = Sink::new(true, None, 100);
        assert!(sink.take(b"this is not a gzip stream").and_then(|()| sink.finish().map(|_| ())).is_err());
    }
}
