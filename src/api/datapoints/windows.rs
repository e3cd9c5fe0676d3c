//! How a series is read in pieces: which requests come first, what follows a page, and how pages become one column.

use std::collections::BTreeMap;

use super::columns::{Info, Points, Series};
use super::query::Query;

/// The service's limits for one read.
pub(super) const MAX_SERIES: usize = 100;
pub(super) const MAX_RAW: u64 = 100_000;
pub(super) const MAX_AGGREGATES: u64 = 10_000;
/// Raw windows are not made shorter than this at first: most series have less than a page in it.
const SHORTEST_MS: i64 = 100_000_000;
/// Most pieces a window is cut into after a full page.
const MOST_PIECES: i64 = 200;

/// One item of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub series: usize,
    /// The start that names the window.
    pub window: i64,
    pub start: i64,
    pub end: i64,
    pub limit: u64,
    pub cursor: Option<String>,
    /// Only the points just outside of the range.
    pub outside: bool,
}

struct Window {
    end: i64,
    pages: Vec<Points>,
    done: bool,
}

/// One series while it is read.
pub struct Reading {
    pub query: Query,
    pub series: Series,
    /// By start; those before the first are part of `series.points`.
    windows: BTreeMap<i64, Window>,
    before: Points,
    after: Points,
    received: u64,
    /// Which columns the first points that came have: those of all others.
    pub shape: Option<[bool; 3]>,
    /// Time of the newest point of a page, where pages follow one another.
    newest: i64,
}

/// What is known of a series' answers beforehand.
#[derive(Clone, Copy, Default)]
pub struct Known {
    pub shape: Option<[bool; 3]>,
    /// Points lie in the window that is asked for.
    pub even: bool,
    /// Buckets, not datapoints.
    pub aggregated: bool,
}

/// An answer that cannot be continued: it repeats itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Stuck;

impl Reading {
    /// `item`: which of its query.
    pub fn new(item: usize, query: Query) -> Self {
        let empty = || Points::with_aggregates(query.columns.len());
        let series = Series {
            time_zone: query.time_zone.clone().filter(|_| !query.aggregates.is_empty()),
            aggregates: query.columns.iter().map(|c| c.name).collect(),
            of_states: query.of_states(),
            points: empty(),
            with_status: query.with_status(),
            item,
            ..Series::default()
        };
        Self {
            series,
            windows: BTreeMap::new(),
            before: empty(),
            after: empty(),
            received: 0,
            shape: None,
            newest: i64::MIN,
            query,
        }
    }

    /// What an answer says of the series.
    pub fn meet(&mut self, info: &Info) {
        if !self.series.found {
            self.series.found = true;
            self.series.info = info.clone();
        }
    }

    pub fn known(&self) -> Known {
        Known { shape: self.shape, even: self.query.is_even(), aggregated: !self.query.aggregates.is_empty() }
    }

    /// Whether the points of a page come after those of the page before. Even ranges are cut, and pages read side by
    /// side: there it is known that they lie in their window.
    pub fn goes_on(&mut self, points: &Points) -> bool {
        let follows = self.query.is_even() || points.timestamps.first().is_none_or(|first| *first > self.newest);
        self.newest = points.timestamps.last().copied().unwrap_or(self.newest);
        follows
    }

    /// A page by itself.
    pub fn page(&self, points: Points) -> Series {
        let Series { info, time_zone, aggregates, of_states, found, with_status, item, .. } = &self.series;
        Series {
            info: info.clone(),
            time_zone: time_zone.clone(),
            aggregates: aggregates.clone(),
            of_states: of_states.clone(),
            points,
            found: *found,
            complete: false,
            with_status: *with_status,
            item: *item,
        }
    }

    pub fn most(&self) -> u64 {
        if self.query.aggregates.is_empty() { MAX_RAW } else { MAX_AGGREGATES }
    }

    /// How many points are still wanted.
    pub fn remaining(&self) -> u64 {
        self.query.limit.map_or(u64::MAX, |l| l.saturating_sub(self.received))
    }

