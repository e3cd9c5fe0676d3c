//! Datapoints as they came: one column each of times, values, status codes and aggregates, per series.

use serde_json::{Map, Value, json};

use super::column::Kind;
use super::state_sums::StateSums;
use crate::sys::memory;

/// Texts one behind the other.
#[derive(Debug, Default)]
pub struct Texts {
    /// One more than there are texts, once there is one.
    pub offsets: Vec<i64>,
    pub bytes: Vec<u8>,
}

impl Texts {
    pub fn push(&mut self, text: &[u8]) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.bytes.extend_from_slice(text);
        self.offsets.push(self.bytes.len() as i64);
    }

    pub fn get(&self, n: usize) -> &[u8] {
        let at = |n: usize| self.offsets.get(n).and_then(|o| usize::try_from(*o).ok());
        match (at(n), at(n + 1)) {
            (Some(a), Some(b)) => self.bytes.get(a..b).unwrap_or_default(),
            _ => &[],
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn truncate(&mut self, n: usize) {
        if n < self.len() {
            self.offsets.truncate(n + 1);
            let end = self.offsets.last().and_then(|o| usize::try_from(*o).ok()).unwrap_or(0);
            self.bytes.truncate(end);
        }
    }

    fn append(&mut self, other: &Texts) {
        let base = self.bytes.len() as i64;
        if self.offsets.is_empty() && !other.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.bytes.extend_from_slice(&other.bytes);
        self.offsets.extend(other.offsets.iter().skip(1).map(|o| o + base));
    }
}

/// Points of one series, or a page of them.
#[derive(Debug, Default)]
pub struct Points {
    pub timestamps: Vec<i64>,
    /// Of numeric series.
    pub numbers: Vec<f64>,
    /// Of text series, and the names of states.
    pub texts: Texts,
    /// The numbers of states.
    pub states: Vec<i64>,
    /// As long as `timestamps`, or empty: all good.
    status: Vec<u32>,
    /// A bit for each value, or empty: all are there.
    validity: Vec<u8>,
    /// One column for each aggregate that was asked for, in that order.
    pub aggregates: Vec<Vec<f64>>,
    /// Aggregates of single states.
    pub of_states: StateSums,
}

impl Points {
    pub fn with_aggregates(columns: usize) -> Self {
        Self { aggregates: vec![Vec::new(); columns], ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    pub fn status(&self) -> Option<&[u32]> {
        (!self.status.is_empty()).then_some(&self.status)
    }

    pub fn validity(&self) -> Option<&[u8]> {
        (!self.validity.is_empty()).then_some(&self.validity)
    }

    pub fn is_there(&self, n: usize) -> bool {
        self.validity.is_empty() || self.validity.get(n / 8).is_some_and(|b| b >> (n % 8) & 1 == 1)
    }

    /// Frees them, large columns down to their pages.
    pub fn release(self) {
        memory::release(self.timestamps);
        memory::release(self.numbers);
        self.aggregates.into_iter().for_each(memory::release);
    }

    /// What the point just pushed is besides its value. The two columns are there only once one point needs them.
    pub fn mark(&mut self, code: u32, there: bool) {
        let n = self.timestamps.len();
        if code != 0 || !self.status.is_empty() {
            self.status.resize(n, 0);
            if let Some(last) = self.status.last_mut() {
                *last = code;
            }
        }
        if !there || !self.validity.is_empty() {
            self.set_validity(n, there);
        }
    }

    /// After points without status were pushed in bulk.
    pub fn fill_marks(&mut self) {
        let n = self.timestamps.len();
        if !self.status.is_empty() {
            self.status.resize(n, 0);
        }
        if !self.validity.is_empty() {
            self.grow_validity(n);
        }
    }

    fn grow_validity(&mut self, n: usize) {
        self.validity.resize(n.div_ceil(8), 0xff);
        // Bits past the end are ones, so that growing needs no look back.
    }

    fn set_validity(&mut self, n: usize, there: bool) {
        self.grow_validity(n);
        if let (false, Some(byte)) = (there, self.validity.get_mut((n - 1) / 8)) {
            *byte &= !(1 << ((n - 1) % 8));
        }
    }

    /// Which columns hold the values; `None`: there are no points.
    pub fn shape(&self) -> Option<[bool; 3]> {
        let shape = [!self.numbers.is_empty(), !self.texts.is_empty(), !self.states.is_empty()];
        (!self.is_empty()).then_some(shape)
    }

    /// Whether each column that is there has a value for each point: what a caller goes by.
    pub fn is_whole(&self) -> bool {
        let n = self.len();
        [self.numbers.len(), self.texts.len(), self.states.len()].iter().all(|have| *have == 0 || *have == n)
            && self.aggregates.iter().all(|column| column.len() == n)
            && self.of_states.is_whole(n)
    }

    /// Room for so many more points of the kind that is there: the columns are allocated once.
    pub fn expect(&mut self, more: usize) {
        fn room<T>(column: &mut Vec<T>, more: usize) {
            if !column.is_empty() {
                // Without it they grow as they are filled.
                let _ = column.try_reserve_exact(more);
            }
        }
        room(&mut self.timestamps, more);
        room(&mut self.numbers, more);
        self.aggregates.iter_mut().for_each(|column| room(column, more));
    }

    /// Gives back room that was not needed.
    pub fn fit(&mut self) {
        fn fit<T>(column: &mut Vec<T>) {
            if column.capacity() - column.len() > column.len() / 8 {
                column.shrink_to_fit();
            }
        }
        fit(&mut self.timestamps);
        fit(&mut self.numbers);
        self.aggregates.iter_mut().for_each(fit);
    }

    /// Whether the points from `from` on come one after the other, also after the one before them.
    pub fn ascends_from(&self, from: usize) -> bool {
        let new = self.timestamps.get(from.saturating_sub(1)..).unwrap_or_default();
        let Some((first, new)) = new.split_first() else { return true };
        let (mut last, mut ascends) = (*first, true);
        // Several at a time and without leaving early: half the time of one by one.
        let (fours, rest) = new.as_chunks();
        for [a, b, c, d] in fours {
            ascends &= (last < *a) & (a < b) & (b < c) & (c < d);
            last = *d;
        }
        for time in rest {
            ascends &= last < *time;
            last = *time;
        }
        ascends
    }

    /// The first `n` points only.
    pub fn truncate(&mut self, n: usize) {
        self.timestamps.truncate(n);
        self.numbers.truncate(n);
        self.texts.truncate(n);
        self.states.truncate(n);
        self.status.truncate(n);
        self.validity.truncate(n.div_ceil(8));
        for column in &mut self.aggregates {
            column.truncate(n);
        }
        self.of_states.truncate(n);
    }

    /// A copy of points `from` to `to`.
    pub fn slice(&self, from: usize, to: usize) -> Points {
        fn part<T: Copy>(column: &[T], from: usize, to: usize) -> Vec<T> {
            column.get(from.min(column.len())..to.min(column.len())).unwrap_or_default().to_vec()
        }
        let mut out = Points {
            timestamps: part(&self.timestamps, from, to),
            numbers: part(&self.numbers, from, to),
            states: part(&self.states, from, to),
            status: part(&self.status, from, to),
            aggregates: self.aggregates.iter().map(|a| part(a, from, to)).collect(),
            ..Points::default()
        };
        let n = out.timestamps.len();
        out.of_states.append(0, &self.of_states, from, from + n);
        for at in from..from + n {
            if !self.texts.offsets.is_empty() {
                out.texts.push(self.texts.get(at));
            }
        }
        if !self.validity.is_empty() {
            out.grow_validity(n);
            for at in (0..n).filter(|at| !self.is_there(from + at)) {
                if let Some(byte) = out.validity.get_mut(at / 8) {
                    *byte &= !(1 << (at % 8));
                }
            }
        }
        out
    }

    pub fn append(&mut self, other: &Points) {
        let before = self.timestamps.len();
        memory::reserve(&mut self.timestamps, other.timestamps.len());
        self.timestamps.extend_from_slice(&other.timestamps);
        let n = self.timestamps.len();
        memory::reserve(&mut self.numbers, other.numbers.len());
        self.numbers.extend_from_slice(&other.numbers);
        self.states.extend_from_slice(&other.states);
        self.texts.append(&other.texts);
        if !self.status.is_empty() || !other.status.is_empty() {
            self.status.resize(before, 0);
            self.status.extend_from_slice(&other.status);
            self.status.resize(n, 0);
        }
        if !self.validity.is_empty() || !other.validity.is_empty() {
            self.grow_validity(n);
            for at in (0..other.len()).filter(|at| !other.is_there(*at)) {
                if let Some(byte) = self.validity.get_mut((before + at) / 8) {
                    *byte &= !(1 << ((before + at) % 8));
                }
            }
        }
        for (mine, theirs) in self.aggregates.iter_mut().zip(&other.aggregates) {
            mine.extend_from_slice(theirs);
        }
        self.of_states.append(before, &other.of_states, 0, other.len());
    }
}

/// What the service says of a series besides its points.
#[derive(Clone, Debug, Default)]
pub struct Info {
    pub id: i64,
    pub external_id: String,
    /// Space and external id.
    pub instance: Option<(String, String)>,
    pub is_string: bool,
    pub is_step: bool,
    pub unit: String,
    pub unit_external_id: String,
    pub kind: Option<Kind>,
}

/// One series of a result.
#[derive(Debug, Default)]
pub struct Series {
    pub info: Info,
    pub time_zone: Option<String>,
    /// Names of `points.aggregates`.
    pub aggregates: Vec<&'static str>,
    /// Those of single states that were asked for.
    pub of_states: Vec<&'static str>,
    pub points: Points,
    /// The series exists; only ever false when unknown series were to be ignored.
    pub found: bool,
    /// All points asked for are here.
    pub complete: bool,
    /// Status codes were asked for.
    pub with_status: bool,
    /// Which item of the query it answers.
    pub item: usize,
}

/// The result of a query: its series in the order they were asked for.
#[derive(Debug, Default)]
pub struct Columns {
    pub series: Vec<Series>,
}

impl Series {
    /// Buckets instead of datapoints.
    pub fn is_aggregated(&self) -> bool {
        !self.aggregates.is_empty() || !self.of_states.is_empty()
    }

    pub fn info_json(&self) -> Value {
        let i = &self.info;
        let mut m = Map::new();
        m.insert("id".into(), json!(i.id));
        let mut text = |name: &str, value: &str| {
            if !value.is_empty() {
                m.insert(name.into(), json!(value));
            }
        };
        text("externalId", &i.external_id);
        text("unit", &i.unit);
        text("unitExternalId", &i.unit_external_id);
        text("timeZone", self.time_zone.as_deref().unwrap_or_default());
        if let Some((space, external_id)) = &i.instance {
            m.insert("instanceId".into(), json!({"space": space, "externalId": external_id}));
        }
        m.insert("type".into(), json!(self.kind().name()));
        m.insert("isString".into(), json!(i.is_string));
        m.insert("isStep".into(), json!(i.is_step));
        m.insert("found".into(), json!(self.found));
        m.insert("complete".into(), json!(self.complete));
        if self.is_aggregated() {
            let all: Vec<&str> = self.aggregates.iter().chain(&self.of_states).copied().collect();
            m.insert("aggregates".into(), json!(all));
        }
        Value::Object(m)
    }
}

impl Columns {
    pub fn points(&self) -> u64 {
        self.series.iter().map(|s| s.points.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_seen_wherever_it_breaks() {
        for n in 0..20 {
            let sound = Points { timestamps: (0..n).collect(), ..Points::default() };
            for from in 0..=n as usize {
                assert!(sound.ascends_from(from));
            }
            for at in 1..n as usize {
                let mut broken = Points { timestamps: sound.timestamps.clone(), ..Points::default() };
                broken.timestamps[at] -= 1;
                for from in 0..=n as usize {
                    assert_eq!(broken.ascends_from(from), from > at, "{n} {at} {from}");
                }
            }
        }
    }

    #[test]
    fn marks_appear_when_they_are_needed_and_survive_joining() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..200 {
            let mut whole = Points::default();
            let mut wanted = Vec::new();
            for _ in 0..rng.usize(1..5) {
                let mut page = Points::default();
                let plain = rng.bool();
                for _ in 0..rng.usize(0..20) {
                    let code = if plain || rng.bool() { 0 } else { rng.u32(1..9) };
                    let there = plain || rng.u8(0..4) > 0;
                    page.timestamps.push(wanted.len() as i64);
                    page.texts.push(&vec![b'x'; rng.usize(0..3)]);
                    if rng.bool() && code == 0 && there {
                        page.fill_marks();
                    } else {
                        page.mark(code, there);
                    }
                    wanted.push((code, there));
                }
                whole.append(&page);
            }
            let n = wanted.len();
            assert!(
                whole.status().is_none_or(|s| s.len() == n)
                    && whole.validity().is_none_or(|v| v.len() == n.div_ceil(8))
            );
            assert!(n == 0 || whole.texts.offsets.len() == n + 1);
            for (at, (code, there)) in wanted.iter().enumerate() {
                assert_eq!(whole.status().map_or(0, |s| s[at]), *code);
                assert_eq!(whole.is_there(at), *there);
            }
            let (from, to) = (rng.usize(0..=n), rng.usize(0..=n));
            let part = whole.slice(from, to.max(from));
            assert_eq!(part.len(), to.max(from) - from);
            for at in 0..part.len() {
                assert_eq!((part.is_there(at), part.texts.get(at)), (wanted[from + at].1, whole.texts.get(from + at)));
            }
        }
    }
}
