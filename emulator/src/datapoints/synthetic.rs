//! Synthetic time series: expressions over time series, evaluated where all of them have a value.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::encode::Points;
use super::query::{self, Query};
use super::series::Values;
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{Special, need, object};
use crate::resources::items;
use crate::resources::table::Object;
use crate::state::{Data, State, now_ms};

const MAX_DEPTH: usize = 50;

pub static SPECIALS: &[Special] = &[("POST", "timeseries/synthetic/query", |state: &State, call: &Call, _| {
    let list = items(&mut call.object()?, 10)?;
    let data = state.read();
    let found: Result<Vec<Value>> = list.iter().map(|item| evaluate(&data, item)).collect();
    Ok(Reply::ok(&json!({"items": found?})))
})];

enum Node {
    Number(f64),
    Series(usize),
    Call(String, Vec<Node>),
}

/// Timestamps and values, and whether a value holds until the next one.
struct Line {
    points: Vec<(i64, f64)>,
    step: bool,
}

impl Line {
    fn at(&self, time: i64) -> Option<f64> {
        let n = self.points.partition_point(|(t, _)| *t < time);
        match (n.checked_sub(1).and_then(|b| self.points.get(b)), self.points.get(n)) {
            (_, Some((t, value))) if *t == time => Some(*value),
            (Some((_, before)), Some(_)) if self.step => Some(*before),
            (Some((t0, v0)), Some((t1, v1))) => Some(v0 + (v1 - v0) * (time - t0) as f64 / (t1 - t0) as f64),
            _ => None,
        }
    }
}

struct Parser<'a> {
    data: &'a Data,
    /// start, end and what else goes for every series.
    common: &'a Object,
    text: &'a str,
    lines: Vec<Line>,
}

fn evaluate(data: &Data, item: &Object) -> Result<Value> {
    let expression = need(item, "expression")?;
    let limit = item.get("limit").and_then(Value::as_i64).unwrap_or(100);
    if !(1..=10_000).contains(&limit) {
        return Err(ApiError::bad(format!("limit must be between 1 and 10000, was {limit}")));
    }
    let mut parser = Parser { data, common: item, text: expression, lines: Vec::new() };
    let node = parser.sum(0)?;
    parser.skip();
    if !parser.text.is_empty() {
        return Err(ApiError::bad(format!("Invalid expression at '{}'", parser.text)));
    }
    let now = now_ms();
    let bound = |name: &str, default: i64| item.get(name).map_or(Ok(default), |v| super::parse_time(name, v, now));
    let (start, end) = (bound("start", 0)?, bound("end", now)?);
    let times: BTreeSet<i64> = parser.lines.iter().flat_map(|l| l.points.iter().map(|(t, _)| *t)).collect();
    let mut points = Vec::new();
    for time in times.range(start..end.max(start)) {
        let values: Option<Vec<f64>> = parser.lines.iter().map(|l| l.at(*time)).collect();
        let Some(values) = values else { continue };
        match compute(&node, &values) {
            value if value.is_finite() => points.push(json!({"timestamp": time, "value": value})),
            _ => points.push(json!({"timestamp": time, "error": "The result is not a finite number"})),
        }
        if points.len() as i64 == limit {
            break;
        }
    }
    Ok(json!({"isString": false, "datapoints": points}))
}

fn compute(node: &Node, values: &[f64]) -> f64 {
    let (name, arguments) = match node {
        Node::Number(value) => return *value,
        Node::Series(n) => return values.get(*n).copied().unwrap_or(f64::NAN),
        Node::Call(name, arguments) => (name.as_str(), arguments),
    };
    let all: Vec<f64> = arguments.iter().map(|a| compute(a, values)).collect();
    let arg = |n: usize| all.get(n).copied().unwrap_or(f64::NAN);
    match name {
        "+" => arg(0) + arg(1),
        "-" => arg(0) - arg(1),
        "*" => arg(0) * arg(1),
        "/" => arg(0) / arg(1),
        "pow" => arg(0).powf(arg(1)),
        "sin" => arg(0).sin(),
        "cos" => arg(0).cos(),
        "tan" => arg(0).tan(),
        "ln" => arg(0).ln(),
        "log" => arg(0).log(all.get(1).copied().unwrap_or(10.0)),
        "exp" => arg(0).exp(),
        "sqrt" => arg(0).sqrt(),
        "abs" => arg(0).abs(),
        "floor" => arg(0).floor(),
        "ceil" => arg(0).ceil(),
        "sign" => arg(0).signum(),
        "mod" => arg(0).rem_euclid(arg(1)),
        "round" => {
            let scale = 10_f64.powf(all.get(1).copied().unwrap_or(0.0));
            (arg(0) * scale).round() / scale
        }
        "max" => all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "min" => all.iter().copied().fold(f64::INFINITY, f64::min),
        "avg" => all.iter().sum::<f64>() / all.len() as f64,
        "pi" => std::f64::consts::PI,
        _ => f64::NAN,
    }
}

const FUNCTIONS: &[&str] = &[
    "pow", "sin", "cos", "tan", "ln", "log", "exp", "sqrt", "abs", "floor", "ceil", "sign", "mod", "round", "max",
    "min", "avg", "pi",
];

impl<'a> Parser<'a> {
    fn skip(&mut self) {
        self.text = self.text.trim_start();
    }

