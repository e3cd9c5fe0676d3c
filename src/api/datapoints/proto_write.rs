//! `DataPointInsertionRequest` written straight from columns. Lengths come first in protobuf, so each part is measured
//! before it is written; the usual point (numeric, good, after 1971) is always 18 bytes.

use super::column::{Column, Key, Kind, Values, text_at};
use super::plan::{Cut, Plan};
use crate::sys::memory;

/// A numeric point with a timestamp of six varint bytes: 1971 to 2109.
pub(super) const RECORD: usize = 18;

/// Where records of one length lie behind one another: what the compressor makes use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub start: usize,
    pub count: usize,
}

fn varint_len(v: u64) -> usize {
    (70 - (v | 1).leading_zeros() as usize) / 7
}

fn put_varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn text_len(text: &str) -> usize {
    1 + varint_len(text.len() as u64) + text.len()
}

fn put_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn key_len(key: Key<'_>) -> usize {
    match key {
        Key::Id(id) => 1 + varint_len(id as u64),
        Key::External(x) => text_len(x),
        Key::Instance { space, external_id } => {
            let inner = text_len(space) + text_len(external_id);
            1 + varint_len(inner as u64) + inner
        }
    }
}

fn put_key(out: &mut Vec<u8>, key: Key<'_>) {
    match key {
        Key::Id(id) => {
            out.push(0x08);
            put_varint(out, id as u64);
        }
        Key::External(x) => put_text(out, 0x12, x),
        Key::Instance { space, external_id } => {
            out.push(0x2a);
            put_varint(out, (text_len(space) + text_len(external_id)) as u64);
            put_text(out, 0x0a, space);
            put_text(out, 0x12, external_id);
        }
    }
}

/// The length of a status message; zero for good.
fn status_len(code: u32) -> usize {
    if code == 0 { 0 } else { 1 + varint_len(u64::from(code)) }
}

fn point_len(column: &Column<'_>, n: usize) -> usize {
    let time = column.timestamps.get(n).copied().unwrap_or(0);
    let status = match status_len(column.code(n)) {
        0 => 0,
        inner => 2 + inner,
    };
    let there = column.is_there(n);
    let value = match column.values {
        Values::StateNumbers(_) | Values::StateTexts { .. } if !there => 0,
        _ if !there => 2,
        Values::Numbers(_) => 9,
        Values::Texts { offsets, text } | Values::StateTexts { offsets, text } => text_len(text_at(offsets, text, n)),
        Values::StateNumbers(v) => 1 + varint_len(v.get(n).copied().unwrap_or(0) as u64),
    };
    1 + varint_len(time as u64) + value + status
}

fn put_point(out: &mut Vec<u8>, column: &Column<'_>, n: usize) {
    out.push(0x0a);
    put_varint(out, point_len(column, n) as u64);
    out.push(0x08);
    put_varint(out, column.timestamps.get(n).copied().unwrap_or(0) as u64);
    let state = column.values.kind() == Kind::State;
    let there = column.is_there(n);
    if there {
        match column.values {
            Values::Numbers(v) => {
                out.push(0x11);
                out.extend_from_slice(&v.get(n).copied().unwrap_or(0.0).to_le_bytes());
            }
            Values::Texts { offsets, text } => put_text(out, 0x12, text_at(offsets, text, n)),
            Values::StateNumbers(v) => {
                out.push(0x10);
                put_varint(out, v.get(n).copied().unwrap_or(0) as u64);
            }
            Values::StateTexts { offsets, text } => put_text(out, 0x1a, text_at(offsets, text, n)),
        }
    }
    let code = column.code(n);
    if code != 0 {
        out.push(if state { 0x22 } else { 0x1a });
        out.push(status_len(code) as u8);
        out.push(0x08);
        put_varint(out, u64::from(code));
    }
    if !there && !state {
        out.extend_from_slice(&[0x20, 1]);
    }
}

/// The usual point: tag, length, tag, six bytes of time, tag, value. Put together in two words and a half.
#[inline(always)]
fn record((time, value): (&i64, &f64)) -> [u8; RECORD] {
    let t = *time as u64;
    // Seven bits into each byte, in pairs of pairs, then in pairs; the highest bit set in all but the last.
    let t = (t & 0x3fff) | (t & 0x0fff_c000) << 2 | (t & 0x3ff_f000_0000) << 4;
    let t = (t & 0x007f_007f_007f) | (t & 0x3f80_3f80_3f80) << 1 | 0x0011_0080_8080_8080;
    let value = value.to_bits();
    let words = [0x08_100a | t << 24, t >> 40 | value << 16].map(u64::to_le_bytes);
    let mut record = [0; RECORD];
    let (low, rest) = record.as_chunks_mut::<8>();
    low.copy_from_slice(&words);
    rest.copy_from_slice(&((value >> 48) as u16).to_le_bytes());
    record
}

fn put_records(out: &mut Vec<u8>, times: &[i64], values: &[f64]) {
    const BLOCK: usize = 32;
    out.reserve(times.len() * RECORD);
    for (times, values) in times.chunks(BLOCK).zip(values.chunks(BLOCK)) {
        memory::read_on(times);
        memory::read_on(values);
        memory::append_arrays(out, times.iter().zip(values).map(record));
    }
}

/// Writes the request into `out`, which is emptied first, and tells where the usual points lie.
pub fn write(plan: &Plan<'_>, cut: &Cut, out: &mut Vec<u8>) -> Vec<Run> {
    out.clear();
    let mut runs = Vec::with_capacity(cut.slices.len());
    for item in cut.slices.chunk_by(|a, b| a.series == b.series) {
        let Some(series) = item.first().and_then(|s| plan.series.get(s.series)) else { continue };
        let parts = || item.iter().filter_map(|s| Some((plan.columns.get(s.column)?, s)));
        let mut points = 0;
        let plain: Vec<bool> = parts().map(|(_, s)| plan.is_usual(s)).collect();
        for ((column, s), plain) in parts().zip(&plain) {
            points += match *plain {
                true => (s.to - s.from) * RECORD,
                false => (s.from..s.to)
                    .map(|n| {
                        let len = point_len(column, n);
                        1 + varint_len(len as u64) + len
                    })
                    .sum(),
            };
        }
        let tag = match series.kind {
            Kind::Numeric => 0x1a,
            Kind::Text => 0x22,
            Kind::State => 0x32,
        };
        let len = key_len(series.key) + 1 + varint_len(points as u64) + points;
        out.reserve(len + 12);
        out.push(0x0a);
        put_varint(out, len as u64);
        put_key(out, series.key);
        out.push(tag);
        put_varint(out, points as u64);
        for ((column, s), plain) in parts().zip(&plain) {
            match column.values {
                Values::Numbers(values) if *plain => {
                    runs.push(Run { start: out.len(), count: s.to - s.from });
                    let times = column.timestamps.get(s.from..s.to).unwrap_or_default();
                    put_records(out, times, values.get(s.from..s.to).unwrap_or_default());
                }
                _ => (s.from..s.to).for_each(|n| put_point(out, column, n)),
            }
        }
    }
    runs
}

#[cfg(test)]
#[path = "proto_write_tests.rs"]
mod tests;
