//! How many points go into which request: series of one identifier together and in order, as much as a request may hold.

use std::collections::HashMap;

use super::column::{Column, Key, Kind};
use crate::error::Error;

/// The service's limits for one insert.
pub(super) const MAX_POINTS: usize = 100_000;
pub(super) const MAX_SERIES: usize = 10_000;
/// Most bytes of text values in one insert: it bounds what is held in memory.
pub(super) const MAX_TEXT: usize = 2 << 20;

/// Part of a column: points `from` to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    pub series: usize,
    pub column: usize,
    pub from: usize,
    pub to: usize,
}

/// What one request holds; slices of one series stand together.
#[derive(Clone, Debug)]
pub struct Cut {
    pub slices: Vec<Slice>,
    pub points: usize,
    /// Of states, which go to an interface of their own.
    pub state: bool,
    /// The first series began in the request before this one, which has to succeed first.
    pub continues: bool,
    begin: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    series: usize,
    part: usize,
    offset: usize,
}

pub struct Series<'a> {
    pub key: Key<'a>,
    pub kind: Kind,
    /// The columns that hold its points, in the caller's order.
    columns: Vec<usize>,
    pub points: u64,
}

pub struct Plan<'a> {
    pub columns: &'a [Column<'a>],
    pub series: Vec<Series<'a>>,
    /// Which columns have usual points only.
    usual: Vec<bool>,
    at: Place,
}

