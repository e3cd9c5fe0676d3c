//! Bodies of inserts as they go on the wire.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::deflate;
use super::proto_write::{RECORD, Run};
use crate::error::Error;
use crate::sys::inflate::crc32;

/// As for other bodies: a third smaller than level 1 on datapoints.
const LEVEL: u32 = 2;

/// Whether nearly all of it is runs, long enough that their first points, which are not compressed, do not count.
fn is_runs(plain: &[u8], runs: &[Run]) -> bool {
    let points: usize = runs.iter().map(|r| r.count).sum();
    points >= 1000 && points >= 32 * runs.len() && points * RECORD >= plain.len() / 10 * 9
}

pub fn gzip(plain: &[u8], runs: &[Run]) -> Result<Bytes, Error> {
    if is_runs(plain, runs) {
        return Ok(deflate::gzip(plain, runs, crc32(plain)).into());
    }
    let mut out = GzEncoder::new(Vec::with_capacity(plain.len() / 2 + 64), Compression::new(LEVEL));
    let done = out.write_all(plain).and_then(|()| out.finish());
    done.map(Bytes::from).map_err(|e| Error::internal(format!("gzip: {e}")))
}
