//! Faults to order: what the next matching requests get instead of their answer.

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Instant;

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
    /// Carries the request out, sends that many bytes of the answer's body and drops the connection.
    Cut { after_bytes: usize },
    /// Carries the request out and resets the connection.
    AppliedNoAnswer,
    /// Carries the request out, then answers 200 with a body that is no JSON.
    Garbage,
    /// Lets `rate` requests a second through, `burst` at once; the others get 429. Stays until the rules are replaced.
    Budget {
        rate: f64,
        burst: f64,
        #[serde(default)]
        retry_after_seconds: Option<u64>,
    },
}

/// What a budget has left, and since when.
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, rate: f64, burst: f64) -> bool {
        let now = Instant::now();
        self.tokens = (self.tokens + now.duration_since(self.filled).as_secs_f64() * rate).min(burst);
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
            Self::Cut { .. } => "cut",
            Self::AppliedNoAnswer => "applied_no_answer",
            Self::Garbage => "garbage",
            Self::Budget { .. } => "budget",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    #[serde(rename = "match", default)]
    matching: MatchText,
    #[serde(default = "once")]
    times: u64,
    action: Action,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct MatchText {
    method: Option<String>,
    path: Option<String>,
}

fn once() -> u64 {
    1
}

struct Rule {
    method: Option<String>,
    /// The text as it is, for paths that contain it; and as a pattern, if it is one.
    path: Option<(String, Option<Regex>)>,
    left: u64,
    action: Action,
    bucket: Bucket,
}

impl Rule {
    fn matches(&self, method: &str, path: &str) -> bool {
        self.left > 0
            && self.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|(text, pattern)| {
                path.contains(text.as_str()) || pattern.as_ref().is_some_and(|p| p.is_match(path))
            })
    }
}

#[derive(Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

impl Faults {
    /// Replaces the rules. An empty list removes them.
    pub fn set(&mut self, value: Value) -> Result<usize> {
        let texts: Vec<RuleText> =
            serde_json::from_value(value).map_err(|e| ApiError::bad(format!("Invalid fault rules: {e}")))?;
        if texts.len() > MAX_RULES {
            return Err(ApiError::bad(format!("At most {MAX_RULES} fault rules")));
        }
        let mut rules = Vec::with_capacity(texts.len());
        for text in texts {
            match &text.action {
                Action::Delay { ms } if *ms > MAX_DELAY_MS => {
                    return Err(ApiError::bad(format!("A delay is at most {MAX_DELAY_MS} ms")));
                }
                Action::Status { status, .. } if !(200..=599).contains(status) => {
                    return Err(ApiError::bad("The status of a fault is 200 to 599"));
                }
                Action::Budget { rate, burst, .. } if !(*rate > 0.0 && *burst >= 1.0) => {
                    return Err(ApiError::bad("A budget needs a rate above 0 and a burst of 1 or more"));
                }
                _ => {}
            }
            let path = text.matching.path.map(|p| {
                let pattern = Regex::new(&p).ok();
                (p, pattern)
            });
            let tokens = if let Action::Budget { burst, .. } = text.action { burst } else { 0.0 };
            let bucket = Bucket { tokens, filled: Instant::now() };
            rules.push(Rule { method: text.matching.method, path, left: text.times, action: text.action, bucket });
        }
        self.rules = rules;
        Ok(self.rules.len())
    }

    /// Uses up the first rule that matches. A budget that has something left lets the request go on to the next rule.
    pub fn take(&mut self, method: &str, path: &str) -> Option<Action> {
        let mut found = None;
        for rule in self.rules.iter_mut().filter(|rule| rule.matches(method, path)) {
            if let Action::Budget { rate, burst, retry_after_seconds } = rule.action {
                if !rule.bucket.take(rate, burst) {
                    return Some(too_many(retry_after_seconds));
                }
                continue;
            }
            rule.left -= 1;
            found = Some(rule.action.clone());
            break;
        }
        self.rules.retain(|rule| rule.left > 0);
        found
    }

    pub fn left(&self) -> u64 {
        self.rules.iter().map(|rule| rule.left).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_lets_its_burst_through_and_stays() {
        let mut faults = Faults::default();
        let rules = json!([
            {"action": {"kind": "budget", "rate": 0.001, "burst": 3, "retry_after_seconds": 7}},
            {"action": {"kind": "garbage"}},
        ]);
        assert_eq!(faults.set(rules).unwrap(), 2);
        let names: Vec<_> = (0..6).map(|_| faults.take("GET", "/x").map(|a| a.name())).collect();
        assert_eq!(names, [Some("garbage"), None, None, Some("status"), Some("status"), Some("status")]);
        let Some(Action::Status { status, headers, .. }) = faults.take("GET", "/x") else { panic!() };
        assert_eq!((status, headers["retry-after"].as_str()), (429, Some("7")));
        assert!(faults.set(json!([{"action": {"kind": "budget", "rate": 0, "burst": 3}}])).is_err());
    }

    #[test]
    fn rules_are_used_in_order_and_up() {
        let mut faults = Faults::default();
        let rules = json!([
            {"match": {"method": "POST", "path": "/timeseries/data$"}, "times": 2, "action": {"kind": "status", "status": 503}},
            {"match": {"path": "data"}, "action": {"kind": "reset"}},
        ]);
        assert_eq!(faults.set(rules).unwrap(), 2);
        let mut names = Vec::new();
        for _ in 0..4 {
            names.push(faults.take("POST", "/api/v1/projects/demo/timeseries/data").map(|a| a.name()));
        }
        assert_eq!(names, [Some("status"), Some("status"), Some("reset"), None]);
        assert!(faults.set(json!([{"action": {"kind": "nothing"}}])).is_err());
        assert!(faults.set(json!([{"action": {"kind": "status", "status": 99}}])).is_err());
        assert!(faults.set(json!({})).is_err());
    }
}
