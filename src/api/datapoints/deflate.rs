//! A deflate encoder that knows what a run of datapoints looks like: 18 bytes each, of which the time and the high bytes of
//! the number are mostly those of the point before, and the low bytes of the number those of some point before. Where the
//! matches lie is known, so nothing is searched but one place per point. Faster than a general encoder of any speed, and
//! smaller than their fast levels; for bytes that are not in a run it is none.

use super::huffman::{self, DISTANCES, LITERALS};
use super::proto_write::{RECORD, Run};

/// Points counted to learn how often each symbol comes.
const SAMPLE: usize = 3000;
/// How far back deflate can point.
const WINDOW: usize = 32_768;
const HASH_BITS: u32 = 12;
/// Longest match that is made: a record but for its first bytes, and the head of the next.
const LONGEST: usize = 20;

/// Who is told the symbols: first one that counts, then one that writes.
trait Sink {
    fn literal(&mut self, byte: u8);
    fn back(&mut self, length: usize, distance: usize);
    /// A match with the point before.
    fn back_record(&mut self, length: usize);
}

/// Length symbol, extra bits and their value; for 3 to 20.
fn length_symbol(length: usize) -> (usize, u32, u32) {
    match length {
        0..=10 => (254 + length.max(3), 0, 0),
        11..=18 => (265 + (length - 11) / 2, 1, (length as u32 - 11) % 2),
        _ => (269, 2, length as u32 - 19),
    }
}

/// Distance symbol, number of extra bits, and their value.
fn distance_symbol(distance: usize) -> (usize, u32, u32) {
    let d = (distance.max(1) - 1) as u32;
    if d < 4 {
        return (d as usize, 0, 0);
    }
    let bits = 31 - d.leading_zeros();
    let extra = bits - 1;
    let symbol = 2 * bits + (d >> extra & 1);
    (symbol as usize, extra, d & ((1 << extra) - 1))
}

struct Counter {
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
}

impl Counter {
    fn add(counts: &mut [u32], symbol: usize) {
        if let Some(count) = counts.get_mut(symbol) {
            *count += 1;
        }
    }
}

impl Sink for Counter {
    fn literal(&mut self, byte: u8) {
        Self::add(&mut self.literals, usize::from(byte));
    }

    fn back(&mut self, length: usize, distance: usize) {
        Self::add(&mut self.literals, length_symbol(length).0);
        Self::add(&mut self.distances, distance_symbol(distance).0);
    }

    fn back_record(&mut self, length: usize) {
        self.back(length, RECORD);
    }
}

/// Bits of a symbol or of several, and how many.
#[derive(Clone, Copy, Default)]
struct Bits {
    bits: u32,
    count: u32,
}

impl Bits {
    fn then(self, bits: u32, count: u32) -> Self {
        Self { bits: self.bits | bits << self.count, count: self.count + count }
    }
}

const STAGE: usize = 4096;

struct Writer {
    out: Vec<u8>,
    stage: [u8; STAGE + 64],
    at: usize,
    buffer: u64,
    count: u32,
    literals: [Bits; 256],
    lengths: [Bits; LONGEST + 1],
    records: [Bits; LONGEST + 1],
    distances: [Bits; DISTANCES],
}

impl Writer {
    #[inline(always)]
    fn put(&mut self, b: Bits) {
        self.buffer |= u64::from(b.bits) << (self.count & 63);
        self.count += b.count;
    }

    #[inline(always)]
    fn drain(&mut self) {
        if let Some(slot) = self.stage.get_mut(self.at..self.at + 8) {
            slot.copy_from_slice(&self.buffer.to_le_bytes());
        }
        self.at += (self.count >> 3) as usize;
        self.buffer >>= self.count & 56;
        self.count &= 7;
        if self.at >= STAGE {
            self.empty_stage();
        }
    }

    #[cold]
    fn empty_stage(&mut self) {
        self.out.extend_from_slice(self.stage.get(..self.at).unwrap_or_default());
        self.at = 0;
    }

