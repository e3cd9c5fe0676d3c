//! What the writer writes is read back; what is damaged is refused, not believed.

use super::super::column::{self, Key, Values, text_at};
use super::super::plan::Plan;
use super::super::proto_write;
use super::*;

/// Fields 1 to 4 of an insertion item are those of an item of the answer; 5 (instance) and 6 (states) are 11 and 13 there.
fn written(columns: &[column::Column<'_>]) -> Vec<u8> {
    let mut plan = Plan::new(columns).unwrap();
    let cut = plan.next(|_| false).unwrap();
    let mut out = Vec::new();
    proto_write::write(&plan, &cut, &mut out);
    out
}

fn raw(body: &[u8]) -> Read<Vec<Points>> {
    items(body)?
        .iter()
        .map(|item| {
            let mut out = Points::default();
            item.read(&Expected::Raw, &mut out)?;
            Ok(out)
        })
        .collect()
}

#[test]
fn what_is_written_is_read_bit_for_bit() {
    let mut rng = fastrand::Rng::with_seed(21);
    for round in 0..300 {
        let n = rng.usize(1..60);
        let odd = rng.bool();
        let times: Vec<i64> = (0..n)
            .map(|_| match odd && rng.u8(0..4) == 0 {
                true => rng.i64(super::super::time::FIRST..=super::super::time::LAST),
                false => rng.i64(1 << 35..=super::super::time::LAST),
            })
            .collect();
        let numbers: Vec<f64> =
            (0..n).map(|_| if rng.u8(0..9) == 0 { -0.0 } else { f64::from_bits(rng.u64(..)) }).collect();
        let text = "æøå".repeat(n);
        let offsets: Vec<i64> = (0..=n as i64).map(|n| n * 6).collect();
        let status: Vec<u32> = (0..n).map(|_| rng.choice([0, 0, 0x4000_0000, 0x8000_0000]).unwrap()).collect();
        let validity: Vec<u8> = (0..n.div_ceil(8)).map(|_| rng.u8(..)).collect();
        let column = column::Column {
            key: Key::Id(round + 1),
            timestamps: &times,
            values: if round % 2 == 0 {
                Values::Numbers(&numbers)
            } else {
                Values::Texts { offsets: &offsets, text: &text }
            },
            status: (round % 3 == 0).then_some(&status),
            validity: (round % 5 == 0).then_some(&validity),
        };
        let body = written(&[column]);
        assert_eq!(items(&body).unwrap()[0].info.id, round + 1);
        let read = raw(&body).unwrap().remove(0);
        assert_eq!(read.timestamps, times);
        for at in 0..n {
            assert_eq!(read.is_there(at), column.is_there(at));
            assert_eq!(read.status().map_or(0, |s| s[at]), column.code(at));
            if !column.is_there(at) {
                continue;
            }
            if round % 2 == 0 {
                assert_eq!(read.numbers[at].to_bits(), numbers[at].to_bits());
            } else {
                let (a, b) = (read.texts.offsets[at] as usize, read.texts.offsets[at + 1] as usize);
                assert_eq!(&read.texts.bytes[a..b], text_at(&offsets, &text, at).as_bytes());
            }
        }
    }
}

/// A recorded answer: two aggregates, of which the second bucket has zeros that proto3 leaves out.
#[test]
fn aggregates_that_are_left_out_are_zero() {
    let body = b"\x0a\x30\x08\x01\x12\x04\x74\x73\x2d\x31\x2a\x24\x0a\x19\x08\x80\xe6\xe4\xfe\xbc\x31\x11\x00\x00\x00\x00\x00\x00\xf8\x3f\x29\x00\x00\x00\x00\x00\x00\x10\x40\x0a\x07\x08\x80\xc3\xc0\x80\xbd\x31\x60\x01";
    let columns = [
        Column { name: "average", field: 2, part: Part::Whole },
        Column { name: "count", field: 5, part: Part::Whole },
        Column { name: "maxDatapoint", field: 18, part: Part::Value },
    ];
    let all = items(body).unwrap();
    let mut out = Points::with_aggregates(3);
    all[0].read(&Expected::Aggregates(&columns), &mut out).unwrap();
    assert_eq!(out.timestamps, [1_699_999_200_000, 1_700_002_800_000]);
    assert_eq!((&out.aggregates[0][..], &out.aggregates[1][..]), (&[1.5, 0.0][..], &[4.0, 0.0][..]));
    assert!(out.aggregates[2].iter().all(|v| v.is_nan()));
    assert_eq!((all[0].info.external_id.as_str(), all[0].info.kind), ("ts-1", Some(Kind::Numeric)));
    assert_eq!(all[0].read(&Expected::Raw, &mut Points::default()), Err(Damaged));
}

/// Of states: the second bucket has two entries, the first and the last none.
#[test]
fn what_single_states_did_stays_with_its_bucket() {
    let on = b"\x5a\x11\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x18\x02\x20\x01\x28\x07";
    let off = b"\x5a\x05\x12\x03OFF";
    let point = |time: u8, parts: &[&[u8]]| {
        let inner = [&[0x08, time][..], &parts.concat()].concat();
        [&[0x0a, inner.len() as u8][..], &inner].concat()
    };
    let list = [point(1, &[]), point(2, &[on, off]), point(3, &[])].concat();
    let item = [&[0x7a, list.len() as u8][..], &list].concat();
    let body = [&[0x0a, item.len() as u8][..], &item].concat();
    let expected = Expected::Aggregates(&[]);
    let mut out = Points::default();
    items(&body).unwrap()[0].read(&expected, &mut out).unwrap();
    let sums = &out.of_states;
    assert_eq!((&out.timestamps[..], &sums.buckets[..]), (&[1, 2, 3][..], &[0, 0, 2, 2][..]));
    assert_eq!((&sums.states[..], sums.names.get(0), sums.names.get(1)), (&[-2, 0][..], &b""[..], &b"OFF"[..]));
    assert_eq!(sums.sums.each_ref().map(|c| c[0]), [2, 1, 7]);
    // Cut or changed anywhere: nothing of it is kept, or whole columns.
    for n in 0..body.len() {
        for bit in 0..8 {
            let mut bad = body.clone();
            bad[n] ^= 1 << bit;
            let Ok(all) = items(&bad) else { continue };
            for item in all {
                let mut out = Points::default();
                let read = item.read(&expected, &mut out);
                assert!(out.is_whole() && (read.is_ok() || out.is_empty()));
                assert!(out.of_states.names.len() == out.of_states.states.len());
            }
        }
    }
}

#[test]
fn hostile_bytes_end_in_an_error_or_in_less() {
    let column = column::Column {
        key: Key::External("ab"),
        timestamps: &[1 << 36, 5, -7, 1 << 37],
        values: Values::Numbers(&[1.0, 2.0, 3.0, 4.0]),
        status: Some(&[0, 1, 2, 3]),
        validity: Some(&[7]),
    };
    let body = written(&[column]);
    for n in 0..body.len() {
        // Cut anywhere, either refused or (at the border of a field) shorter: never more than was there.
        if let Ok(read) = raw(&body[..n]) {
            assert!(read.iter().map(Points::len).sum::<usize>() <= 4);
        }
        for bit in 0..8 {
            let mut bad = body.clone();
            bad[n] ^= 1 << bit;
            let _ = raw(&bad);
        }
    }
    let mut rng = fastrand::Rng::with_seed(2);
    for _ in 0..20_000 {
        let bytes: Vec<u8> =
            (0..rng.usize(0..60)).map(|_| if rng.bool() { rng.u8(0..0x20) } else { rng.u8(..) }).collect();
        let _ = raw(&bytes);
    }
    for bad in [
        &b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..],
        b"\x0a\x05\x1a\xff\xff\xff\x7f",
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        b"\x0b",
        b"\x02\x00",
        b"\x0a\x02\x12\x05",
    ] {
        assert!(raw(bad).is_err(), "{bad:?}");
    }
}

