//! What is written is read back by an independent reader: a plain walk over protobuf's wire format.

use super::*;

#[derive(Debug, PartialEq, Clone)]
enum Wire {
    Number(u64),
    Fixed(u64),
    Bytes(Vec<u8>),
}

fn fields(mut b: &[u8]) -> Vec<(u64, Wire)> {
    fn varint(b: &mut &[u8]) -> u64 {
        let mut v = 0;
        for shift in 0.. {
            let byte = b[0];
            *b = &b[1..];
            v |= u64::from(byte & 0x7f) << (7 * shift);
            if byte < 0x80 {
                break;
            }
        }
        v
    }
    let mut out = Vec::new();
    while !b.is_empty() {
        let tag = varint(&mut b);
        let value = match tag & 7 {
            0 => Wire::Number(varint(&mut b)),
            1 => {
                let v = u64::from_le_bytes(b[..8].try_into().unwrap());
                b = &b[8..];
                Wire::Fixed(v)
            }
            2 => {
                let n = varint(&mut b) as usize;
                let v = b[..n].to_vec();
                b = &b[n..];
                Wire::Bytes(v)
            }
            other => panic!("wire type {other}"),
        };
        out.push((tag >> 3, value));
    }
    out
}

fn inner(w: &Wire) -> Vec<(u64, Wire)> {
    match w {
        Wire::Bytes(b) => fields(b),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_recorded_bytes() {
    let key = Key::Instance { space: "s", external_id: "t" };
    let columns = [
        Column {
            key,
            timestamps: &[1_700_000_000_000],
            values: Values::StateNumbers(&[1]),
            status: None,
            validity: None,
        },
        Column {
            key,
            timestamps: &[1_700_000_000_001],
            values: Values::StateTexts { offsets: &[0, 4], text: "OPEN" },
            status: None,
            validity: None,
        },
    ];
    let mut plan = Plan::new(&columns).unwrap();
    let cut = plan.next(|_| false).unwrap();
    let mut out = Vec::new();
    assert!(write(&plan, &cut, &mut out).is_empty());
    let wanted = b"\x0a\x24\x2a\x06\x0a\x01s\x12\x01t\x32\x1a\x0a\x09\x08\x80\xd0\x95\xff\xbc\x31\x10\x01\x0a\x0d\x08\x81\xd0\x95\xff\xbc\x31\x1a\x04OPEN";
    assert_eq!(out, wanted);
}

/// Any mixture of kinds, keys, statuses, missing values and times comes back bit for bit.
#[test]
fn any_mixture_comes_back() {
    let mut rng = fastrand::Rng::with_seed(11);
    for round in 0..400 {
        let n = rng.usize(1..40);
        let early = rng.u8(0..3) == 0;
        let timestamps: Vec<i64> = (0..n)
            .map(|_| match early {
                true => rng.i64(super::super::time::FIRST..=super::super::time::LAST),
                false => rng.i64(1 << 35..=super::super::time::LAST),
            })
            .collect();
        let numbers: Vec<f64> = (0..n).map(|_| f64::from_bits(rng.u64(..))).collect();
        let states: Vec<i64> = (0..n).map(|_| rng.i64(..)).collect();
        let mut text = String::new();
        let mut offsets = vec![0i64];
        for _ in 0..n {
            text.extend(std::iter::repeat_n('ø', rng.usize(0..90)));
            offsets.push(text.len() as i64);
        }
        let status: Vec<u32> =
            (0..n).map(|_| rng.choice([0, 0x4000_0000, 0x8000_0000, 0x80A4_0000, 1]).unwrap()).collect();
        let validity: Vec<u8> = (0..n.div_ceil(8)).map(|_| rng.u8(..)).collect();
        let values = match round % 4 {
            0 => Values::Numbers(&numbers),
            1 => Values::Texts { offsets: &offsets, text: &text },
            2 => Values::StateNumbers(&states),
            _ => Values::StateTexts { offsets: &offsets, text: &text },
        };
        let state = values.kind() == Kind::State;
        let key = match rng.u8(0..3) {
            0 if !state => Key::Id(rng.i64(1..=i64::MAX)),
            1 if !state => Key::External("æøå"),
            _ => Key::Instance { space: "s", external_id: "" },
        };
        let column = Column {
            key,
            timestamps: &timestamps,
            values,
            status: rng.bool().then_some(&status),
            validity: rng.bool().then_some(&validity),
        };
        let columns = [column];
        let mut plan = Plan::new(&columns).unwrap();
        let cut = plan.next(|_| false).unwrap();
        let mut out = vec![9; 5];
        let runs = write(&plan, &cut, &mut out);
        let items = fields(&out);
        assert_eq!(items.len(), 1);
        let item = inner(&items[0].1);
        let wanted_key = match key {
            Key::Id(id) => (1, Wire::Number(id as u64)),
            Key::External(x) => (2, Wire::Bytes(x.into())),
            Key::Instance { .. } => (5, Wire::Bytes(b"\x0a\x01s\x12\x00".to_vec())),
        };
        assert_eq!(item[0], wanted_key);
        assert_eq!(item[1].0, [3, 4, 6, 6][round % 4]);
        let points = inner(&item[1].1);
        assert_eq!(points.len(), n);
        let plain = runs.iter().map(|r| r.count).sum::<usize>();
        assert!(plain == 0 || plain == n && out.len() - runs[0].start == n * RECORD);
        assert_eq!(
            plain == n,
            matches!(values, Values::Numbers(_))
                && column.status.or(column.validity.map(|_| &[][..])).is_none()
                && timestamps.iter().all(|t| *t >= 1 << 35)
        );
        for (at, (field, point)) in points.iter().enumerate() {
            assert_eq!(*field, 1);
            let mut wanted = vec![(1, Wire::Number(timestamps[at] as u64))];
            let there = column.is_there(at);
            if there {
                wanted.push(match values {
                    Values::Numbers(v) => (2, Wire::Fixed(v[at].to_bits())),
                    Values::Texts { .. } => (2, Wire::Bytes(text_at(&offsets, &text, at).into())),
                    Values::StateNumbers(v) => (2, Wire::Number(v[at] as u64)),
                    Values::StateTexts { .. } => (3, Wire::Bytes(text_at(&offsets, &text, at).into())),
                });
            }
            let code = column.code(at);
            if code != 0 {
                let mut status = vec![0x08];
                put_varint(&mut status, u64::from(code));
                wanted.push((if state { 4 } else { 3 }, Wire::Bytes(status)));
            }
            if !there && !state {
                wanted.push((4, Wire::Number(1)));
            }
            assert_eq!(inner(point), wanted);
        }
    }
}
