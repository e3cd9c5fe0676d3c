//! The columns of one series side by side, as a table has them: with a name, a type, and what is missing.

use std::borrow::Cow;

use super::column::Kind;
use super::columns::{Points, Series, Texts};
use super::state_sums::NAMES;

/// What a column holds; what is not borrowed had to be made, as the series keeps it in another form.
pub enum Held<'a> {
    /// Milliseconds since 1970.
    Times(Cow<'a, [i64]>),
    Numbers(&'a [f64]),
    Texts(&'a Texts),
    States(&'a [i64]),
    /// Status codes.
    Codes(Cow<'a, [u32]>),
    /// Entries, each with these parts, and where those of each row begin.
    Lists(Cow<'a, [i64]>, Vec<Field<'a>>),
}

pub struct Field<'a> {
    pub name: &'a str,
    pub held: Held<'a>,
    pub length: usize,
    pub nullable: bool,
    /// A bit for each value that is there, and how many are not; `None`: all are.
    pub there: Option<(Cow<'a, [u8]>, usize)>,
}

impl<'a> Field<'a> {
    fn whole(name: &'a str, length: usize, held: Held<'a>) -> Self {
        Self { name, held, length, nullable: false, there: None }
    }
}

/// Buckets that have no aggregate hold NaN.
fn known(values: &[f64]) -> Option<(Cow<'static, [u8]>, usize)> {
    let missing = values.iter().filter(|v| v.is_nan()).count();
    if missing == 0 {
        return None;
    }
    let bits = |eight: &[f64]| eight.iter().enumerate().fold(0, |b, (n, v)| b | u8::from(!v.is_nan()) << n);
    Some((values.chunks(8).map(bits).collect::<Vec<_>>().into(), missing))
}

fn missing(points: &Points) -> Option<(Cow<'_, [u8]>, usize)> {
    let bits = points.validity()?;
    Some((bits.into(), (0..points.len()).filter(|n| !points.is_there(*n)).count()))
}

impl Series {
    pub fn kind(&self) -> Kind {
        match self.points.shape() {
            Some([_, _, true]) => Kind::State,
            Some([_, true, _]) => Kind::Text,
            Some([true, ..]) => Kind::Numeric,
            _ => self.info.kind.unwrap_or(if self.info.is_string { Kind::Text } else { Kind::Numeric }),
        }
    }

    /// In this order: times, values or aggregates, status codes.
    pub fn fields(&self) -> Vec<Field<'_>> {
        let points = &self.points;
        let n = points.len();
        let mut out = vec![Field::whole("timestamp", n, Held::Times(points.timestamps.as_slice().into()))];
        if self.is_aggregated() {
            out.extend(self.aggregates.iter().zip(&points.aggregates).map(|(name, values)| aggregate(name, values)));
            out.extend((!self.of_states.is_empty()).then(|| self.state_aggregates()));
            return out;
        }
        let there = missing(points);
        let value = |name, held| Field { nullable: true, there: there.clone(), ..Field::whole(name, n, held) };
        match self.kind() {
            Kind::Numeric => out.push(value("value", Held::Numbers(&points.numbers))),
            Kind::Text => out.push(value("value", Held::Texts(&points.texts))),
            Kind::State => {
                out.push(value("numericValue", Held::States(&points.states)));
                out.push(value("stringValue", Held::Texts(&points.texts)));
            }
        }
        match points.status() {
            Some(codes) => out.push(Field::whole("status", n, Held::Codes(codes.into()))),
            // All are good; who asked for codes finds the column in every page all the same.
            None if self.with_status => out.push(Field::whole("status", n, Held::Codes(vec![0; n].into()))),
            None => {}
        }
        out
    }

    /// Of each bucket a list, with a member for each aggregate that was asked for.
    fn state_aggregates(&self) -> Field<'_> {
        let (n, sums) = (self.points.len(), &self.points.of_states);
        let entries = sums.states.len();
        let mut parts = vec![
            Field::whole("numericValue", entries, Held::States(&sums.states)),
            Field::whole("stringValue", entries, Held::Texts(&sums.names)),
        ];
        let asked = NAMES.iter().zip(&sums.sums).filter(|((name, _), _)| self.of_states.contains(name));
        parts.extend(asked.map(|((name, _), sums)| Field::whole(name, entries, Held::States(sums))));
        let begins = match sums.buckets.as_slice() {
            [] => vec![0; n + 1].into(),
            begins => begins.into(),
        };
        Field::whole("stateAggregates", n, Held::Lists(begins, parts))
    }
}

fn aggregate<'a>(name: &'a str, values: &'a [f64]) -> Field<'a> {
    // Whole numbers below 2^53, so nothing is lost.
    let held = match name.split_once('.') {
        Some((_, "timestamp")) => Held::Times(values.iter().map(|v| *v as i64).collect::<Vec<_>>().into()),
        Some((_, "status")) => Held::Codes(values.iter().map(|v| *v as u32).collect::<Vec<_>>().into()),
        _ => Held::Numbers(values),
    };
    Field { nullable: true, there: known(values), ..Field::whole(name, values.len(), held) }
}
