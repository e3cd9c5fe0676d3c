//! Where requests wait for their turn once the service has said that they come too fast. What is learnt is shared by all
//! clients of one origin and project, per kind of request, as the service counts them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use once_cell::sync::Lazy;
use tokio::sync::Notify;

use super::class::Class;
use super::metrics::Kind;
use super::throttle::Throttle;

/// Kinds of requests that CDF throttles apart from one another; each once for reads and once for writes.
const CATEGORIES: [&str; 6] = ["datapoints", "raw", "data_modeling", "files", "records", "general"];

/// Most origins and projects remembered; beyond it what nobody uses is forgotten.
const MAX_GATES: usize = 4096;

type Key = (String, String, usize, bool);

static GATES: Lazy<Mutex<HashMap<Key, Arc<Gate>>>> = Lazy::new(Mutex::default);

pub struct Gate {
    epoch: Instant,
    throttle: Mutex<Throttle>,
    /// Whether requests are paced at all; the usual answer is no, and costs nothing.
    paced: AtomicBool,
    /// One waits for the clock, the others in line behind it: first come, first served.
    turn: tokio::sync::Mutex<()>,
    /// One of the first requests is no longer under way.
    freed: Notify,
}

/// A request that was let out; it is under way until this is dropped.
pub struct Passed<'a>(Option<&'a Gate>);

impl Drop for Passed<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.0 {
            lock(&gate.throttle).gone();
            gate.freed.notify_one();
        }
    }
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    fn new() -> Self {
        Self {
            epoch: Instant::now(),
            throttle: Mutex::default(),
            // Until so much was sent that a small budget would have shown.
            paced: AtomicBool::new(true),
            turn: tokio::sync::Mutex::new(()),
            freed: Notify::new(),
        }
    }

    fn now(&self) -> f64 {
        self.at(Instant::now())
    }

    fn at(&self, when: Instant) -> f64 {
        when.saturating_duration_since(self.epoch).as_secs_f64()
    }

    /// Returns when a request may leave.
    pub async fn pass(&self) -> Passed<'_> {
        if !self.paced.load(Ordering::Acquire) {
            return Passed(None);
        }
        let _turn = self.turn.lock().await;
        loop {
            let wait = {
                let mut throttle = lock(&self.throttle);
                let now = self.now();
                let wait = throttle.ask(now);
                self.paced.store(throttle.is_pacing(now), Ordering::Release);
                if wait.is_zero() {
                    return Passed(throttle.left(now).then_some(self));
                }
                wait
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.freed.notified() => {}
            }
        }
    }

    /// What came of a request that left at `left` and was answered at `at`: refused with 429 and perhaps a pause asked for,
    /// or let in.
    pub fn answered(&self, left: Instant, at: Instant, refused: bool, asked: Option<Duration>) {
        let (left, now) = (self.at(left), self.at(at));
        let mut throttle = lock(&self.throttle);
        throttle.answered(now, left, refused, asked);
        if refused {
            self.paced.store(throttle.is_pacing(now), Ordering::Release);
        }
    }
}

/// The gates of one client: its origin's and project's, one per kind of request.
pub struct Gates(Vec<Arc<Gate>>);