    fn bits(&mut self, bits: u32, count: u32) {
        self.put(Bits { bits, count });
        self.drain();
    }
}

impl Sink for Writer {
    #[inline(always)]
    fn literal(&mut self, byte: u8) {
        self.put(self.literals[usize::from(byte)]);
        // Twelve bits at most each: room for one more and a match.
        if self.count > 32 {
            self.drain();
        }
    }

    #[inline(always)]
    fn back(&mut self, length: usize, distance: usize) {
        let (symbol, extra, value) = distance_symbol(distance);
        self.drain();
        self.put(self.lengths.get(length).copied().unwrap_or_default());
        let code = self.distances.get(symbol).copied().unwrap_or_default();
        self.put(code.then(value, extra));
        self.drain();
    }

    #[inline(always)]
    fn back_record(&mut self, length: usize) {
        self.put(self.records.get(length).copied().unwrap_or_default());
        self.drain();
    }
}

fn number(record: &[u8; RECORD]) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *record;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn time(record: &[u8; RECORD]) -> u64 {
    let [_, _, _, a, b, c, d, e, f, ..] = *record;
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

/// The symbols of a run, whose place in the whole begins at `start`.
#[inline(always)]
fn run<S: Sink>(records: &[[u8; RECORD]], start: usize, heads: &mut [u32; 1 << HASH_BITS], plain: &[u8], sink: &mut S) {
    let Some((first, rest)) = records.split_first() else { return };
    first.iter().for_each(|b| sink.literal(*b));
    // The head of a record is told with the end of the one before.
    if !rest.is_empty() {
        first.iter().take(3).for_each(|b| sink.literal(*b));
    }
    let mut before = first;
    let mut place = start + RECORD;
    for (n, record) in rest.iter().enumerate() {
        let head = if n + 1 < rest.len() { 3 } else { 0 };
        let (now, then) = (time(record), time(before));
        let changed = 8 - ((now ^ then) | 1).leading_zeros() as usize / 8;
        let changed = if now == then { 0 } else { changed };
        // The rest of the time, and the tag of the number.
        let same = 7 - changed;
        let (value, old) = (number(record), number(before));
        let differs = value ^ old;
        let low = if differs == 0 { 8 } else { differs.trailing_zeros() as usize / 8 };
        let high = if differs == 0 { 8 } else { differs.leading_zeros() as usize / 8 };
        let at = place + 10;
        place += RECORD;
        before = record;
        let slot = (value as u32).wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS);
        let slot = heads.get_mut(slot as usize);
        let candidate = slot.map_or(0, |s| std::mem::replace(s, at as u32)) as usize;
        let mut times = now;
        for _ in 0..changed {
            sink.literal(times as u8);
            times >>= 8;
        }
        if differs == 0 {
            // At least nine bytes.
            sink.back_record((same + 8 + head).min(LONGEST));
            continue;
        }
        let mut done = 0;
        if low >= 4 {
            sink.back_record(same + low);
            done = low;
        } else {
            if same >= 3 {
                sink.back_record(same);
            } else {
                record.iter().skip(10 - same).take(same).for_each(|b| sink.literal(*b));
            }
            let there = plain.get(candidate..candidate + 8).and_then(|b| b.first_chunk::<8>());
            let there = there.map_or(!value, |b| u64::from_le_bytes(*b));
            let unlike = there ^ value;
            let distance = at.wrapping_sub(candidate);
            if unlike as u32 == 0 && distance <= WINDOW && candidate != 0 {
                if unlike == 0 && head > 0 && candidate >= start {
                    sink.back(8 + head, distance);
                    continue;
                }
                done = if unlike == 0 { 8 } else { unlike.trailing_zeros() as usize / 8 };
                sink.back(done, distance);
            }
        }
        let kept = high.min(8 - done);
        let mut middle = value >> ((8 * done as u32) & 63);
        for _ in done..8 - kept {
            sink.literal(middle as u8);
            middle >>= 8;
        }
        if kept + head >= 3 {
            sink.back_record(kept + head);
        } else {
            record.iter().skip(RECORD - kept).for_each(|b| sink.literal(*b));
            record.iter().take(head).for_each(|b| sink.literal(*b));
        }
    }
}

