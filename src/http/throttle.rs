//! How fast a budget of the service may be used, learnt from its answers. One per origin, project and kind of request,
//! shared by all clients: what one is told by a 429 all of them heed.
//!
//! While the service never says 429 nothing is slowed, but for the first moments of a kind of request, when few are let
//! out at a time: all that are under way when a small budget is used up are refused. After the first refusal the rate is
//! looked for: it doubles quickly until the next, and from what a bucket must have held and refilled to last so long
//! follows what it refills. Then requests are paced: the rate begins below what is known, comes back to it on a curve
//! that is flat around it, and probes beyond; each refusal tells the rate anew, as the bucket was empty at the last one and
//! is now. A pause that the service asks for is kept by all requests if nothing is known yet or if to slow down was not
//! enough, else by the refused one alone. A pure state machine: time is given to it.

use std::time::Duration;

/// What remains of the rate after a refusal.
const KEEP: f64 = 0.95;
/// The same if what is known is a guess.
const KEEP_GUESSED: f64 = 0.85;
/// Of what was measured so much is taken for sure.
const SURE: f64 = 0.99;
/// When little is known: doubling in this time until the next refusal.
const SEARCH: f64 = 0.25;
/// A refusal so soon after the search began only tells that it began too fast.
const TOO_SOON: f64 = 0.2;
/// So many requests may be under way at first, and for so long: a small budget is used up by the first few, and then all
/// that are under way are refused.
const OPENING: u32 = 5;
const OPENING_TIME: f64 = 0.2;
/// Back at the known rate after this long if it is a guess, and if it was measured after that long or that many requests.
const BACK_GUESSED: f64 = 2.0;
const BACK_MEASURED: f64 = 15.0;
const BACK_REQUESTS: f64 = 600.0;
const BACK_AT_MOST: f64 = 120.0;
/// Beyond it: doubling in this time until the next refusal.
const PROBE: f64 = 15.0;
const PROBE_GUESSED: f64 = 8.0;
/// Throughput is measured over this window, in this many slots.
const WINDOW: f64 = 2.0;
const SLOTS: usize = 20;
/// Fewer successes in it are no measure.
const FEW: f64 = 8.0;
/// Slowest pace, requests per second: a budget that is closed altogether is asked now and then.
const SLOWEST: f64 = 0.1;
/// After so long without a refusal, at a rate nobody uses up, pacing ends.
const FORGET: f64 = 300.0;
/// A pause asked for is obeyed up to this; a longer one concerns the single call only.
const LONGEST_PAUSE: f64 = 60.0;

/// How late a turn may be taken, seconds, and the part of the bucket that is counted on for it.
const LATE: f64 = 0.01;
const LATE_AT_MOST: f64 = 0.5;
const KEPT: f64 = 0.7;
/// Shorter waits are none.
const MOMENT: f64 = 1e-6;

/// Seconds since an arbitrary start.
type Seconds = f64;

/// `clamp` without its panic: what comes of odd times and rates is bounded, not a defect.
fn between(value: f64, least: f64, most: f64) -> f64 {
    value.min(most).max(least)
}

/// Likewise; no wait is longer than a long pause.
fn seconds(wait: Seconds) -> Duration {
    Duration::try_from_secs_f64(between(wait, 0.0, LONGEST_PAUSE)).unwrap_or_default()
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    /// The rate the service is thought to take.
    known: f64,
    /// Seconds until it is reached again; `None` while searching for it.
    back: Option<f64>,
    since: Seconds,
    /// How long nothing was sent before that.
    pause: Seconds,
    /// All that were accepted before that.
    accepted: u64,
    /// When the next request may leave.
    next: Seconds,
}

#[derive(Debug)]
pub struct Throttle {
    pace: Option<Pace>,
    /// Successes by slot of the window.
    slots: [u32; SLOTS],
    slot: i64,
    first: Seconds,
    /// No request leaves before (`Retry-After`).
    closed_until: Seconds,
    /// Until when the last refusal asked for a pause, whether or not all keep it.
    asked_until: Seconds,
    /// Let in until the first refusal, and in what time: what the bucket held and what it refilled.
    begin: (f64, Seconds),
    /// When the first request left, and how many are under way; kept for the opening only.
    opened: Option<Seconds>,
    under_way: u32,
    /// When the last request left, when the first did after it had been quiet, and all that were accepted before that.
    last_left: Seconds,
    busy_since: (Seconds, u64),
    pub refused: u64,
    pub accepted: u64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            pace: None,
            slots: [0; SLOTS],
            slot: 0,
            first: -1.0,
            closed_until: 0.0,
            asked_until: 0.0,
            begin: (0.0, 0.0),
            opened: None,
            under_way: 0,
            last_left: 0.0,
            busy_since: (0.0, 0),
            refused: 0,
            accepted: 0,
        }
    }
}

