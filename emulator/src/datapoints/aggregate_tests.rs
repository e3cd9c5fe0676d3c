//! Expected values are worked out by hand.

use super::*;
use crate::datapoints::series::{Batch, Kind};
use crate::datapoints::status::Mark;

const IGNORE: Rules = Rules { ignore_bad: true, uncertain_as_bad: true };
const KEEP: Rules = Rules { ignore_bad: false, uncertain_as_bad: true };

fn series(points: &[(i64, f64)], marks: &[(usize, u32)]) -> Series {
    let mut series = Series::new(Kind::Number);
    let (ts, values) = points.iter().copied().unzip();
    let marks = marks.iter().map(|(n, code)| (*n, Mark { code: *code, null: false })).collect();
    series.upsert(Batch { ts, values: Values::Numbers(values), marks });
    series
}

fn bucket(series: &Series, rules: Rules, is_step: bool, begin: i64, end: i64) -> AggregatePoint {
    let view = View::new(series, rules, is_step).unwrap();
    view.bucket(begin, end, series.at_or_after(begin), series.at_or_after(end))
}

#[track_caller]
fn check(point: &AggregatePoint, which: Aggregate, wanted: Option<f64>) {
    match (point.number(which), wanted) {
        (Some(have), Some(wanted)) => assert!((have - wanted).abs() < 1e-9, "{which:?}: {have} is not {wanted}"),
        (have, wanted) => assert_eq!(have, wanted, "{which:?}"),
    }
}

#[test]
fn a_line_through_the_bucket() {
    // Values equal to the time: 5 and 15 lie inside [0, 20), -5 and 25 beside it.
    let s = series(&[(-5, -5.0), (5, 5.0), (15, 15.0), (25, 25.0)], &[]);
    let p = bucket(&s, IGNORE, false, 0, 20);
    check(&p, Aggregate::Average, Some(10.0));
    check(&p, Aggregate::ContinuousVariance, Some(400.0 / 12.0));
    check(&p, Aggregate::TotalVariation, Some(20.0));
    check(&p, Aggregate::Interpolation, Some(0.0));
    check(&p, Aggregate::StepInterpolation, Some(-5.0));
    check(&p, Aggregate::Count, Some(2.0));
    check(&p, Aggregate::Sum, Some(20.0));
    check(&p, Aggregate::DiscreteVariance, Some(25.0));
    check(&p, Aggregate::DurationGood, Some(20.0));
    assert_eq!(p.max, Some(Extreme { timestamp: 15, value: 15.0, code: 0 }));
    assert_eq!(p.min, Some(Extreme { timestamp: 5, value: 5.0, code: 0 }));
}

#[test]
fn the_average_of_a_published_example() {
    // 0 until 04:30, then a line to 1 at 05:30: the hour from 04:00 averages 0.125.
    let minute = 60_000;
    let s = series(&[(210 * minute, 0.0), (270 * minute, 0.0), (330 * minute, 1.0)], &[]);
    check(&bucket(&s, IGNORE, false, 240 * minute, 300 * minute), Aggregate::Average, Some(0.125));
}

#[test]
fn steps() {
    let s = series(&[(-10, 1.0), (5, 3.0), (10, 7.0), (30, 0.0)], &[]);
    let p = bucket(&s, IGNORE, true, 0, 20);
    check(&p, Aggregate::Average, Some((5.0 + 15.0 + 70.0) / 20.0));
    let squares = (5.0 * 1.0 + 5.0 * 9.0 + 10.0 * 49.0) / 20.0;
    check(&p, Aggregate::ContinuousVariance, Some(squares - 4.5 * 4.5));
    check(&p, Aggregate::TotalVariation, Some(2.0 + 4.0));
    check(&p, Aggregate::Interpolation, Some(1.0));
}

#[test]
fn nothing_is_known_before_the_first_and_after_the_last() {
    let s = series(&[(4, 2.0), (8, 6.0)], &[]);
    let p = bucket(&s, IGNORE, false, 0, 100);
    check(&p, Aggregate::Average, Some(4.0));
    check(&p, Aggregate::Interpolation, None);
    check(&p, Aggregate::StepInterpolation, None);
    check(&p, Aggregate::DurationGood, Some(4.0));
    let lone = series(&[(4, 2.5)], &[]);
    let p = bucket(&lone, IGNORE, false, 0, 100);
    check(&p, Aggregate::Average, Some(2.5));
    check(&p, Aggregate::ContinuousVariance, Some(0.0));
    check(&p, Aggregate::TotalVariation, Some(0.0));
}

