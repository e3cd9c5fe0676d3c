//! Found datapoints, and how they are written as JSON: straight from the columns.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::aggregate::{Aggregate, AggregatePoint, Extreme, NAMES, StateSum};
use super::series::{Kind, Series, Values};
use super::states::StateSet;
use super::status::{Mark, symbol};
use crate::areas::units::Conversion;
use crate::call::Reply;
use crate::resources::table::Object;

pub enum Points<'a> {
    /// Positions in the series; None where nothing was ever inserted.
    Raw(Option<&'a Series>, Vec<usize>),
    Aggregates(Vec<AggregatePoint>, Vec<Aggregate>),
}

pub struct Found<'a> {
    pub id: i64,
    pub row: &'a Object,
    pub states: StateSet<'a>,
    pub convert: Option<Conversion>,
    pub points: Points<'a>,
    pub next_cursor: Option<String>,
    pub include_status: bool,
}

pub fn json(found: &[Found]) -> Reply {
    struct Answer<'a>(&'a [Found<'a>]);
    impl Serialize for Answer<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry("items", self.0)?;
            map.end()
        }
    }
    Reply::ok(&Answer(found))
}

impl Serialize for Found<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        // What was converted has the unit it was converted to.
        let names = ["externalId", "instanceId", "isString", "isStep", "type", "unit", "unitExternalId"];
        for name in &names[..if self.convert.is_some() { 5 } else { 7 }] {
            if let Some(value) = self.row.get(*name) {
                map.serialize_entry(name, value)?;
            }
        }
        if let Some(conversion) = &self.convert {
            map.serialize_entry("unitExternalId", conversion.to)?;
        }
        if let Some(cursor) = &self.next_cursor {
            map.serialize_entry("nextCursor", cursor)?;
        }
        map.serialize_entry("datapoints", &List(self))?;
        map.end()
    }
}

impl Found<'_> {
    /// The datapoints alone.
    pub fn list(&self) -> Value {
        serde_json::to_value(List(self)).unwrap_or_default()
    }
}

struct List<'a>(&'a Found<'a>);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let show = self.0.include_status;
        match &self.0.points {
            Points::Raw(None, _) => serializer.collect_seq([(); 0]),
            Points::Raw(Some(series), picks) => {
                serializer.collect_seq(picks.iter().filter_map(|n| JsonPoint::new(self.0, series, *n)))
            }
            Points::Aggregates(points, wanted) => {
                let states = &self.0.states;
                let of_states = super::kind(self.0.row) == Kind::State;
                serializer.collect_seq(points.iter().map(|p| JsonAggregate {
                    point: p,
                    wanted,
                    show,
                    states,
                    of_states,
                }))
            }
        }
    }
}

pub enum Cell<'a> {
    Number(f64),
    Text(&'a str),
    State(i32, Option<&'a str>),
}

pub struct JsonPoint<'a> {
    pub timestamp: i64,
    pub value: Option<Cell<'a>>,
    pub mark: Option<&'a Mark>,
}

pub fn value_of(found: &Found, v: f64) -> f64 {
    found.convert.map_or(v, |c| c.value(v))
}

impl<'a> JsonPoint<'a> {
    pub fn new(found: &Found<'a>, series: &'a Series, n: usize) -> Option<Self> {
        let show = found.include_status;
        let timestamp = *series.ts.get(n)?;
        let mark = series.mark(timestamp);
        let value = match &series.values {
            _ if mark.is_some_and(|m| m.null) => None,
            Values::Numbers(list) => Some(Cell::Number(value_of(found, *list.get(n)?))),
            Values::Texts(list) => Some(Cell::Text(list.get(n)?)),
            Values::States(list) => list.get(n).map(|state| Cell::State(*state, found.states.name(*state))),
        };
        Some(Self { timestamp, value, mark: mark.filter(|m| show && m.code != 0) })
    }
}