/// Two kinds of values in one series, and points that end in the middle: nothing is kept, so no column is shorter than
/// the caller is told.
#[test]
fn columns_stay_whole() {
    let number = b"\x1a\x11\x0a\x0f\x08\x01\x11\0\0\0\0\0\0\xf0\x3f\x1a\x02\x08\x01";
    let text = b"\x22\x07\x0a\x05\x08\x02\x12\x01x";
    let one = |parts: &[&[u8]]| {
        let inner = parts.concat();
        [&[0x0a, inner.len() as u8][..], &inner].concat()
    };
    assert_eq!(raw(&one(&[number])).unwrap()[0].len(), 1);
    assert_eq!(raw(&one(&[text])).unwrap()[0].len(), 1);
    let both = one(&[number, text]);
    let mut out = Points::default();
    assert_eq!(items(&both).unwrap()[0].read(&Expected::Raw, &mut out), Err(Damaged));
    assert!(out.is_empty() && out.is_whole());
    // What was there before stays.
    items(&one(&[text])).unwrap()[0].read(&Expected::Raw, &mut out).unwrap();
    assert_eq!(items(&one(&[number])).unwrap()[0].read(&Expected::Raw, &mut out), Err(Damaged));
    assert_eq!((out.len(), out.is_whole(), out.texts.get(0)), (1, true, &b"x"[..]));
}
