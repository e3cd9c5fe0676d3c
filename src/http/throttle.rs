//! How fast a budget of the service may be used, learnt from its answers. One per origin, project and kind of request,
//! shared by all clients: what one is told by a 429 all of them heed.
//!
//! While the service never says 429 nothing is slowed. After the first one requests are paced: the rate drops below what
//! the service was seen to take, comes back to it on a curve that is flat around it, and then probes beyond, so that most
//! of the allowance is used and few requests are refused. A pure state machine: time is given to it.

use std::time::Duration;

/// What remains of the rate after a refusal.
const KEEP: f64 = 0.9;
/// When little is known: doubling in this time until the first refusal.
const SEARCH: f64 = 0.5;
/// Back at the known rate after this long if it is a guess, and if it was measured after that long or that many requests.
const BACK_GUESSED: f64 = 3.0;
const BACK_MEASURED: f64 = 40.0;
const BACK_REQUESTS: f64 = 400.0;
const BACK_AT_MOST: f64 = 120.0;
/// Beyond it: doubling in this time until the next refusal.
const PROBE: f64 = 15.0;
/// Throughput is measured over this window, in this many slots.
const WINDOW: f64 = 2.0;
const SLOTS: usize = 20;
/// Slowest pace, requests per second: a budget that is closed altogether is asked now and then.
const SLOWEST: f64 = 0.1;
/// After so long without a refusal, at a rate nobody uses up, pacing ends.
const FORGET: f64 = 300.0;
/// A pause asked for is obeyed up to this; a longer one concerns the single call only.
const LONGEST_PAUSE: f64 = 60.0;

/// Shorter waits are none.
const MOMENT: f64 = 1e-6;

/// Seconds since an arbitrary start.
type Seconds = f64;

#[derive(Clone, Copy, Debug)]
struct Pace {
    /// The rate the service is thought to take.
    known: f64,
    /// Seconds until it is reached again; `None` while searching for it.
    back: Option<f64>,
    since: Seconds,
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
    pub refused: u64,
    pub accepted: u64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { pace: None, slots: [0; SLOTS], slot: 0, first: -1.0, closed_until: 0.0, refused: 0, accepted: 0 }
    }
}

impl Throttle {
    /// A request wants to leave: zero, or how long it has to wait and then ask again. Leaving takes its turn.
    pub fn ask(&mut self, now: Seconds) -> Duration {
        if now + MOMENT < self.closed_until {
            return Duration::from_secs_f64(self.closed_until - now);
        }
        let Some(mut pace) = self.pace else { return Duration::ZERO };
        // A wait too short for a Duration would be taken for a permission that nobody counted.
        if now + MOMENT < pace.next {
            return Duration::from_secs_f64(pace.next - now);
        }
        let rate = pace.rate(now);
        if now - pace.since > FORGET && self.throughput(now) < rate / 2.0 {
            self.pace = None;
            return Duration::ZERO;
        }
        // Turns that were not taken are gone, but for two: answers do not come evenly.
        pace.next = pace.next.max(now - 1.0 / rate) + 1.0 / rate;
        self.pace = Some(pace);
        Duration::ZERO
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
            self.closed_until = self.closed_until.max(now + pause);
        }
        match self.pace {
            // It left before the pace was set: it says nothing about it.
            Some(pace) if left < pace.since => {}
            Some(pace) => {
                let rate = pace.rate(left);
                let passed = now - pace.since;
                let (known, back) = match pace.back {
                    None => (rate * 0.7, BACK_GUESSED),
                    // So soon after a change the throughput seen is still that of before.
                    Some(_) if passed < WINDOW => (rate * 0.8, BACK_GUESSED),
                    Some(back) => {
                        // Seen is what the bucket held besides what it refills.
                        let known = (self.throughput(now) * 0.98).clamp(rate * 0.6, rate * 0.98);
                        let measured = (BACK_REQUESTS / known).clamp(BACK_MEASURED, BACK_AT_MOST);
                        (known, if passed >= back * 0.9 { measured } else { BACK_GUESSED })
                    }
                };
                self.set(now, known, Some(back));
            }
            None => {
                let seen = self.throughput(now);
                if self.first >= 0.0 && now - self.first >= WINDOW {
                    self.set(now, seen, Some(BACK_GUESSED));
                } else {
                    self.set(now, seen.max(2.0), None);
                }
            }
        }
    }

    fn set(&mut self, now: Seconds, known: f64, back: Option<f64>) {
        let known = known.max(SLOWEST);
        let since = now.max(self.closed_until);
        self.pace = Some(Pace { known, back, since, next: since + 1.0 / (known * KEEP) });
    }

    /// Whether a request can have to wait.
    pub fn is_pacing(&self, now: Seconds) -> bool {
        self.pace.is_some() || now < self.closed_until
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
        let passed = (slot - self.slot).clamp(0, SLOTS as i64);
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
        let span = if self.first < 0.0 { WINDOW } else { (now - self.first).clamp(WINDOW / SLOTS as f64, WINDOW) };
        f64::from(self.slots.iter().sum::<u32>()) / span
    }
}

