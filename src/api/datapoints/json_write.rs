//! The same insert as JSON: what the service took before protobuf, for proxies that look inside and for comparison.

use std::io::Write;

use super::column::{Column, Values, text_at};
use super::plan::{Cut, Plan};

pub(super) fn put_json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Texts and numbers into memory: cannot fail.
    let _ = serde_json::to_writer(out, value);
}

/// What is not finite is text.
pub(super) fn put_number(out: &mut Vec<u8>, value: f64) {
    match value {
        v if v.is_nan() => out.extend_from_slice(b"\"NaN\""),
        f64::INFINITY => out.extend_from_slice(b"\"Infinity\""),
        f64::NEG_INFINITY => out.extend_from_slice(b"\"-Infinity\""),
        v => put_json(out, &v),
    }
}

fn put_value(out: &mut Vec<u8>, column: &Column<'_>, n: usize) {
    if !column.is_there(n) {
        out.extend_from_slice(b"null");
        return;
    }
    match column.values {
        Values::Numbers(v) => put_number(out, v.get(n).copied().unwrap_or(0.0)),
        Values::StateNumbers(v) => put_json(out, &v.get(n).copied().unwrap_or(0)),
        Values::Texts { offsets, text } | Values::StateTexts { offsets, text } => {
            put_json(out, text_at(offsets, text, n))
        }
    }
}

/// Writes the request into `out`, which is emptied first.
pub fn write(plan: &Plan<'_>, cut: &Cut, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(b"{\"items\":[");
    for (at, item) in cut.slices.chunk_by(|a, b| a.series == b.series).enumerate() {
        let Some(series) = item.first().and_then(|s| plan.series.get(s.series)) else { continue };
        if at > 0 {
            out.push(b',');
        }
        put_json(out, &series.key.to_json());
        // The identifier is an object; the points join it.
        out.pop();
        out.extend_from_slice(b",\"datapoints\":[");
        for s in item {
            let Some(column) = plan.columns.get(s.column) else { continue };
            for n in s.from..s.to {
                let time = column.timestamps.get(n).copied().unwrap_or(0);
                let _ = write!(out, "{{\"timestamp\":{time},\"value\":");
                put_value(out, column, n);
                match column.code(n) {
                    0 => out.extend_from_slice(b"},"),
                    code => {
                        let _ = write!(out, ",\"status\":{{\"code\":{code}}}}},");
                    }
                }
            }
        }
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"]}");
}

#[cfg(test)]
mod tests {
    use super::super::column::Key;
    use super::*;

    #[test]
    fn as_the_reference_writes_it() {
        let columns = [
            Column {
                key: Key::Id(1),
                timestamps: &[1, 2, 3, 4, 5],
                values: Values::Numbers(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1, 9.0]),
                status: Some(&[0, 0, 0, 0x8000_0000, 0x8000_0000]),
                validity: Some(&[0b01111]),
            },
            Column {
                key: Key::External("a\"b"),
                timestamps: &[-1],
                values: Values::Texts { offsets: &[0, 3], text: "ø\n" },
                status: None,
                validity: None,
            },
        ];
        let mut plan = Plan::new(&columns).unwrap();
        let mut out = Vec::new();
        let mut all = Vec::new();
        while let Some(cut) = plan.next(|_| false) {
            write(&plan, &cut, &mut out);
            all.push(serde_json::from_slice::<serde_json::Value>(&out).unwrap());
        }
        assert_eq!(
            serde_json::json!(all),
            serde_json::json!([
                {"items": [{"id": 1, "datapoints": [
                    {"timestamp": 1, "value": "NaN"}, {"timestamp": 2, "value": "Infinity"}, {"timestamp": 3, "value": "-Infinity"},
                    {"timestamp": 4, "value": 0.1, "status": {"code": 0x8000_0000u32}},
                    {"timestamp": 5, "value": null, "status": {"code": 0x8000_0000u32}}]},
                    {"externalId": "a\"b", "datapoints": [{"timestamp": -1, "value": "ø\n"}]}]}
            ])
        );
    }
}
