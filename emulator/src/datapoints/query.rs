//! Reading datapoints: lists with paging, aggregates, and the latest ones.

use serde_json::Value;

use super::aggregate::{Aggregate, AggregatePoint, View};
use super::binary;
use super::encode::{self, Found, Points};
use super::series::{Kind, Series};
use super::states::StateSet;
use super::status::Rules;
use super::time::{Buckets, Granularity, Zone, parse};
use crate::areas::units::Conversion;
use crate::call::{Call, Reply};
use crate::cursor;
use crate::error::{ApiError, Result};
use crate::resources::table::{Identifier, Object};
use crate::resources::{flag, items};
use crate::state::{Data, State, now_ms};

const MAX_ITEMS: usize = 100;
const MAX_RAW: i64 = 100_000;
const MAX_AGGREGATES: i64 = 10_000;
const DEFAULT_LIMIT: i64 = 100;

pub struct Query {
    key: Identifier,
    start: i64,
    end: i64,
    limit: i64,
    cursor: Option<String>,
    aggregates: Vec<Aggregate>,
    granularity: Option<Granularity>,
    zone: Zone,
    outside: bool,
    include_status: bool,
    rules: Rules,
    target: Target,
}

/// The unit asked for.
#[derive(Default)]
struct Target {
    unit: Option<String>,
    system: Option<String>,
}

impl Target {
    fn new(item: &Object) -> Self {
        let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { unit: text("targetUnit"), system: text("targetUnitSystem") }
    }

    fn of(&self, row: &Object) -> Result<Option<Conversion>> {
        let from = row.get("unitExternalId").and_then(Value::as_str);
        Conversion::new(from, self.unit.as_deref(), self.system.as_deref())
    }
}

impl Query {
    pub fn key(&self) -> &Identifier {
        &self.key
    }

    pub fn conversion(&self, row: &Object) -> Result<Option<Conversion>> {
        self.target.of(row)
    }

    /// As many as there are.
    pub fn unlimited(&mut self) {
        self.limit = i64::MAX;
    }

    /// What an item does not say, the body says for all.
    pub fn new(item: &Object, body: &Object, now: i64) -> Result<Self> {
        let get = |name: &str| item.get(name).or_else(|| body.get(name)).filter(|v| !v.is_null());
        let time = |name: &str, default: i64| get(name).map_or(Ok(default), |v| parse(name, v, now));
        let text = |name: &str| match get(name) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(s.as_str())),
            Some(_) => Err(ApiError::bad(format!("{name} must be a string"))),
        };
        let truth = |name: &str, default: bool| match get(name) {
            None => Ok(default),
            Some(v) => v.as_bool().ok_or_else(|| ApiError::bad(format!("{name} must be true or false"))),
        };
        let mut aggregates = Vec::new();
        if let Some(list) = get("aggregates") {
            let list = list.as_array().filter(|l| !l.is_empty());
            let list = list.ok_or_else(|| ApiError::bad("aggregates must be a list that is not empty"))?;
            for name in list {
                let found = name.as_str().and_then(Aggregate::parse);
                let found = found.ok_or_else(|| {
                    let name = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
                    ApiError::bad(format!("Could not recognize aggregation value: '{name}'."))
                })?;
                if aggregates.contains(&found) {
                    return Err(ApiError::bad(format!("The aggregate {name} is given more than once")));
                }
                aggregates.push(found);
            }
        }
        let granularity = text("granularity")?.map(Granularity::parse).transpose()?;
        if aggregates.is_empty() != granularity.is_none() {
            return Err(ApiError::bad("aggregates and granularity must be given together"));
        }
        let max = if aggregates.is_empty() { MAX_RAW } else { MAX_AGGREGATES };
        let limit = match get("limit") {
            None => DEFAULT_LIMIT,
            Some(v) => v.as_i64().ok_or_else(|| ApiError::bad("limit must be an integer"))?,
        };
        if !(0..=max).contains(&limit) {
            return Err(ApiError::bad(format!("limit must be between 0 and {max}, was {limit}")));
        }
        let (start, end) = (time("start", 0)?, time("end", now)?);
        if end <= start {
            return Err(ApiError::bad(format!("start ({start}) must be before end ({end})")));
        }
        let query = Self {
            key: Identifier::parse(item)?,
            start,
            end,
            limit,
            cursor: text("cursor")?.filter(|c| !c.is_empty()).map(str::to_owned),
            aggregates,
            granularity,
            zone: text("timeZone")?.map_or_else(|| Ok(Zone::utc()), Zone::parse)?,
            outside: truth("includeOutsidePoints", false)?,
            include_status: truth("includeStatus", false)?,
            rules: Rules {
                ignore_bad: truth("ignoreBadDataPoints", true)?,
                uncertain_as_bad: truth("treatUncertainAsBad", true)?,
            },
            target: Target::new(item),
        };
        if query.outside && (query.granularity.is_some() || query.cursor.is_some()) {
            return Err(ApiError::bad("includeOutsidePoints cannot be combined with aggregates or a cursor"));
        }
        Ok(query)
    }
}

