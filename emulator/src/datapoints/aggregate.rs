//! Aggregates over one bucket of a numeric time series.
//!
//! The datapoints are samples of a function: constant between samples if the series is a step series, a straight line
//! otherwise, and not defined before the first and after the last sample. Averages and variances are integrals of that
//! function over the part of the bucket where it is defined. Interpolation, unless in steps, and the total variation are of the
//! datapoints that are not bad, whatever the query ignores.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::series::{Series, Values};
use super::status::{Category, Rules, category};
use crate::areas::units::Conversion;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Aggregate {
    Average,
    Max,
    Min,
    Count,
    Sum,
    Interpolation,
    StepInterpolation,
    ContinuousVariance,
    DiscreteVariance,
    TotalVariation,
    CountGood,
    CountUncertain,
    CountBad,
    DurationGood,
    DurationUncertain,
    DurationBad,
    MaxDatapoint,
    MinDatapoint,
    StateCount,
    StateTransitions,
    StateDuration,
}

pub const NAMES: [(&str, Aggregate); 21] = [
    ("average", Aggregate::Average),
    ("max", Aggregate::Max),
    ("min", Aggregate::Min),
    ("count", Aggregate::Count),
    ("sum", Aggregate::Sum),
    ("interpolation", Aggregate::Interpolation),
    ("stepInterpolation", Aggregate::StepInterpolation),
    ("continuousVariance", Aggregate::ContinuousVariance),
    ("discreteVariance", Aggregate::DiscreteVariance),
    ("totalVariation", Aggregate::TotalVariation),
    ("countGood", Aggregate::CountGood),
    ("countUncertain", Aggregate::CountUncertain),
    ("countBad", Aggregate::CountBad),
    ("durationGood", Aggregate::DurationGood),
    ("durationUncertain", Aggregate::DurationUncertain),
    ("durationBad", Aggregate::DurationBad),
    ("maxDatapoint", Aggregate::MaxDatapoint),
    ("minDatapoint", Aggregate::MinDatapoint),
    ("stateCount", Aggregate::StateCount),
    ("stateTransitions", Aggregate::StateTransitions),
    ("stateDuration", Aggregate::StateDuration),
];

