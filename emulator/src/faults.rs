//! Faults to order: what the next matching requests get instead of their answer.

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::{ApiError, Result};

const MAX_RULES: usize = 1000;
const MAX_DELAY_MS: u64 = 600_000;

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Answers at once; the request is not carried out.
    Status {
        status: u16,
        #[serde(default)]
        headers: Map<String, Value>,
        #[serde(default)]
        body: Option<Value>,
    },
    /// Carries the request out after a while.
    Delay { ms: u64 },
    /// Drops the connection with a TCP reset; the request is not carried out.
    Reset,
    /// Closes the connection without an answer; the request is not carried out.
    Close,
    /// Says that it will send nothing more, without an answer, and goes on listening; not carried out.
    HalfClose {
        #[serde(default = "long")]
        ms: u64,
    },
    /// Carries the request out, sends that many bytes of the answer's body and drops the connection.
    Cut { after_bytes: usize },
    /// Carries the request out, sends that many bytes of the answer's body, and nothing more until it drops the
    /// connection.
    Stall {
        #[serde(default)]
        after_bytes: usize,
        #[serde(default = "long")]
        ms: u64,
    },
    /// Carries the request out and resets the connection.
    AppliedNoAnswer,
    /// Carries the request out twice, as after a retry that nobody sees. The answer is that of the first or the second.
    Duplicate {
        #[serde(default)]
        second_answer: bool,
    },
    /// Carries the request out, then answers 200 with a body that is no JSON.
    Garbage,
    /// Carries the request out; the answer announces that many bytes more, or fewer, than its body has.
    WrongLength { by: i64 },
    /// Carries the request out; the answer says gzip, and is broken in the middle.
    BadGzip,
    /// Ends every token, then carries the request out, which mostly is refused then.
    ExpireTokens,
    /// Lets `rate` requests a second through, `burst` at once; the others get 429. Stays until the rules are replaced.
    Budget {
        rate: f64,
        burst: f64,
        #[serde(default)]
        retry_after_seconds: Option<u64>,
    },
}

fn long() -> u64 {
    MAX_DELAY_MS
}

/// What a budget has left, and since when.
struct Bucket {
    tokens: f64,
    filled: i64,
}

impl Bucket {
    fn take(&mut self, rate: f64, burst: f64, now: i64) -> bool {
        let gone = now.saturating_sub(self.filled).max(0) as f64 / 1000.0;
        self.tokens = (self.tokens + gone * rate).min(burst);
        self.filled = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// The answer of a budget that is used up, as CDF words it.
fn too_many(retry_after_seconds: Option<u64>) -> Action {
    let headers = retry_after_seconds.map(|s| ("retry-after".to_owned(), Value::String(s.to_string())));
    Action::Status {
        status: 429,
        headers: headers.into_iter().collect(),
        body: Some(json!({"error": {"code": 429, "message": "Too many requests"}})),
    }
}

impl Action {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Delay { .. } => "delay",
            Self::Reset => "reset",
            Self::Close => "close",
            Self::HalfClose { .. } => "half_close",
            Self::Cut { .. } => "cut",
            Self::Stall { .. } => "stall",
            Self::AppliedNoAnswer => "applied_no_answer",
            Self::Duplicate { .. } => "duplicate",
            Self::Garbage => "garbage",
            Self::WrongLength { .. } => "wrong_length",
            Self::BadGzip => "bad_gzip",
            Self::ExpireTokens => "expire_tokens",
            Self::Budget { .. } => "budget",
        }
    }