#[test]
fn bad_datapoints_ignored_or_not() {
    let bad = 0x8000_0000;
    let s = series(&[(0, 1.0), (10, 50.0), (20, 3.0), (30, 3.0)], &[(1, bad)]);
    let ignored = bucket(&s, IGNORE, false, 0, 30);
    check(&ignored, Aggregate::Count, Some(2.0));
    // The line runs from (0, 1) to (20, 3), then stays.
    check(&ignored, Aggregate::Average, Some((40.0 + 30.0) / 30.0));
    let kept = bucket(&s, KEEP, false, 0, 30);
    // Constant until the bad datapoint, unknown until the next good one.
    check(&kept, Aggregate::Average, Some((10.0 + 30.0) / 20.0));
    for p in [&ignored, &kept] {
        check(p, Aggregate::CountGood, Some(2.0));
        check(p, Aggregate::CountBad, Some(1.0));
        check(p, Aggregate::DurationGood, Some(20.0));
        check(p, Aggregate::DurationBad, Some(10.0));
        check(p, Aggregate::Max, Some(3.0));
    }
}

#[test]
fn uncertain_is_bad_unless_told_otherwise() {
    let s = series(&[(0, 1.0), (10, 5.0)], &[(1, 0x4000_0000)]);
    check(&bucket(&s, IGNORE, false, 0, 20), Aggregate::Max, Some(1.0));
    let trusting = Rules { uncertain_as_bad: false, ..IGNORE };
    let p = bucket(&s, trusting, false, 0, 20);
    check(&p, Aggregate::Max, Some(5.0));
    check(&p, Aggregate::CountUncertain, Some(1.0));
    assert_eq!(p.max.map(|m| m.code), Some(0x4000_0000));
}

#[test]
fn a_bucket_of_ignored_datapoints_has_only_statuses() {
    let s = series(&[(0, 1.0), (10, 5.0), (20, 1.0)], &[(1, 0x8000_0000)]);
    let p = bucket(&s, IGNORE, false, 5, 15);
    for which in [Aggregate::Average, Aggregate::Count, Aggregate::Sum, Aggregate::TotalVariation] {
        check(&p, which, None);
    }
    check(&p, Aggregate::CountBad, Some(1.0));
}

#[test]
fn a_large_offset_keeps_its_variance() {
    let s = series(&[(0, 1e9), (10, 1e9 + 1.0)], &[]);
    let p = bucket(&s, IGNORE, false, 0, 10);
    // The line's variance is 1/12 whatever the offset.
    assert!((p.number(Aggregate::ContinuousVariance).unwrap() - 1.0 / 12.0).abs() < 1e-6);
}

#[test]
fn states_last_until_the_next_datapoint() {
    let mut s = Series::new(Kind::State);
    let (ts, values) = (vec![-5, 10, 20, 30, 40, 90], vec![7, 1, 1, 2, 1, 0]);
    let marks = vec![(3, Mark { code: 0x8000_0000, null: false })];
    s.upsert(Batch { ts, values: Values::States(values), marks });
    let sum = |state, count, transitions, duration| StateSum { state, count, transitions, duration };
    // The bad datapoint at 30 ends the state before it only if it is not ignored.
    let ignored = bucket(&s, IGNORE, false, 0, 60);
    assert_eq!(ignored.states, [sum(1, 3, 1, 50), sum(7, 0, 0, 10)]);
    let kept = bucket(&s, KEEP, false, 0, 60);
    assert_eq!(kept.states, [sum(1, 3, 2, 40), sum(7, 0, 0, 10)]);
    check(&kept, Aggregate::StepInterpolation, Some(7.0));
    check(&kept, Aggregate::CountBad, Some(1.0));
    let first = bucket(&s, IGNORE, false, -10, 5);
    assert_eq!(first.states, [sum(7, 1, 1, 10)]);
}

#[test]
fn a_jump_at_the_end_is_the_next_buckets() {
    let s = series(&[(0, 1.0), (10, 5.0), (20, 5.0)], &[]);
    check(&bucket(&s, IGNORE, true, 0, 10), Aggregate::TotalVariation, Some(0.0));
    check(&bucket(&s, IGNORE, true, 10, 20), Aggregate::TotalVariation, Some(4.0));
}