impl Aggregate {
    pub fn parse(name: &str) -> Option<Self> {
        NAMES.iter().find(|(n, _)| *n == name).map(|(_, a)| *a)
    }

    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, a)| *a == self).map_or("", |(name, _)| name)
    }

    /// About single states.
    pub fn is_of_states(self) -> bool {
        matches!(self, Self::StateCount | Self::StateTransitions | Self::StateDuration)
    }

    /// Whether state time series have it.
    pub fn fits_states(self) -> bool {
        self.is_integer() || self.is_of_states() || matches!(self, Self::Interpolation | Self::StepInterpolation)
    }

    /// Written as an integer in JSON.
    pub fn is_integer(self) -> bool {
        use Aggregate as A;
        matches!(
            self,
            A::Count
                | A::CountGood
                | A::CountUncertain
                | A::CountBad
                | A::DurationGood
                | A::DurationUncertain
                | A::DurationBad
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extreme {
    pub timestamp: i64,
    pub value: f64,
    pub code: u32,
}

/// What one state did in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateSum {
    pub state: i32,
    pub count: i64,
    pub transitions: i64,
    pub duration: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AggregatePoint {
    pub timestamp: i64,
    numbers: [Option<f64>; 16],
    pub max: Option<Extreme>,
    pub min: Option<Extreme>,
    /// By number, for state time series.
    pub states: Vec<StateSum>,
}

impl AggregatePoint {
    pub fn number(&self, which: Aggregate) -> Option<f64> {
        self.numbers.get(which as usize).copied().flatten()
    }

    pub fn has(&self, which: Aggregate) -> bool {
        match which {
            Aggregate::MaxDatapoint => self.max.is_some(),
            Aggregate::MinDatapoint => self.min.is_some(),
            _ if which.is_of_states() => !self.states.is_empty(),
            _ => self.number(which).is_some(),
        }
    }

    /// As if every value had been converted.
    pub fn convert(&mut self, to: &Conversion) {
        let count = self.number(Aggregate::Count).unwrap_or(0.0);
        for (_, which) in NAMES {
            let Some(v) = self.number(which) else { continue };
            let v = match which {
                Aggregate::Sum => to.sum(v, count),
                Aggregate::TotalVariation => to.difference(v, 1),
                Aggregate::ContinuousVariance | Aggregate::DiscreteVariance => to.difference(v, 2),
                _ if which.is_integer() => v,
                _ => to.value(v),
            };
            self.set(which, v);
        }
        for extreme in self.max.iter_mut().chain(&mut self.min) {
            extreme.value = to.value(extreme.value);
        }
    }

    fn set(&mut self, which: Aggregate, value: f64) {
        if let Some(slot) = self.numbers.get_mut(which as usize) {
            *slot = Some(value);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    t: i64,
    v: f64,
    category: Category,
    bad: bool,
}

/// At a moment between datapoints further apart than this nothing is interpolated. Within a bucket lines are as long as they are.
const LONGEST_GAP: i64 = 3_600_000;

#[derive(Clone, Copy)]
enum Column<'a> {
    Numbers(&'a [f64]),
    States(&'a [i32]),
}

pub struct View<'a> {
    series: &'a Series,
    values: Column<'a>,
    rules: Rules,
    is_step: bool,
    /// What does not ask whether bad datapoints are ignored, if they are not.
    strict: Option<Box<View<'a>>>,
    /// Where was looked for neighbours, and what was found: buckets come in order, so nothing is passed twice.
    before: Cell<(usize, Option<usize>)>,
    after: Cell<(usize, Option<usize>)>,
}

impl<'a> View<'a> {
    /// None for string series, which have no aggregates.
    pub fn new(series: &'a Series, rules: Rules, is_step: bool) -> Option<Self> {
        match &series.values {
            Values::Numbers(list) => Some(Self::of(series, Column::Numbers(list), rules, is_step)),
            Values::States(list) => Some(Self::of(series, Column::States(list), rules, true)),
            Values::Texts(_) => None,
        }
    }

    fn of(series: &'a Series, values: Column<'a>, rules: Rules, is_step: bool) -> Self {
        let strict = (!rules.ignore_bad)
            .then(|| Box::new(Self::of(series, values, Rules { ignore_bad: true, ..rules }, is_step)));
        Self { series, values, rules, is_step, strict, before: Cell::new((0, None)), after: Cell::new((0, Some(0))) }
    }

    /// Ignored datapoints are as good as not there: what is beside them are neighbours.
    fn visible(&self, sample: &Sample) -> bool {
        !(self.rules.ignore_bad && sample.bad)
    }

    fn sees(&self, n: &usize) -> bool {
        self.sample(*n).is_some_and(|s| self.visible(&s))
    }

    fn last_before(&self, n: usize) -> Option<Sample> {
        let (looked, known) = self.before.get();
        let (from, known) = if looked <= n { (looked, known) } else { (0, None) };
        let found = (from..n).rev().find(|n| self.sees(n)).or(known);
        self.before.set((n, found));
        self.sample(found?)
    }

    fn first_from(&self, n: usize) -> Option<Sample> {
        let (looked, known) = self.after.get();
        let found = if looked <= n && known.is_none_or(|k| k > n) {
            known
        } else {
            (n..self.series.len()).find(|n| self.sees(n))
        };
        self.after.set((n, found));
        self.sample(found?)
    }

    fn sample(&self, n: usize) -> Option<Sample> {
        let t = *self.series.ts.get(n)?;
        let category = self.series.mark(t).map_or(Category::Good, |m| category(m.code));
        let v = match self.values {
            Column::Numbers(list) => *list.get(n)?,
            Column::States(list) => f64::from(*list.get(n)?),
        };
        Some(Sample { t, v, category, bad: self.rules.is_bad(category) })
    }

    /// The bucket `begin <= t < end`, which holds the datapoints lo..hi (at least one).
    pub fn bucket(&self, begin: i64, end: i64, lo: usize, hi: usize) -> AggregatePoint {
        let mut point = self.whole(begin, end, lo, hi);
        if let Some(strict) = &self.strict {
            let other = strict.whole(begin, end, lo, hi);
            for which in [Aggregate::Interpolation, Aggregate::TotalVariation] {
                if let Some(slot) = point.numbers.get_mut(which as usize) {
                    *slot = other.number(which);
                }
            }
        }
        point
    }

    fn whole(&self, begin: i64, end: i64, lo: usize, hi: usize) -> AggregatePoint {
        let mut point =
            AggregatePoint { timestamp: begin, numbers: [None; 16], max: None, min: None, states: Vec::new() };
        self.statuses(&mut point, begin, end, lo, hi);
        let previous = self.last_before(lo);
        let next = self.first_from(hi);
        let inside = || (lo..hi).filter_map(|n| self.sample(n)).filter(|s| self.visible(s));

        self.interpolate(&mut point, begin, previous, inside().next().or(next));
        if matches!(self.values, Column::States(_)) {
            states(&mut point, begin, end, previous.into_iter().chain(inside()).chain(next));
        }
        let mut count = 0_u64;
        let (mut sum, mut min, mut max) = (0.0, None::<Sample>, None::<Sample>);
        for s in inside().filter(|s| !s.bad) {
            count += 1;
            sum += s.v;
            if min.is_none_or(|m| s.v < m.v) {
                min = Some(s);
            }
            if max.is_none_or(|m| s.v > m.v) {
                max = Some(s);
            }
        }
        let (Some(min), Some(max)) = (min, max) else { return point };
        let mean = sum / count as f64;
        let spread: f64 = inside().filter(|s| !s.bad).map(|s| (s.v - mean) * (s.v - mean)).sum();
        point.set(Aggregate::Count, count as f64);
        point.set(Aggregate::Sum, sum);
        point.set(Aggregate::Min, min.v);
        point.set(Aggregate::Max, max.v);
        point.set(Aggregate::DiscreteVariance, spread / count as f64);
        let extreme = |s: Sample| {
            let code = self.series.mark(s.t).map_or(0, |m| m.code);
            Some(Extreme { timestamp: s.t, value: s.v, code })
        };
        (point.min, point.max) = (extreme(min), extreme(max));

        // Integrals are taken of the distance to one of the values: large offsets would eat the digits of the variance.
        let base = min.v;
        let (mut time, mut area, mut square, mut variation) = (0.0, 0.0, 0.0, 0.0);
        let mut last: Option<Sample> = None;
        for b in previous.into_iter().chain(inside()).chain(next) {
            let Some(a) = last.replace(b) else { continue };
            if a.bad {
                continue;
            }
            let (from, to) = (a.t.max(begin), b.t.min(end));
            let constant = self.is_step || b.bad;
            // Across an edge of the bucket something is known only where the edge could be interpolated.
            let crosses = a.t < begin || b.t >= end;
            let known = self.is_step || !crosses || b.t - a.t <= LONGEST_GAP;
            if from < to && known {
                let length = (to - from) as f64;
                let value = |t: i64| {
                    if constant { a.v } else { a.v + (b.v - a.v) * ((t - a.t) as f64 / (b.t - a.t) as f64) }
                };
                let (p, q) = (value(from) - base, value(to) - base);
                time += length;
                area += (p + q) / 2.0 * length;
                square += (p * p + p * q + q * q) / 3.0 * length;
                variation += (q - p).abs();
            }
            // A jump belongs to the bucket of the datapoint it leads to.
            if self.is_step && !b.bad && (begin..end).contains(&b.t) {
                variation += (b.v - a.v).abs();
            }
        }
        let (average, variance) = if time > 0.0 {
            let offset = area / time;
            (base + offset, (square / time - offset * offset).max(0.0))
        } else {
            (mean, 0.0)
        };
        point.set(Aggregate::Average, average);
        point.set(Aggregate::ContinuousVariance, variance);
        point.set(Aggregate::TotalVariation, variation);
        point
    }

    fn interpolate(&self, point: &mut AggregatePoint, begin: i64, previous: Option<Sample>, following: Option<Sample>) {
        if let Some(exact) = following.filter(|s| s.t == begin) {
            if !exact.bad {
                point.set(Aggregate::Interpolation, exact.v);
                point.set(Aggregate::StepInterpolation, exact.v);
            }
            return;
        }
        let Some(p) = previous.filter(|s| !s.bad) else { return };
        point.set(Aggregate::StepInterpolation, p.v);
        match following {
            _ if self.is_step => point.set(Aggregate::Interpolation, p.v),
            Some(n) if !n.bad && n.t - p.t <= LONGEST_GAP => {
                let part = (begin - p.t) as f64 / (n.t - p.t) as f64;
                point.set(Aggregate::Interpolation, p.v + (n.v - p.v) * part);
            }
            _ => {}
        }
    }

    /// Counts and durations by status look at every datapoint, whatever the query ignores.
    fn statuses(&self, point: &mut AggregatePoint, begin: i64, end: i64, lo: usize, hi: usize) {
        let mut counts = [0.0; 3];
        let mut durations = [0.0; 3];
        let slot = |c: Category| match c {
            Category::Good => 0,
            Category::Uncertain => 1,
            Category::Bad => 2,
        };
        let mut last: Option<Sample> = None;
        for n in lo.saturating_sub(1)..=hi {
            let Some(b) = self.sample(n) else { continue };
            if let (true, Some(count)) = ((lo..hi).contains(&n), counts.get_mut(slot(b.category))) {
                *count += 1.0;
            }
            if let Some(a) = last.replace(b)
                && let Some(duration) = durations.get_mut(slot(a.category))
            {
                *duration += (b.t.min(end) - a.t.max(begin)).max(0) as f64;
            }
        }
        let [good, uncertain, bad] = counts;
        point.set(Aggregate::CountGood, good);
        point.set(Aggregate::CountUncertain, uncertain);
        point.set(Aggregate::CountBad, bad);
        let [good, uncertain, bad] = durations;
        point.set(Aggregate::DurationGood, good);
        point.set(Aggregate::DurationUncertain, uncertain);
        point.set(Aggregate::DurationBad, bad);
    }
}

/// States of the samples in and beside the bucket. A state lasts until the next sample, whatever that is.
fn states(point: &mut AggregatePoint, begin: i64, end: i64, samples: impl Iterator<Item = Sample>) {
    let mut sums: BTreeMap<i32, StateSum> = BTreeMap::new();
    let mut last: Option<Sample> = None;
    for b in samples {
        let before = last.replace(b);
        if let Some(a) = before.filter(|a| !a.bad) {
            let duration = b.t.min(end) - a.t.max(begin);
            if duration > 0 {
                sum_of(&mut sums, a.v as i32).duration += duration;
            }
        }
        if !b.bad && (begin..end).contains(&b.t) {
            let sum = sum_of(&mut sums, b.v as i32);
            sum.count += 1;
            sum.transitions += i64::from(before.is_none_or(|a| a.bad || a.v != b.v));
        }
    }
    point.states = sums.into_values().collect();
}

fn sum_of(sums: &mut BTreeMap<i32, StateSum>, state: i32) -> &mut StateSum {
    sums.entry(state).or_insert(StateSum { state, count: 0, transitions: 0, duration: 0 })
}

#[cfg(test)]
#[path = "aggregate_tests.rs"]
mod tests;