fn walk<S: Sink>(plain: &[u8], runs: &[Run], sink: &mut S) {
    let mut heads = [0u32; 1 << HASH_BITS];
    let mut from = 0;
    for r in runs {
        plain.get(from..r.start).unwrap_or_default().iter().for_each(|b| sink.literal(*b));
        let end = r.start + r.count * RECORD;
        let records = plain.get(r.start..end).unwrap_or_default().as_chunks::<RECORD>().0;
        run(records, r.start, &mut heads, plain, sink);
        from = end;
    }
    plain.get(from..).unwrap_or_default().iter().for_each(|b| sink.literal(*b));
}

/// A part of the runs, from the first and the middle one, with about as many points as are counted.
fn sample(runs: &[Run]) -> Vec<Run> {
    let take = |r: &Run| Run { count: r.count.min(SAMPLE / 2), ..*r };
    let middle = runs.get(runs.len() / 2).map(|r| {
        // Of one run its own middle.
        let skip = if runs.len() == 1 { r.count / 2 } else { 0 };
        take(&Run { start: r.start + skip * RECORD, count: r.count - skip })
    });
    runs.first().map(take).into_iter().chain(middle).collect()
}

/// How often each symbol comes, about. By itself, so that its stack is free again before the writing takes as much.
#[inline(never)]
fn count(plain: &[u8], runs: &[Run]) -> Counter {
    let mut counter = Counter { literals: [0; LITERALS], distances: [0; DISTANCES] };
    let mut heads = [0u32; 1 << HASH_BITS];
    for r in sample(runs) {
        let records = plain.get(r.start..r.start + r.count * RECORD).unwrap_or_default().as_chunks::<RECORD>().0;
        run(records, r.start, &mut heads, plain, &mut counter);
    }
    // Every symbol gets a code: the sample may have missed some.
    counter.literals.iter_mut().chain(&mut counter.distances).for_each(|c| *c = *c * 8 + 1);
    counter
}

/// The bytes as gzip. `runs` are in order and do not overlap; `crc` is the CRC-32 of all of it.
pub fn gzip(plain: &[u8], runs: &[Run], crc: u32) -> Vec<u8> {
    let counter = count(plain, runs);
    let literals = huffman::codes(&counter.literals);
    let distances = huffman::codes(&counter.distances);
    let code = |codes: &[(u16, u8)], n: usize| {
        codes.get(n).map_or(Bits::default(), |(bits, count)| Bits { bits: u32::from(*bits), count: u32::from(*count) })
    };
    let length = |n: usize| {
        let (symbol, extra, value) = length_symbol(n);
        code(&literals, symbol).then(value, extra)
    };
    let (near, extra, value) = distance_symbol(RECORD);
    let near = code(&distances, near).then(value, extra);
    let mut w = Writer {
        out: Vec::with_capacity(plain.len() * 3 / 8 + 512),
        stage: [0; STAGE + 64],
        at: 0,
        buffer: 0,
        count: 0,
        literals: std::array::from_fn(|n| code(&literals, n)),
        lengths: std::array::from_fn(length),
        records: std::array::from_fn(|n| length(n).then(near.bits, near.count)),
        distances: std::array::from_fn(|n| code(&distances, n)),
    };
    // No name, no time, fastest, unknown system.
    w.out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff]);
    huffman::header(&literals, &distances, &mut |bits, count| w.bits(bits, count));
    walk(plain, runs, &mut w);
    let end = code(&literals, 256);
    w.drain();
    w.bits(end.bits, end.count);
    // To the next whole byte.
    w.bits(0, (8 - w.count) & 7);
    w.empty_stage();
    w.out.extend_from_slice(&crc.to_le_bytes());
    w.out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    w.out
}

#[cfg(test)]
#[path = "deflate_tests.rs"]
mod tests;