    /// The range in at most `pieces`, each asked for by itself.
    pub fn begin(&mut self, number: usize, pieces: i64, share: u64) -> Vec<Asked> {
        let (start, end) = (self.query.start, self.query.end);
        let pieces = match self.query.limit.is_none() && self.query.is_even() {
            false => 1,
            true => {
                let span = end.saturating_sub(start);
                let least = match self.query.aggregates.is_empty() {
                    true => SHORTEST_MS,
                    false => self.query.step().saturating_mul(MAX_AGGREGATES as i64),
                };
                pieces.min(span / least + i64::from(span % least != 0)).max(1)
            }
        };
        let limit = share.min(self.most()).min(self.remaining());
        self.cut(number, start, end, pieces, limit)
    }

    fn cut(&mut self, number: usize, start: i64, end: i64, pieces: i64, limit: u64) -> Vec<Asked> {
        let step = self.query.step();
        let length = ((end - start) / pieces / step).max(1) * step;
        let mut asked = Vec::new();
        let mut from = start;
        for n in 0..pieces {
            let to = if n == pieces - 1 { end } else { end.min(from + length) };
            if from >= to {
                break;
            }
            self.windows.insert(from, Window { end: to, pages: Vec::new(), done: false });
            asked.push(Asked {
                series: number,
                window: from,
                start: from,
                end: to,
                limit,
                cursor: None,
                outside: false,
            });
            from = to;
        }
        asked
    }

    pub fn ask_outside(&self, number: usize) -> Option<Asked> {
        let (start, end) = (self.query.start, self.query.end);
        self.query.outside.then_some(Asked {
            series: number,
            window: start,
            start,
            end,
            limit: 0,
            cursor: None,
            outside: true,
        })
    }

    /// Where the points of this answer belong: straight behind what is there, or on a page of their own.
    pub fn place(&mut self, asked: &Asked) -> &mut Points {
        let first = self.windows.first_key_value().is_none_or(|(k, w)| *k == asked.window && w.pages.is_empty());
        if first || asked.outside {
            return &mut self.series.points;
        }
        let empty = Points::with_aggregates(self.query.columns.len());
        match self.windows.get_mut(&asked.window) {
            Some(window) => {
                window.pages.push(empty);
                window.pages.last_mut().unwrap_or(&mut self.series.points)
            }
            None => &mut self.series.points,
        }
    }

    pub fn keep_outside(&mut self, points: &Points) {
        for (at, time) in points.timestamps.iter().enumerate() {
            let side = if *time < self.query.start {
                &mut self.before
            } else if *time >= self.query.end {
                &mut self.after
            } else {
                // Inside: another request brings it.
                continue;
            };
            if side.is_empty() {
                side.append(&points.slice(at, at + 1));
            }
        }
    }

    /// After `count` points up to `last` came for `asked`: what is to be asked next.
    pub fn taken(&mut self, asked: &Asked, count: u64, last: i64, cursor: Option<String>) -> Result<Vec<Asked>, Stuck> {
        self.received += count;
        let next = last.saturating_add(self.query.step());
        let even = self.query.is_even();
        let over = cursor.is_none() || count < asked.limit || self.remaining() == 0 || (even && next >= asked.end);
        if over || count == 0 {
            self.finish_window(asked.window);
            return Ok(Vec::new());
        }
        if even && next <= asked.start {
            return Err(Stuck);
        }
        if !even && cursor == asked.cursor {
            return Err(Stuck);
        }
        let start = if even { next } else { asked.start };
        // What this page covered of its window tells how many more there are.
        let covered = next.saturating_sub(asked.start).max(1);
        let rest = asked.end.saturating_sub(next).max(0);
        let more = u64::try_from(i128::from(rest) * i128::from(count) / i128::from(covered)).unwrap_or(u64::MAX);
        let most = self.most();
        // One that filled a request of its own has the next for itself too.
        let wanted = if more >= most / 2 || asked.limit == most { most } else { (more + more / 4).clamp(100, most) };
        let limit = wanted.min(self.remaining());
        // As many pieces as pages are to be expected: each is then one request, and they can be made in order, several at a
        // time, so that little has to wait for what comes before it.
        let pieces = i64::try_from(more / most + 1).unwrap_or(MOST_PIECES).min(MOST_PIECES);
        if even
            && self.query.limit.is_none()
            && asked.limit == most
            && pieces >= 2
            && rest / self.query.step() >= pieces
        {
            self.make_room(asked.window, next, count, covered);
            // The rest of the window becomes windows of their own; this one ends here.
            if let Some(w) = self.windows.get_mut(&asked.window) {
                w.end = next;
            }
            // They are there before it is finished: what waits behind them must not move up.
            let rest = self.cut(asked.series, next, asked.end, pieces, most);
            self.finish_window(asked.window);
            return Ok(rest);
        }
        Ok(vec![Asked { start, limit, cursor, ..asked.clone() }])
    }

