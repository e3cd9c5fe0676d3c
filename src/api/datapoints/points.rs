//! What a caller collects before it is sent: copies of columns, so that inserts need nothing of the caller's memory.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::column::{Column, Key, Values};
use crate::error::Error;

/// A key of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Id(i64),
    External(Box<str>),
    Instance { space: Box<str>, external_id: Box<str> },
}

impl Name {
    fn of(key: Key<'_>) -> Self {
        match key {
            Key::Id(id) => Name::Id(id),
            Key::External(x) => Name::External(x.into()),
            Key::Instance { space, external_id } => {
                Name::Instance { space: space.into(), external_id: external_id.into() }
            }
        }
    }

    fn key(&self) -> Key<'_> {
        match self {
            Name::Id(id) => Key::Id(*id),
            Name::External(x) => Key::External(x),
            Name::Instance { space, external_id } => Key::Instance { space, external_id },
        }
    }
}

#[derive(Clone, Debug)]
enum Held {
    Numbers(Vec<f64>),
    Texts(Vec<i64>, String),
    StateNumbers(Vec<i64>),
    StateTexts(Vec<i64>, String),
}

/// One column as it was added; what is added to the same series later joins it.
#[derive(Clone, Debug)]
struct Part {
    name: Name,
    timestamps: Vec<i64>,
    values: Held,
    /// Empty: all good.
    status: Vec<u32>,
    validity: Option<Vec<u8>>,
}

/// A collection. Cheap to clone: an insert that runs keeps what it was given, whatever is added meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Points {
    kept: Arc<Kept>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    parts: Vec<Part>,
    /// The newest part of a series, by the hash of its name. Of two with one hash the later one stands here, and parts of the
    /// other stay apart: no harm.
    newest: HashMap<u64, usize>,
    count: u64,
}

impl Part {
    fn new(column: &Column<'_>) -> Self {
        let values = match column.values {
            Values::Numbers(v) => Held::Numbers(v.to_vec()),
            Values::StateNumbers(v) => Held::StateNumbers(v.to_vec()),
            Values::Texts { offsets, text } => {
                let (offsets, text) = own(offsets, text);
                Held::Texts(offsets, text)
            }
            Values::StateTexts { offsets, text } => {
                let (offsets, text) = own(offsets, text);
                Held::StateTexts(offsets, text)
            }
        };
        Self {
            name: Name::of(column.key),
            timestamps: column.timestamps.to_vec(),
            values,
            status: column.status.map(<[u32]>::to_vec).unwrap_or_default(),
            validity: column.validity.map(|v| v.get(..column.len().div_ceil(8)).unwrap_or(v).to_vec()),
        }
    }

    /// Whether it was put behind what is there: values of the same series and kind, the usual way of collecting them one by one.
    fn join(&mut self, column: &Column<'_>) -> bool {
        if self.validity.is_some() || column.validity.is_some() || self.name.key() != column.key {
            return false;
        }
        match (&mut self.values, column.values) {
            (Held::Numbers(held), Values::Numbers(v)) => held.extend_from_slice(v),
            (Held::StateNumbers(held), Values::StateNumbers(v)) => held.extend_from_slice(v),
            (Held::Texts(held, all), Values::Texts { offsets, text })
            | (Held::StateTexts(held, all), Values::StateTexts { offsets, text }) => {
                let (offsets, text) = own(offsets, text);
                let end = all.len() as i64;
                held.extend(offsets.iter().skip(1).map(|o| end + o));
                all.push_str(&text);
            }
            _ => return false,
        }
        if column.status.is_some() || !self.status.is_empty() {
            self.status.resize(self.timestamps.len(), 0);
            match column.status {
                Some(status) => self.status.extend_from_slice(status),
                None => self.status.resize(self.timestamps.len() + column.len(), 0),
            }
        }
        self.timestamps.extend_from_slice(column.timestamps);
        true
    }

    fn view(&self) -> Column<'_> {
        Column {
            key: self.name.key(),
            timestamps: &self.timestamps,
            values: match &self.values {
                Held::Numbers(v) => Values::Numbers(v),
                Held::StateNumbers(v) => Values::StateNumbers(v),
                Held::Texts(offsets, text) => Values::Texts { offsets, text },
                Held::StateTexts(offsets, text) => Values::StateTexts { offsets, text },
            },
            status: (!self.status.is_empty()).then_some(&self.status),
            validity: self.validity.as_deref(),
        }
    }
}

/// Offsets that begin at zero, and just the text they span.
fn own(offsets: &[i64], text: &str) -> (Vec<i64>, String) {
    let first = offsets.first().copied().unwrap_or(0);
    let last = offsets.last().copied().unwrap_or(0);
    let at = |o: i64| usize::try_from(o).unwrap_or(0);
    let text = text.get(at(first)..at(last)).unwrap_or_default().to_owned();
    (offsets.iter().map(|o| o - first).collect(), text)
}