    fn check(&self) -> Result<()> {
        let wrong = match self {
            Self::Delay { ms } | Self::HalfClose { ms } | Self::Stall { ms, .. } if *ms > MAX_DELAY_MS => {
                return Err(ApiError::bad(format!("A fault lasts at most {MAX_DELAY_MS} ms")));
            }
            Self::Status { status, .. } if !(200..=599).contains(status) => "The status of a fault is 200 to 599",
            Self::Budget { rate, burst, .. } if !(*rate > 0.0 && *burst >= 1.0) => {
                "A budget needs a rate above 0 and a burst of 1 or more"
            }
            _ => return Ok(()),
        };
        Err(ApiError::bad(wrong))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(default)]
    seed: u64,
    rules: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    #[serde(rename = "match", default)]
    matching: Match,
    #[serde(default = "once")]
    times: u64,
    /// Matching requests that are let through first.
    #[serde(default)]
    after: u64,
    /// How likely a matching request is hit.
    #[serde(default = "always")]
    chance: f64,
    action: Action,
}

fn once() -> u64 {
    1
}

fn always() -> f64 {
    1.0
}

/// Which requests are meant. What is left out matches everything.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Match {
    method: Option<String>,
    path: Option<Pattern>,
    service: Option<Service>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Service {
    Identity,
    Storage,
    Api,
}

/// The text as it is, for texts that contain it; and as a regular expression, if it is one.
#[derive(Deserialize)]
#[serde(from = "String")]
pub struct Pattern(String, Option<Regex>);

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        let pattern = Regex::new(&text).ok();
        Self(text, pattern)
    }
}

impl Pattern {
    pub fn matches(&self, text: &str) -> bool {
        text.contains(self.0.as_str()) || self.1.as_ref().is_some_and(|p| p.is_match(text))
    }
}

impl Match {
    pub fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|p| p.matches(path))
            && self.service.is_none_or(|s| s == service(path))
    }
}

fn service(path: &str) -> Service {
    match path.split('/').nth(1) {
        Some("api") => Service::Api,
        Some("_storage") => Service::Storage,
        _ => Service::Identity,
    }
}

struct Rule {
    text: RuleText,
    bucket: Bucket,
}

#[derive(Default)]
pub struct Faults {
    rules: Vec<Rule>,
    random: u64,
}

impl Faults {
    /// Replaces the rules: a list, or `{"seed": n, "rules": list}`. An empty list removes them.
    pub fn set(&mut self, value: Value, now: i64) -> Result<usize> {
        let value = if value.is_array() { json!({ "rules": value }) } else { value };
        let order: Order =
            serde_json::from_value(value).map_err(|e| ApiError::bad(format!("Invalid fault rules: {e}")))?;
        if order.rules.len() > MAX_RULES {
            return Err(ApiError::bad(format!("At most {MAX_RULES} fault rules")));
        }
        let mut rules = Vec::with_capacity(order.rules.len());
        for text in order.rules {
            text.action.check()?;
            if !(0.0..=1.0).contains(&text.chance) {
                return Err(ApiError::bad("The chance of a fault is 0 to 1"));
            }
            let tokens = if let Action::Budget { burst, .. } = text.action { burst } else { 0.0 };
            rules.push(Rule { text, bucket: Bucket { tokens, filled: now } });
        }
        (self.rules, self.random) = (rules, order.seed);
        Ok(self.rules.len())
    }

    /// Uses up the first rule that matches. A budget that has something left lets the request go on to the next rule,
    /// as does a rule that waits or was not lucky.
    pub fn take(&mut self, method: &str, path: &str, now: i64) -> Option<Action> {
        let mut found = None;
        let matching = self.rules.iter_mut().filter(|rule| rule.text.matching.matches(method, path));
        for Rule { text, bucket } in matching {
            if text.after > 0 {
                text.after -= 1;
                continue;
            }
            if text.chance < 1.0 && chance(&mut self.random) >= text.chance {
                continue;
            }
            if let Action::Budget { rate, burst, retry_after_seconds } = text.action {
                if !bucket.take(rate, burst, now) {
                    return Some(too_many(retry_after_seconds));
                }
                continue;
            }
            text.times = text.times.saturating_sub(1);
            found = Some(text.action.clone());
            break;
        }
        self.rules.retain(|rule| rule.text.times > 0);
        found
    }