impl Throttle {
    /// A request wants to leave: zero, or how long it has to wait and then ask again. Leaving takes its turn.
    pub fn ask(&mut self, now: Seconds) -> Duration {
        if now + MOMENT < self.closed_until {
            return seconds(self.closed_until - now);
        }
        let Some(mut pace) = self.pace else {
            let left = self.opened.map_or(0.0, |at| at + OPENING_TIME - now);
            return match self.under_way < OPENING || left < MOMENT {
                true => Duration::ZERO,
                false => seconds(left),
            };
        };
        // A wait too short for a Duration would be taken for a permission that nobody counted.
        if now + MOMENT < pace.next {
            return seconds(pace.next - now);
        }
        let rate = pace.rate(now);
        if now - pace.since > FORGET && self.throughput(now) < rate / 2.0 {
            self.pace = None;
            return Duration::ZERO;
        }
        // Turns that were not taken are gone but for as many as the bucket keeps: answers do not come evenly, timers wake
        // late, and a busy machine stands still for moments.
        let late = between(self.holds(pace.known) * KEPT / rate, LATE, LATE_AT_MOST).max(1.0 / rate);
        pace.next = pace.next.max(now - late) + 1.0 / rate;
        self.pace = Some(pace);
        Duration::ZERO
    }

    /// A request leaves. Answers whether it is to be told when it is no longer under way.
    pub fn left(&mut self, now: Seconds) -> bool {
        if self.opened.is_none() || now - self.last_left > WINDOW {
            self.busy_since = (now, self.accepted);
        }
        self.last_left = now;
        self.opened.get_or_insert(now);
        let opening = self.is_opening(now);
        self.under_way += u32::from(opening);
        opening
    }

