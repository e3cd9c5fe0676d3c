//! Bodies: JSON checked and compressed on the way out, decompressed within a bound on the way in.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use serde::de::IgnoredAny;

use crate::error::Error;
use crate::runtime::usage::{BODY_BYTES, Held};

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

/// Collects an answer's body, decompressing as it arrives, never beyond `limit` bytes.
pub enum Sink {
    Plain(Limited),
    Gzip(Box<MultiGzDecoder<Limited>>),
}

pub struct Limited {
    bytes: Vec<u8>,
    limit: usize,
    counted: Held,
}

impl Write for Limited {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.len() > self.limit - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(data);
        self.counted.set(self.bytes.len());
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    /// `announced` is the length the server gives; it is believed only so far that memory is reserved.
    pub fn new(gzip: bool, announced: Option<u64>, limit: u64) -> Self {
        const RESERVED_AT_MOST: u64 = 16 << 20;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let first = announced.unwrap_or(4096).min(RESERVED_AT_MOST) as usize;
        // One more than announced: the terminating NUL must not cost a second allocation.
        let sink = Limited { bytes: Vec::with_capacity(first + 1), limit, counted: BODY_BYTES.hold(0) };
        if gzip { Sink::Gzip(Box::new(MultiGzDecoder::new(sink))) } else { Sink::Plain(sink) }
    }

    pub fn take(&mut self, data: &[u8]) -> Result<(), Fault> {
        match self {
            Sink::Plain(sink) => sink.write_all(data),
            Sink::Gzip(decoder) => decoder.write_all(data),
        }
        .map_err(fault)
    }

    /// The whole body; a compressed stream that ends early is an error, not a shorter body.
    pub fn finish(self) -> Result<Vec<u8>, Fault> {
        match self {
            Sink::Plain(sink) => Ok(sink.bytes),
            Sink::Gzip(decoder) => decoder.finish().map(|sink| sink.bytes).map_err(fault),
        }
    }
}

fn fault(e: io::Error) -> Fault {
    if e.kind() == io::ErrorKind::FileTooLarge { Fault::TooLarge } else { Fault::Undecodable }
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
        assert!(matches!(sink.take(&zeros), Err(Fault::TooLarge)));
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