impl Pace {
    /// Below what is known for a while, steep at first and flat towards it, then ever faster beyond.
    fn rate(&self, now: Seconds) -> f64 {
        let passed = (now - self.since).max(0.0);
        let rate = match self.back {
            None => self.known * (passed / SEARCH).min(40.0).exp2(),
            Some(back) if passed < back => self.known * (1.0 - (1.0 - KEEP) * (1.0 - passed / back).powi(3)),
            Some(back) => self.known * ((passed - back) / PROBE).min(40.0).exp2(),
        };
        rate.max(SLOWEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BinaryHeap;

    /// A service with a token bucket, and callers who each send the next request when the last was answered.
    struct Run {
        share: f64,
        refused: f64,
    }

    /// Virtual time in microseconds, so that runs are exact and repeatable.
    fn run(allowance: f64, burst: f64, callers: usize, latency: f64, retry_after: Option<f64>, seconds: f64) -> Run {
        let mut throttle = Throttle::default();
        let (mut bucket, mut filled) = (burst, 0.0f64);
        let (mut taken, mut sent, mut refused) = (0u64, 0u64, 0u64);
        #[derive(PartialEq, Eq, PartialOrd, Ord)]
        enum What {
            Ask,
            Answer { left: u64, refused: bool },
        }
        let mut events = BinaryHeap::new();
        for caller in 0..callers {
            events.push((std::cmp::Reverse(0u64), caller, What::Ask));
        }
        let mut noise = 12345u64;
        let mut jitter = move || {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            0.5 + (noise >> 33) as f64 / (1u64 << 31) as f64
        };
        let micros = |s: f64| (s * 1e6).ceil() as u64;
        while let Some((std::cmp::Reverse(at), caller, what)) = events.pop() {
            let now = at as f64 / 1e6;
            if now > seconds {
                break;
            }
            match what {
                What::Ask => {
                    let wait = throttle.ask(now);
                    if !wait.is_zero() {
                        events.push((std::cmp::Reverse(at + micros(wait.as_secs_f64()).max(1)), caller, What::Ask));
                        continue;
                    }
                    sent += 1;
                    bucket = (bucket + (now - filled) * allowance).min(burst);
                    filled = now;
                    let no = bucket < 1.0;
                    if no {
                        refused += 1;
                    } else {
                        bucket -= 1.0;
                        taken += 1;
                    }
                    let back = at + micros(latency * jitter());
                    events.push((std::cmp::Reverse(back), caller, What::Answer { left: at, refused: no }));
                }
                What::Answer { left, refused } => {
                    let asked = retry_after.filter(|_| refused).map(Duration::from_secs_f64);
                    throttle.answered(now, left as f64 / 1e6, refused, asked);
                    // A refused call pauses as the retry engine has it.
                    let pause = if refused { 0.1 + 0.2 * jitter() } else { 0.0 };
                    events.push((std::cmp::Reverse(at + micros(pause).max(1)), caller, What::Ask));
                }
            }
        }
        Run { share: taken as f64 / (allowance * seconds + burst), refused: refused as f64 / sent as f64 }
    }

    /// The figures of the real thing; printed with `--nocapture`.
    #[test]
    fn most_of_the_allowance_is_used_and_few_requests_are_refused() {
        for allowance in [10.0, 50.0, 100.0, 400.0, 1000.0] {
            for (burst, latency) in [(10.0, 0.005), (50.0, 0.02)] {
                for retry_after in [None, Some(1.0)] {
                    let r = run(allowance, burst, 20, latency, retry_after, 300.0);
                    let what = format!("{allowance}/s, burst {burst}, {latency} s, {retry_after:?}");
                    println!("{what}: {:.3} of the allowance used, {:.4} refused", r.share, r.refused);
                    // A pause of a second that the service asks for is given, so it costs what it costs.
                    let least = if retry_after.is_some() { 0.87 } else { 0.90 };
                    assert!(r.share >= least, "{what}: {:.3} of the allowance used", r.share);
                    // With 10 a second the first 20 callers alone are 0.7 % of all there are.
                    let most = if allowance < 50.0 { 0.03 } else { 0.01 };
                    assert!(r.refused < most, "{what}: {:.4} refused", r.refused);
                }
            }
        }
    }

    #[test]
    fn nothing_is_slowed_until_the_service_refuses() {
        let mut t = Throttle::default();
        for n in 0..10_000 {
            let now = f64::from(n) / 1e5;
            assert_eq!(t.ask(now), Duration::ZERO);
            t.answered(now, now, false, None);
        }
        assert_eq!(t.rate(1.0), None);
    }

    #[test]
    fn a_pause_asked_for_holds_everybody_back() {
        let mut t = Throttle::default();
        t.answered(10.0, 9.9, true, Some(Duration::from_secs(5)));
        assert_eq!(t.ask(11.0), Duration::from_secs(4));
        assert!(t.ask(14.9) > Duration::ZERO);
        // A pause of hours is that call's own affair.
        let mut t = Throttle::default();
        t.answered(10.0, 9.9, true, Some(Duration::from_secs(7200)));
        assert!(t.ask(11.0) < Duration::from_secs(60));
    }

    #[test]
    fn one_refusal_counts_once() {
        let mut t = Throttle::default();
        for n in 0..200 {
            t.answered(f64::from(n) / 100.0, 0.0, false, None);
        }
        for _ in 0..20 {
            t.answered(2.0, 1.9, true, None);
        }
        let rate = t.rate(2.0).unwrap();
        assert!(rate > 50.0 && rate < 100.0, "{rate}");
        assert_eq!((t.refused, t.accepted), (20, 200));
    }

    #[test]
    fn it_ends_when_nobody_needs_it() {
        let mut t = Throttle::default();
        t.answered(1.0, 0.9, true, None);
        assert!(t.rate(2.0).is_some());
        let _ = t.ask(1000.0);
        let _ = t.ask(1001.0);
        assert_eq!(t.rate(1001.0), None);
        // Clocks that stand still or nonsense in between must not break it.
        t.answered(f64::MAX, 0.0, false, None);
        let _ = t.ask(0.0);
    }
}
