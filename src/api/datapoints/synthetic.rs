//! Synthetic time series: expressions evaluated by the service, page after page, each into a column.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::answers::decode;
use super::columns::{Columns, Info, Series};
use super::crew::{Crew, Work};
use super::json_read::push;
use super::query::{limit_of, members, moment, spread};
use super::read::{Limits, Way, now_ms, response};
use crate::api::Client;
use crate::api::client::Accepted;
use crate::error::Error;

/// The service's limit for one answer.
const MAX_POINTS: u64 = 10_000;

const KEYS: [&str; 6] = ["items", "expression", "start", "end", "limit", "timeZone"];

struct Expression {
    text: String,
    time_zone: Option<String>,
    /// Of what is still to be asked.
    start: i64,
    end: i64,
    left: Option<u64>,
    series: Series,
}

struct Synthetic {
    way: Way,
    expressions: Vec<Expression>,
    _place: Accepted,
}

/// The columns are the payload of the response.
pub fn work(client: &Arc<Client>, query: &[u8], limits: &Limits) -> Result<Work, Error> {
    let expressions = parse(query, now_ms())?;
    let way = Way::new(client, "/synthetic/query", limits)?;
    let synthetic = Synthetic { way, expressions, _place: client.accept_work()? };
    Ok(Box::pin(async move { synthetic.go().await.map(response) }))
}

fn parse(query: &[u8], now: i64) -> Result<Vec<Expression>, Error> {
    let items = spread(members(query, &KEYS)?, &KEYS)?;
    items.into_iter().enumerate().map(|(number, item)| expression(number, item, now)).collect()
}

fn expression(number: usize, mut item: serde_json::Map<String, Value>, now: i64) -> Result<Expression, Error> {
    item.retain(|_, v| !v.is_null());
    let Some(Value::String(text)) = item.remove("expression").filter(|e| e.as_str().is_some_and(|e| !e.is_empty()))
    else {
        return Err(Error::argument(format!("item {number} has no expression, such as \"TS{{externalId='a'}} + 1\"")));
    };
    let mut when = |name: &str, default: i64| item.remove(name).map_or(Ok(default), |v| moment(name, &v, now));
    let (start, end) = (when("start", 0)?, when("end", now)?);
    if end <= start {
        return Err(Error::argument(format!("the end ({end}) must be after the start ({start})")));
    }
    let time_zone = match item.remove("timeZone") {
        None => None,
        Some(Value::String(zone)) => Some(zone),
        Some(_) => return Err(Error::argument("timeZone must be text")),
    };
    let left = limit_of(item.remove("limit"))?;
    let series = Series { item: number, found: true, complete: left == Some(0), ..Series::default() };
    Ok(Expression { text, time_zone, start, end, left, series })
}

impl Expression {
    fn limit(&self) -> u64 {
        self.left.unwrap_or(u64::MAX).min(MAX_POINTS)
    }

    /// One expression per request, as the reference does: one that is wrong is then told by itself.
    fn body(&self) -> Value {
        let mut item = json!({"expression": self.text, "start": self.start, "end": self.end, "limit": self.limit()});
        if let (Some(zone), Some(item)) = (&self.time_zone, item.as_object_mut()) {
            item.insert("timeZone".into(), json!(zone));
        }
        json!({ "items": [item] })
    }

    /// Takes a page; whether all is there now.
    fn take(&mut self, body: &[u8]) -> Result<bool, Error> {
        let body: Value = serde_json::from_slice(body).map_err(|_| decode("it is not JSON"))?;
        let list = match body.get("items").and_then(Value::as_array).map(Vec::as_slice) {
            Some([item]) => item.get("datapoints").and_then(Value::as_array),
            _ => None,
        };
        let list = list.ok_or_else(|| decode("it does not have the datapoints of one expression"))?;
        let wanted = usize::try_from(self.limit()).unwrap_or(usize::MAX);
        let points = &mut self.series.points;
        let (before, info) = (points.len(), Info::default());
        // A service that gives more than was asked for does not make the result longer. A point that cannot be computed
        // has an error instead of a value: it is missing.
        let whole = list.iter().take(wanted).try_for_each(|point| push(point, &info, points));
        let new = points.timestamps.get(before..).unwrap_or_default();
        let inside = |t: Option<&i64>| t.is_none_or(|t| (self.start..self.end).contains(t));
        if whole.is_none() || !points.ascends_from(before) || !inside(new.first()) || !inside(new.last()) {
            points.truncate(before);
            return Err(decode("its points are damaged, not in order, or outside of the range that was asked for"));
        }
        let (count, last) = (new.len() as u64, new.last().copied());
        let full = count >= self.limit();
        self.left = self.left.map(|left| left.saturating_sub(count));
        self.start = last.map_or(self.end, |last| last.saturating_add(1));
        self.series.complete = !full || self.left == Some(0) || self.start >= self.end;
        Ok(self.series.complete)
    }
}