    pub fn left(&self) -> u64 {
        self.rules.iter().fold(0, |sum, rule| sum.saturating_add(rule.text.times))
    }
}

/// 0 to 1, the same on every run with the same seed (SplitMix64).
fn chance(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(faults: &mut Faults, count: usize) -> Vec<Option<&'static str>> {
        (0..count).map(|_| faults.take("GET", "/api/x", 0).map(|a| a.name())).collect()
    }

    #[test]
    fn a_budget_lets_its_burst_through_and_stays() {
        let mut faults = Faults::default();
        let rules = json!([
            {"action": {"kind": "budget", "rate": 0.001, "burst": 3, "retry_after_seconds": 7}},
            {"action": {"kind": "garbage"}},
        ]);
        assert_eq!(faults.set(rules, 0).unwrap(), 2);
        assert_eq!(
            names(&mut faults, 6),
            [Some("garbage"), None, None, Some("status"), Some("status"), Some("status")]
        );
        let Some(Action::Status { status, headers, .. }) = faults.take("GET", "/x", 999_000) else { panic!() };
        assert_eq!((status, headers["retry-after"].as_str()), (429, Some("7")));
        assert!(faults.take("GET", "/x", 1_000_001).is_none(), "one more after 1000 s of the emulator's clock");
        assert!(faults.set(json!([{"action": {"kind": "budget", "rate": 0, "burst": 3}}]), 0).is_err());
    }

    #[test]
    fn rules_are_used_in_order_and_up() {
        let mut faults = Faults::default();
        let rules = json!([
            {"match": {"method": "POST", "path": "/timeseries/data$"}, "times": 2, "action": {"kind": "status", "status": 503}},
            {"match": {"path": "data"}, "action": {"kind": "reset"}},
        ]);
        assert_eq!(faults.set(rules, 0).unwrap(), 2);
        let mut names = Vec::new();
        for _ in 0..4 {
            names.push(faults.take("POST", "/api/v1/projects/demo/timeseries/data", 0).map(|a| a.name()));
        }
        assert_eq!(names, [Some("status"), Some("status"), Some("reset"), None]);
        let wrong = [
            json!([{"action": {"kind": "nothing"}}]),
            json!([{"action": {"kind": "status", "status": 99}}]),
            json!([{"chance": 1.5, "action": {"kind": "reset"}}]),
            json!([{"match": {"service": "mail"}, "action": {"kind": "reset"}}]),
            json!([{"action": {"kind": "stall", "ms": 600_001}}]),
            json!({}),
        ];
        for rules in wrong {
            assert!(faults.set(rules.clone(), 0).is_err(), "{rules}");
        }
    }

    #[test]
    fn the_same_seed_hits_the_same_requests() {
        let rules =
            |seed: u64| json!({"seed": seed, "rules": [{"times": 1000, "chance": 0.3, "action": {"kind": "close"}}]});
        let mut faults = Faults::default();
        let mut run = |seed: u64| {
            faults.set(rules(seed), 0).unwrap();
            names(&mut faults, 200)
        };
        let first = run(1);
        assert_eq!(first, run(1));
        assert_ne!(first, run(2));
        assert!((40..80).contains(&first.iter().flatten().count()), "{first:?}");
    }

    #[test]
    fn services_and_waiting() {
        let mut faults = Faults::default();
        let rules = json!([{"match": {"service": "identity"}, "after": 1, "action": {"kind": "close"}}]);
        faults.set(rules, 0).unwrap();
        assert!(faults.take("GET", "/api/v1/projects", 0).is_none());
        assert!(faults.take("POST", "/oauth2/token", 0).is_none());
        assert!(faults.take("POST", "/tenant/oauth2/v2.0/token", 0).is_some());
        assert_eq!(faults.left(), 0);
    }
}
