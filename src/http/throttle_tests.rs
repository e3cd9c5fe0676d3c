//! The pacing against a service with a token bucket, in virtual time.

use super::*;
use std::collections::BinaryHeap;

/// A service with a token bucket, and callers who each send the next request when the last was answered.
struct Run {
    share: f64,
    refused: f64,
}

struct Service {
    allowance: f64,
    burst: f64,
    latency: f64,
    retry_after: Option<f64>,
    /// How long the machine stands still, three times a second.
    stall: f64,
}

/// Virtual time in microseconds, so that runs are exact and repeatable. As strict as `cargo xtask bench throttle`:
/// the bucket is the emulator's, a refused call pauses as the retry engine has it, timers wake late.
fn run(s: &Service, callers: usize, seconds: f64, seed: u64) -> Run {
    let mut throttle = Throttle::default();
    let (mut bucket, mut filled) = (s.burst, 0.0f64);
    let (mut taken, mut sent, mut refused) = (0u64, 0u64, 0u64);
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    enum What {
        Answer { left: u64, told: bool, refused: bool, attempt: u32 },
        Ask { attempt: u32 },
    }
    let mut events = BinaryHeap::new();
    for caller in 0..callers {
        events.push((std::cmp::Reverse(0u64), caller, What::Ask { attempt: 1 }));
    }
    let mut noise = seed;
    let mut random = move || {
        noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (noise >> 33) as f64 / (1u64 << 31) as f64
    };
    let micros = |s: f64| (s * 1e6).ceil() as u64;
    while let Some((std::cmp::Reverse(at), caller, what)) = events.pop() {
        let now = at as f64 / 1e6;
        let stands = now % 0.35;
        if stands < s.stall {
            events.push((std::cmp::Reverse(at + micros(s.stall - stands).max(1)), caller, what));
            continue;
        }
        if now > seconds {
            break;
        }
        match what {
            What::Ask { attempt } => {
                let wait = throttle.ask(now);
                if !wait.is_zero() {
                    // Whoever waits for an answer is woken by it; here by looking again soon.
                    let wait = if throttle.is_opening(now) { wait.min(MOMENT_OF_TEST) } else { wait };
                    let late = 0.0015 * random();
                    let at = at + micros(wait.as_secs_f64() + late);
                    events.push((std::cmp::Reverse(at), caller, What::Ask { attempt }));
                    continue;
                }
                let told = throttle.left(now);
                sent += 1;
                bucket = (bucket + (now - filled) * s.allowance).min(s.burst);
                filled = now;
                let no = bucket < 1.0;
                if no {
                    refused += 1;
                } else {
                    bucket -= 1.0;
                    taken += 1;
                }
                let back = at + micros(s.latency * (0.5 + random()));
                events.push((std::cmp::Reverse(back), caller, What::Answer { left: at, told, refused: no, attempt }));
            }
            What::Answer { left, told, refused, attempt } => {
                let asked = s.retry_after.filter(|_| refused);
                if told {
                    throttle.gone();
                }
                throttle.answered(now, left as f64 / 1e6, refused, asked.map(Duration::from_secs_f64));
                let cap = 0.5 * f64::from(1u32 << (attempt - 1).min(6));
                let pause = if refused { (0.1 + (cap - 0.1) * random()).max(asked.unwrap_or(0.0)) } else { 0.0 };
                let attempt = if refused { attempt + 1 } else { 1 };
                events.push((std::cmp::Reverse(at + micros(pause).max(1)), caller, What::Ask { attempt }));
            }
        }
    }
    Run { share: taken as f64 / (s.allowance * seconds + s.burst), refused: refused as f64 / sent as f64 }
}

const MOMENT_OF_TEST: Duration = Duration::from_micros(300);

/// The rows of the bench and others; the figures are printed with `--nocapture`.
#[test]
fn most_of_the_allowance_is_used_and_few_requests_are_refused() {
    let mut short = Vec::new();
    for (allowance, burst) in
        [(50.0, 20.0), (200.0, 50.0), (1000.0, 50.0), (10.0, 10.0), (50.0, 50.0), (100.0, 10.0), (400.0, 100.0)]
    {
        for (latency, stall) in [(0.001, 0.0), (0.02, 0.0), (0.002, 0.07)] {
            for retry_after in [None, Some(1.0)] {
                let service = Service { allowance, burst, latency, retry_after, stall };
                let runs: Vec<Run> = (1..=2).map(|seed| run(&service, 20, 30.0, seed * 7919)).collect();
                let share = runs.iter().map(|r| r.share).fold(1.0, f64::min);
                let refused = runs.iter().map(|r| r.refused).fold(0.0, f64::max);
                let what = format!("{allowance}/s, burst {burst}, {latency} s, {retry_after:?}, stalls {stall}");
                println!("{what}: {share:.3} of the allowance used, {refused:.4} refused, at worst");
                // Where answers take long more are under way at the first refusal, and with 10 a second those alone
                // are more than 1 % of all there are.
                let most = if latency > 0.01 || allowance < 50.0 { 0.03 } else { 0.01 };
                let least = if stall > 0.0 { 0.70 } else { 0.90 };
                if share < least || refused >= most {
                    short.push(what);
                }
            }
        }
    }
    assert!(short.is_empty(), "{short:#?}");
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

/// Rates far below one a second, clocks that jump, pauses of any length: always an answer, and never a long wait.
#[test]
fn nothing_that_may_come_is_a_defect() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..300 {
        let mut t = Throttle::default();
        let mut now = 0.0;
        for _ in 0..300 {
            let choices = if random.u8(..) == 0 { 8 } else { 7 };
            now += [0.0, 0.001, 0.1, 1.0, 30.0, 500.0, -5.0, 1e300][random.usize(..choices)];
            match random.u8(..6) {
                0 | 1 => assert!(t.ask(now) <= Duration::from_secs(60)),
                2 => drop(t.left(now)),
                3 => t.gone(),
                4 => t.answered(now, now - random.f64(), false, None),
                _ => {
                    let asked = random.bool().then(|| Duration::from_millis(random.u64(..100_000)));
                    t.answered(now, now - random.f64() * 3.0, true, asked);
                }
            }
        }
    }
}

/// It was quiet, so nothing is known of the allowance: the rate is looked for from where it may begin, not from the floor.
#[test]
fn a_refusal_after_a_quiet_time_does_not_stop_everything() {
    for quiet in [3.0, 600.0] {
        let mut t = Throttle::default();
        for n in 0..10 {
            let now = f64::from(n) / 100.0;
            t.left(now);
            t.answered(now + 0.01, now, false, None);
        }
        let now = 0.1 + quiet;
        assert!(t.ask(now).is_zero());
        t.left(now);
        t.answered(now + 0.01, now, true, None);
        let (mut now, mut sent) = (now + 0.01, 0);
        let begun = now;
        while sent < 100 {
            let wait = t.ask(now);
            now += wait.as_secs_f64();
            if wait.is_zero() {
                t.left(now);
                t.answered(now + 0.01, now, false, None);
                sent += 1;
            }
        }
        assert!(now - begun < 5.0, "100 requests took {} s after {quiet} quiet ones", now - begun);
    }
}

/// A request now and then is no measure either.
#[test]
fn a_few_successes_are_no_measure() {
    let mut t = Throttle::default();
    for n in 0..20 {
        let now = f64::from(n) * 1.5;
        t.left(now);
        t.answered(now + 0.01, now, n == 19, None);
    }
    let rate = t.rate(30.0).unwrap();
    assert!(rate >= 2.0, "{rate}");
}