impl Synthetic {
    async fn go(mut self) -> Result<Columns, Error> {
        let mut waiting: Vec<usize> = (0..self.expressions.len()).rev().collect();
        waiting.retain(|at| self.expressions.get(*at).is_some_and(|e| !e.series.complete));
        let mut under_way = Crew::default();
        let mut asked: HashMap<u64, usize> = HashMap::new();
        let mut number = 0;
        let mut failed: Option<Error> = None;
        loop {
            while failed.is_none() && under_way.len() < self.way.width {
                let Some(at) = waiting.pop() else { break };
                let Some(expression) = self.expressions.get(at) else { continue };
                under_way.start(number, self.way.ask(&expression.body(), None));
                asked.insert(number, at);
                number += 1;
            }
            let Some((ended, result)) = under_way.next().await else { break };
            let at = asked.remove(&ended).unwrap_or(usize::MAX);
            let Some(expression) = self.expressions.get_mut(at) else { continue };
            match result.and_then(|r| expression.take(&r.body)) {
                Ok(true) => {}
                Ok(false) => waiting.push(at),
                Err(e) => {
                    failed.get_or_insert(e);
                }
            }
        }
        let columns = Columns { series: self.expressions.into_iter().map(|e| e.series).collect() };
        match failed {
            None => Ok(columns),
            Some(error) => Err(error.with(|d| d.partial = Some(Arc::new(columns)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Expression, Error> {
        parse(text.as_bytes(), 1_700_000_000_000).map(|mut all| all.remove(0))
    }

    #[test]
    fn page_after_page_until_one_is_not_full() {
        let mut e = one(r#"{"expression":"1+1","start":5,"end":"now","timeZone":"UTC"}"#).unwrap();
        assert_eq!(
            e.body(),
            json!({"items":[{"expression":"1+1","start":5,"end":1_700_000_000_000i64,"limit":10_000,"timeZone":"UTC"}]})
        );
        let page: Vec<Value> = (0..10_000).map(|n| json!({"timestamp": 5 + n, "value": n})).collect();
        assert!(!e.take(json!({"items":[{"datapoints": page}]}).to_string().as_bytes()).unwrap());
        assert_eq!((e.start, e.limit()), (10_005, 10_000));
        assert!(e.take(br#"{"items":[{"datapoints":[{"timestamp":10007,"error":"x"}]}]}"#).unwrap());
        assert_eq!(e.series.points.len(), 10_001);
        assert!(!e.series.points.is_there(10_000) && e.series.points.is_there(9_999));
    }

    #[test]
    fn a_limit_is_kept_and_answers_are_not_trusted() {
        let mut e = one(r#"{"items":[{"expression":"1"}],"limit":10001,"start":0,"end":100000}"#).unwrap();
        assert_eq!(e.limit(), 10_000);
        let page: Vec<Value> = (0..10_000).map(|n| json!({"timestamp": n, "value": n})).collect();
        let page = json!({"items":[{"datapoints": page}]}).to_string();
        assert!(!e.take(page.as_bytes()).unwrap());
        assert_eq!(e.limit(), 1);
        for bad in [
            page.as_str(),
            r#"{"items":[]}"#,
            r#"{"items":[{"datapoints":[{"timestamp":100000,"value":1}]}]}"#,
            r#"{"items":[{"datapoints":[{"timestamp":20000,"value":1},{"timestamp":20000,"value":1}]}]}"#,
            r#"{"items":[{"datapoints":[{"timestamp":20000,"value":{}}]}]}"#,
        ] {
            let mut e = one(r#"{"expression":"1","start":10000,"end":100000}"#).unwrap();
            assert!(e.take(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(e.take(br#"{"items":[{"datapoints":[{"timestamp":20000,"value":1}]}]}"#).unwrap());
    }

    #[test]
    fn refused() {
        for (text, word) in [
            (r#"{"start":5}"#, "no expression"),
            (r#"{"expression":""}"#, "no expression"),
            (r#"{"expression":"1","start":5,"end":5}"#, "after"),
            (r#"{"expression":"1","id":5}"#, "id"),
            (r#"{"expression":"1","limit":1.5}"#, "limit"),
        ] {
            let e = one(text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(e.message().contains(word), "{text}: {e}");
        }
    }
}
