//! `DataPointListResponse` read straight into columns. The bytes come from outside: every length is checked, what is not
//! known is skipped, and nothing is reserved that is not there.

use super::column::Kind;
use super::columns::{Info, Points};
use super::proto_write::RECORD;
use super::state_sums::{Entry, NAMES};
use crate::sys::memory;

/// The answer is no such message.
#[derive(Debug, PartialEq, Eq)]
pub struct Damaged;

type Read<T> = Result<T, Damaged>;

/// One field: its number, and its value by wire type.
enum Field<'a> {
    Number(u64),
    Double(f64),
    Bytes(&'a [u8]),
    /// Four bytes: in none of the messages.
    Short,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Read<u64> {
        let mut v = 0;
        for (n, byte) in self.0.iter().take(10).enumerate() {
            v |= u64::from(byte & 0x7f) << (7 * n);
            if *byte < 0x80 {
                self.0 = self.0.get(n + 1..).ok_or(Damaged)?;
                return Ok(v);
            }
        }
        Err(Damaged)
    }

    fn take(&mut self, n: u64) -> Read<&'a [u8]> {
        let n = usize::try_from(n).map_err(|_| Damaged)?;
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn next(&mut self) -> Read<Option<(u64, Field<'a>)>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => {
                let bytes: [u8; 8] = self.take(8)?.try_into().map_err(|_| Damaged)?;
                Field::Double(f64::from_le_bytes(bytes))
            }
            2 => {
                let n = self.varint()?;
                Field::Bytes(self.take(n)?)
            }
            5 => {
                self.take(4)?;
                Field::Short
            }
            _ => return Err(Damaged),
        };
        match tag >> 3 {
            0 => Err(Damaged),
            number => Ok(Some((number, field))),
        }
    }
}

fn text(bytes: &[u8]) -> Read<String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Damaged)
}

/// One series of an answer: what is said of it, and where its points lie.
pub struct Item<'a> {
    pub info: Info,
    pub cursor: Option<String>,
    /// Field number and content of each list of points.
    lists: Vec<(u64, &'a [u8])>,
}

/// The series of an answer, in its order.
pub fn items(body: &[u8]) -> Read<Vec<Item<'_>>> {
    let mut out = Vec::new();
    let mut reader = Reader(body);
    while let Some((number, field)) = reader.next()? {
        if let (1, Field::Bytes(bytes)) = (number, field) {
            out.push(item(bytes)?);
        }
    }
    Ok(out)
}