    /// The first full page tells how long the columns will be.
    fn make_room(&mut self, window: i64, next: i64, count: u64, covered: i64) {
        // More is reserved bit by bit: what the page promises need not come.
        const MOST: i128 = 50_000_000;
        let first = self.windows.first_key_value().is_some_and(|(k, _)| *k == window);
        let rest = i128::from(self.query.end.saturating_sub(next).max(0));
        let more = (rest * i128::from(count) / i128::from(covered)).min(MOST);
        if first && let Ok(more) = usize::try_from(more + more / 64) {
            self.series.points.expect(more);
        }
    }

    fn finish_window(&mut self, window: i64) {
        if let Some(w) = self.windows.get_mut(&window) {
            w.done = true;
        }
        // Pages behind the first window that is still open wait; page by page, so that little is held twice.
        while let Some(mut first) = self.windows.first_entry() {
            for page in std::mem::take(&mut first.get_mut().pages) {
                self.series.points.append(&page);
                page.release();
            }
            if !first.get().done {
                break;
            }
            first.remove();
        }
    }

    pub fn give_up(&mut self) {
        self.windows.clear();
    }

    /// All of it, or as much as came without a gap.
    pub fn finish(mut self) -> Series {
        self.series.complete = self.windows.is_empty() && self.series.found;
        if !self.before.is_empty() || !self.after.is_empty() {
            let mut whole = std::mem::take(&mut self.before);
            whole.append(&self.series.points);
            if self.series.complete {
                whole.append(&self.after);
            }
            self.series.points = whole;
        }
        if let Some(limit) = self.query.limit {
            let outside = if self.query.outside { 2 } else { 0 };
            let most = usize::try_from(limit.saturating_add(outside)).unwrap_or(usize::MAX);
            if self.series.points.len() > most {
                self.series.points = self.series.points.slice(0, most);
            }
        }
        self.series.points.fit();
        self.series
    }
}

#[cfg(test)]
mod tests {
    use super::super::query::{Ask, parse};
    use super::*;

    fn reading(text: &str) -> Reading {
        Reading::new(0, parse(text.as_bytes(), 1_700_000_000_000, Ask::Range).unwrap().remove(0))
    }

