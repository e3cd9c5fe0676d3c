//! Faults to order: what the next matching requests get instead of their answer.

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

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
                _ => {}
            }
            let path = text.matching.path.map(|p| {
                let pattern = Regex::new(&p).ok();
                (p, pattern)
            });
            rules.push(Rule { method: text.matching.method, path, left: text.times, action: text.action });
        }
        self.rules = rules;
        Ok(self.rules.len())
    }

    /// Uses up the first rule that matches.
    pub fn take(&mut self, method: &str, path: &str) -> Option<Action> {
        let rule = self.rules.iter_mut().find(|rule| {
            rule.left > 0
                && rule.method.as_ref().is_none_or(|m| m.eq_ignore_ascii_case(method))
                && rule.path.as_ref().is_none_or(|(text, pattern)| {
                    path.contains(text.as_str()) || pattern.as_ref().is_some_and(|p| p.is_match(path))
                })
        })?;
        rule.left -= 1;
        let action = rule.action.clone();
        self.rules.retain(|rule| rule.left > 0);
        Some(action)
    }

    pub fn left(&self) -> u64 {
        self.rules.iter().map(|rule| rule.left).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