pub fn list(state: &State, call: &Call) -> Result<Reply> {
    let mut body = call.object()?;
    let list = items(&mut body, MAX_ITEMS)?;
    let ignore_unknown = flag(&body, "ignoreUnknownIds")?;
    let now = now_ms();
    let queries: Vec<Query> = list.iter().map(|item| Query::new(item, &body, now)).collect::<Result<_>>()?;
    for (aggregated, max) in [(false, MAX_RAW), (true, MAX_AGGREGATES)] {
        let chosen = queries.iter().filter(|q| q.granularity.is_some() == aggregated);
        let total: i64 = chosen.map(|q| q.limit).sum();
        if total > max {
            let what = if aggregated { "aggregates" } else { "datapoints" };
            return Err(ApiError::bad(format!("The limits of all items add up to {total}, at most {max} {what}")));
        }
    }
    let data = state.read();
    let mut found = Vec::with_capacity(queries.len());
    let mut missing = Vec::new();
    for query in &queries {
        match super::permitted(&data, &query.key)? {
            Some((id, row)) => found.push(run(&data, query, id, row)?),
            None => missing.push(query.key.to_json()),
        }
    }
    if !missing.is_empty() && !ignore_unknown {
        return Err(ApiError::missing("Time series not found", missing));
    }
    Ok(if call.wants_protobuf() { binary::protobuf(found) } else { encode::json(&found) })
}

pub fn run<'a>(data: &'a Data, query: &Query, id: i64, row: &'a Object) -> Result<Found<'a>> {
    let convert = query.target.of(row)?;
    let series = data.series.get(&id);
    let kind = super::kind(row);
    match kind {
        Kind::Text if query.granularity.is_some() => {
            return Err(ApiError::bad("Aggregates are not supported for string time series"));
        }
        _ => query.aggregates.iter().try_for_each(|a| fits(kind, *a))?,
    }
    let tag = format!("d{id}");
    let from = query.cursor.as_deref().map(|c| cursor::decode(&tag, c)).transpose()?;
    let mut next = None;
    let points = match (series, query.granularity) {
        (None, None) => Points::Raw(None, Vec::new()),
        (None, Some(_)) => Points::Aggregates(Vec::new(), query.aggregates.clone()),
        (Some(series), None) => {
            let (picks, following) = raw(series, query, from.map_or(query.start, |f| f.max(query.start)));
            next = following.filter(|_| !query.outside);
            Points::Raw(Some(series), picks)
        }
        (Some(series), Some(granularity)) => {
            let buckets = Buckets::new(granularity, &query.zone, query.start, query.end)?;
            let is_step = row.get("isStep").and_then(Value::as_bool).unwrap_or(false);
            let (mut points, following) = aggregated(series, query, &buckets, is_step, from);
            next = following;
            if let Some(conversion) = &convert {
                points.iter_mut().for_each(|p| p.convert(conversion));
            }
            Points::Aggregates(points, query.aggregates.clone())
        }
    };
    let next_cursor = next.map(|time| cursor::encode(&tag, time));
    let states = StateSet::of(data, row);
    Ok(Found { id, row, states, convert, points, next_cursor, include_status: query.include_status })
}

