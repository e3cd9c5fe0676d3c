//! The datapoints of one time series: sorted columns, not objects. Status codes are kept apart, as they are rare.

use super::status::{Mark, Marks};

#[derive(Debug, Clone)]
pub enum Values {
    Numbers(Vec<f64>),
    Texts(Vec<Box<str>>),
    /// Their numbers; the names are the state set's, as it is when they are read.
    States(Vec<i32>),
}

/// What the datapoints of a time series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Number,
    Text,
    State,
}

impl Values {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Number => Self::Numbers(Vec::new()),
            Kind::Text => Self::Texts(Vec::new()),
            Kind::State => Self::States(Vec::new()),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Series {
    pub ts: Vec<i64>,
    pub values: Values,
    pub marks: Marks,
    text_bytes: u64,
}

/// Checked datapoints on their way in, in any order.
#[derive(Debug, Clone)]
pub struct Batch {
    pub ts: Vec<i64>,
    pub values: Values,
    /// By position in the batch.
    pub marks: Vec<(usize, Mark)>,
}

/// A long string counts as several datapoints against the ceiling.
const BYTES_PER_DATAPOINT: u64 = 16;

/// Elements of a column that is small.
const SMALL: usize = 1 << 16;

impl Batch {
    pub fn new(kind: Kind) -> Self {
        Self { ts: Vec::new(), values: Values::new(kind), marks: Vec::new() }
    }

    pub fn cost(&self) -> u64 {
        let text = match &self.values {
            Values::Numbers(_) | Values::States(_) => 0,
            Values::Texts(texts) => texts.iter().map(|t| t.len() as u64).sum::<u64>(),
        };
        self.ts.len() as u64 + text / BYTES_PER_DATAPOINT
    }

    /// Sorted by timestamp; of equal timestamps the last one given wins.
    fn sort(&mut self) -> Vec<(i64, Mark)> {
        let increasing = self.ts.windows(2).all(|w| matches!(w, [a, b] if a < b));
        let mut marks: std::collections::HashMap<usize, Mark> = self.marks.drain(..).collect();
        if increasing {
            let mut out: Vec<(i64, Mark)> =
                marks.drain().filter_map(|(n, mark)| Some((*self.ts.get(n)?, mark))).collect();
            out.sort_unstable_by_key(|(t, _)| *t);
            return out;
        }
        let mut order: Vec<usize> = (0..self.ts.len()).collect();
        order.sort_by_key(|n| self.ts.get(*n).copied());
        let mut keep = Vec::with_capacity(order.len());
        for (n, at) in order.iter().enumerate() {
            let next = order.get(n + 1);
            if next.is_none_or(|next| self.ts.get(*next) != self.ts.get(*at)) {
                keep.push(*at);
            }
        }
        let ts: Vec<i64> = keep.iter().filter_map(|n| self.ts.get(*n).copied()).collect();
        match &mut self.values {
            Values::Numbers(v) => *v = keep.iter().filter_map(|n| v.get(*n).copied()).collect(),
            Values::States(v) => *v = keep.iter().filter_map(|n| v.get(*n).copied()).collect(),
            Values::Texts(v) => *v = keep.iter().filter_map(|n| v.get_mut(*n).map(std::mem::take)).collect(),
        }
        let out = keep.iter().zip(&ts).filter_map(|(n, t)| Some((*t, marks.remove(n)?))).collect();
        self.ts = ts;
        out
    }
}

impl Series {
    pub fn new(kind: Kind) -> Self {
        Self { ts: Vec::new(), values: Values::new(kind), marks: Marks::new(), text_bytes: 0 }
    }

    pub fn of(kind: Kind, batch: Batch) -> Self {
        let mut series = Self::new(kind);
        series.upsert(batch);
        series
    }

    pub fn len(&self) -> usize {
        self.ts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ts.is_empty()
    }

    pub fn cost(&self) -> u64 {
        self.ts.len() as u64 + self.text_bytes / BYTES_PER_DATAPOINT
    }

    /// Position of the first datapoint at or after the time.
    pub fn at_or_after(&self, time: i64) -> usize {
        // Appending and reading the newest are the common cases.
        if self.ts.last().is_none_or(|last| *last < time) {
            return self.ts.len();
        }
        self.ts.partition_point(|t| *t < time)
    }

    pub fn mark(&self, time: i64) -> Option<&Mark> {
        if self.marks.is_empty() { None } else { self.marks.get(&time) }
    }

