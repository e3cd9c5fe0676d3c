//! The newest datapoint of each series, before a time. The service answers JSON here.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answers::{decode, is_named};
use super::column::Kind;
use super::columns::{Columns, Info, Points, Series};
use super::crew::{Crew, Work};
use super::query::{Ask, Queries, parse};
use super::read::{Limits, Way, now_ms, response};
use super::windows::MAX_SERIES;
use crate::api::Client;
use crate::api::client::Accepted;
use crate::error::Error;

/// A question that was accepted.
pub struct Latest {
    way: Way,
    queries: Queries,
    _place: Accepted,
}

fn accept(client: &Arc<Client>, query: &[u8], limits: &Limits) -> Result<Latest, Error> {
    let queries = parse(query, now_ms(), Ask::Latest)?;
    Ok(Latest { way: Way::new(client, "/latest", limits)?, queries, _place: client.accept_work()? })
}

/// The same, ready to run: the columns are the payload of the response.
pub fn work(client: &Arc<Client>, query: &[u8], limits: &Limits) -> Result<Work, Error> {
    accept(client, query, limits).map(Latest::run)
}

impl Latest {
    fn run(self) -> Work {
        Box::pin(async move { self.go().await.map(response) })
    }

    async fn go(self) -> Result<Columns, Error> {
        let items = &self.queries.items;
        let mut series: Vec<Series> = (0..items.len()).map(|item| Series { item, ..Series::default() }).collect();
        let mut under_way = Crew::default();
        let mut chunks = (0..items.len()).step_by(MAX_SERIES);
        loop {
            while under_way.len() < self.way.width {
                let Some(from) = chunks.next() else { break };
                let part = items.iter().skip(from).take(MAX_SERIES).map(|q| {
                    let mut item = q.key.clone();
                    item.insert("before".into(), json!(q.end));
                    item.extend(q.also.clone());
                    Value::Object(item)
                });
                let body = json!({"items": part.collect::<Vec<_>>(), "ignoreUnknownIds": self.queries.ignore_unknown});
                under_way.start(from as u64, self.way.ask(&body, None));
            }
            match under_way.next().await {
                None => return Ok(Columns { series }),
                // One that failed ends it: there is one question and one answer to it.
                Some((from, response)) => self.take(from as usize, &response?.body, &mut series)?,
            }
        }
    }

    fn take(&self, from: usize, body: &[u8], series: &mut [Series]) -> Result<(), Error> {
        let body: Value = serde_json::from_slice(body).map_err(|_| decode("it is not JSON"))?;
        let answers = body.get("items").and_then(Value::as_array).ok_or_else(|| decode("it has no items"))?;
        let mut answers = answers.iter().filter_map(Value::as_object).peekable();
        for (query, series) in self.queries.items.iter().zip(series).skip(from).take(MAX_SERIES) {
            let Some(answer) = answers.next_if(|a| is_named(&info(a), &query.key)) else {
                if self.queries.ignore_unknown {
                    continue;
                }
                return Err(decode("a series is not in it"));
            };
            series.info = info(answer);
            series.found = true;
            series.complete = true;
            series.with_status = query.with_status();
            for point in answer.get("datapoints").and_then(Value::as_array).into_iter().flatten() {
                push(point, &series.info, &mut series.points).ok_or_else(|| decode("a datapoint is damaged"))?;
            }
        }
        match answers.next() {
            None => Ok(()),
            Some(_) => Err(decode("it has a series that was not asked for")),
        }
    }
}

fn info(answer: &Map<String, Value>) -> Info {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let flag = |name: &str| answer.get(name).and_then(Value::as_bool).unwrap_or(false);
    let instance = answer.get("instanceId").and_then(|i| {
        let text = |name: &str| i.get(name).and_then(Value::as_str).map(str::to_owned);
        Some((text("space")?, text("externalId")?))
    });
    Info {
        id: answer.get("id").and_then(Value::as_i64).unwrap_or(0),
        external_id: text("externalId"),
        instance,
        is_string: flag("isString"),
        is_step: flag("isStep"),
        unit: text("unit"),
        unit_external_id: text("unitExternalId"),
        kind: match text("type").as_str() {
            "numeric" => Some(Kind::Numeric),
            "string" => Some(Kind::Text),
            "state" => Some(Kind::State),
            _ => None,
        },
    }
}

fn push(point: &Value, info: &Info, out: &mut Points) -> Option<()> {
    out.timestamps.push(point.get("timestamp")?.as_i64()?);
    let code = match point.get("status").and_then(|s| s.get("code")) {
        None => 0,
        Some(code) => code.as_u64().and_then(|c| u32::try_from(c).ok())?,
    };
    let value = point.get("value").filter(|v| !v.is_null());
    let mut there = value.is_some();
    match info.kind.unwrap_or(if info.is_string { Kind::Text } else { Kind::Numeric }) {
        Kind::Text => out.texts.push(value.and_then(Value::as_str).unwrap_or_default().as_bytes()),
        // What is not finite comes as text.
        Kind::Numeric => out.numbers.push(match value {
            None => f64::NAN,
            Some(Value::String(s)) => s.parse().ok()?,
            Some(v) => v.as_f64()?,
        }),
        Kind::State => {
            let (number, name) = (point.get("numericValue"), point.get("stringValue"));
            there = number.or(name).is_some_and(|v| !v.is_null());
            out.states.push(number.and_then(Value::as_i64).unwrap_or(0));
            out.texts.push(name.and_then(Value::as_str).unwrap_or_default().as_bytes());
        }
    }
    out.mark(code, there);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_every_kind() {
        let read = |kind: Kind, text: &str| {
            let mut out = Points::default();
            let info = Info { kind: Some(kind), ..Info::default() };
            push(&serde_json::from_str(text).unwrap(), &info, &mut out).map(|()| out)
        };
        let p = read(Kind::Numeric, r#"{"timestamp":5,"value":"-Infinity","status":{"code":2147483648}}"#).unwrap();
        assert_eq!((p.timestamps[0], p.numbers[0], p.status().unwrap()[0]), (5, f64::NEG_INFINITY, 0x8000_0000));
        let p = read(Kind::Numeric, r#"{"timestamp":5,"status":{"code":2147483648}}"#).unwrap();
        assert!(!p.is_there(0));
        assert_eq!(read(Kind::Text, r#"{"timestamp":5,"value":"ø"}"#).unwrap().texts.get(0), "ø".as_bytes());
        assert_eq!(read(Kind::State, r#"{"timestamp":5,"numericValue":3}"#).unwrap().states, [3]);
        for bad in
            [r#"{"value":1}"#, r#"{"timestamp":1,"value":"x"}"#, r#"{"timestamp":1,"value":1,"status":{"code":-1}}"#]
        {
            assert!(read(Kind::Numeric, bad).is_none(), "{bad}");
        }
    }
}
