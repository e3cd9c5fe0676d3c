//! What a property of a container may hold, and the form it is kept in.

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::schema::{container, source_name};
use crate::error::{ApiError, Result};
use crate::resources::table::Object;
use crate::state::Data;

const MAX_JSON_BYTES: usize = 40_960;

/// The value as it is kept: times in UTC, references by space and external id alone.
pub fn kept(field: &str, ty: &Value, value: &Value) -> Result<Value> {
    let name = ty.get("type").and_then(Value::as_str).unwrap_or("");
    let list = ty.get("list").and_then(Value::as_bool) == Some(true);
    let wrong = || {
        let what = if list { format!("a list of {name}") } else { name.to_owned() };
        ApiError::bad(format!("Invalid value for property {field}: expected {what}"))
    };
    if !list {
        return one(name, ty, value).ok_or_else(wrong);
    }
    let items = value.as_array().ok_or_else(wrong)?;
    let most = ty.get("maxListSize").and_then(Value::as_u64).unwrap_or(u64::MAX);
    if items.len() as u64 > most {
        return Err(ApiError::bad(format!("Property {field} holds at most {most} values, has {}", items.len())));
    }
    items.iter().map(|v| one(name, ty, v)).collect::<Option<_>>().ok_or_else(wrong)
}

/// The properties of a record as they are kept.
pub fn record(data: &Data, reference: &Object, given: Object) -> Result<Object> {
    let name = source_name(reference);
    let definition = container(data, reference);
    let definition = definition.ok_or_else(|| ApiError::bad(format!("Container {name} does not exist")))?;
    let fields = definition.get("properties").and_then(Value::as_object);
    let mut row = Object::new();
    for (field, value) in given.into_iter().filter(|(_, v)| !v.is_null()) {
        let known = fields.and_then(|f| f.get(&field)?.get("type"));
        let ty = known.ok_or_else(|| ApiError::bad(format!("Unknown property {field} of container {name}")))?;
        let value = kept(&field, ty, &value)?;
        row.insert(field, value);
    }
    let must = |property: &Value| property.get("nullable") == Some(&json!(false));
    match fields.into_iter().flatten().find(|(field, property)| must(property) && !row.contains_key(*field)) {
        Some((field, _)) => Err(ApiError::bad(format!("Property {field} of container {name} must have a value"))),
        None => Ok(row),
    }
}

fn one(name: &str, ty: &Value, value: &Value) -> Option<Value> {
    let same = |fits: bool| fits.then(|| value.clone());
    match name {
        "text" => {
            let most = ty.get("maxTextSize").and_then(Value::as_u64).unwrap_or(u64::MAX);
            same(value.as_str()?.len() as u64 <= most)
        }
        "timestamp" => timestamp(value.as_str()?).map(Value::String),
        "date" => {
            let text = value.as_str()?;
            same(text.len() == 10 && text.parse::<Date>().is_ok())
        }
        "enum" => {
            let text = value.as_str()?;
            same(ty.get("values")?.get(text).is_some() && ty.get("unknownValue").is_none_or(|u| u != text))
        }
        "timeseries" | "file" | "sequence" => same(value.is_string()),
        "boolean" => same(value.is_boolean()),
        "int32" => same(i32::try_from(value.as_i64()?).is_ok()),
        "int64" => same(value.is_i64()),
        "float32" => same(value.as_f64()?.abs() <= f64::from(f32::MAX)),
        "float64" => same(value.is_number()),
        "json" => same(value.is_object() && value.to_string().len() <= MAX_JSON_BYTES),
        "direct" => {
            let (space, external_id) = crate::resources::table::pair(value)?;
            Some(json!({"space": space, "externalId": external_id}))
        }
        _ => same(true),
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.millis][zone]` as it is answered. Without a zone it is UTC.
pub fn timestamp(text: &str) -> Option<String> {
    if text.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let fraction = text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    if fraction > 3 {
        return None;
    }
    let time = text.parse::<Timestamp>().ok().or_else(|| {
        let local = text.parse::<DateTime>().ok()?;
        TimeZone::UTC.to_timestamp(local).ok()
    });
    Some(time?.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_in_utc() {
        for (given, kept) in [
            ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.000+00:00"),
            ("2024-01-02T03:04:05.6+02:00", "2024-01-02T01:04:05.600+00:00"),
            ("2024-01-02T03:04:05.678", "2024-01-02T03:04:05.678+00:00"),
            ("2024-01-02T03:04:05-0130", "2024-01-02T04:34:05.000+00:00"),
            ("2024-01-02T03:04:05+05", "2024-01-01T22:04:05.000+00:00"),
        ] {
            assert_eq!(timestamp(given).as_deref(), Some(kept), "{given}");
        }
        for given in
            ["2024-01-02", "yesterday", "2024-13-02T00:00:00Z", "2024-01-02T03:04:05.6789Z", "2024-01-02 03:04:05Z"]
        {
            assert_eq!(timestamp(given), None, "{given}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let ty = |name: &str| json!({"type": name});
        let list = json!({"type": "int32", "list": true, "maxListSize": 2});
        let state = json!({"type": "enum", "values": {"on": {}, "odd": {}}, "unknownValue": "odd"});
        for (ty, value, fits) in [
            (&ty("int32"), json!(2_147_483_648_i64), false),
            (&ty("int64"), json!(1.5), false),
            (&ty("float32"), json!(1e39), false),
            (&ty("float64"), json!("1"), false),
            (&ty("date"), json!("2024-02-30"), false),
            (&ty("date"), json!("2024-02-29"), true),
            (&ty("json"), json!([1]), false),
            (&ty("json"), json!({"a": "x".repeat(MAX_JSON_BYTES)}), false),
            (&ty("boolean"), json!(0), false),
            (&json!({"type": "text", "maxTextSize": 2}), json!("ø"), true),
            (&json!({"type": "text", "maxTextSize": 2}), json!("øø"), false),
            (&state, json!("on"), true),
            (&state, json!("off"), false),
            (&state, json!("odd"), false),
            (&list, json!([1, 2]), true),
            (&list, json!([1, 2, 3]), false),
            (&list, json!(1), false),
        ] {
            assert_eq!(kept("p", ty, &value).is_ok(), fits, "{ty} {value}");
        }
        let more = json!({"space": "s", "externalId": "x", "type": "node"});
        assert_eq!(kept("p", &ty("direct"), &more).unwrap(), json!({"space": "s", "externalId": "x"}));
    }
}
