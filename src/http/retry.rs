//! How often and how long: the budgets of one call and the pauses between its attempts.

use std::time::{Duration, SystemTime};

use super::class::Class;
use crate::config::global::Global;

/// Least pause before a repeat.
const FLOOR: Duration = Duration::from_millis(100);
/// Highest pause before the first repeat; it doubles with each.
const FIRST: Duration = Duration::from_millis(500);

/// What ended an attempt, as far as repeating it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An answer other than 2xx. `asked`: the service marked it `cdf-is-auto-retryable`.
    Status { code: u16, asked: bool },
    /// No data in time.
    Idle,
    /// The connection was not made, or broke, or its content could not be decoded.
    Connection,
    /// A repeat is pointless whatever was sent: an untrusted certificate, an answer that is too large.
    Final,
}

/// Counters of one call; they count before they are compared, so a budget of 3 allows 3 repeats.
#[derive(Default)]
pub struct Budget {
    status: u32,
    idle: u32,
    connection: u32,
}

impl Budget {
    /// Whether the call may be tried once more. `sent`: bytes of the request may have reached the server.
    pub fn allows(&mut self, fault: Fault, class: Class, sent: bool, settings: &Global) -> bool {
        let (used, own) = match fault {
            Fault::Status { .. } => (&mut self.status, settings.max_retries),
            Fault::Idle => (&mut self.idle, settings.max_retries),
            Fault::Connection => (&mut self.connection, settings.max_retries_connect),
            Fault::Final => return false,
        };
        *used += 1;
        let within = *used <= own && self.status + self.idle + self.connection <= settings.max_retries;
        let safe = match fault {
            // The service says the request had no effect.
            Fault::Status { asked: true, .. } => true,
            // 429: not let in. For a create nothing but that is sure.
            Fault::Status { code, .. } if class == Class::Write => code == 429,
            Fault::Status { code, .. } => settings.status_forcelist.contains(&code),
            Fault::Idle | Fault::Connection => class.repeats() || !sent,
            Fault::Final => false,
        };
        within && safe
    }

    /// Repeats so far.
    pub fn repeats(&self) -> u32 {
        self.status + self.idle + self.connection
    }
}

/// The pause before repeat `k` (1, 2, …): even over [0.1 s, min(0.5 · 2^(k-1), backoff)], and never less than the
/// service asked for.
pub fn pause(k: u32, max_backoff: Duration, asked: Option<Duration>) -> Duration {
    let cap = FIRST.saturating_mul(1u32 << k.saturating_sub(1).min(20)).min(max_backoff).max(FLOOR);
    let jittered = FLOOR + (cap - FLOOR).mul_f64(fastrand::f64());
    jittered.max(asked.unwrap_or_default())
}

/// `Retry-After`: seconds, or a date. A date in the past asks for nothing; nonsense neither.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(86_400);
    let value = value.trim();
    let wanted = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX / 2))
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wanted.min(LONGEST)).filter(|w| !w.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(class: Class, fault: Fault, sent: bool, settings: &Global) -> u32 {
        let mut budget = Budget::default();
        let mut n = 1;
        while budget.allows(fault, class, sent, settings) {
            n += 1;
            assert!(n < 100);
        }
        n
    }

    #[test]
    fn budgets() {
        let g = Global::default();
        let status = |code| Fault::Status { code, asked: false };
        for (class, fault, sent, n) in [
            (Class::Read, status(503), true, 11),
            (Class::Read, status(500), true, 1),
            (Class::Read, status(425), true, 1),
            (Class::IdempotentWrite, status(502), true, 11),
            (Class::Write, status(503), true, 1),
            (Class::Write, status(429), true, 11),
            (Class::Write, Fault::Status { code: 409, asked: true }, true, 11),
            (Class::Read, Fault::Connection, true, 4),
            (Class::Write, Fault::Connection, true, 1),
            (Class::Write, Fault::Connection, false, 4),
            (Class::Read, Fault::Idle, true, 11),
            (Class::Write, Fault::Idle, true, 1),
            (Class::Read, Fault::Final, false, 1),
        ] {
            assert_eq!(tries(class, fault, sent, &g), n, "{class:?} {fault:?} {sent}");
        }
        let one = Global { max_retries: 1, ..Global::default() };
        assert_eq!(tries(Class::Read, Fault::Connection, true, &one), 2);
        let none = Global { status_forcelist: vec![], ..Global::default() };
        assert_eq!(tries(Class::Read, status(503), true, &none), 1);
        // Alternating 503 and a broken connection: the fourth break passes the connection budget of 3.
        let mut budget = Budget::default();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let fault = if attempts % 2 == 1 { status(503) } else { Fault::Connection };
            if !budget.allows(fault, Class::Read, true, &g) {
                break;
            }
        }
        assert_eq!(attempts, 8);
    }

    #[test]
    fn pauses() {
        let second = Duration::from_secs(1);
        for k in 1..200 {
            let p = pause(k, 60 * second, None);
            assert!(p >= FLOOR && p <= 60 * second);
        }
        assert!((0..50).all(|_| pause(1, 60 * second, None) <= FIRST));
        assert_eq!(pause(5, Duration::ZERO, None), FLOOR);
        assert!(pause(1, second, Some(7 * second)) >= 7 * second);
    }

    #[test]
    fn retry_after_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("30", Some(30)),
            (" 1 ", Some(1)),
            ("0", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
