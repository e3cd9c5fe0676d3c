//! Datapoints as JSON, where the service has no other form: series and points one by one.

use serde_json::{Map, Value};

use super::column::Kind;
use super::columns::{Info, Points};

pub(super) fn info(answer: &Map<String, Value>) -> Info {
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
        kind: Kind::named(&text("type")),
    }
}

/// Appends a point of a series.
pub(super) fn push(point: &Value, info: &Info, out: &mut Points) -> Option<()> {
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
