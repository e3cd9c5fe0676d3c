//! Found datapoints as JSON or protobuf. They are written straight from the columns.

use prost::Message;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::aggregate::{Aggregate, AggregatePoint, Extreme, NAMES, StateSum};
use super::proto;
use super::series::{Kind, Series, Values};
use super::states::StateSet;
use super::status::{Mark, symbol};
use crate::areas::units::Conversion;
use crate::call::Reply;
use crate::resources::table::{Object, pair};

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

enum Cell<'a> {
    Number(f64),
    Text(&'a str),
    State(i32, Option<&'a str>),
}

struct JsonPoint<'a> {
    timestamp: i64,
    value: Option<Cell<'a>>,
    mark: Option<&'a Mark>,
}

impl<'a> JsonPoint<'a> {
    fn new(found: &Found<'a>, series: &'a Series, n: usize) -> Option<Self> {
        let show = found.include_status;
        let timestamp = *series.ts.get(n)?;
        let mark = series.mark(timestamp);
        let value = match &series.values {
            _ if mark.is_some_and(|m| m.null) => None,
            Values::Numbers(list) => {
                let v = *list.get(n)?;
                Some(Cell::Number(found.convert.map_or(v, |c| c.value(v))))
            }
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

pub fn protobuf(found: Vec<Found>) -> Reply {
    let items = found.into_iter().map(item).collect();
    Reply::protobuf(proto::ListResponse { items }.encode_to_vec())
}

fn item(found: Found) -> proto::ListItem {
    let text = |name: &str| found.row.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let truth = |name: &str| found.row.get(name).and_then(Value::as_bool).unwrap_or(false);
    let kind = super::kind(found.row);
    let show = found.include_status;
    let datapoints = match &found.points {
        Points::Aggregates(points, wanted) if kind == Kind::State => {
            let datapoints = points.iter().map(|p| state_aggregate(p, wanted, &found.states)).collect();
            proto::Listed::StateAggregate(proto::StateAggregateDatapoints { datapoints })
        }
        Points::Aggregates(points, wanted) => {
            let datapoints = points.iter().map(|p| aggregate(p, wanted, show)).collect();
            proto::Listed::Aggregate(proto::AggregateDatapoints { datapoints })
        }
        Points::Raw(series, picks) => {
            let series = series.as_ref();
            let points = picks.iter().filter_map(|n| JsonPoint::new(&found, series?, *n));
            match kind {
                Kind::Text => {
                    let datapoints = points.map(string).collect();
                    proto::Listed::String(proto::StringDatapoints { datapoints })
                }
                Kind::State => {
                    let datapoints = points.map(state).collect();
                    proto::Listed::State(proto::StateDatapoints { datapoints })
                }
                Kind::Number => {
                    let datapoints = points.map(numeric).collect();
                    proto::Listed::Numeric(proto::NumericDatapoints { datapoints })
                }
            }
        }
    };
    proto::ListItem {
        id: found.id,
        external_id: text("externalId"),
        datapoints: Some(datapoints),
        is_string: kind == Kind::Text,
        is_step: truth("isStep"),
        unit: if found.convert.is_some() { String::new() } else { text("unit") },
        next_cursor: found.next_cursor.unwrap_or_default(),
        unit_external_id: found.convert.map_or_else(|| text("unitExternalId"), |c| c.to.to_owned()),
        instance_id: found
            .row
            .get("instanceId")
            .and_then(pair)
            .map(|(space, external_id)| proto::InstanceId { space, external_id }),
        r#type: match kind {
            Kind::Number => 1,
            Kind::Text => 2,
            Kind::State => 3,
        },
    }
}

fn status(code: u32) -> proto::Status {
    proto::Status { code: i64::from(code), symbol: symbol(code).to_owned() }
}

fn numeric(point: JsonPoint) -> proto::NumericDatapoint {
    let value = match point.value {
        Some(Cell::Number(v)) => Some(v),
        _ => None,
    };
    proto::NumericDatapoint {
        timestamp: point.timestamp,
        value: value.unwrap_or(0.0),
        status: point.mark.map(|m| status(m.code)),
        null_value: value.is_none(),
    }
}

fn string(point: JsonPoint) -> proto::StringDatapoint {
    let value = match point.value {
        Some(Cell::Text(text)) => Some(text.to_owned()),
        _ => None,
    };
    proto::StringDatapoint {
        timestamp: point.timestamp,
        null_value: value.is_none(),
        value: value.unwrap_or_default(),
        status: point.mark.map(|m| status(m.code)),
    }
}

fn state(point: JsonPoint) -> proto::StateDatapoint {
    let (number, name) = match point.value {
        Some(Cell::State(number, name)) => (Some(i64::from(number)), name),
        _ => (None, None),
    };
    proto::StateDatapoint {
        timestamp: point.timestamp,
        numeric_value: number,
        string_value: name.map(str::to_owned),
        status: point.mark.map(|m| status(m.code)),
    }
}

fn state_aggregate(p: &AggregatePoint, wanted: &[Aggregate], states: &StateSet) -> proto::StateAggregateDatapoint {
    use Aggregate as A;
    let get = |which: A| if wanted.contains(&which) { p.number(which).unwrap_or(f64::NAN) } else { 0.0 };
    let name = |number: i32| states.name(number).map(str::to_owned);
    let value = |which: A| {
        let number = p.number(which).filter(|_| wanted.contains(&which))? as i32;
        Some(proto::StateValue { numeric_value: Some(number.into()), string_value: name(number) })
    };
    let of_states = wanted.iter().any(|a| a.is_of_states());
    let part = |which: A, value: i64| wanted.contains(&which).then_some(value);
    let one = |sum: &StateSum| proto::StateAggregate {
        numeric_value: sum.state.into(),
        string_value: name(sum.state),
        state_count: part(A::StateCount, sum.count),
        state_transitions: part(A::StateTransitions, sum.transitions),
        state_duration: part(A::StateDuration, sum.duration),
    };
    proto::StateAggregateDatapoint {
        timestamp: p.timestamp,
        count: get(A::Count),
        count_good: get(A::CountGood),
        count_uncertain: get(A::CountUncertain),
        count_bad: get(A::CountBad),
        duration_good: get(A::DurationGood),
        duration_uncertain: get(A::DurationUncertain),
        duration_bad: get(A::DurationBad),
        interpolation: value(A::Interpolation),
        step_interpolation: value(A::StepInterpolation),
        state_aggregates: p.states.iter().filter(|_| of_states).map(one).collect(),
    }
}

/// What was asked for but is not defined is NaN; proto3 cannot leave out a double.
fn aggregate(point: &AggregatePoint, wanted: &[Aggregate], show: bool) -> proto::AggregateDatapoint {
    use Aggregate as A;
    let get = |which: A| if wanted.contains(&which) { point.number(which).unwrap_or(f64::NAN) } else { 0.0 };
    let extreme = |which: A, found: Option<Extreme>| {
        found.filter(|_| wanted.contains(&which)).map(|e| proto::NumericDatapoint {
            timestamp: e.timestamp,
            value: e.value,
            status: (show && e.code != 0).then(|| status(e.code)),
            null_value: false,
        })
    };
    proto::AggregateDatapoint {
        timestamp: point.timestamp,
        average: get(A::Average),
        max: get(A::Max),
        min: get(A::Min),
        count: get(A::Count),
        sum: get(A::Sum),
        interpolation: get(A::Interpolation),
        step_interpolation: get(A::StepInterpolation),
        continuous_variance: get(A::ContinuousVariance),
        discrete_variance: get(A::DiscreteVariance),
        total_variation: get(A::TotalVariation),
        count_good: get(A::CountGood),
        count_uncertain: get(A::CountUncertain),
        count_bad: get(A::CountBad),
        duration_good: get(A::DurationGood),
        duration_uncertain: get(A::DurationUncertain),
        duration_bad: get(A::DurationBad),
        max_datapoint: extreme(A::MaxDatapoint, point.max),
        min_datapoint: extreme(A::MinDatapoint, point.min),
    }
}
