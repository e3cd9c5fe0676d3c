//! The emulator's clock. It can be set, moved and stopped, so that tests need not wait.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::error::{ApiError, Result};

const RUNNING: i64 = i64::MIN;
/// The year 9999.
const LATEST: i64 = 253_402_300_799_999;

pub struct Clock {
    /// Milliseconds ahead of the system's clock.
    ahead: AtomicI64,
    /// The time at which it stands, if it does.
    stands: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { ahead: AtomicI64::new(0), stands: AtomicI64::new(RUNNING) }
    }
}

fn system() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Clock {
    /// Milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        match self.stands.load(Ordering::Relaxed) {
            RUNNING => system().saturating_add(self.ahead.load(Ordering::Relaxed)),
            stands => stands,
        }
    }

    pub fn reset(&self) {
        self.ahead.store(0, Ordering::Relaxed);
        self.stands.store(RUNNING, Ordering::Relaxed);
    }

    pub fn shown(&self) -> Value {
        json!({"now": self.now(), "stopped": self.stands.load(Ordering::Relaxed) != RUNNING})
    }

    /// `{"set": ms}`, `{"advance_ms": n}`, `{"stop": bool}`, each or all of them.
    pub fn order(&self, body: &[u8]) -> Result<Value> {
        let order: Value = serde_json::from_slice(body).map_err(|e| ApiError::bad(format!("Invalid order: {e}")))?;
        let Value::Object(order) = order else { return Err(ApiError::bad("The order must be an object")) };
        let mut now = self.now();
        let mut stop = self.stands.load(Ordering::Relaxed) != RUNNING;
        for (key, value) in &order {
            match (key.as_str(), value.as_i64(), value.as_bool()) {
                ("set", Some(ms), _) => now = ms,
                ("advance_ms", Some(ms), _) => now = now.saturating_add(ms),
                ("stop", _, Some(flag)) => stop = flag,
                _ => return Err(ApiError::bad(format!("{key} is unknown or has a value it cannot have"))),
            }
        }
        if !(0..=LATEST).contains(&now) {
            return Err(ApiError::bad(format!("The clock shows 0 to {LATEST}")));
        }
        self.ahead.store(now - system(), Ordering::Relaxed);
        self.stands.store(if stop { now } else { RUNNING }, Ordering::Relaxed);
        Ok(self.shown())
    }
}

thread_local! {
    static NOW: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Does something as at that time: a request has one.
pub fn at<T>(now: i64, what: impl FnOnce() -> T) -> T {
    NOW.set(Some(now));
    let done = what();
    NOW.set(None);
    done
}

/// The time of the request that is served in this thread.
pub fn now_ms() -> i64 {
    NOW.get().unwrap_or_else(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_moved_and_stopped() {
        let clock = Clock::default();
        assert!((clock.now() - system()).abs() < 1000);
        clock.order(br#"{"set": 1000, "advance_ms": 500, "stop": true}"#).unwrap();
        assert_eq!((clock.now(), clock.shown()["stopped"].as_bool()), (1500, Some(true)));
        clock.order(br#"{"advance_ms": -500}"#).unwrap();
        assert_eq!(clock.now(), 1000);
        clock.order(br#"{"stop": false}"#).unwrap();
        assert!((1000..60_000).contains(&clock.now()));
        for wrong in
            [&b"[]"[..], b"{\"set\": \"x\"}", b"{\"set\": -1}", b"{\"advance_ms\": 9223372036854775807}", b"{\"x\": 1}"]
        {
            assert!(clock.order(wrong).is_err());
        }
        clock.reset();
        assert!((clock.now() - system()).abs() < 1000);
        assert_eq!(at(7, now_ms), 7);
        assert!(now_ms() > 7);
    }
}
