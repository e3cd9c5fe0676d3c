//! What was compressed is what comes out, whatever the points are like.

use std::io::Read;

use super::super::column::{Column, Key, Values};
use super::super::plan::Plan;
use super::super::proto_write;
use super::*;

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut out).unwrap();
    out
}

/// Compresses as an insert would; answers bytes per point.
fn check(columns: &[Column<'_>]) -> f64 {
    let mut plan = Plan::new(columns).unwrap();
    let (mut points, mut bytes) = (0, 0);
    while let Some(cut) = plan.next(|_| false) {
        let mut plain = Vec::new();
        let runs = proto_write::write(&plan, &cut, &mut plain);
        let mut crc = flate2::Crc::new();
        crc.update(&plain);
        let packed = gzip(&plain, &runs, crc.sum());
        assert!(unpacked(&packed) == plain);
        points += cut.points;
        bytes += packed.len();
    }
    bytes as f64 / points as f64
}

fn numbers<'a>(key: Key<'a>, timestamps: &'a [i64], values: &'a [f64]) -> Column<'a> {
    Column { key, timestamps, values: Values::Numbers(values), status: None, validity: None }
}

const T0: i64 = 1_600_000_000_000;

/// Two decimals, a slow sine and noise: what a sensor gives.
fn sensor(n: usize) -> f64 {
    let mut h = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    h ^= h >> 32;
    (10_000.0 + 1000.0 * (n as f64 / 500.0).sin() + (h % 200) as f64 - 100.0).round() / 100.0
}

#[test]
fn sensors_become_small() {
    let times: Vec<i64> = (0..20_000).map(|n| T0 + 1000 * n).collect();
    let values: Vec<f64> = (0..20_000).map(sensor).collect();
    let per_point = check(&[numbers(Key::External("s"), &times, &values)]);
    assert!(per_point < 6.7, "{per_point} bytes per point");
}

#[test]
fn whatever_the_points_are_like() {
    let mut rng = fastrand::Rng::with_seed(31);
    for round in 0..160 {
        let columns = rng.usize(1..6);
        let mut data = Vec::new();
        for _ in 0..columns {
            let n = rng.usize(1..if round % 8 == 0 { 9000 } else { 40 });
            let step = rng.choice([0, 1, 1000, 60_000, 86_400_000]).unwrap();
            let times: Vec<i64> = (0..n as i64)
                .map(
                    |n| if round % 5 == 0 { rng.i64(1 << 35..1 << 41) } else { (T0 + n * step).min(4_000_000_000_000) },
                )
                .collect();
            let kind = rng.u8(0..8);
            let values: Vec<f64> = (0..n)
                .map(|at| match kind {
                    0 => sensor(at),
                    1 => f64::from_bits(rng.u64(..)),
                    2 => 0.0,
                    3 => at as f64,
                    4 => f64::from(rng.f32()),
                    5 => f64::from_bits(0x1111_1111_1111_1111),
                    6 => f64::from_bits(0x100 * rng.u64(0..4) + (rng.u64(0..4) << 56)),
                    _ => f64::from_bits(rng.u64(0..3)),
                })
                .collect();
            data.push((times, values));
        }
        let named: Vec<Column<'_>> = data.iter().zip(1..).map(|((t, v), id)| numbers(Key::Id(id), t, v)).collect();
        check(&named);
    }
}

#[test]
fn nothing_to_compress() {
    for (plain, runs) in [(&b""[..], &[][..]), (b"abc", &[]), (b"abc", &[Run { start: 3, count: 0 }])] {
        let mut crc = flate2::Crc::new();
        crc.update(plain);
        assert_eq!(unpacked(&gzip(plain, runs, crc.sum())), plain);
    }
}
