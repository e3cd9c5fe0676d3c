//! Synthetic time series: expressions evaluated wherever one of their time series has a datapoint and all have a value.

use serde_json::{Value, json};

use super::aggregate::Aggregate;
use super::encode::Points;
use super::expression::{Expression, Function, Node, parse};
use super::query::{self, Query};
use super::series::{Kind, Series, Values};
use super::status::Rules;
use crate::areas::units::Conversion;
use crate::call::{Call, Reply};
use crate::error::{ApiError, Result};
use crate::generic::{Special, need};
use crate::resources::items;
use crate::resources::table::Object;
use crate::state::{Data, State, now_ms};

const MAX_EXPRESSIONS: usize = 10;
const MAX_CHARACTERS: usize = 2000;
/// In all expressions of a request.
const MAX_SERIES: usize = 100;
const MAX_DATAPOINTS: i64 = 10_000;

pub static SPECIALS: &[Special] = &[("POST", "timeseries/synthetic/query", |state: &State, call: &Call, _| {
    let list = items(&mut call.object()?, MAX_EXPRESSIONS)?;
    let mut asked = Vec::with_capacity(list.len());
    let (mut total, mut series) = (0, 0);
    for item in &list {
        let text = need(item, "expression")?;
        if text.chars().count() > MAX_CHARACTERS {
            return Err(ApiError::bad(format!("An expression has at most {MAX_CHARACTERS} characters")));
        }
        let limit = item.get("limit").and_then(Value::as_i64).unwrap_or(100);
        if !(1..=MAX_DATAPOINTS).contains(&limit) {
            return Err(ApiError::bad(format!("limit must be between 1 and {MAX_DATAPOINTS}, was {limit}")));
        }
        let expression = parse(text)?;
        total += limit;
        series += expression.series.len();
        asked.push((item, expression, limit));
    }
    if total > MAX_DATAPOINTS || series > MAX_SERIES {
        return Err(ApiError::bad(format!(
            "The expressions of a request have at most {MAX_DATAPOINTS} datapoints and {MAX_SERIES} time series together"
        )));
    }
    let data = state.read();
    let now = now_ms();
    let found: Result<Vec<Value>> =
        asked.iter().map(|(item, expression, limit)| evaluate(&data, item, expression, *limit, now)).collect();
    Ok(Reply::ok(&json!({"items": found?})))
})];

fn evaluate(data: &Data, item: &Object, expression: &Expression, limit: i64, now: i64) -> Result<Value> {
    let sources: Vec<Source> =
        expression.series.iter().map(|fields| Source::new(data, item, fields, now)).collect::<Result<_>>()?;
    let bound = |name: &str, default: i64| item.get(name).map_or(Ok(default), |v| super::parse_time(name, v, now));
    let (start, end) = (bound("start", 0)?, bound("end", now)?);
    if end <= start {
        return Err(ApiError::bad(format!("start ({start}) must be before end ({end})")));
    }
    let mut points = Vec::new();
    let mut at = start;
    while let Some(time) = sources.iter().filter_map(|s| s.next(at)).min().filter(|t| *t < end) {
        at = time + 1;
        let values: Option<Vec<Cell>> = sources.iter().map(|s| s.at(time)).collect();
        let Some(values) = values else { continue };
        points.push(match compute(&expression.tree, &values) {
            Ok(value) => json!({"timestamp": time, "value": value}),
            Err(error) => json!({"timestamp": time, "error": error}),
        });
        if points.len() as i64 == limit {
            break;
        }
    }
    Ok(json!({"isString": false, "datapoints": points}))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Cell<'a> {
    Number(f64),
    Text(&'a str),
}

/// One time series of an expression.
enum Source<'a> {
    Raw {
        series: &'a Series,
        step: bool,
        convert: Option<Conversion>,
    },
    /// Aggregates hold until the next one, except those that are values of the line itself.
    Points {
        list: Vec<(i64, f64)>,
        step: bool,
    },
}

const RULES: Rules = Rules { ignore_bad: true, uncertain_as_bad: true };