    pub fn upsert(&mut self, mut batch: Batch) {
        let marks = batch.sort();
        let Some(first) = batch.ts.first().copied() else { return };
        if !self.marks.is_empty() {
            for t in &batch.ts {
                self.marks.remove(t);
            }
        }
        self.marks.extend(marks);
        let from = self.at_or_after(first);
        let tail = self.ts.split_off(from);
        match (&mut self.values, batch.values) {
            (Values::Numbers(have), Values::Numbers(new)) => {
                let old = have.split_off(from);
                merge(&mut self.ts, have, (tail, old), (batch.ts, new));
            }
            (Values::States(have), Values::States(new)) => {
                let old = have.split_off(from);
                merge(&mut self.ts, have, (tail, old), (batch.ts, new));
            }
            (Values::Texts(have), Values::Texts(new)) => {
                let old = have.split_off(from);
                let bytes = |list: &[Box<str>]| list.iter().map(|t| t.len() as u64).sum::<u64>();
                self.text_bytes = self.text_bytes.saturating_sub(bytes(&old));
                merge(&mut self.ts, have, (tail, old), (batch.ts, new));
                self.text_bytes += bytes(have.get(from..).unwrap_or_default());
            }
            // The type is fixed when the time series is made, and batches are built by it.
            _ => self.ts.extend(tail),
        }
    }

    /// Removes `begin <= t < end`; tells how many there were.
    pub fn delete(&mut self, begin: i64, end: i64) -> usize {
        let (lo, hi) = (self.at_or_after(begin), self.at_or_after(end));
        if lo >= hi {
            return 0;
        }
        self.ts.drain(lo..hi);
        match &mut self.values {
            Values::Numbers(v) => {
                v.drain(lo..hi);
            }
            Values::States(v) => {
                v.drain(lo..hi);
            }
            Values::Texts(v) => {
                let gone: u64 = v.drain(lo..hi).map(|t| t.len() as u64).sum();
                self.text_bytes = self.text_bytes.saturating_sub(gone);
            }
        }
        let marked: Vec<i64> = self.marks.range(begin..end).map(|(t, _)| *t).collect();
        for t in marked {
            self.marks.remove(&t);
        }
        hi - lo
    }
}

/// Makes room without taking twice of what there is: columns are most of the memory. Large ones are moved by the page,
/// small ones byte by byte, so these grow in larger steps.
fn grow<T>(column: &mut Vec<T>, more: usize) {
    if column.capacity() - column.len() < more {
        let part = if column.len() < SMALL { 4 } else { 8 };
        column.reserve_exact(more.max(column.len() / part));
    }
}

/// Appends two sorted runs to the columns; where both have a timestamp the new one wins.
fn merge<T>(ts: &mut Vec<i64>, values: &mut Vec<T>, old: (Vec<i64>, Vec<T>), new: (Vec<i64>, Vec<T>)) {
    grow(ts, new.0.len() + old.0.len());
    grow(values, new.1.len() + old.1.len());
    if old.0.is_empty() {
        ts.extend(new.0);
        values.extend(new.1);
        return;
    }
    let mut old = old.0.into_iter().zip(old.1).peekable();
    for (t, value) in new.0.into_iter().zip(new.1) {
        while let Some((before, kept)) = old.next_if(|(o, _)| *o < t) {
            ts.push(before);
            values.push(kept);
        }
        let _replaced = old.next_if(|(o, _)| *o == t);
        ts.push(t);
        values.push(value);
    }
    for (t, value) in old {
        ts.push(t);
        values.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(points: &[(i64, f64)]) -> Batch {
        let (ts, values) = points.iter().copied().unzip();
        Batch { ts, values: Values::Numbers(values), marks: Vec::new() }
    }

    fn points(series: &Series) -> Vec<(i64, f64)> {
        match &series.values {
            Values::Numbers(v) => series.ts.iter().copied().zip(v.iter().copied()).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn upsert_sorts_merges_and_replaces() {
        let mut series = Series::new(Kind::Number);
        series.upsert(batch(&[(30, 3.0), (10, 1.0), (30, 4.0)]));
        assert_eq!(points(&series), [(10, 1.0), (30, 4.0)]);
        series.upsert(batch(&[(20, 2.0), (30, 5.0), (40, 6.0)]));
        assert_eq!(points(&series), [(10, 1.0), (20, 2.0), (30, 5.0), (40, 6.0)]);
        series.upsert(batch(&[(5, 0.0)]));
        assert_eq!(series.ts, [5, 10, 20, 30, 40]);
        assert_eq!(series.delete(10, 40), 3);
        assert_eq!(points(&series), [(5, 0.0), (40, 6.0)]);
        assert_eq!(series.cost(), 2);
    }

    #[test]
    fn marks_follow_the_last_write() {
        let bad = Mark { code: 0x8000_0000, null: false };
        let mut series = Series::new(Kind::Number);
        let mut first = batch(&[(2, 1.0), (1, 1.0), (2, 2.0)]);
        first.marks = vec![(0, bad), (1, bad)];
        series.upsert(first);
        assert_eq!((series.mark(1), series.mark(2)), (Some(&bad), None));
        series.upsert(batch(&[(1, 9.0)]));
        assert_eq!(series.mark(1), None);
    }

    #[test]
    fn text_cost_is_kept() {
        let mut series = Series::new(Kind::Text);
        let mut new = Batch::new(Kind::Text);
        new.ts = vec![1, 2];
        new.values = Values::Texts(vec!["x".repeat(160).into(), "y".into()]);
        assert_eq!(new.cost(), 12);
        series.upsert(new);
        assert_eq!(series.cost(), 12);
        series.delete(1, 2);
        assert_eq!(series.cost(), 1);
    }
}
