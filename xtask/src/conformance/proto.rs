//! Answers of the time series API as protobuf, from the JSON form that a vector has of them: long ones have nothing else.

use crate::json::{Json, number};

/// A field of a message: its name in JSON, its number, what it is.
type Field = (&'static str, u32, Kind);

#[derive(Clone, Copy)]
enum Kind {
    Int,
    Double,
    Text,
    Truth,
    /// By the names of its values, from 0.
    Choice(&'static [&'static str]),
    One(&'static [Field]),
    Many(&'static [Field]),
    /// The three that are sent also when they are 0 or empty.
    OptionalInt,
    OptionalText,
}

use Kind::{Choice, Double, Int, Many, One, OptionalInt, OptionalText, Text, Truth};

const RESPONSE: &[Field] = &[("items", 1, Many(ITEM))];
const ITEM: &[Field] = &[
    ("id", 1, Int),
    ("externalId", 2, Text),
    ("numericDatapoints", 3, One(&[("datapoints", 1, Many(NUMERIC))])),
    ("stringDatapoints", 4, One(&[("datapoints", 1, Many(STRING))])),
    ("aggregateDatapoints", 5, One(&[("datapoints", 1, Many(AGGREGATE))])),
    ("isString", 6, Truth),
    ("isStep", 7, Truth),
    ("unit", 8, Text),
    ("nextCursor", 9, Text),
    ("unitExternalId", 10, Text),
    ("instanceId", 11, One(&[("space", 1, Text), ("externalId", 2, Text)])),
    ("type", 12, Choice(TYPES)),
    ("stateDatapoints", 13, One(&[("datapoints", 1, Many(STATE))])),
    ("stateAggregateDatapoints", 15, One(&[("datapoints", 1, Many(STATE_AGGREGATE))])),
];
const TYPES: &[&str] =
    &["TIMESERIES_TYPE_UNSPECIFIED", "TIMESERIES_TYPE_NUMERIC", "TIMESERIES_TYPE_STRING", "TIMESERIES_TYPE_STATE"];
const STATUS: &[Field] = &[("code", 1, Int), ("symbol", 2, Text)];
const NUMERIC: &[Field] =
    &[("timestamp", 1, Int), ("value", 2, Double), ("status", 3, One(STATUS)), ("nullValue", 4, Truth)];
const STRING: &[Field] =
    &[("timestamp", 1, Int), ("value", 2, Text), ("status", 3, One(STATUS)), ("nullValue", 4, Truth)];
const STATE: &[Field] = &[
    ("timestamp", 1, Int),
    ("numericValue", 2, OptionalInt),
    ("stringValue", 3, OptionalText),
    ("status", 4, One(STATUS)),
];
const AGGREGATE: &[Field] = &[
    ("timestamp", 1, Int),
    ("average", 2, Double),
    ("max", 3, Double),
    ("min", 4, Double),
    ("count", 5, Double),
    ("sum", 6, Double),
    ("interpolation", 7, Double),
    ("stepInterpolation", 8, Double),
    ("continuousVariance", 9, Double),
    ("discreteVariance", 10, Double),
    ("totalVariation", 11, Double),
    ("countGood", 12, Double),
    ("countUncertain", 13, Double),
    ("countBad", 14, Double),
    ("durationGood", 15, Double),
    ("durationUncertain", 16, Double),
    ("durationBad", 17, Double),
    ("maxDatapoint", 18, One(NUMERIC)),
    ("minDatapoint", 19, One(NUMERIC)),
    ("stateAggregates", 20, Many(OF_STATE)),
];
const STATE_AGGREGATE: &[Field] = &[
    ("timestamp", 1, Int),
    ("count", 2, Double),
    ("countGood", 3, Double),
    ("countUncertain", 4, Double),
    ("countBad", 5, Double),
    ("durationGood", 6, Double),
    ("durationUncertain", 7, Double),
    ("durationBad", 8, Double),
    ("interpolation", 9, One(&[("numericValue", 1, OptionalInt), ("stringValue", 2, OptionalText)])),
    ("stepInterpolation", 10, One(&[("numericValue", 1, OptionalInt), ("stringValue", 2, OptionalText)])),
    ("stateAggregates", 11, Many(OF_STATE)),
];
const OF_STATE: &[Field] = &[
    ("numericValue", 1, Int),
    ("stringValue", 2, OptionalText),
    ("stateCount", 3, OptionalInt),
    ("stateTransitions", 4, OptionalInt),
    ("stateDuration", 5, OptionalInt),
];

/// The bytes of a message of that type.
pub fn encode(message: &str, value: &Json) -> Result<Vec<u8>, String> {
    match message {
        "DataPointListResponse" => fields(RESPONSE, value),
        _ => Err(format!("no protobuf message {message} is known")),
    }
}

fn fields(known: &[Field], value: &Json) -> Result<Vec<u8>, String> {
    let given = value.as_map().ok_or_else(|| format!("no protobuf message: {}", value.write(true)))?;
    if let Some((name, _)) = given.iter().find(|(name, _)| !known.iter().any(|f| f.0 == name)) {
        return Err(format!("no protobuf field {name} is known"));
    }
    let mut out = Vec::new();
    for (name, number, kind) in known {
        if let Some(value) = value.get(name) {
            field(&mut out, *number, *kind, value)
                .ok_or_else(|| format!("protobuf field {name}: {}", value.write(true)))?;
        }
    }
    Ok(out)
}

/// `None`: the value does not fit. What is 0, false or empty is not sent.
fn field(out: &mut Vec<u8>, number: u32, kind: Kind, value: &Json) -> Option<()> {
    match kind {
        Int | OptionalInt => {
            let n = whole(value)?;
            if n != 0 || matches!(kind, OptionalInt) {
                tagged(out, number, 0);
                varint(out, n as u64);
            }
        }
        Double => {
            let n = figure(value)?;
            if n.to_bits() != 0 {
                tagged(out, number, 1);
                out.extend(n.to_le_bytes());
            }
        }
        Text | OptionalText => {
            let text = value.as_str()?;
            if !text.is_empty() || matches!(kind, OptionalText) {
                bytes(out, number, text.as_bytes());
            }
        }
        Truth => match value {
            Json::Bool(true) => {
                tagged(out, number, 0);
                out.push(1);
            }
            Json::Bool(false) => {}
            _ => return None,
        },
        Choice(names) => {
            let at = names.iter().position(|n| Some(*n) == value.as_str())?;
            if at > 0 {
                tagged(out, number, 0);
                varint(out, at as u64);
            }
        }
        One(known) => bytes(out, number, &fields(known, value).ok()?),
        Many(known) => {
            for one in value.as_list()? {
                bytes(out, number, &fields(known, one).ok()?);
            }
        }
    }
    Some(())
}

/// 64-bit numbers are texts in the JSON form of protobuf, and may be numbers.
fn whole(value: &Json) -> Option<i64> {
    value.as_str().map_or_else(|| value.as_i128().and_then(|n| i64::try_from(n).ok()), |t| t.parse().ok())
}

fn figure(value: &Json) -> Option<f64> {
    value.as_str().map_or_else(|| value.as_f64(), number)
}

fn tagged(out: &mut Vec<u8>, number: u32, wire: u64) {
    varint(out, u64::from(number) << 3 | wire);
}

fn bytes(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    tagged(out, number, 2);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n > 127 {
        out.push(n as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    /// Every answer that a vector has in both forms.
    #[test]
    fn the_json_form_gives_the_recorded_bytes() {
        let dir = crate::sh::root().join("tests/conformance/vectors");
        let mut compared = 0;
        for file in std::fs::read_dir(dir).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let doc = Json::parse(&text).unwrap();
            let rules =
                doc.list_of("vectors").iter().filter_map(|v| v.get("server_script")).flat_map(|s| s.list_of("rules"));
            for message in rules.flat_map(|r| r.list_of("responses")).filter_map(|r| r.get("proto")) {
                let Some(recorded) = message.text_of("base64") else { continue };
                let value = super::super::macros::expand(message.get("value").unwrap()).unwrap();
                let made = encode(message.text_of("message").unwrap(), &value).unwrap();
                assert_eq!(STANDARD.encode(made), recorded, "{}", value.write(true));
                compared += 1;
            }
        }
        assert!(compared > 20, "{compared}");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in [r#"{"items":[{"novelty":1}]}"#, r#"{"items":[{"id":"x"}]}"#, r#"{"items":{}}"#, "[]"] {
            assert!(encode("DataPointListResponse", &Json::parse(text).unwrap()).is_err(), "{text}");
        }
        assert!(encode("Other", &Json::Map(Vec::new())).is_err());
    }
}
