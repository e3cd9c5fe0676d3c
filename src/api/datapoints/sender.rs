//! Which request of an insert leaves when: several at a time, but of one series each only after the one before it was
//! taken; and what became of every series. No I/O: whoever drives it sends what it hands out and tells how that ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::plan::{Cut, Plan};
use crate::error::{Error, FailedRequest, Items, Status, told};

/// Most bytes of them: an insert needs the caller's arrays and a little more, however long it is.
const MAX_BYTES: usize = 3 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Good,
    Failed,
    Unknown,
}

#[derive(Clone, Copy, Default)]
struct Account {
    applied: u64,
    fate: Fate,
}

/// A request made ready by the driver's `build`.
pub struct Built<B> {
    pub body: B,
    pub bytes: usize,
}

/// Makes a request's body of what is cut for it.
type Build<'b, 'a, B> = dyn FnMut(&Plan<'a>, &Cut) -> Result<Built<B>, Error> + 'b;

pub enum Step<B> {
    /// Send it and tell with `ended`.
    Send {
        number: u64,
        body: B,
        state: bool,
    },
    /// Nothing before one of those under way has ended.
    Wait,
    Done,
}

struct UnderWay {
    cut: Cut,
    bytes: usize,
}

pub struct Sender<'a, B> {
    plan: Plan<'a>,
    accounts: Vec<Account>,
    under_way: BTreeMap<u64, UnderWay>,
    bytes: usize,
    /// Made ready while the request it continues was on its way.
    held: Option<(Cut, Built<B>)>,
    next: u64,
    given_up: Option<Error>,
    /// With the number of each.
    failed: Vec<(u64, FailedRequest)>,
    /// What ends everything: a request that cannot be made better by another.
    stop: bool,
    /// Requests under way at a time.
    width: usize,
}

impl<'a, B> Sender<'a, B> {
    pub fn new(plan: Plan<'a>, width: usize) -> Self {
        let accounts = vec![Account::default(); plan.series.len()];
        Self {
            plan,
            accounts,
            under_way: BTreeMap::new(),
            bytes: 0,
            held: None,
            next: 0,
            given_up: None,
            failed: Vec::new(),
            stop: false,
            width,
        }
    }

    pub fn step(&mut self, build: &mut Build<'_, 'a, B>) -> Step<B> {
        loop {
            if self.stop {
                self.held = None;
                return if self.under_way.is_empty() { Step::Done } else { Step::Wait };
            }
            if let Some((cut, built)) = self.held.take() {
                // Requests are cut one after the other: what this one continues is the newest of those under way.
                let newest = self.next.wrapping_sub(1);
                if cut.continues && self.under_way.contains_key(&newest) {
                    self.held = Some((cut, built));
                    return Step::Wait;
                }
                let lost = cut.slices.first().is_some_and(|s| self.is_lost(s.series));
                if cut.continues && lost {
                    self.plan.rewind(&cut);
                    continue;
                }
                let number = self.next;
                self.next += 1;
                self.bytes += built.bytes;
                let state = cut.state;
                self.under_way.insert(number, UnderWay { cut, bytes: built.bytes });
                return Step::Send { number, body: built.body, state };
            }
            if self.under_way.len() >= self.width || (self.bytes >= MAX_BYTES && !self.under_way.is_empty()) {
                return Step::Wait;
            }
            let accounts = &self.accounts;
            let cut = self.plan.next(|series| accounts.get(series).is_some_and(|a| a.fate != Fate::Good));
            let Some(cut) = cut else {
                return if self.under_way.is_empty() { Step::Done } else { Step::Wait };
            };
            match build(&self.plan, &cut) {
                Ok(built) => self.held = Some((cut, built)),
                Err(e) => self.give_up(e),
            }
        }
    }

    /// Whether one request is under way and there is none behind it.
    pub fn is_alone(&self) -> bool {
        self.under_way.len() == 1 && self.plan.is_over()
    }

    fn is_lost(&self, series: usize) -> bool {
        self.accounts.get(series).is_some_and(|a| a.fate != Fate::Good)
    }

    /// No more requests: what is not under way is not attempted.
    pub fn give_up(&mut self, error: Error) {
        self.stop = true;
        self.given_up.get_or_insert(error);
    }

    pub fn ended(&mut self, number: u64, result: Result<(), Error>) {
        let Some(UnderWay { cut, bytes }) = self.under_way.remove(&number) else { return };
        self.bytes = self.bytes.saturating_sub(bytes);
        let error = match result {
            Ok(()) => {
                for s in &cut.slices {
                    if let Some(a) = self.accounts.get_mut(s.series) {
                        a.applied += (s.to - s.from) as u64;
                    }
                }
                return;
            }
            Err(error) => error,
        };
        let fate = if error.detail().in_doubt { Fate::Unknown } else { Fate::Failed };
        let mut positions: Vec<u32> = cut.slices.iter().filter_map(|s| u32::try_from(s.series).ok()).collect();
        positions.dedup();
        for s in &cut.slices {
            if let Some(a) = self.accounts.get_mut(s.series)
                && a.fate == Fate::Good
            {
                a.fate = fate;
            }
        }
        // The next request would end the same way.
        self.stop |= matches!(
            error.status(),
            Status::Cancelled | Status::Timeout | Status::Shutdown | Status::Auth | Status::Access | Status::Forked
        );
        self.failed.push((number, FailedRequest { positions, error }));
    }