    #[test]
    fn what_waits_stays_behind_the_rest_of_a_window() {
        // Two windows; the page of the second is there before the first is found to be longer than a page.
        let mut r = reading(r#"{"id":1,"start":0,"end":432000000}"#);
        let asked = r.begin(0, 2, u64::MAX);
        let [first, second] = &asked[..] else { panic!("{asked:?}") };
        let mut page = |asked: &Asked, count: u64| {
            let place = r.place(asked);
            for n in 0..count as i64 {
                place.timestamps.push(asked.start + n);
                place.numbers.push(0.0);
            }
            r.taken(asked, count, asked.start + count as i64 - 1, Some("c".into())).unwrap()
        };
        assert_eq!(page(second, 5), []);
        let rest = page(first, MAX_RAW);
        assert!(rest.len() > 1);
        for asked in &rest {
            page(asked, 3);
        }
        let points = r.finish().points;
        assert_eq!(points.len(), MAX_RAW as usize + 5 + 3 * rest.len());
        assert!(points.ascends_from(0));
    }

    /// Answers as the service would, points every `every` ms; the order in which answers come is random.
    fn play(mut r: Reading, every: i64, pieces: i64, share: u64, rng: &mut fastrand::Rng) -> (Series, usize) {
        r.series.found = true;
        let step = r.query.step().max(every);
        let mut under_way = r.begin(0, pieces, share);
        let mut requests = 0;
        while !under_way.is_empty() {
            let asked = under_way.swap_remove(rng.usize(0..under_way.len()));
            requests += 1;
            let first = asked.start.div_euclid(step) * step + if asked.start.rem_euclid(step) > 0 { step } else { 0 };
            let all = (asked.end - first + step - 1).max(0) / step;
            let times: Vec<i64> = (0..all.min(asked.limit as i64)).map(|n| first + n * step).collect();
            let more = all > times.len() as i64;
            let place = r.place(&asked);
            for t in &times {
                place.timestamps.push(*t);
                place.numbers.push(*t as f64);
            }
            let last = times.last().copied().unwrap_or(0);
            under_way.extend(r.taken(&asked, times.len() as u64, last, more.then(|| "c".into())).unwrap());
            assert!(requests < 2000);
        }
        (r.finish(), requests)
    }

    #[test]
    fn however_it_is_cut_every_point_comes_once_and_in_order() {
        let mut rng = fastrand::Rng::with_seed(4);
        for _ in 0..60 {
            let (start, span, every) = (rng.i64(0..1_000_000), rng.i64(1..1_000_000_000), rng.i64(1000..5000));
            let limit = if rng.bool() { "null".to_owned() } else { rng.u64(0..300_000).to_string() };
            let text = format!(r#"{{"id":1,"start":{start},"end":{},"limit":{limit}}}"#, start + span);
            let r = reading(&text);
            let most = r.query.limit.map_or(usize::MAX, |l| l as usize);
            let wanted: Vec<i64> = {
                let first = (start + every - 1) / every * every;
                (first..start + span).step_by(every as usize).take(most).collect()
            };
            let (series, _) = play(r, every, rng.i64(1..6), rng.u64(100..100_001), &mut rng);
            assert!(series.complete);
            assert!(series.points.timestamps == wanted, "{text} {every}");
            assert_eq!(series.points.numbers.len(), wanted.len());
        }
    }

    #[test]
    fn windows_as_the_reference_cuts_them() {
        let r =
            |text| reading(text).begin(0, 5, u64::MAX).iter().map(|a| (a.start, a.end, a.limit)).collect::<Vec<_>>();
        assert_eq!(r(r#"{"id":1,"start":0,"end":3600000}"#), [(0, 3_600_000, 100_000)]);
        let day = 86_400_000;
        let five: Vec<_> = (0..5).map(|n| (n * day, (n + 1) * day, 100_000)).collect();
        assert_eq!(r(r#"{"id":1,"start":0,"end":432000000}"#), five);
        assert_eq!(r(r#"{"id":1,"start":0,"end":432000000,"limit":7}"#), [(0, 5 * day, 7)]);
        assert_eq!(r(r#"{"id":1,"start":0,"end":432000000,"aggregates":"max","granularity":"1s"}"#).len(), 5);
        assert_eq!(r(r#"{"id":1,"start":0,"end":432000000,"aggregates":"max","granularity":"1h"}"#).len(), 1);
    }

    #[test]
    fn times_at_the_ends_of_the_numbers_do_no_harm() {
        for text in [
            r#"{"id":1,"start":-2208988800000,"end":-2208988700000,"aggregates":"max","granularity":"1mo"}"#,
            r#"{"id":1,"start":-2208988800000,"end":4102444800000}"#,
        ] {
            for last in [i64::MIN, i64::MAX, 0] {
                let mut r = reading(text);
                let asked = r.begin(0, 1, 100).remove(0);
                let _ = r.taken(&asked, 100, last, Some("c".into()));
            }
        }
    }

    #[test]
    fn of_points_outside_one_is_kept_on_each_side() {
        let mut r = reading(r#"{"id":1,"start":10,"end":20,"includeOutsidePoints":true}"#);
        let mut points = Points::default();
        for t in [3, 9, 10, 15, 20, 30] {
            points.timestamps.push(t);
            points.numbers.push(0.0);
        }
        r.keep_outside(&points);
        assert_eq!((&r.before.timestamps[..], &r.after.timestamps[..]), (&[3][..], &[20][..]));
    }

    #[test]
    fn an_answer_that_repeats_itself_ends() {
        let mut r = reading(r#"{"id":1,"start":1000,"end":432000000}"#);
        let asked = r.begin(0, 1, 100).remove(0);
        assert_eq!(r.taken(&asked, 100, 500, Some("c".into())), Err(Stuck));
        let mut r = reading(r#"{"id":1,"start":0,"end":432000000,"aggregates":"max","granularity":"1mo"}"#);
        let asked = r.begin(0, 1, 100).remove(0);
        let next = r.taken(&asked, 100, 500, Some("c".into())).unwrap().remove(0);
        assert_eq!((next.start, next.cursor.as_deref()), (0, Some("c")));
        assert_eq!(r.taken(&next, next.limit, 900, Some("c".into())), Err(Stuck));
    }
}
