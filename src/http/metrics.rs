//! What a client has done, in numbers: counters and histograms without locks, read as JSON or in Prometheus' text form.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::progress::Progress;
use crate::auth::engine::TokenCounts;
use crate::error::{Cause, Error, Status};

/// How a call can end. An answer counts by its class, whatever error was made of it.
const OUTCOMES: [&str; 12] =
    ["2xx", "1xx", "3xx", "4xx", "5xx", "auth", "connection", "tls", "timeout", "decode", "cancelled", "other"];
const CANCELLED: usize = 10;
/// Why a call was tried once more.
const REASONS: [&str; 10] =
    ["429", "408", "500", "502", "503", "504", "other_status", "connection", "idle_timeout", "token_refused"];
/// Upper bounds of the histograms in microseconds.
const BOUNDS: [u64; 14] = [
    1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    30_000_000, 60_000_000,
];

#[derive(Default)]
struct Histogram {
    /// One for each bound and one for what lies above all; each counts its own range only.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    fn take(&self, value: Duration) {
        let us = value.as_micros() as u64;
        let at = BOUNDS.iter().position(|b| us <= *b).unwrap_or(BOUNDS.len());
        self.buckets[at].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// Upper bound in seconds (`None`: no bound) and how many were at most that.
    fn cumulated(&self) -> Vec<(Option<f64>, u64)> {
        let mut sum = 0;
        let bounds = BOUNDS.iter().map(|b| Some(*b as f64 / 1e6)).chain([None]);
        let counted = self.buckets.iter().map(|b| {
            sum += b.load(Relaxed);
            sum
        });
        bounds.zip(counted).collect()
    }

    fn seconds(&self) -> f64 {
        self.sum_us.load(Relaxed) as f64 / 1e6
    }

    fn to_json(&self) -> Value {
        let buckets = self.cumulated();
        let count = buckets.last().map_or(0, |b| b.1);
        let buckets: Vec<Value> = buckets.iter().map(|(le, n)| json!({"le": le, "count": n})).collect();
        json!({"count": count, "sum_seconds": self.seconds(), "buckets": buckets})
    }
}

#[derive(Default)]
pub struct Metrics {
    outcomes: [AtomicU64; OUTCOMES.len()],
    attempts: AtomicU64,
    retries: [AtomicU64; REASONS.len()],
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    in_flight: AtomicU64,
    pool_waits: AtomicU64,
    pool_waiting: AtomicU64,
    pool_wait_us: AtomicU64,
    calls: Histogram,
    exchanges: Histogram,
}

/// A call under way; one that is dropped unfinished was cancelled or shut down.
pub struct CallMark<'a> {
    metrics: &'a Metrics,
    started: Instant,
    /// How it ended, and when.
    outcome: usize,
    took: Option<Duration>,
}

impl CallMark<'_> {
    pub fn end(self, outcome: Result<u16, &Error>) -> Duration {
        self.end_at(Instant::now(), outcome)
    }

    pub fn end_at(mut self, at: Instant, outcome: Result<u16, &Error>) -> Duration {
        self.outcome = match outcome {
            Ok(status) => class_of(status),
            Err(error) => match error.status() {
                Status::Access | Status::Api | Status::NotFound | Status::Duplicated | Status::Partial => {
                    class_of(error.detail().http_status)
                }
                Status::Auth => 5,
                Status::Connection => 6,
                Status::Tls => 7,
                Status::Timeout => 8,
                Status::Decode => 9,
                Status::Cancelled | Status::Shutdown => CANCELLED,
                _ => OUTCOMES.len() - 1,
            },
        };
        *self.took.insert(at.saturating_duration_since(self.started))
    }
}

fn class_of(status: u16) -> usize {
    match status / 100 {
        2 => 0,
        1 => 1,
        3 => 2,
        4 => 3,
        5 => 4,
        _ => OUTCOMES.len() - 1,
    }
}

impl Drop for CallMark<'_> {
    fn drop(&mut self) {
        self.metrics.outcomes[self.outcome].fetch_add(1, Relaxed);
        self.metrics.calls.take(self.took.unwrap_or_else(|| self.started.elapsed()));
    }
}

/// An exchange under way, counted when it ends in any way.
pub struct ExchangeMark<'a> {
    metrics: &'a Metrics,
    progress: Arc<Progress>,
}