fn item(bytes: &[u8]) -> Read<Item<'_>> {
    let mut item = Item { info: Info::default(), cursor: None, lists: Vec::new() };
    let mut reader = Reader(bytes);
    while let Some((number, field)) = reader.next()? {
        let info = &mut item.info;
        match (number, field) {
            (1, Field::Number(v)) => info.id = v as i64,
            (2, Field::Bytes(b)) => info.external_id = text(b)?,
            (3..=5 | 13 | 15, Field::Bytes(b)) => item.lists.push((number, b)),
            (6, Field::Number(v)) => info.is_string = v != 0,
            (7, Field::Number(v)) => info.is_step = v != 0,
            (8, Field::Bytes(b)) => info.unit = text(b)?,
            (9, Field::Bytes(b)) => item.cursor = Some(text(b)?).filter(|c| !c.is_empty()),
            (10, Field::Bytes(b)) => info.unit_external_id = text(b)?,
            (11, Field::Bytes(b)) => info.instance = Some(instance(b)?),
            (12, Field::Number(v)) => {
                info.kind = match v {
                    1 => Some(Kind::Numeric),
                    2 => Some(Kind::Text),
                    3 => Some(Kind::State),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    Ok(item)
}

fn instance(bytes: &[u8]) -> Read<(String, String)> {
    let (mut space, mut external_id) = (String::new(), String::new());
    let mut reader = Reader(bytes);
    while let Some((number, field)) = reader.next()? {
        match (number, field) {
            (1, Field::Bytes(b)) => space = text(b)?,
            (2, Field::Bytes(b)) => external_id = text(b)?,
            _ => {}
        }
    }
    Ok((space, external_id))
}

fn status(bytes: &[u8]) -> Read<u32> {
    let mut code = 0;
    let mut reader = Reader(bytes);
    while let Some((number, field)) = reader.next()? {
        if let (1, Field::Number(v)) = (number, field) {
            // As int64, or as an int32 that became negative.
            code = v as u32;
        }
    }
    Ok(code)
}

/// What a list is expected to hold: raw points, or aggregates by their field numbers.
pub enum Expected<'a> {
    Raw,
    Aggregates(&'a [Column]),
}

/// One column of an aggregate: its name, the field it comes in, and for the points within aggregates which part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub field: u64,
    pub part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Timestamp,
    Value,
    Status,
}

impl Item<'_> {
    /// Appends the points of this answer to `out`: all of them, in whole columns, or none.
    pub fn read(&self, expected: &Expected<'_>, out: &mut Points) -> Read<()> {
        let before = out.len();
        let done = self.read_lists(expected, out);
        out.of_states.close(out.len());
        // A service that is mistaken, or none, may mix kinds of values in one series.
        if done.is_err() || !out.is_whole() {
            out.truncate(before);
            return Err(Damaged);
        }
        Ok(())
    }

    fn read_lists(&self, expected: &Expected<'_>, out: &mut Points) -> Read<()> {
        for (number, list) in &self.lists {
            match (number, expected) {
                (3, Expected::Raw) => numbers(list, out)?,
                (4, Expected::Raw) => each(list, |bytes| text_point(bytes, out))?,
                (13, Expected::Raw) => each(list, |bytes| state_point(bytes, out))?,
                (5, Expected::Aggregates(columns)) => each(list, |bytes| aggregate(bytes, columns, out))?,
                (15, Expected::Aggregates(columns)) => each(list, |bytes| state_aggregate(bytes, columns, out))?,
                // An empty list of the other sort says nothing.
                _ if list.is_empty() => {}
                _ => return Err(Damaged),
            }
        }
        Ok(())
    }
}

fn each(list: &[u8], mut point: impl FnMut(&[u8]) -> Read<()>) -> Read<()> {
    let mut reader = Reader(list);
    while let Some((number, field)) = reader.next()? {
        if let (1, Field::Bytes(bytes)) = (number, field) {
            point(bytes)?;
        }
    }
    Ok(())
}

/// The usual point: six bytes of time, a number, nothing else. Looked at once, in three loads.
#[inline(always)]
fn usual(r: &[u8; RECORD]) -> Option<(i64, f64)> {
    let head = u32::from_le_bytes(*r.first_chunk()?);
    let time = u64::from_le_bytes(*r.get(3..)?.first_chunk()?);
    let value = f64::from_le_bytes(*r.last_chunk()?);
    // Tag, length, tag; then the continuation bits of six bytes of time, and the tag of the value behind them.
    if (head & 0xff_ffff != 0x08_100a) | (time & 0x00ff_8080_8080_8080 != 0x0011_0080_8080_8080) {
        return None;
    }
    // Seven bits of each byte move together, in pairs, then in pairs of pairs.
    let t = (time & 0x007f_007f_007f) | (time & 0x7f00_7f00_7f00) >> 1;
    let t = (t & 0x3fff) | (t >> 2 & 0x0fff_c000) | (t >> 4 & 0x3ff_f000_0000);
    Some((t as i64, value))
}

fn numbers(list: &[u8], out: &mut Points) -> Read<()> {
    let guess = list.len() / RECORD;
    memory::reserve(&mut out.timestamps, guess);
    memory::reserve(&mut out.numbers, guess);
    let mut rest = list;
    while !rest.is_empty() {
        let records = rest.as_chunks::<RECORD>().0.iter();
        let n = memory::append_pairs(&mut out.timestamps, &mut out.numbers, records.map(usual));
        rest = rest.get(n * RECORD..).unwrap_or_default();
        out.fill_marks();
        // One that is not usual, and on.
        let mut reader = Reader(rest);
        match reader.next()? {
            Some((1, Field::Bytes(bytes))) => number_point(bytes, out)?,
            Some(_) => {}
            None => break,
        }
        rest = reader.0;
    }
    out.fill_marks();
    Ok(())
}

#[derive(Default)]
struct Point {
    time: i64,
    value: f64,
    code: u32,
    null: bool,
}

fn number_fields(bytes: &[u8]) -> Read<Point> {
    let mut p = Point::default();
    let mut reader = Reader(bytes);
    while let Some((number, field)) = reader.next()? {
        match (number, field) {
            (1, Field::Number(v)) => p.time = v as i64,
            (2, Field::Double(v)) => p.value = v,
            (3, Field::Bytes(b)) => p.code = status(b)?,
            (4, Field::Number(v)) => p.null = v != 0,
            _ => {}
        }
    }
    Ok(p)
}

fn number_point(bytes: &[u8], out: &mut Points) -> Read<()> {
    let p = number_fields(bytes)?;
    out.timestamps.push(p.time);
    out.numbers.push(if p.null { f64::NAN } else { p.value });
    out.mark(p.code, !p.null);
    Ok(())
}

fn text_point(bytes: &[u8], out: &mut Points) -> Read<()> {
    let (mut time, mut value, mut code, mut null) = (0, &[][..], 0, false);
    let mut reader = Reader(bytes);
    while let Some((number, field)) = reader.next()? {
        match (number, field) {
            (1, Field::Number(v)) => time = v as i64,
            (2, Field::Bytes(b)) => value = b,
            (3, Field::Bytes(b)) => code = status(b)?,
            (4, Field::Number(v)) => null = v != 0,
            _ => {}
        }
    }
    std::str::from_utf8(value).map_err(|_| Damaged)?;
    out.timestamps.push(time);
    out.texts.push(value);
    out.mark(code, !null);
    Ok(())
}

fn state_point(bytes: &[u8], out: &mut Points) -> Read<()> {
    let (mut time, mut state, mut name, mut code) = (0, None, None, 0);
    let mut reader = Reader(bytes);
    while let Some((number, field)) = reader.next()? {
        match (number, field) {
            (1, Field::Number(v)) => time = v as i64,
            (2, Field::Number(v)) => state = Some(v as i64),
            (3, Field::Bytes(b)) => name = Some(b),
            (4, Field::Bytes(b)) => code = status(b)?,
            _ => {}
        }
    }
    std::str::from_utf8(name.unwrap_or_default()).map_err(|_| Damaged)?;
    out.timestamps.push(time);
    out.states.push(state.unwrap_or(0));
    out.texts.push(name.unwrap_or_default());
    out.mark(code, state.is_some() || name.is_some());
    Ok(())
}

/// Aggregates that proto3 leaves out are zero; those that do not exist for a bucket come as NaN.
fn aggregate(bytes: &[u8], columns: &[Column], out: &mut Points) -> Read<()> {
    let mut time = 0;
    let at = out.timestamps.len();
    for (column, values) in columns.iter().zip(&mut out.aggregates) {
        values.push(if column.part == Part::Whole { 0.0 } else { f64::NAN });
    }
    let mut reader = Reader(bytes);
    while let Some((number, field)) = reader.next()? {
        match field {
            Field::Number(v) if number == 1 => time = v as i64,
            Field::Double(v) => set(columns, out, number, Part::Whole, at, v),
            Field::Bytes(b) if number == 18 || number == 19 => {
                let p = number_fields(b)?;
                set(columns, out, number, Part::Timestamp, at, p.time as f64);
                set(columns, out, number, Part::Value, at, p.value);
                set(columns, out, number, Part::Status, at, f64::from(p.code));
            }
            Field::Bytes(b) if number == 20 => state_sum(b, out)?,
            _ => {}
        }
    }
    out.timestamps.push(time);
    Ok(())
}

/// Of states: the same aggregates under other numbers, and interpolated values as states, of which the number is taken.
fn state_aggregate(bytes: &[u8], columns: &[Column], out: &mut Points) -> Read<()> {
    let mut time = 0;
    let at = out.timestamps.len();
    for (column, values) in columns.iter().zip(&mut out.aggregates) {
        values.push(if matches!(column.field, 5 | 12..=17) { 0.0 } else { f64::NAN });
    }
    let mut reader = Reader(bytes);
    while let Some((number, field)) = reader.next()? {
        match (number, field) {
            (1, Field::Number(v)) => time = v as i64,
            (2, Field::Double(v)) => set(columns, out, 5, Part::Whole, at, v),
            (3..=8, Field::Double(v)) => set(columns, out, number + 9, Part::Whole, at, v),
            (9 | 10, Field::Bytes(b)) => {
                let mut state = Reader(b);
                while let Some((part, field)) = state.next()? {
                    if let (1, Field::Number(v)) = (part, field) {
                        set(columns, out, number - 2, Part::Whole, at, v as i64 as f64);
                    }
                }
            }
            (11, Field::Bytes(b)) => state_sum(b, out)?,
            _ => {}
        }
    }
    out.timestamps.push(time);
    Ok(())
}

/// What one state did in the bucket that is being read.
fn state_sum(bytes: &[u8], out: &mut Points) -> Read<()> {
    let mut entry = Entry::default();
    let mut reader = Reader(bytes);
    while let Some((number, field)) = reader.next()? {
        match (number, field) {
            (1, Field::Number(v)) => entry.state = v as i64,
            (2, Field::Bytes(b)) => entry.name = b,
            (_, Field::Number(v)) => {
                let sum = NAMES.iter().zip(&mut entry.sums).find(|((_, field), _)| *field == number);
                if let Some((_, sum)) = sum {
                    *sum = v as i64;
                }
            }
            _ => {}
        }
    }
    std::str::from_utf8(entry.name).map_err(|_| Damaged)?;
    out.of_states.push(out.timestamps.len(), &entry);
    Ok(())
}

fn set(columns: &[Column], out: &mut Points, field: u64, part: Part, at: usize, value: f64) {
    for (column, values) in columns.iter().zip(&mut out.aggregates) {
        if let (true, Some(slot)) = (column.field == field && column.part == part, values.get_mut(at)) {
            *slot = value;
        }
    }
}

#[cfg(test)]
#[path = "proto_read_tests.rs"]
mod tests;