#[derive(serde::Serialize)]
struct JsonStatus {
    code: u32,
    symbol: &'static str,
}

fn json_status(code: u32) -> JsonStatus {
    JsonStatus { code, symbol: symbol(code) }
}

impl Serialize for JsonPoint<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.timestamp)?;
        match &self.value {
            None => {}
            Some(Cell::Text(text)) => map.serialize_entry("value", text)?,
            Some(Cell::State(number, name)) => state_entries(&mut map, *number, *name)?,
            Some(Cell::Number(v)) if v.is_nan() => map.serialize_entry("value", "NaN")?,
            Some(Cell::Number(v)) if v.is_infinite() => {
                map.serialize_entry("value", if *v > 0.0 { "Infinity" } else { "-Infinity" })?;
            }
            Some(Cell::Number(v)) => map.serialize_entry("value", v)?,
        }
        if let Some(mark) = self.mark {
            map.serialize_entry("status", &json_status(mark.code))?;
        }
        map.end()
    }
}

/// The name is missing where the state is no longer in the set.
fn state_entries<M: SerializeMap>(map: &mut M, number: i32, name: Option<&str>) -> Result<(), M::Error> {
    map.serialize_entry("numericValue", &number)?;
    name.map_or(Ok(()), |name| map.serialize_entry("stringValue", name))
}

struct JsonAggregate<'a> {
    point: &'a AggregatePoint,
    wanted: &'a [Aggregate],
    show: bool,
    states: &'a StateSet<'a>,
    of_states: bool,
}

/// One state's part, or with nothing wanted a state alone.
struct JsonState<'a> {
    sum: StateSum,
    name: Option<&'a str>,
    wanted: &'a [Aggregate],
}

impl Serialize for JsonState<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        state_entries(&mut map, self.sum.state, self.name)?;
        for (which, value) in parts(self.sum).into_iter().filter(|(which, _)| self.wanted.contains(which)) {
            map.serialize_entry(which.name(), &value)?;
        }
        map.end()
    }
}

fn parts(sum: StateSum) -> [(Aggregate, i64); 3] {
    use Aggregate as A;
    [(A::StateCount, sum.count), (A::StateTransitions, sum.transitions), (A::StateDuration, sum.duration)]
}

impl JsonAggregate<'_> {
    fn state(&self, sum: StateSum) -> JsonState<'_> {
        JsonState { sum, name: self.states.name(sum.state), wanted: self.wanted }
    }
}

#[derive(serde::Serialize)]
struct JsonExtreme {
    timestamp: i64,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<JsonStatus>,
}

impl Serialize for JsonAggregate<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.point.timestamp)?;
        let extreme = |e: Extreme| JsonExtreme {
            timestamp: e.timestamp,
            value: e.value,
            status: (self.show && e.code != 0).then(|| json_status(e.code)),
        };
        for (name, which) in NAMES.iter().filter(|(_, a)| self.wanted.contains(a)) {
            let found = match which {
                Aggregate::MaxDatapoint => self.point.max,
                Aggregate::MinDatapoint => self.point.min,
                _ => None,
            };
            if let Some(found) = found {
                map.serialize_entry(name, &extreme(found))?;
            } else if let Some(value) = self.point.number(*which) {
                if self.of_states && !which.is_integer() {
                    let state = StateSum { state: value as i32, count: 0, transitions: 0, duration: 0 };
                    map.serialize_entry(name, &JsonState { wanted: &[], ..self.state(state) })?;
                } else if which.is_integer() {
                    map.serialize_entry(name, &(value as i64))?;
                } else {
                    map.serialize_entry(name, &value)?;
                }
            }
        }
        if self.wanted.iter().any(|a| a.is_of_states()) {
            let list: Vec<_> = self.point.states.iter().map(|sum| self.state(*sum)).collect();
            map.serialize_entry("stateAggregates", &list)?;
        }
        map.end()
    }
}