impl<'a> Source<'a> {
    fn new(data: &'a Data, item: &Object, fields: &Object, now: i64) -> Result<Self> {
        let mut fields = fields.clone();
        for name in ["start", "end", "timeZone"] {
            if let Some(value) = item.get(name) {
                fields.insert(name.into(), value.clone());
            }
        }
        let raw = !fields.contains_key("aggregates");
        let mut query = Query::new(&fields, &Object::new(), now)?;
        let (id, row) = super::permitted(data, query.key())?
            .ok_or_else(|| ApiError::missing("Time series not found", vec![query.key().to_json()]))?;
        if super::kind(row) == Kind::State {
            return Err(ApiError::bad("A state time series cannot be part of an expression"));
        }
        let step = row.get("isStep").and_then(Value::as_bool).unwrap_or(false);
        if raw {
            let convert = query.conversion(row)?;
            return Ok(match data.series.get(&id) {
                Some(series) => Self::Raw { series, step: step || super::kind(row) == Kind::Text, convert },
                None => Self::Points { list: Vec::new(), step },
            });
        }
        query.unlimited();
        let found = query::run(data, &query, id, row)?;
        let Points::Aggregates(points, which) = &found.points else { return Err(ApiError::bad("No aggregates")) };
        let which = which.first().copied().unwrap_or(Aggregate::Average);
        let list = points.iter().filter_map(|p| Some((p.timestamp, p.number(which)?))).collect();
        Ok(Self::Points { list, step: step || which != Aggregate::Interpolation })
    }

    /// Time of the first datapoint at or after the time.
    fn next(&self, time: i64) -> Option<i64> {
        match self {
            Self::Points { list, .. } => list.get(list.partition_point(|(t, _)| *t < time)).map(|(t, _)| *t),
            Self::Raw { series, .. } => {
                series.ts.get(visible(series, series.at_or_after(time)..series.len())?).copied()
            }
        }
    }

    /// The value at a time: a datapoint's, or between two that of the step or line. None before the first and after the last.
    fn at(&self, time: i64) -> Option<Cell<'_>> {
        let (before, after, step) = match self {
            Self::Points { list, step } => {
                let n = list.partition_point(|(t, _)| *t < time);
                let get = |n: usize| list.get(n).map(|(t, v)| (*t, Cell::Number(*v)));
                (n.checked_sub(1).and_then(get), get(n), *step)
            }
            Self::Raw { series, step, convert } => {
                let n = series.at_or_after(time);
                let get = |n: usize| {
                    let cell = match &series.values {
                        Values::Numbers(list) => {
                            let v = *list.get(n)?;
                            Cell::Number(convert.map_or(v, |c| c.value(v)))
                        }
                        Values::Texts(list) => Cell::Text(list.get(n)?),
                        Values::States(_) => return None,
                    };
                    Some((*series.ts.get(n)?, cell))
                };
                let before = visible(series, (0..n).rev()).and_then(get);
                (before, visible(series, n..series.len()).and_then(get), *step)
            }
        };
        match (before, after) {
            (_, Some((t, value))) if t == time => Some(value),
            (Some((_, value)), Some(_)) if step => Some(value),
            (Some((t0, Cell::Number(v0))), Some((t1, Cell::Number(v1)))) => {
                Some(Cell::Number(v0 + (v1 - v0) * ((time - t0) as f64 / (t1 - t0) as f64)))
            }
            _ => None,
        }
    }
}

fn visible(series: &Series, mut range: impl Iterator<Item = usize>) -> Option<usize> {
    range.find(|n| series.ts.get(*n).is_some_and(|t| RULES.shows(series.mark(*t))))
}

const TYPE_ERROR: &str = "Error TYPE_ERROR: A string cannot be calculated with";
const OVERFLOW: &str = "Error OVERFLOW: The result is too large";

type Outcome = std::result::Result<f64, &'static str>;

fn compute(node: &Node, values: &[Cell]) -> Outcome {
    match node {
        Node::Number(value) => Ok(*value),
        Node::Series(n) => match values.get(*n) {
            Some(Cell::Number(value)) => Ok(*value),
            _ => Err(TYPE_ERROR),
        },
        Node::OnError(tried, default) => compute(tried, values).or_else(|_| compute(default, values)),
        Node::Map(value, from, to, default) => {
            let text = match &**value {
                Node::Series(n) => values.get(*n),
                _ => None,
            };
            let Some(Cell::Text(text)) = text else { return Err("Error TYPE_ERROR: map is for strings") };
            let found = from.iter().position(|f| f == text).and_then(|n| to.get(n));
            found.map_or_else(|| compute(default, values), |v| Ok(*v))
        }
        Node::Call(function, arguments) => {
            let all: Vec<f64> = arguments.iter().map(|a| compute(a, values)).collect::<std::result::Result<_, _>>()?;
            let value = apply(*function, &all)?;
            if value.is_finite() { Ok(value) } else { Err(OVERFLOW) }
        }
    }
}