impl Gates {
    pub fn of(origin: &str, project: &str) -> Self {
        let mut all = lock(&GATES);
        if all.len() > MAX_GATES {
            all.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let mut own = Vec::with_capacity(CATEGORIES.len() * 2);
        for category in 0..CATEGORIES.len() {
            for write in [false, true] {
                let key = (origin.to_owned(), project.to_owned(), category, write);
                own.push(Arc::clone(all.entry(key).or_insert_with(|| Arc::new(Gate::new()))));
            }
        }
        Self(own)
    }

    /// The kinds that were refused, and their pace.
    pub fn state(&self) -> Vec<Kind> {
        let mut out = Vec::new();
        for (at, gate) in self.0.iter().enumerate() {
            let throttle = lock(&gate.throttle);
            if throttle.refused > 0 {
                let name = format!("{}.{}", CATEGORIES[at / 2], if at % 2 == 0 { "read" } else { "write" });
                let numbers = [
                    ("refused", throttle.refused.into()),
                    ("accepted", throttle.accepted.into()),
                    ("per_second", throttle.rate(gate.now()).into()),
                ];
                out.push(Kind { name, numbers: numbers.into() });
            }
        }
        out
    }

    /// The gate for a path below the base URL.
    pub fn pick(&self, path: Option<&str>, class: Class) -> Arc<Gate> {
        Arc::clone(&self.0[category(path) * 2 + usize::from(class.is_write())])
    }
}

/// Which of [`CATEGORIES`] a path below the base URL belongs to.
fn category(path: Option<&str>) -> usize {
    let mut segments = below_project(path).unwrap_or_default().split('/');
    match segments.next().unwrap_or_default() {
        "timeseries" => match (segments.next(), segments.next()) {
            (Some("data" | "synthetic"), _) | (Some("subscriptions"), Some("data")) => 0,
            _ => 5,
        },
        "raw" => 1,
        "models" | "userapis" | "dml" => 2,
        "files" => 3,
        "streams" => 4,
        _ => 5,
    }
}

/// What follows `/api/{version}/projects/{project}/`.
fn below_project(path: Option<&str>) -> Option<&str> {
    let mut rest = path?;
    for wanted in [Some("api"), None, Some("projects"), None] {
        let (segment, after) = rest.trim_start_matches('/').split_once('/')?;
        if wanted.is_some_and(|w| w != segment) {
            return None;
        }
        rest = after;
    }
    Some(rest.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_throttled_apart_and_clients_together() {
        let (a, b) = (Gates::of("https://h", "p"), Gates::of("https://h", "p"));
        let path = |p: &str| Some(format!("/api/v1/projects/p/{p}"));
        let pick = |g: &Gates, p: &str, c| g.pick(path(p).as_deref(), c);
        let read = pick(&a, "timeseries/data/list", Class::Read);
        assert!(Arc::ptr_eq(&read, &pick(&b, "timeseries/data/latest", Class::Read)));
        for (other, class) in [
            ("timeseries/data", Class::IdempotentWrite),
            ("timeseries/list", Class::Read),
            ("timeseries/datax", Class::Read),
            ("../timeseries/data", Class::Read),
            ("timeseries/subscriptions", Class::Read),
            ("raw/dbs", Class::Read),
            ("models/views", Class::Read),
        ] {
            assert!(!Arc::ptr_eq(&read, &pick(&a, other, class)), "{other}");
        }
        assert!(Arc::ptr_eq(&read, &pick(&a, "timeseries/subscriptions/data/list", Class::Read)));
        assert!(Arc::ptr_eq(&pick(&a, "assets", Class::Write), &a.pick(None, Class::Write)));
        assert!(!Arc::ptr_eq(&read, &pick(&Gates::of("https://h", "q"), "timeseries/data/list", Class::Read)));
    }

    #[test]
    fn a_refusal_holds_back_the_next_and_they_leave_in_order() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let gate = Arc::new(Gate::new());
            let _ = gate.pass().await;
            gate.answered(Instant::now(), Instant::now(), true, Some(Duration::from_millis(120)));
            let said = Gates(vec![Arc::clone(&gate)]).state();
            assert_eq!((said[0].name.as_str(), &said[0].numbers[0].1), ("datapoints.read", &1.into()));
            assert!(said[0].numbers[2].1.is_f64());
            let begun = Instant::now();
            let order = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = Vec::new();
            for n in 0..3 {
                let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
                tasks.push(tokio::spawn(async move {
                    let _ = gate.pass().await;
                    lock(&order).push(n);
                }));
                tokio::task::yield_now().await;
            }
            for task in tasks {
                task.await.unwrap();
            }
            assert!(begun.elapsed() >= Duration::from_millis(120));
            assert_eq!(*lock(&order), [0, 1, 2]);
        });
    }
}