impl<'a> Plan<'a> {
    /// Checks every column before the first request is made.
    pub fn new(columns: &'a [Column<'a>]) -> Result<Self, Error> {
        let mut series: Vec<Series<'a>> = Vec::new();
        let mut known: HashMap<Key<'a>, usize> = HashMap::with_capacity(columns.len());
        let mut usual = Vec::with_capacity(columns.len());
        for (n, column) in columns.iter().enumerate() {
            usual.push(column.check()?);
            if column.is_empty() {
                continue;
            }
            let kind = column.values.kind();
            let at = *known.entry(column.key).or_insert(series.len());
            if at == series.len() {
                series.push(Series { key: column.key, kind, columns: Vec::new(), points: 0 });
            }
            if let Some(s) = series.get_mut(at) {
                if s.kind != kind {
                    return Err(Error::argument(format!("{} is given values of more than one kind", s.key)));
                }
                s.columns.push(n);
                s.points += column.len() as u64;
            }
        }
        Ok(Self { columns, series, usual, at: Place::default() })
    }

    /// Whether all points of a slice are usual ones.
    pub fn is_usual(&self, s: &Slice) -> bool {
        self.usual.get(s.column) == Some(&true) || self.columns.get(s.column).is_some_and(|c| c.is_usual(s.from, s.to))
    }

    /// The next request; `skip` says which series are not to be sent any more. `None`: all is done.
    pub fn next(&mut self, skip: impl Fn(usize) -> bool) -> Option<Cut> {
        let mut cut: Option<Cut> = None;
        let (mut room, mut text, mut in_request) = (MAX_POINTS, MAX_TEXT, 0);
        while let Some(series) = self.series.get(self.at.series) {
            if skip(self.at.series) || self.at.part >= series.columns.len() {
                self.at = Place { series: self.at.series + 1, ..Place::default() };
                continue;
            }
            let column = *series.columns.get(self.at.part)?;
            let held = self.columns.get(column)?;
            if self.at.offset >= held.len() {
                self.at = Place { part: self.at.part + 1, offset: 0, ..self.at };
                continue;
            }
            let begins = self.at.part == 0 && self.at.offset == 0;
            let another = cut.as_ref().and_then(|c| c.slices.last()).is_none_or(|s| s.series != self.at.series);
            in_request += usize::from(another);
            let full = room == 0 || in_request > MAX_SERIES;
            let state = series.kind == Kind::State;
            if full || cut.as_ref().is_some_and(|c| c.state != state) {
                break;
            }
            let from = self.at.offset;
            let mut to = held.len().min(from + room);
            let first = cut.is_none();
            if held.values.text_bytes(from, to) > text {
                // The most points whose text fits; one at least, or a long text would never leave.
                let (mut low, mut high) = (from + usize::from(first), to);
                while low < high {
                    let middle = (low + high).div_ceil(2);
                    if held.values.text_bytes(from, middle) <= text { low = middle } else { high = middle - 1 }
                }
                to = low;
                if to == from {
                    break;
                }
            }
            let cut = cut.get_or_insert_with(|| Cut {
                slices: Vec::new(),
                points: 0,
                state,
                continues: !begins,
                begin: self.at,
            });
            cut.slices.push(Slice { series: self.at.series, column, from, to });
            cut.points += to - from;
            room -= to - from;
            let used = held.values.text_bytes(from, to);
            text = text.saturating_sub(used);
            self.at.offset = to;
            if to < held.len() {
                break;
            }
        }
        cut
    }

    /// Whether all of it was handed out.
    pub fn is_over(&self) -> bool {
        let rest = self.series.get(self.at.series..).unwrap_or_default();
        let part = |s: &Series<'_>| s.columns.get(self.at.part).and_then(|c| self.columns.get(*c)).map(Column::len);
        match rest {
            [] => true,
            // Handed out to its end, but not yet left behind.
            [last] => self.at.part + 1 >= last.columns.len() && part(last).is_none_or(|n| self.at.offset >= n),
            _ => false,
        }
    }

    /// Back to where a request began that was not sent.
    pub fn rewind(&mut self, cut: &Cut) {
        self.at = cut.begin;
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::Values;
    use super::*;

    fn sizes(plan: &mut Plan<'_>) -> Vec<(Vec<(usize, usize)>, bool)> {
        std::iter::from_fn(|| plan.next(|_| false))
            .map(|c| (c.slices.iter().map(|s| (s.series, s.to - s.from)).collect(), c.continues))
            .collect()
    }

    fn numbers<'a>(key: Key<'a>, timestamps: &'a [i64], values: &'a [f64]) -> Column<'a> {
        Column { key, timestamps, values: Values::Numbers(values), status: None, validity: None }
    }

    #[test]
    fn filled_to_the_limit_and_told_what_continues() {
        let (t, v) = (vec![0i64; 60_000], vec![0.0; 60_000]);
        let columns = [1, 2, 3].map(|id| numbers(Key::Id(id), &t, &v));
        let mut plan = Plan::new(&columns).unwrap();
        assert_eq!(sizes(&mut plan), [(vec![(0, 60_000), (1, 40_000)], false), (vec![(1, 20_000), (2, 60_000)], true)]);
    }

    #[test]
    fn one_identifier_is_one_series() {
        let (t, v) = (vec![0i64; 3], vec![0.0; 3]);
        let columns = [
            numbers(Key::Id(1), &t, &v),
            numbers(Key::External("x"), &t[..0], &v[..0]),
            numbers(Key::External("y"), &t, &v),
            numbers(Key::Id(1), &t[..2], &v[..2]),
        ];
        let mut plan = Plan::new(&columns).unwrap();
        assert_eq!(plan.series.len(), 2);
        assert_eq!(sizes(&mut plan), [(vec![(0, 3), (0, 2), (1, 3)], false)]);
        let texts = [
            numbers(Key::Id(1), &t, &v),
            Column { values: Values::Texts { offsets: &[0, 0, 0, 0], text: "" }, ..numbers(Key::Id(1), &t, &v) },
        ];
        assert!(Plan::new(&texts).is_err());
    }

    #[test]
    fn many_series_and_long_texts_are_cut_too() {
        let (t, v) = (vec![0i64; 1], vec![0.0; 1]);
        let columns: Vec<_> = (1..=10_001).map(|id| numbers(Key::Id(id), &t, &v)).collect();
        let cuts = sizes(&mut Plan::new(&columns).unwrap());
        assert_eq!(cuts.iter().map(|c| c.0.len()).collect::<Vec<_>>(), [10_000, 1]);

        let text = "x".repeat(MAX_TEXT + 1);
        let long = MAX_TEXT as i64 + 1;
        let offsets = [0, 10, 10, long, long];
        let t = [0i64; 4];
        let columns =
            [Column { values: Values::Texts { offsets: &offsets, text: &text }, ..numbers(Key::Id(1), &t, &[]) }];
        let cuts = sizes(&mut Plan::new(&columns).unwrap());
        assert_eq!(cuts, [(vec![(0, 2)], false), (vec![(0, 2)], true)]);
        let whole = [0, long];
        let columns =
            [Column { values: Values::Texts { offsets: &whole, text: &text }, ..numbers(Key::Id(1), &t[..1], &[]) }];
        assert_eq!(sizes(&mut Plan::new(&columns).unwrap()), [(vec![(0, 1)], false)]);
    }

    /// Whatever the sizes: every point once, in order, within the limits, also after a rewind and without what is skipped.
    #[test]
    fn nothing_is_lost_or_doubled() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..60 {
            let lengths: Vec<usize> = (0..rng.usize(1..9)).map(|_| rng.usize(0..90_000) * rng.usize(0..4)).collect();
            let longest = lengths.iter().copied().max().unwrap_or(0);
            let (t, v) = (vec![0i64; longest], vec![0.0; longest]);
            let columns: Vec<_> = lengths.iter().map(|n| numbers(Key::Id(rng.i64(1..5)), &t[..*n], &v[..*n])).collect();
            let skipped = rng.usize(0..6);
            let mut plan = Plan::new(&columns).unwrap();
            let mut seen = vec![0; columns.len()];
            let mut over = 0;
            while let Some(first) = plan.next(|s| s == skipped) {
                over += usize::from(plan.is_over());
                let mut cut = first;
                if rng.bool() {
                    plan.rewind(&cut);
                    let again = plan.next(|s| s == skipped).unwrap();
                    assert_eq!((&again.slices, again.continues), (&cut.slices, cut.continues));
                    cut = again;
                }
                assert!(cut.points <= MAX_POINTS && cut.points > 0);
                assert_eq!(cut.points, cut.slices.iter().map(|s| s.to - s.from).sum::<usize>());
                for s in &cut.slices {
                    assert_eq!(seen[s.column], s.from);
                    assert!(s.series != skipped);
                    seen[s.column] = s.to;
                }
            }
            // Told at the last request at most: what is skipped counts as not handed out before it is met.
            assert!(plan.is_over() && over <= 1);
            for (n, c) in columns.iter().enumerate() {
                let series = plan.series.iter().position(|s| s.key == c.key);
                let wanted = if series == Some(skipped) { 0 } else { c.len() };
                assert_eq!(seen[n], wanted);
            }
        }
    }
}