fn apply(function: Function, all: &[f64]) -> Outcome {
    use Function as F;
    let (a, b) = (all.first().copied().unwrap_or(0.0), all.get(1).copied().unwrap_or(0.0));
    Ok(match function {
        F::Add => a + b,
        F::Subtract => a - b,
        F::Multiply => a * b,
        F::Divide if b == 0.0 => return Err("Error BAD_DOMAIN: Division by zero"),
        F::Divide => a / b,
        F::Negate => -a,
        F::Sin => a.sin(),
        F::Cos => a.cos(),
        F::Pi => std::f64::consts::PI,
        F::Ln if a <= 0.0 => return Err("Error BAD_DOMAIN: Logarithm of a number that is not positive"),
        F::Ln => a.ln(),
        F::Pow if a == 0.0 && b < 0.0 => return Err("Error BAD_DOMAIN: Division by zero"),
        F::Pow if a < 0.0 && b.fract() != 0.0 => return Err("Error BAD_DOMAIN: Root of a negative number"),
        F::Pow => a.powf(b),
        F::Sqrt if a < 0.0 => return Err("Error BAD_DOMAIN: Root of a negative number"),
        F::Sqrt => a.sqrt(),
        F::Exp => a.exp(),
        F::Abs => a.abs(),
        F::Max => all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        F::Min => all.iter().copied().fold(f64::INFINITY, f64::min),
        F::Avg => all.iter().sum::<f64>() / all.len() as f64,
        F::Round if b.fract() != 0.0 || b.abs() >= 10.0 => {
            return Err("Error BAD_DOMAIN: The decimals of round are between -10 and 10");
        }
        F::Round => {
            let scale = 10_f64.powf(b);
            (a * scale).round() / scale
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, values: &[Cell]) -> Outcome {
        compute(&parse(text).unwrap().tree, values)
    }

    #[test]
    fn expressions() {
        let ts = "TS{externalId='a'}";
        for (text, wanted) in [
            ("1 + 2 * 3 - 4 / 8", 6.5),
            ("-(2 - 5) * -1.5e1", -45.0),
            ("10 - 3 - 2", 5.0),
            ("round(pi() * pow(2, 3), 2)", 25.13),
            ("max(1, 2, 3) + min(4, 5) + avg(1, 2, 6)", 10.0),
            ("on_error(1 / 0, 7) + on_error(sqrt(-1), on_error(ln(0), 1))", 8.0),
            ("on_error(exp(1000), 2)", 2.0),
        ] {
            assert_eq!(value(text, &[]), Ok(wanted), "{text}");
        }
        assert!(value("pow(10, 400)", &[]).unwrap_err().contains("OVERFLOW"));
        assert!(value("1 / (2 - 2)", &[]).unwrap_err().contains("BAD_DOMAIN: Division by zero"));
        let map = format!("map({ts}, ['OPEN', \"SHUT\"], [1, -2], 0 - 1)");
        for (text, wanted) in [("OPEN", 1.0), ("SHUT", -2.0), ("AJAR", -1.0)] {
            assert_eq!(value(&map, &[Cell::Text(text)]), Ok(wanted));
        }
        assert!(value(&format!("2 * {ts}"), &[Cell::Text("OPEN")]).unwrap_err().contains("TYPE_ERROR"));
    }

    #[test]
    fn references() {
        let all = "ts{id:123, aggregate:'average',granularity='1h'} + TS{space='s', externalId=\"it's\"} + \
                   ts{externalId:'c', targetUnit:'temperature:deg_f'}";
        let found = parse(all).unwrap().series;
        assert_eq!(json!(found[0]), json!({"id": 123, "granularity": "1h", "aggregates": ["average"]}));
        assert_eq!(json!(found[1]), json!({"instanceId": {"space": "s", "externalId": "it's"}}));
        for bad in
            ["", "1 +", "tan(1)", "1 2", "ts{}}", "ts{name:'a'}", "sin()", "sin(1, 2)", "map(1, ['a'], [], 0)", "(1"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err() && parse(&"-".repeat(100_000)).is_err());
    }
}
