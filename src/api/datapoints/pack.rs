//! Bodies of inserts as they go on the wire.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::error::Error;

/// As for other bodies: a third smaller than level 1 on datapoints.
const LEVEL: u32 = 2;

pub fn gzip(plain: &[u8]) -> Result<Bytes, Error> {
    let mut out = GzEncoder::new(Vec::with_capacity(plain.len() / 2 + 64), Compression::new(LEVEL));
    let done = out.write_all(plain).and_then(|()| out.finish());
    done.map(Bytes::from).map_err(|e| Error::internal(format!("gzip: {e}")))
}