    /// What came of all of it: a document of counts, or an error that lists the series by their fate.
    pub fn finish(mut self) -> Result<Value, Error> {
        // Nobody told how these ended.
        for UnderWay { cut, .. } in std::mem::take(&mut self.under_way).into_values() {
            for s in &cut.slices {
                if let Some(a) = self.accounts.get_mut(s.series) {
                    a.fate = Fate::Unknown;
                }
            }
        }
        let points: u64 = self.accounts.iter().map(|a| a.applied).sum();
        // Requests end in any order; they are told of in the order in which they were made.
        self.failed.sort_by_key(|f| f.0);
        let Some(mut error) = told(self.failed.iter().map(|f| &f.1.error)).or(self.given_up) else {
            return Ok(json!({"series": self.accounts.len(), "points": points, "requests": self.next}));
        };
        let mut items = Items::default();
        for (series, account) in self.plan.series.iter().zip(&self.accounts) {
            let mut name = series.key.to_json();
            let list = match account.fate {
                Fate::Failed => &mut items.failed,
                Fate::Unknown => &mut items.unknown,
                Fate::Good if account.applied == series.points => &mut items.succeeded,
                Fate::Good => &mut items.skipped,
            };
            if account.applied > 0
                && account.applied < series.points
                && let Some(map) = name.as_object_mut()
            {
                map.insert("pointsApplied".into(), account.applied.into());
            }
            list.push(name.to_string().into());
        }
        let counts = format!(
            "{} (of {} series {} were written whole, {} refused, {} are in doubt, {} were not attempted; {points} points are surely written)",
            error.message(),
            self.accounts.len(),
            items.succeeded.len(),
            items.failed.len(),
            items.unknown.len(),
            items.skipped.len(),
        );
        if self.accounts.len() > 1 || points > 0 {
            error.set_message(counts);
        }
        if points > 0 {
            error.set_status(Status::Partial);
        }
        items.requests = self.failed.into_iter().map(|f| f.1).collect();
        error.detail_mut().in_doubt = !items.unknown.is_empty();
        error.detail_mut().items = Some(Arc::new(items));
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::{Column, Key, Values};
    use super::*;

    fn with<R>(lengths: &[usize], f: impl FnOnce(Sender<'_, Vec<(usize, usize)>>) -> R) -> R {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let (t, v) = (vec![0i64; longest], vec![0.0; longest]);
        let columns: Vec<_> = lengths
            .iter()
            .enumerate()
            .map(|(n, len)| Column {
                key: Key::Id(n as i64 + 1),
                timestamps: &t[..*len],
                values: Values::Numbers(&v[..*len]),
                status: None,
                validity: None,
            })
            .collect();
        f(Sender::new(Plan::new(&columns).unwrap(), 5))
    }

    fn build(_: &Plan<'_>, cut: &Cut) -> Result<Built<Vec<(usize, usize)>>, Error> {
        Ok(Built { body: cut.slices.iter().map(|s| (s.series, s.to - s.from)).collect(), bytes: 1000 })
    }

    fn failure(doubt: bool) -> Error {
        Error::new(Status::Api, "no").with(|d| d.in_doubt = doubt)
    }

    #[test]
    fn one_series_goes_one_request_after_the_other() {
        with(&[250_000], |mut s| {
            for n in 0..3 {
                assert!(matches!(s.step(&mut build), Step::Send { number, .. } if number == n));
                assert!(matches!(s.step(&mut build), Step::Wait));
                s.ended(n, Ok(()));
            }
            assert!(matches!(s.step(&mut build), Step::Done));
            assert_eq!(s.finish().unwrap(), json!({"series": 1, "points": 250_000, "requests": 3}));
        });
    }

    #[test]
    fn apart_series_go_together_but_not_too_many() {
        with(&[100_000; 8], |mut s| {
            for n in 0..5 {
                assert!(matches!(s.step(&mut build), Step::Send { number, .. } if number == n));
            }
            assert!(matches!(s.step(&mut build), Step::Wait));
            s.ended(2, Ok(()));
            assert!(matches!(s.step(&mut build), Step::Send { number: 5, .. }));
        });
    }

    #[test]
    fn the_rest_of_a_lost_series_is_not_sent_and_its_neighbours_are() {
        with(&[60_000, 60_000, 60_000], |mut s| {
            let Step::Send { body, .. } = s.step(&mut build) else { panic!() };
            assert_eq!(body, [(0, 60_000), (1, 40_000)]);
            assert!(matches!(s.step(&mut build), Step::Wait));
            s.ended(0, Err(failure(true)));
            let Step::Send { body, .. } = s.step(&mut build) else { panic!() };
            assert_eq!(body, [(2, 60_000)]);
            s.ended(1, Ok(()));
            assert!(matches!(s.step(&mut build), Step::Done));
            let e = s.finish().unwrap_err();
            assert_eq!(e.status(), Status::Partial);
            assert!(e.detail().in_doubt);
            let items = e.detail().items.clone().unwrap();
            assert_eq!(items.unknown, [r#"{"id":1}"#, r#"{"id":2}"#]);
            assert_eq!(items.succeeded, [r#"{"id":3}"#]);
            let requests: Vec<_> =
                items.requests.iter().map(|r| (r.positions.clone(), r.error.detail().in_doubt)).collect();
            assert_eq!(requests, [(vec![0, 1], true)]);
        });
    }

    #[test]
    fn what_ends_everything_leaves_the_rest_unattempted() {
        with(&[150_000, 10], |mut s| {
            assert!(matches!(s.step(&mut build), Step::Send { .. }));
            s.ended(0, Ok(()));
            assert!(matches!(s.step(&mut build), Step::Send { .. }));
            s.ended(1, Err(Error::new(Status::Cancelled, "x")));
            assert!(matches!(s.step(&mut build), Step::Done));
            let e = s.finish().unwrap_err();
            let items = e.detail().items.clone().unwrap();
            assert_eq!(items.failed, [r#"{"id":1,"pointsApplied":100000}"#, r#"{"id":2}"#]);
        });
        with(&[100_000, 10], |mut s| {
            assert!(matches!(s.step(&mut build), Step::Send { .. }));
            s.ended(0, Err(Error::new(Status::Auth, "x")));
            assert!(matches!(s.step(&mut build), Step::Done));
            let e = s.finish().unwrap_err();
            assert_eq!(e.status(), Status::Auth);
            let items = e.detail().items.clone().unwrap();
            assert_eq!((items.failed.len(), items.skipped.len()), (1, 1));
        });
    }

    #[test]
    fn the_last_request_that_failed_for_its_own_reason_is_told_with_all_that_is_missing() {
        let missing = |id: u64| Error::new(Status::NotFound, "no").with(|d| d.missing = Some(vec![json!({"id": id})]));
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            with(&[100_000, 100_000, 100_000], |mut s| {
                s.width = 3;
                (0..3).for_each(|_| assert!(matches!(s.step(&mut build), Step::Send { .. })));
                for n in order {
                    s.ended(n, Err(if n == 1 { Error::new(Status::Api, "conflict") } else { missing(n + 1) }));
                }
                let e = s.finish().unwrap_err();
                assert_eq!(e.status(), Status::Api);
                assert_eq!(e.detail().missing, Some(vec![json!({"id": 1}), json!({"id": 3})]));
                let first: Vec<u32> =
                    e.detail().items.clone().unwrap().requests.iter().map(|r| r.positions[0]).collect();
                assert_eq!(first, [0, 1, 2]);
            });
        }
    }

    /// Whatever fails: every point is in exactly one list, and no chunk of a series leaves before the one before ended well.
    #[test]
    fn order_holds_whatever_fails() {
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..300 {
            let lengths: Vec<usize> = (0..rng.usize(1..7)).map(|_| rng.usize(1..230_000)).collect();
            with(&lengths, |mut s| {
                let mut under_way: Vec<(u64, Vec<(usize, usize)>)> = Vec::new();
                let mut applied = vec![0; lengths.len()];
                loop {
                    match s.step(&mut build) {
                        Step::Done => break,
                        Step::Send { number, body, .. } => {
                            for (series, _) in &body {
                                let busy = under_way.iter().any(|(_, b)| b.iter().any(|(o, _)| o == series));
                                assert!(!busy, "two chunks of one series at a time");
                            }
                            under_way.push((number, body));
                        }
                        Step::Wait => {
                            let (number, body) = under_way.swap_remove(rng.usize(0..under_way.len()));
                            let good = rng.u8(0..5) > 0;
                            if good {
                                body.iter().for_each(|(series, n)| applied[*series] += n);
                            }
                            s.ended(number, if good { Ok(()) } else { Err(failure(rng.bool())) });
                        }
                    }
                }
                let total: usize = applied.iter().sum();
                match s.finish() {
                    Ok(v) => assert_eq!(v["points"], lengths.iter().sum::<usize>()),
                    Err(e) => {
                        let i = e.detail().items.clone().unwrap();
                        let listed = i.succeeded.len() + i.failed.len() + i.unknown.len() + i.skipped.len();
                        assert_eq!((listed, i.skipped.len()), (lengths.len(), 0));
                        assert_eq!(e.status() == Status::Partial, total > 0);
                        let whole = applied.iter().zip(&lengths).filter(|(a, l)| a == l).count();
                        assert_eq!(i.succeeded.len(), whole);
                    }
                }
            });
        }
    }
}
