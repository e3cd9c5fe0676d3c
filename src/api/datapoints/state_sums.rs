//! What single states did, bucket by bucket: a bucket has as many entries as states that occurred, so these are columns
//! of entries, and where each bucket's begin.

use super::columns::Texts;

/// The aggregates of single states, by the number of their field in an entry.
pub const NAMES: [(&str, u64); 3] = [("stateCount", 3), ("stateTransitions", 4), ("stateDuration", 5)];

/// One state in one bucket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry<'a> {
    pub state: i64,
    pub name: &'a [u8],
    /// In the order of `NAMES`.
    pub sums: [i64; 3],
}

#[derive(Debug, Default)]
pub struct StateSums {
    /// One more than there are buckets, or empty: no bucket has any.
    pub buckets: Vec<i64>,
    pub states: Vec<i64>,
    pub names: Texts,
    /// In the order of `NAMES`.
    pub sums: [Vec<i64>; 3],
}

impl StateSums {
    /// Adds to bucket number `bucket`, the last or a later one; buckets between have no entries.
    pub fn push(&mut self, bucket: usize, entry: &Entry<'_>) {
        self.fill(bucket);
        self.buckets.truncate(bucket + 1);
        self.states.push(entry.state);
        self.names.push(entry.name);
        for (column, value) in self.sums.iter_mut().zip(entry.sums) {
            column.push(value);
        }
        self.fill(bucket + 1);
    }

    /// Buckets up to `buckets`: those that came without entries have none.
    fn fill(&mut self, buckets: usize) {
        if self.buckets.len() <= buckets {
            self.buckets.resize(buckets + 1, self.states.len() as i64);
        }
    }

    /// After buckets were pushed, of which the last may have come without entries.
    pub fn close(&mut self, buckets: usize) {
        if !self.buckets.is_empty() {
            self.fill(buckets);
        }
    }

    pub fn is_whole(&self, buckets: usize) -> bool {
        self.buckets.is_empty() || self.buckets.len() == buckets + 1
    }

    /// Entries of a bucket.
    pub fn of(&self, bucket: usize) -> impl Iterator<Item = Entry<'_>> {
        let at = |n: usize| self.buckets.get(n).and_then(|o| usize::try_from(*o).ok()).unwrap_or(0);
        (at(bucket)..at(bucket + 1)).map(|n| Entry {
            state: self.states.get(n).copied().unwrap_or(0),
            name: self.names.get(n),
            sums: self.sums.each_ref().map(|column| column.get(n).copied().unwrap_or(0)),
        })
    }

    /// The first `buckets` only.
    pub fn truncate(&mut self, buckets: usize) {
        self.buckets.truncate(buckets.saturating_add(1));
        let entries = self.buckets.last().and_then(|o| usize::try_from(*o).ok()).unwrap_or(0);
        self.states.truncate(entries);
        self.names.truncate(entries);
        for column in &mut self.sums {
            column.truncate(entries);
        }
    }

    /// Puts buckets `from` to `to` of another behind the first `at` of these.
    pub fn append(&mut self, at: usize, other: &StateSums, from: usize, to: usize) {
        for bucket in from..to {
            for entry in other.of(bucket) {
                self.push(at + bucket - from, &entry);
            }
        }
        self.close(at + to.saturating_sub(from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_with_their_buckets() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..300 {
            let (mut whole, mut wanted) = (StateSums::default(), Vec::new());
            for _ in 0..rng.usize(1..4) {
                let mut page = StateSums::default();
                let (n, before) = (rng.usize(0..5), wanted.len());
                for bucket in 0..n {
                    let entries: Vec<i64> = (0..rng.usize(0..3)).map(|_| rng.i64(-9..9)).collect();
                    for state in &entries {
                        let name = vec![b'x'; state.unsigned_abs() as usize];
                        page.push(bucket, &Entry { state: *state, name: &name, sums: [1, 2, *state] });
                    }
                    wanted.push(entries);
                }
                page.close(n);
                assert!(page.is_whole(n));
                whole.append(before, &page, 0, n);
            }
            let same = |have: &StateSums, wanted: &[Vec<i64>]| {
                assert!(have.is_whole(wanted.len()), "{have:?} {wanted:?}");
                for (bucket, states) in wanted.iter().enumerate() {
                    let of: Vec<Entry<'_>> = have.of(bucket).collect();
                    assert_eq!(of.iter().map(|e| e.state).collect::<Vec<_>>(), *states);
                    assert!(
                        of.iter().all(|e| e.sums == [1, 2, e.state] && e.name.len() as u64 == e.state.unsigned_abs())
                    );
                }
                assert!(
                    have.states.len() == have.names.len() && have.sums.iter().all(|c| c.len() == have.states.len())
                );
            };
            same(&whole, &wanted);
            let from = rng.usize(0..=wanted.len());
            let to = rng.usize(from..=wanted.len());
            let mut part = StateSums::default();
            part.append(0, &whole, from, to);
            same(&part, &wanted[from..to]);
            whole.truncate(usize::MAX);
            same(&whole, &wanted);
            whole.truncate(to);
            same(&whole, &wanted[..to]);
        }
    }
}