impl Drop for ExchangeMark<'_> {
    fn drop(&mut self) {
        let m = self.metrics;
        m.in_flight.fetch_sub(1, Relaxed);
        m.sent_bytes.fetch_add(self.progress.sent_bytes(), Relaxed);
        m.received_bytes.fetch_add(self.progress.received_bytes(), Relaxed);
        m.exchanges.take(self.progress.lasted());
    }
}

impl Metrics {
    pub fn call(&self, started: Instant) -> CallMark<'_> {
        CallMark { metrics: self, started, outcome: CANCELLED, took: None }
    }

    pub fn exchange(&self, progress: &Arc<Progress>) -> ExchangeMark<'_> {
        self.attempts.fetch_add(1, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        ExchangeMark { metrics: self, progress: Arc::clone(progress) }
    }

    pub fn retry(&self, reason: &str) {
        let at = REASONS.iter().position(|r| *r == reason).unwrap_or(6);
        self.retries[at].fetch_add(1, Relaxed);
    }

    /// Waits for a place in the pool; counted when it is not had at once.
    pub async fn place<F: Future>(&self, wait: F) -> F::Output {
        struct Waiting<'a>(&'a Metrics, Instant);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.pool_waiting.fetch_sub(1, Relaxed);
                self.0.pool_wait_us.fetch_add(self.1.elapsed().as_micros() as u64, Relaxed);
            }
        }
        let (mut wait, mut waiting) = (std::pin::pin!(wait), None);
        std::future::poll_fn(|cx| {
            let had = wait.as_mut().poll(cx);
            if had.is_pending() && waiting.is_none() {
                self.pool_waits.fetch_add(1, Relaxed);
                self.pool_waiting.fetch_add(1, Relaxed);
                waiting = Some(Waiting(self, Instant::now()));
            }
            had
        })
        .await
    }
}

/// Why an error is tried once more, as a label.
pub fn reason(error: &Error) -> String {
    match (error.detail().http_status, error.detail().cause) {
        (_, Some(Cause::IdleTimeout)) => "idle_timeout".into(),
        (_, Some(_)) | (0, _) => "connection".into(),
        (status, None) => status.to_string(),
    }
}

/// What else is counted, elsewhere.
pub struct Context<'a> {
    pub project: &'a str,
    pub accepted: usize,
    pub tokens: &'a TokenCounts,
    /// Kinds of requests that the service refused for coming too fast, and those with a concurrency limit in use; both
    /// are shared with other clients of the project.
    pub throttled: Vec<Kind>,
    pub concurrency: Vec<Kind>,
}

/// What is to be said of a kind of requests: names of numbers, null for none now.
pub struct Kind {
    pub name: String,
    pub numbers: Vec<(&'static str, Value)>,
}

fn kinds_json(kinds: &[Kind]) -> Map<String, Value> {
    let numbers = |k: &Kind| k.numbers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    kinds.iter().map(|k| (k.name.clone(), Value::Object(numbers(k)))).collect()
}

impl Metrics {
    pub fn to_json(&self, context: &Context<'_>) -> Value {
        let of = |names: &[&str], counts: &[AtomicU64]| -> Map<String, Value> {
            names.iter().zip(counts).map(|(n, c)| ((*n).to_owned(), json!(c.load(Relaxed)))).collect()
        };
        json!({
            "project": context.project,
            "requests": of(&OUTCOMES, &self.outcomes),
            "attempts": self.attempts.load(Relaxed),
            "retries": of(&REASONS, &self.retries),
            "sent_bytes": self.sent_bytes.load(Relaxed),
            "received_bytes": self.received_bytes.load(Relaxed),
            "token_refreshes": context.tokens.refreshed(),
            "token_failures": context.tokens.failed(),
            "accepted": context.accepted,
            "in_flight": self.in_flight.load(Relaxed),
            "pool_waits": self.pool_waits.load(Relaxed),
            "pool_waiting": self.pool_waiting.load(Relaxed),
            "pool_wait_seconds": self.pool_wait_us.load(Relaxed) as f64 / 1e6,
            "throttled": kinds_json(&context.throttled),
            "concurrency": kinds_json(&context.concurrency),
            "request_seconds": self.calls.to_json(),
            "attempt_seconds": self.exchanges.to_json(),
        })
    }

