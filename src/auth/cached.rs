//! A token in hand, and what its age means.

use std::time::{Duration, Instant, SystemTime};

use super::credentials::Leeway;
use super::engine::Header;

/// How much earlier than it must be a token is renewed behind the callers' backs, at most.
const LONGEST_EARLY: Duration = Duration::from_secs(60);

pub struct Cached {
    pub header: Header,
    /// Ages are taken on both clocks and the larger one counts: the monotonic one does not run during suspend, the
    /// wall clock can be set back. Set forward, it costs one token request.
    pub since: Instant,
    pub since_wall: SystemTime,
    pub lifetime: Duration,
}

/// What to do with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    Fresh,
    /// Good, but soon no more: time to renew it while it is used.
    Early,
    /// Within the leeway: renew it first. If that is not to be had, it still works.
    Late,
    Dead,
}

impl Cached {
    pub fn age(&self, leeway: Leeway) -> Age {
        judge(self.elapsed(), self.lifetime, leeway)
    }

    /// How long the token is good for yet.
    pub fn left(&self) -> Duration {
        self.lifetime.saturating_sub(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.since.elapsed().max(self.since_wall.elapsed().unwrap_or_default())
    }
}

fn judge(age: Duration, lifetime: Duration, leeway: Leeway) -> Age {
    // A token that lives no longer than the leeway is asked for at every request: only if somebody wants it so.
    let half = leeway.time >= lifetime && !leeway.chosen;
    let useful = if half { lifetime / 2 } else { lifetime.saturating_sub(leeway.time) };
    let early = (useful / 8).min(LONGEST_EARLY);
    if age >= lifetime {
        Age::Dead
    } else if age >= useful {
        Age::Late
    } else if age + early >= useful {
        Age::Early
    } else {
        Age::Fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn ages() {
        let s = Duration::from_secs;
        for (age, lifetime, leeway, want) in [
            (0, 3600, 30, Age::Fresh),
            (3509, 3600, 30, Age::Fresh),
            (3510, 3600, 30, Age::Early),
            (3570, 3600, 30, Age::Late),
            (3600, 3600, 30, Age::Dead),
            (4, 10, 30, Age::Fresh),
            (5, 10, 30, Age::Late),
            (0, 10, 10, Age::Fresh),
            (9, 10, 0, Age::Early),
        ] {
            let leeway = Leeway { time: s(leeway), chosen: false };
            assert_eq!(judge(s(age), s(lifetime), leeway), want, "{age} of {lifetime}");
        }
        let chosen = Leeway { time: s(30), chosen: true };
        assert_eq!(judge(s(0), s(10), chosen), Age::Late);
        assert_eq!(judge(s(0), s(3600), chosen), Age::Fresh);
    }

    #[test]
    fn both_clocks_count() {
        let hour = Duration::from_secs(3600);
        let cached = |since: Instant, since_wall: SystemTime| Cached {
            header: Header::for_tests(HeaderValue::from_static("x")),
            since,
            since_wall,
            lifetime: hour,
        };
        let none = Leeway { time: Duration::ZERO, chosen: true };
        let (now, wall) = (Instant::now(), SystemTime::now());
        assert_eq!(cached(now, wall).age(none), Age::Fresh);
        // Set forward by two hours, or asleep for two hours.
        assert_eq!(cached(now, wall - 2 * hour).age(none), Age::Dead);
        // Set back by two hours: the other clock knows better.
        assert_eq!(cached(now, wall + 2 * hour).age(none), Age::Fresh);
        if let Some(before) = now.checked_sub(hour) {
            assert_eq!(cached(before, wall + 2 * hour).age(none), Age::Dead);
        }
    }
}
