//! Found datapoints in binary form.

use prost::Message;
use serde_json::Value;

use super::aggregate::{Aggregate, AggregatePoint, Extreme, StateSum};
use super::encode::{Cell, Found, JsonPoint, Points};
use super::series::Kind;
use super::states::StateSet;
use super::status::symbol;
use super::{columns, proto};
use crate::call::Reply;
use crate::resources::table::pair;

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
            let series = *series;
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
                    let bytes = series.map_or_else(Vec::new, |s| columns::write(&found, s, picks));
                    proto::Listed::Numeric(bytes.into())
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