    /// A request of which this was to be told is no longer under way, whatever became of it.
    pub fn gone(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Whether so little was sent yet that the number of requests under way counts.
    pub fn is_opening(&self, now: Seconds) -> bool {
        self.pace.is_none() && self.opened.is_none_or(|at| now < at + OPENING_TIME)
    }

    /// An answer to a request that left at `left`.
    pub fn answered(&mut self, now: Seconds, left: Seconds, refused: bool, asked: Option<Duration>) {
        if !refused {
            self.accepted += 1;
            self.count(now);
            return;
        }
        self.refused += 1;
        if let Some(pause) = asked.map(|p| p.as_secs_f64()).filter(|p| *p <= LONGEST_PAUSE) {
            // The one that was refused keeps its pause in any case. All the others do if nothing is known of the
            // allowance, or if to slow down was not enough; else each step over the edge would cost all of the pause.
            let slowed = self.pace.is_some_and(|pace| left < pace.since || left >= self.asked_until);
            if !slowed || now < self.closed_until {
                self.closed_until = self.closed_until.max(now + pause);
            }
            self.asked_until = self.asked_until.max(now + pause);
        }
        match self.pace {
            // It left before the pace was set: it says nothing about it.
            Some(pace) if left < pace.since => {}
            Some(pace) => {
                let rate = pace.rate(left);
                let passed = left - pace.since;
                let (known, back) = match pace.back {
                    None if passed < TOO_SOON => (pace.known / 4.0, None),
                    None => {
                        // Callers may not have used all turns.
                        let turns = (rate - pace.known) * SEARCH / std::f64::consts::LN_2;
                        let part = between((self.accepted - pace.accepted) as f64 / turns, 0.3, 1.0);
                        let filled = |wanted: f64| wanted * pace.pause;
                        (self.allowance(pace.known * part, rate * part, SEARCH, passed, filled), Some(BACK_GUESSED))
                    }
                    // The bucket was empty then and is now: at least what was taken in between was refilled, or beyond what
                    // it holds if a pause filled it. Seen lately is more than that by what it holds.
                    Some(back) => {
                        let (held, in_time) = self.begin;
                        let accepted = (self.accepted - pace.accepted) as f64;
                        let mut taken = accepted / (passed + pace.pause).max(MOMENT);
                        if pace.pause > 0.0 && passed > 2.0 * in_time {
                            taken = taken.max((accepted - held) / (passed - in_time));
                        }
                        let lately = self.throughput(now) - self.holds(taken) / WINDOW;
                        let known = if passed < WINDOW { taken } else { taken.max(lately) };
                        let measured = between(BACK_REQUESTS / known, BACK_MEASURED, BACK_AT_MOST);
                        let back = if passed >= back * 0.9 { measured } else { BACK_GUESSED };
                        (between(known, rate * 0.6, rate * SURE), Some(back))
                    }
                };
                self.set(now, known, back);
            }
            None => {
                let seen = self.throughput(now);
                let (since, before) = self.busy_since;
                if now - since >= WINDOW && seen * WINDOW >= FEW {
                    self.set(now, seen, Some(BACK_GUESSED));
                    return;
                }
                // Too little was asked for to tell what may be.
                let (taken, begun) = match now - since < WINDOW {
                    true => ((self.accepted - before) as f64, since),
                    false => (seen * WINDOW, now - WINDOW),
                };
                // Of those under way about half left before it.
                self.begin = (taken + f64::from(self.under_way) / 2.0, (left - begun).max(0.0));
                self.set(now, self.begin.0.max(2.0), None);
            }
        }
    }

    /// What a bucket refills in a second that held out for `passed` against a rate that grew from `begin` to `end`,
    /// doubling in `double`. It had `had` at first, filled up while the rate was below what is looked for, as far as it
    /// goes, and ran dry beyond.
    fn allowance(&self, begin: f64, end: f64, double: Seconds, passed: Seconds, had: impl Fn(f64) -> f64) -> f64 {
        let steep = std::f64::consts::LN_2 / double;
        let remains = |wanted: f64| {
            let holds = self.holds(wanted);
            let filled = had(wanted).min(holds);
            if wanted <= begin {
                return filled + wanted * passed - (end - begin) / steep;
            }
            let even = (wanted / begin).ln() / steep;
            let filled = (filled + wanted * even - (wanted - begin) / steep).min(holds);
            filled + wanted * (passed - even) - (end - wanted) / steep
        };
        let (mut low, mut high) = (SLOWEST, end);
        for _ in 0..30 {
            let middle = (low + high) / 2.0;
            if remains(middle) < 0.0 { low = middle } else { high = middle }
        }
        low
    }

    /// What the bucket holds if it refills at `rate`; 0: not known.
    fn holds(&self, rate: f64) -> f64 {
        let (taken, in_time) = self.begin;
        (taken - rate * in_time).max(taken / 4.0)
    }

    fn set(&mut self, now: Seconds, known: f64, back: Option<f64>) {
        let known = known.max(SLOWEST);
        let since = now.max(self.closed_until);
        self.pace = Some(Pace {
            known,
            back,
            since,
            pause: since - now,
            accepted: self.accepted,
            next: since + 1.0 / (known * KEEP),
        });
    }

    /// Whether a request can have to wait.
    pub fn is_pacing(&self, now: Seconds) -> bool {
        self.pace.is_some() || now < self.closed_until || self.is_opening(now)
    }

    /// Requests per second allowed now; `None`: as many as there are.
    pub fn rate(&self, now: Seconds) -> Option<f64> {
        self.pace.map(|p| p.rate(now))
    }

    fn slot_of(now: Seconds) -> i64 {
        (now / (WINDOW / SLOTS as f64)).floor() as i64
    }

    fn advance(&mut self, now: Seconds) {
        let slot = Self::slot_of(now);
        let passed = slot.saturating_sub(self.slot).clamp(0, SLOTS as i64);
        for k in 1..=passed {
            self.slots[(self.slot + k).rem_euclid(SLOTS as i64) as usize] = 0;
        }
        if passed > 0 {
            self.slot = slot;
        }
    }

    fn count(&mut self, now: Seconds) {
        if self.first < 0.0 {
            self.first = now;
        }
        self.advance(now);
        self.slots[self.slot.rem_euclid(SLOTS as i64) as usize] += 1;
    }

    /// Successes per second over the window, or over the time there is anything to measure.
    fn throughput(&mut self, now: Seconds) -> f64 {
        self.advance(now);
        // The slot of now is not over yet.
        let slot = WINDOW / SLOTS as f64;
        let whole = WINDOW - slot + between(now - self.slot as f64 * slot, 0.0, slot);
        let span = if self.first < 0.0 { WINDOW } else { between(now - self.first, slot, whole) };
        f64::from(self.slots.iter().sum::<u32>()) / span
    }
}

impl Pace {
    /// Below what is known for a while, steep at first and flat towards it, then ever faster beyond.
    fn rate(&self, now: Seconds) -> f64 {
        let passed = (now - self.since).max(0.0);
        let rate = match self.back {
            None => self.known * (passed / SEARCH).min(40.0).exp2(),
            Some(back) if passed < back => {
                let keep = if back > BACK_GUESSED { KEEP } else { KEEP_GUESSED };
                self.known * (1.0 - (1.0 - keep) * (1.0 - passed / back).powi(3))
            }
            Some(back) => {
                let double = if back > BACK_GUESSED { PROBE } else { PROBE_GUESSED };
                self.known * ((passed - back) / double).min(40.0).exp2()
            }
        };
        rate.max(SLOWEST)
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
