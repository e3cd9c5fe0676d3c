//! `/`: a page that shows what there is, and the answers it asks for.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State as Shared};
use axum::http::{Response, Uri};
use serde_json::{Value, json};

use crate::call::{Reply, pairs};
use crate::datapoints::series::{Series, Values};
use crate::error::ApiError;
use crate::resources::table::Object;
use crate::state::State;

type App = Shared<Arc<State>>;

const PAGE: &str = include_str!("page.html");
/// Most time series listed, and most points of a plot.
const MAX_LISTED: usize = 1000;
const MAX_POINTS: usize = 800;
const MAX_TEXTS: usize = 50;

pub async fn page() -> Response<Body> {
    let builder = Response::builder()
        .header("content-type", "text/html; charset=utf-8")
        .header("content-security-policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
        .header("cache-control", "no-store");
    builder.body(Body::from(PAGE)).unwrap_or_default()
}

fn described(id: i64, row: &Object, series: Option<&Series>) -> Value {
    json!({
        "id": id,
        "externalId": row.get("externalId"),
        "name": row.get("name"),
        "unit": row.get("unitExternalId").or_else(|| row.get("unit")),
        "datapoints": series.map_or(0, Series::len),
    })
}

/// `/_emulator/series?search=TEXT`
pub async fn list(Shared(state): App, uri: Uri) -> Reply {
    let query = pairs(uri.query().unwrap_or(""));
    let wanted = query.iter().find(|(k, _)| k == "search").map(|(_, v)| v.to_lowercase()).unwrap_or_default();
    let data = state.read();
    let rows = data.table("timeseries").into_iter().flat_map(|t| t.iter());
    let fits = |row: &Object| {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or("").to_lowercase();
        text("externalId").contains(&wanted) || text("name").contains(&wanted)
    };
    let items: Vec<Value> = rows
        .filter(|(_, row)| fits(row))
        .take(MAX_LISTED)
        .map(|(id, row)| described(id, row, data.series.get(&id)))
        .collect();
    Reply::ok(&json!({ "items": items }))
}

/// `/_emulator/series/{id}`: the whole of it in at most `MAX_POINTS` parts of equal length, each with its smallest, largest
/// and mean value.
pub async fn plot(Shared(state): App, Path(id): Path<i64>) -> Reply {
    let data = state.read();
    let Some(row) = data.table("timeseries").and_then(|t| t.get(id)) else {
        return ApiError::not_found(format!("No time series {id}")).into();
    };
    let series = data.series.get(&id);
    let mut answer = described(id, row, series);
    if let (Some(series), Value::Object(map)) = (series, &mut answer) {
        match &series.values {
            Values::Numbers(values) => map.insert("points".into(), json!(parts(&series.ts, values))),
            Values::Texts(values) => map.insert("texts".into(), json!(last(&series.ts, values))),
            Values::States(values) => {
                let numbers: Vec<f64> = values.iter().copied().map(f64::from).collect();
                map.insert("points".into(), json!(parts(&series.ts, &numbers)))
            }
        };
    }
    Reply::ok(&answer)
}

fn last<'a, T>(ts: &'a [i64], values: &'a [T]) -> Vec<(i64, &'a T)> {
    let from = ts.len().saturating_sub(MAX_TEXTS);
    ts.iter().copied().zip(values).skip(from).collect()
}

fn parts(ts: &[i64], values: &[f64]) -> Vec<(i64, f64, f64, f64)> {
    let (Some(first), Some(end)) = (ts.first(), ts.last()) else { return Vec::new() };
    let width = (end - first) / MAX_POINTS as i64 + 1;
    let mut out: Vec<(i64, f64, f64, f64)> = Vec::new();
    let mut current = (i64::MIN, 0_u32);
    for (t, v) in ts.iter().zip(values).filter(|(_, v)| v.is_finite()) {
        let part = (t - first) / width;
        match out.last_mut().filter(|_| part == current.0) {
            Some((_, min, max, sum)) => {
                (*min, *max, *sum) = (min.min(*v), max.max(*v), *sum + v);
                current.1 += 1;
            }
            None => {
                finish(&mut out, current.1);
                out.push((first + part * width, *v, *v, *v));
                current = (part, 1);
            }
        }
    }
    finish(&mut out, current.1);
    out
}

fn finish(out: &mut [(i64, f64, f64, f64)], count: u32) {
    if let Some(last) = out.last_mut() {
        last.3 /= f64::from(count.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_extremes() {
        let ts: Vec<i64> = (0..10_000).collect();
        let mut values = vec![1.0; 10_000];
        values[5000] = 100.0;
        values[7000] = f64::NAN;
        let parts = parts(&ts, &values);
        assert!(parts.len() <= MAX_POINTS && parts.len() > MAX_POINTS / 2, "{}", parts.len());
        assert!(parts.iter().any(|p| p.2 == 100.0 && p.1 == 1.0 && p.3 > 1.0));
        assert!(parts.windows(2).all(|w| w[0].0 < w[1].0));
        assert_eq!(super::parts(&[1, 4], &[2.0, 8.0]), [(1, 2.0, 2.0, 2.0), (4, 8.0, 8.0, 8.0)]);
        assert!(super::parts(&[], &[]).is_empty());
    }
}
