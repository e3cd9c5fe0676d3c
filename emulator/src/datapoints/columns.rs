//! Numeric datapoints in binary form, straight to columns and back: most of all bytes are these.

use prost::Message;

use super::encode::{Found, value_of};
use super::proto;
use super::series::{Batch, Series, Values};
use super::status::{self, Mark};
use crate::error::{ApiError, Result};

/// Tags: a datapoint in its list, and its timestamp, value, status and nullValue.
const POINT: u8 = 0x0A;
const TIMESTAMP: u8 = 0x08;
const VALUE: u8 = 0x11;
const STATUS: u8 = 0x1A;
const NULL: u8 = 0x20;

/// The messages of a `NumericDatapoints`. Nothing is checked but the form; that is `insert`'s.
pub fn read(mut bytes: &[u8], mut add: impl FnMut(i64, Option<f64>, u32) -> Result<()>) -> Result<()> {
    while let [tag, rest @ ..] = bytes {
        let message = (*tag == POINT).then(|| varint(rest)).flatten();
        let message = message.and_then(|(len, rest)| rest.split_at_checked(usize::try_from(len).ok()?));
        let Some((point, rest)) = message else {
            return Err(ApiError::bad("Could not parse the request body: invalid numericDatapoints"));
        };
        bytes = rest;
        match plain(point) {
            Some((timestamp, value)) => add(timestamp, Some(value), 0)?,
            None => {
                let point = proto::NumericDatapoint::decode(point)
                    .map_err(|e| ApiError::bad(format!("Could not parse the request body: {e}")))?;
                let (code, symbol) = parts(point.status);
                let code = status::parse(code, symbol.as_deref())?;
                add(point.timestamp, (!point.null_value).then_some(point.value), code)?;
            }
        }
    }
    Ok(())
}

/// Code and symbol as they were meant: an unset code is 0, so a symbol alone arrives as code 0 with that symbol.
pub fn parts(status: Option<proto::Status>) -> (Option<i64>, Option<String>) {
    match status {
        None => (None, None),
        Some(s) if s.code == 0 && !s.symbol.is_empty() => (None, Some(s.symbol)),
        Some(s) => (Some(s.code), Some(s.symbol)),
    }
}

/// A datapoint of timestamp and value, in this order.
fn plain(point: &[u8]) -> Option<(i64, f64)> {
    let (tag, rest) = point.split_first()?;
    let (timestamp, rest) = varint(rest).filter(|_| *tag == TIMESTAMP)?;
    let (tag, value) = rest.split_first()?;
    let value = value.try_into().ok().filter(|_| *tag == VALUE)?;
    Some((timestamp as i64, f64::from_le_bytes(value)))
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (n, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(n + 1..)?));
        }
    }
    None
}

/// All of a series' picked datapoints, as the content of a `NumericDatapoints`.
pub fn write(found: &Found, series: &Series, picks: &[usize]) -> Vec<u8> {
    let mut out = Vec::with_capacity(picks.len() * 18);
    let Values::Numbers(values) = &series.values else { return out };
    for n in picks {
        let (Some(timestamp), Some(value)) = (series.ts.get(*n), values.get(*n)) else { continue };
        let begin = out.len();
        out.extend([POINT, 0]);
        if *timestamp != 0 {
            out.push(TIMESTAMP);
            let mut left = *timestamp as u64;
            while left > 0x7F {
                out.push(left as u8 | 0x80);
                left >>= 7;
            }
            out.push(left as u8);
        }
        let mark = series.mark(*timestamp);
        let null = mark.is_some_and(|m| m.null);
        let value = value_of(found, *value);
        // Zero is what an absent number means; minus zero is not zero.
        if !null && value.to_bits() != 0 {
            out.push(VALUE);
            out.extend(value.to_le_bytes());
        }
        if let Some(mark) = mark {
            rest(&mut out, mark, found.include_status);
        }
        // At most 20 bytes and a status of a few dozen, so the length is one byte.
        let length = out.len() - begin - 2;
        if let Some(place) = out.get_mut(begin + 1) {
            *place = u8::try_from(length).unwrap_or(0);
        }
    }
    out
}