impl Points {
    /// Copies a column; refuses it whole or takes it whole.
    pub fn add(&mut self, column: &Column<'_>) -> Result<(), Error> {
        column.check()?;
        if column.is_empty() {
            return Ok(());
        }
        let Kept { parts, newest, count } = Arc::make_mut(&mut self.kept);
        *count += column.len() as u64;
        if parts.last_mut().is_some_and(|last| last.join(column)) {
            return Ok(());
        }
        // Points of many series in turn, as they are sampled, are one column of each all the same.
        let at = newest.entry(newest.hasher().hash_one(column.key)).or_insert(parts.len());
        if !parts.get_mut(*at).is_some_and(|part| part.join(column)) {
            *at = parts.len();
            parts.push(Part::new(column));
        }
        Ok(())
    }

    /// As an insert takes them.
    pub fn columns(&self) -> Vec<Column<'_>> {
        self.kept.parts.iter().map(Part::view).collect()
    }

    pub fn len(&self) -> u64 {
        self.kept.count
    }

    pub fn is_empty(&self) -> bool {
        self.kept.parts.is_empty()
    }

    pub fn clear(&mut self) {
        self.kept = Arc::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_one_by_one_become_one_column() {
        let mut points = Points::default();
        let one = |key, t: &'static [i64], v: &'static [f64], status: Option<&'static [u32]>| Column {
            key,
            timestamps: t,
            values: Values::Numbers(v),
            status,
            validity: None,
        };
        let a = Key::External("a");
        points.add(&one(a, &[1], &[1.0], None)).unwrap();
        points.add(&one(a, &[2, 3], &[2.0, 3.0], Some(&[5, 6]))).unwrap();
        let kept = points.clone();
        points.add(&one(a, &[4], &[4.0], None)).unwrap();
        points.add(&one(Key::Id(1), &[4], &[4.0], None)).unwrap();
        assert!(points.add(&one(Key::Id(1), &[i64::MAX], &[4.0], None)).is_err());
        let columns = points.columns();
        assert_eq!(columns.len(), 2);
        assert_eq!((columns[0].timestamps, columns[0].status), (&[1, 2, 3, 4][..], Some(&[0, 5, 6, 0][..])));
        assert!(columns.iter().all(|c| c.check().is_ok()));
        assert_eq!((kept.len(), points.len()), (3, 5));
        assert_eq!(kept.columns()[0].timestamps, [1, 2, 3]);
    }

    #[test]
    fn series_in_turn_are_one_column_each_in_their_order() {
        let mut rng = fastrand::Rng::with_seed(8);
        let names: Vec<String> = (0..7).map(|n| format!("s{n}")).collect();
        let (mut points, mut wanted) = (Points::default(), vec![Vec::new(); 7]);
        for t in 0..2000i64 {
            let n = rng.usize(0..7);
            let text = "ø".repeat(rng.usize(0..3));
            let offsets = [0, text.len() as i64];
            let state = [t];
            // Two series of each kind but one; one more has missing values now and then, which stay apart.
            let values = match n {
                0 | 1 => Values::Texts { offsets: &offsets, text: &text },
                2 | 3 => Values::StateNumbers(&state),
                4 => Values::StateTexts { offsets: &offsets, text: &text },
                _ => Values::Numbers(&[0.5]),
            };
            let missing = n == 6 && rng.u8(0..50) == 0;
            let key = Key::Instance { space: "s", external_id: &names[n] };
            let validity = missing.then_some(&[0u8][..]);
            points.add(&Column { key, timestamps: &[t], values, status: None, validity }).unwrap();
            wanted[n].push((t, text));
        }
        assert_eq!(points.len(), 2000);
        let columns = points.columns();
        assert!(columns.len() < 150 && columns.iter().all(|c| c.check().is_ok()), "{}", columns.len());
        for (n, wanted) in wanted.iter().enumerate() {
            let of = columns
                .iter()
                .filter(|c| matches!(c.key, Key::Instance { external_id, .. } if external_id == names[n]));
            let of: Vec<&Column<'_>> = of.collect();
            assert_eq!(of.len() == 1, n != 6);
            let times: Vec<i64> = of.iter().flat_map(|c| c.timestamps).copied().collect();
            assert_eq!(times, wanted.iter().map(|(t, _)| *t).collect::<Vec<_>>());
            match of[0].values {
                Values::StateNumbers(v) => assert_eq!(v, times),
                Values::Texts { offsets, text } | Values::StateTexts { offsets, text } => {
                    for (at, (_, wanted)) in wanted.iter().enumerate() {
                        assert_eq!(super::super::column::text_at(offsets, text, at), wanted);
                    }
                }
                Values::Numbers(v) => assert!(v.iter().all(|v| *v == 0.5)),
            }
        }
    }

    #[test]
    fn a_piece_of_a_larger_text() {
        let mut points = Points::default();
        let column = Column {
            key: Key::Id(1),
            timestamps: &[1, 2],
            values: Values::Texts { offsets: &[2, 4, 5], text: "xxøyzz" },
            status: None,
            validity: Some(&[3, 255]),
        };
        points.add(&column).unwrap();
        let columns = points.columns();
        let Values::Texts { offsets, text } = columns[0].values else { panic!() };
        assert_eq!((offsets, text, columns[0].validity), (&[0, 2, 3][..], "øy", Some(&[3][..])));
        assert!(columns[0].check().is_ok());
    }
}