fn fits(kind: Kind, aggregate: Aggregate) -> Result<()> {
    let fits = if kind == Kind::State { aggregate.fits_states() } else { !aggregate.is_of_states() };
    if fits {
        return Ok(());
    }
    let what = if kind == Kind::State { "state" } else { "numeric" };
    Err(ApiError::bad(format!("The aggregate {} is not supported for {what} time series", aggregate.name())))
}

/// Positions of the datapoints asked for, and the time of the first one left for the next page.
fn raw(series: &Series, query: &Query, start: i64) -> (Vec<usize>, Option<i64>) {
    let (lo, hi) = (series.at_or_after(start), series.at_or_after(query.end));
    let limit = usize::try_from(query.limit).unwrap_or(0);
    let shown = |n: &usize| series.ts.get(*n).is_some_and(|t| query.rules.shows(series.mark(*t)));
    let mut picks = Vec::with_capacity(limit.min(hi.saturating_sub(lo)) + 2);
    if query.outside {
        picks.extend((0..lo).rev().find(shown));
    }
    let mut inside = (lo..hi).filter(shown);
    picks.extend(inside.by_ref().take(limit));
    let following = inside.next().and_then(|n| series.ts.get(n).copied());
    if query.outside {
        picks.extend((hi..series.len()).find(shown));
    }
    (picks, following)
}

/// Buckets without any datapoint are left out, so only datapoints have to be walked.
fn aggregated(
    series: &Series,
    query: &Query,
    buckets: &Buckets,
    is_step: bool,
    from: Option<i64>,
) -> (Vec<AggregatePoint>, Option<i64>) {
    let limit = usize::try_from(query.limit).unwrap_or(0);
    let mut points = Vec::new();
    let Some(view) = View::new(series, query.rules, is_step) else { return (points, None) };
    let mut at = series.at_or_after(from.map_or(buckets.start(), |f| f.max(buckets.start())));
    while let Some((begin, end)) = series.ts.get(at).and_then(|t| buckets.around(*t)) {
        let (lo, hi) = (series.at_or_after(begin), series.at_or_after(end));
        let point = view.bucket(begin, end, lo, hi);
        if query.aggregates.iter().any(|a| point.has(*a)) {
            if points.len() == limit {
                return (points, Some(begin));
            }
            points.push(point);
        }
        at = hi.max(at + 1);
    }
    (points, None)
}

pub fn latest(state: &State, call: &Call) -> Result<Reply> {
    let mut body = call.object()?;
    let list = items(&mut body, MAX_ITEMS)?;
    let ignore_unknown = flag(&body, "ignoreUnknownIds")?;
    let now = now_ms();
    let data = state.read();
    let mut found = Vec::with_capacity(list.len());
    let mut missing = Vec::new();
    for item in &list {
        let key = Identifier::parse(item)?;
        let before = item.get("before").filter(|v| !v.is_null()).map_or(Ok(now), |v| parse("before", v, now))?;
        let rules = Rules {
            ignore_bad: item.get("ignoreBadDataPoints").and_then(Value::as_bool).unwrap_or(true),
            uncertain_as_bad: item.get("treatUncertainAsBad").and_then(Value::as_bool).unwrap_or(true),
        };
        let Some((id, row)) = super::permitted(&data, &key)? else {
            missing.push(key.to_json());
            continue;
        };
        let series = data.series.get(&id);
        let shown = |s: &Series, n: usize| s.ts.get(n).is_some_and(|t| rules.shows(s.mark(*t)));
        let newest = series.and_then(|s| (0..s.at_or_after(before)).rev().find(|n| shown(s, *n)));
        let include_status = item.get("includeStatus").and_then(Value::as_bool).unwrap_or(false);
        let points = Points::Raw(series, newest.into_iter().collect());
        let (states, convert) = (StateSet::of(&data, row), Target::new(item).of(row)?);
        found.push(Found { id, row, states, convert, points, next_cursor: None, include_status });
    }
    if !missing.is_empty() && !ignore_unknown {
        return Err(ApiError::missing("Time series not found", missing));
    }
    Ok(encode::json(&found))
}