fn rest(out: &mut Vec<u8>, mark: &Mark, show: bool) {
    if show && mark.code != 0 {
        let status = proto::Status { code: i64::from(mark.code), symbol: status::symbol(mark.code).to_owned() };
        let bytes = status.encode_to_vec();
        out.extend([STATUS, u8::try_from(bytes.len()).unwrap_or(0)]);
        out.extend(bytes);
    }
    if mark.null {
        out.extend([NULL, 1]);
    }
}

/// A batch for numbers that are read one by one.
pub fn batch(bytes: &[u8], check: impl Fn(i64, Option<f64>, u32) -> Result<f64>) -> Result<Batch> {
    // A datapoint of our time takes 18 bytes.
    let guess = bytes.len() / 18 + 1;
    let (mut ts, mut values, mut marks) = (Vec::with_capacity(guess), Vec::with_capacity(guess), Vec::new());
    read(bytes, |timestamp, value, code| {
        values.push(check(timestamp, value, code)?);
        if code != 0 || value.is_none() {
            marks.push((ts.len(), Mark { code, null: value.is_none() }));
        }
        ts.push(timestamp);
        Ok(())
    })?;
    Ok(Batch { ts, values: Values::Numbers(values), marks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prost_writes_is_read_and_what_is_odd_too() {
        let point = |timestamp, value, code: i64, null_value| proto::NumericDatapoint {
            timestamp,
            value,
            status: (code != 0).then(|| proto::Status { code, symbol: String::new() }),
            null_value,
        };
        let datapoints = vec![
            point(1_700_000_000_000, 1.5, 0, false),
            point(-5, -0.0, 0, false),
            point(0, 0.0, 0, false),
            point(7, 2.0, 0x4000_0000, false),
            point(8, 0.0, 0x8000_0000, true),
        ];
        let mut bytes = proto::NumericDatapoints { datapoints }.encode_to_vec();
        // Value before timestamp is allowed too.
        bytes.extend([0x0A, 11, 0x11, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0x08, 9]);
        let mut found = Vec::new();
        read(&bytes, |t, v, code| {
            found.push((t, v, code));
            Ok(())
        })
        .unwrap();
        let wanted = [
            (1_700_000_000_000, Some(1.5), 0),
            (-5, Some(-0.0), 0),
            (0, Some(0.0), 0),
            (7, Some(2.0), 0x4000_0000),
            (8, None, 0x8000_0000),
            (9, Some(1.0), 0),
        ];
        assert_eq!(found, wanted);
        for bad in [
            &b"\x0a"[..],
            b"\x0a\x05\x08",
            b"\x12\x00",
            b"\x0a\x02\x08\xff",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert!(read(bad, |_, _, _| Ok(())).is_err(), "{bad:?}");
        }
    }

    /// What is accepted means what prost takes it for.
    #[test]
    fn changed_bytes_are_read_as_prost_reads_them() {
        let point = |n: i64| proto::NumericDatapoint {
            timestamp: n * 1_000_003,
            value: n as f64 * 0.1,
            status: (n % 3 == 0).then(|| proto::Status { code: 0x8000_0000, symbol: "Bad".into() }),
            null_value: n % 6 == 0,
        };
        let whole = proto::NumericDatapoints { datapoints: (0..6).map(point).collect() }.encode_to_vec();
        let (mut seed, mut accepted) = (1_u64, 0);
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        for _ in 0..50_000 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            bytes.truncate(bytes.len() - random(2) * random(40));
            let mut found = Vec::new();
            let read = read(&bytes, |t, v, code| {
                found.push((t, v.map(f64::to_bits), code));
                Ok(())
            });
            if read.is_err() {
                continue;
            }
            accepted += 1;
            let official = proto::NumericDatapoints::decode(&bytes[..]).unwrap().datapoints.into_iter().map(|p| {
                let (code, symbol) = parts(p.status);
                let code = status::parse(code, symbol.as_deref()).unwrap();
                (p.timestamp, (!p.null_value).then_some(p.value.to_bits()), code)
            });
            assert_eq!(found, official.collect::<Vec<_>>(), "{bytes:?}");
        }
        assert!(accepted > 5_000, "{accepted}");
    }
}