    /// Prometheus' text exposition format 0.0.4.
    pub fn to_prometheus(&self, context: &Context<'_>) -> String {
        let mut page = Page { text: String::new(), project: escaped(context.project) };
        page.each("requests_total", "Calls that ended, by outcome.", "outcome", &OUTCOMES, &self.outcomes);
        page.one("attempts_total", "counter", "Requests sent, repeats included.", self.attempts.load(Relaxed) as f64);
        page.each("retries_total", "Attempts that were repeated, by reason.", "reason", &REASONS, &self.retries);
        let one = |page: &mut Page, name: &str, kind: &str, help: &str, value: &AtomicU64| {
            page.one(name, kind, help, value.load(Relaxed) as f64);
        };
        one(&mut page, "sent_bytes_total", "counter", "Bytes of bodies sent, as on the wire.", &self.sent_bytes);
        one(
            &mut page,
            "received_bytes_total",
            "counter",
            "Bytes of bodies received, as on the wire.",
            &self.received_bytes,
        );
        page.one("token_refreshes_total", "counter", "Tokens obtained.", context.tokens.refreshed() as f64);
        page.one(
            "token_failures_total",
            "counter",
            "Attempts to obtain a token that failed.",
            context.tokens.failed() as f64,
        );
        page.one("accepted_calls", "gauge", "Calls accepted and not ended.", context.accepted as f64);
        one(&mut page, "in_flight_requests", "gauge", "Requests on the wire.", &self.in_flight);
        one(
            &mut page,
            "pool_waits_total",
            "counter",
            "Attempts that had to wait for a place in the pool.",
            &self.pool_waits,
        );
        one(&mut page, "pool_waiting", "gauge", "Attempts that wait for a place in the pool.", &self.pool_waiting);
        let waited = self.pool_wait_us.load(Relaxed) as f64 / 1e6;
        page.one("pool_wait_seconds_total", "counter", "Time spent waiting for a place in the pool.", waited);
        let throttled = [
            ("refused", "throttle_refused_total", "counter", "Requests refused with 429."),
            ("per_second", "throttle_requests_per_second", "gauge", "The pace that is kept after a 429."),
        ];
        page.kinds(&throttled, &context.throttled);
        let concurrency = [
            ("limit", "concurrency_limit", "gauge", "Requests that may be on their way at a time."),
            ("held", "concurrency_held", "gauge", "Requests that hold a permit."),
            ("waiting", "concurrency_waiting", "gauge", "Requests that wait for a permit."),
        ];
        page.kinds(&concurrency, &context.concurrency);
        page.histogram("request_duration_seconds", "Time of a call with repeats and pauses.", &self.calls);
        page.histogram("attempt_duration_seconds", "Time of one request and its answer.", &self.exchanges);
        page.text
    }
}

struct Page {
    text: String,
    project: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.text.push_str(&format!("# HELP cognite_{name} {help}\n# TYPE cognite_{name} {kind}\n"));
    }

    fn line(&mut self, name: &str, label: Option<(&str, &str)>, value: f64) {
        let more = label.map(|(k, v)| format!(",{k}=\"{}\"", escaped(v))).unwrap_or_default();
        self.text.push_str(&format!("cognite_{name}{{project=\"{}\"{more}}} {value}\n", self.project));
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.head(name, kind, help);
        self.line(name, None, value);
    }

    fn each(&mut self, name: &str, help: &str, label: &str, names: &[&str], counts: &[AtomicU64]) {
        self.head(name, "counter", help);
        for (value, count) in names.iter().zip(counts) {
            self.line(name, Some((label, value)), count.load(Relaxed) as f64);
        }
    }

    /// `columns`: the number, and its name, type and help on the page.
    fn kinds(&mut self, columns: &[(&str, &str, &str, &str)], kinds: &[Kind]) {
        for (number, name, r#type, help) in columns {
            let of = |k: &Kind| k.numbers.iter().find(|(n, _)| n == number).and_then(|(_, v)| v.as_f64());
            let rows: Vec<(&str, f64)> = kinds.iter().filter_map(|k| Some((k.name.as_str(), of(k)?))).collect();
            if !rows.is_empty() {
                self.head(name, r#type, help);
            }
            for (kind, value) in rows {
                self.line(name, Some(("kind", kind)), value);
            }
        }
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let buckets = histogram.cumulated();
        for (bound, count) in &buckets {
            let le = bound.map_or_else(|| "+Inf".to_owned(), |b| b.to_string());
            self.line(&format!("{name}_bucket"), Some(("le", &le)), *count as f64);
        }
        self.line(&format!("{name}_sum"), None, histogram.seconds());
        self.line(&format!("{name}_count"), None, buckets.last().map_or(0, |b| b.1) as f64);
    }
}

/// A label's value: backslash, quote and line end are escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