    fn eat(&mut self, sign: char) -> bool {
        self.skip();
        let rest = self.text.strip_prefix(sign);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    fn wrong(&self) -> ApiError {
        ApiError::bad(format!("Invalid expression at '{}'", self.text))
    }

    fn sum(&mut self, depth: usize) -> Result<Node> {
        if depth > MAX_DEPTH {
            return Err(ApiError::bad("The expression is nested too deeply"));
        }
        let mut left = self.product(depth)?;
        loop {
            let sign = if self.eat('+') {
                "+"
            } else if self.eat('-') {
                "-"
            } else {
                return Ok(left);
            };
            left = Node::Call(sign.into(), vec![left, self.product(depth)?]);
        }
    }

    fn product(&mut self, depth: usize) -> Result<Node> {
        let mut left = self.atom(depth)?;
        loop {
            let sign = if self.eat('*') {
                "*"
            } else if self.eat('/') {
                "/"
            } else {
                return Ok(left);
            };
            left = Node::Call(sign.into(), vec![left, self.atom(depth)?]);
        }
    }

    fn atom(&mut self, depth: usize) -> Result<Node> {
        if depth > MAX_DEPTH {
            return Err(ApiError::bad("The expression is nested too deeply"));
        }
        if self.eat('-') {
            return Ok(Node::Call("*".into(), vec![Node::Number(-1.0), self.atom(depth + 1)?]));
        }
        if self.eat('(') {
            let inner = self.sum(depth + 1)?;
            return if self.eat(')') { Ok(inner) } else { Err(self.wrong()) };
        }
        let word = |text: &str, keep: fn(char) -> bool| text.find(|c| !keep(c)).unwrap_or(text.len());
        let digits = word(self.text, |c| c.is_ascii_digit() || c == '.');
        if digits > 0 {
            let (number, mut rest) = self.text.split_at(digits);
            let mut number = number.to_owned();
            if let Some(power) = rest.strip_prefix(['e', 'E']) {
                let length = word(power, |c| c.is_ascii_digit() || c == '-' || c == '+');
                number = format!("{number}e{}", power.get(..length).unwrap_or(""));
                rest = power.get(length..).unwrap_or("");
            }
            let value = number.parse().map_err(|_| self.wrong())?;
            self.text = rest;
            return Ok(Node::Number(value));
        }
        let length = word(self.text, |c| c.is_ascii_alphanumeric() || c == '_');
        let (name, rest) = self.text.split_at(length);
        let name = name.to_ascii_lowercase();
        if name == "ts" {
            self.text = rest;
            return self.series();
        }
        if !FUNCTIONS.contains(&name.as_str()) {
            return Err(self.wrong());
        }
        self.text = rest;
        if !self.eat('(') {
            return Err(self.wrong());
        }
        let mut arguments = Vec::new();
        while !self.eat(')') {
            arguments.push(self.sum(depth + 1)?);
            self.eat(',');
            if self.text.is_empty() {
                return Err(self.wrong());
            }
        }
        Ok(Node::Call(name, arguments))
    }

    /// `{externalId:'a', aggregate:'average', granularity:'1h'}`
    fn series(&mut self) -> Result<Node> {
        if !self.eat('{') {
            return Err(self.wrong());
        }
        let mut fields = Object::new();
        while !self.eat('}') {
            let (name, rest) = self.text.split_once([':', '=']).ok_or_else(|| self.wrong())?;
            let name = name.trim().to_ascii_lowercase();
            self.text = rest.trim_start();
            let value = match self.text.chars().next() {
                Some(quote @ ('\'' | '"')) => {
                    let (text, rest) =
                        self.text.get(1..).unwrap_or("").split_once(quote).ok_or_else(|| self.wrong())?;
                    self.text = rest;
                    json!(text)
                }
                _ => {
                    let end = self.text.find([',', '}']).ok_or_else(|| self.wrong())?;
                    let (number, rest) = self.text.split_at(end);
                    self.text = rest;
                    serde_json::from_str(number.trim()).unwrap_or_else(|_| json!(number.trim()))
                }
            };
            let name = match name.as_str() {
                "externalid" => "externalId",
                "id" => "id",
                "aggregate" => "aggregates",
                "granularity" => "granularity",
                _ => return Err(ApiError::bad(format!("The emulator does not know {name} of a series"))),
            };
            fields.insert(name.into(), if name == "aggregates" { json!([value]) } else { value });
            self.eat(',');
        }
        let line = self.line(fields)?;
        self.lines.push(line);
        Ok(Node::Series(self.lines.len() - 1))
    }

    fn line(&self, mut fields: Object) -> Result<Line> {
        let raw = !fields.contains_key("aggregates");
        fields.insert("limit".into(), json!(if raw { 100_000 } else { 10_000 }));
        fields.insert("includeOutsidePoints".into(), json!(raw));
        for name in ["start", "end", "timeZone"] {
            if let Some(value) = self.common.get(name) {
                fields.insert(name.into(), value.clone());
            }
        }
        let query = Query::new(&fields, &Object::new(), now_ms())?;
        let (id, row) = super::find(self.data, query.key())
            .ok_or_else(|| ApiError::missing("Time series not found", vec![query.key().to_json()]))?;
        if super::kind(row) == super::series::Kind::Text {
            return Err(ApiError::bad("A string time series cannot be part of an expression"));
        }
        let found = query::run(self.data, &query, id, row)?;
        let points = match &found.points {
            Points::Raw(None, _) => Vec::new(),
            Points::Raw(Some(series), picks) => {
                let Values::Numbers(values) = &series.values else {
                    return Ok(Line { points: Vec::new(), step: true });
                };
                picks.iter().filter_map(|n| Some((*series.ts.get(*n)?, *values.get(*n)?))).collect()
            }
            Points::Aggregates(points, which) => {
                let which = which.first().copied();
                points.iter().filter_map(|p| Some((p.timestamp, p.number(which?)?))).collect()
            }
        };
        let step = object(json!(row)).get("isStep").and_then(Value::as_bool).unwrap_or(false) || !raw;
        Ok(Line { points, step })
    }
}
