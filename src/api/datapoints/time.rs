//! Times of datapoints: the range the service keeps, other clocks' units, texts such as `2w-ago`, and granularities.

use crate::error::Error;

/// 1900-01-01 and the last millisecond of 2099, UTC: what the service takes.
pub(super) const FIRST: i64 = -2_208_988_800_000;
pub(super) const LAST: i64 = 4_102_444_799_999;

/// 100 ns ticks from 1601 to 1970, where Windows' FILETIME begins.
const FILETIME_EPOCH: i128 = 116_444_736_000_000_000;

/// How a number of another clock's becomes milliseconds. Rounded down, also before 1970: a point never moves to a later
/// millisecond, and points that were in order stay so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Filetime,
}

impl Unit {
    pub fn to_ms(self, value: i64) -> Option<i64> {
        let ms = match self {
            Unit::Seconds => i128::from(value) * 1000,
            Unit::Milliseconds => i128::from(value),
            Unit::Microseconds => i128::from(value).div_euclid(1000),
            Unit::Nanoseconds => i128::from(value).div_euclid(1_000_000),
            Unit::Filetime => (i128::from(value) - FILETIME_EPOCH).div_euclid(10_000),
        };
        i64::try_from(ms).ok().filter(|ms| (FIRST..=LAST).contains(ms))
    }
}

/// A time as a query gives it: milliseconds, `now`, `2w-ago`, `1h-ahead`, or RFC 3339 with a zone.
pub fn parse(text: &str, now: i64) -> Option<i64> {
    if text == "now" {
        return Some(now);
    }
    let shifted = text.strip_suffix("-ago").map(|t| (t, -1)).or_else(|| text.strip_suffix("-ahead").map(|t| (t, 1)));
    if let Some((amount, sign)) = shifted {
        let ms = match amount.as_bytes().last()? {
            b's' => 1000,
            b'm' => 60_000,
            b'h' => 3_600_000,
            b'd' => 86_400_000,
            b'w' => 604_800_000,
            _ => return None,
        };
        let digits = amount.get(..amount.len() - 1)?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let n: i64 = digits.parse().ok()?;
        return now.checked_add(n.checked_mul(ms)?.checked_mul(sign)?);
    }
    rfc3339(text)
}

/// Days from 1970-01-01 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        if part.bytes().all(|b| b.is_ascii_digit()) { part.parse().ok() } else { None }
    };
    let at = |n: usize| text.as_bytes().get(n).copied().unwrap_or(0);
    let separators =
        at(4) == b'-' && at(7) == b'-' && matches!(at(10), b'T' | b't' | b' ') && at(13) == b':' && at(16) == b':';
    if !separators {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // A leap second is taken for the first of the next minute, as Unix time does.
    if !(1..=longest).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        for n in 0..3 {
            let digit = if n < digits { fraction.as_bytes().get(n).map_or(0, |b| i64::from(b - b'0')) } else { 0 };
            ms = ms * 10 + digit;
        }
        rest = fraction.get(digits..)?;
    }
    let offset = match rest.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] if [a, b, c, d].iter().all(|x| x.is_ascii_digit()) => {
            let two = |x: &u8, y: &u8| i64::from(x - b'0') * 10 + i64::from(y - b'0');
            let (h, m) = (two(a, b), two(c, d));
            if h > 23 || m > 59 {
                return None;
            }
            (h * 60 + m) * if *sign == b'-' { -60_000 } else { 60_000 }
        }
        _ => return None,
    };
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + ms - offset)
}

/// The length of aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// Multiples of a second, minute, hour or day: `count` of `unit` milliseconds.
    Fixed { text: String, unit: i64, count: i64 },
    /// Months: not all of one length.
    Calendar { text: String },
}

impl Granularity {
    /// `10m`, `2hours`, `1quarter`, …; only s, m, h, d and mo go to the service.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let n: i64 = text.get(..digits)?.parse().ok().filter(|n| (1..=1_000_000).contains(n))?;
        let (count, unit, letter) = match text.get(digits..)? {
            "s" | "sec" | "second" | "seconds" => (n, 1000, "s"),
            "m" | "t" | "min" | "minute" | "minutes" => (n, 60_000, "m"),
            "h" | "hour" | "hours" => (n, 3_600_000, "h"),
            "d" | "day" | "days" => (n, 86_400_000, "d"),
            "w" | "week" | "weeks" => (n * 7, 86_400_000, "d"),
            "mo" | "month" | "months" => (n, 0, "mo"),
            "q" | "quarter" | "quarters" => (n * 3, 0, "mo"),
            "y" | "year" | "years" => (n * 12, 0, "mo"),
            _ => return None,
        };
        let text = format!("{count}{letter}");
        Some(if unit == 0 { Self::Calendar { text } } else { Self::Fixed { text, unit, count } })
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Fixed { text, .. } | Self::Calendar { text } => text,
        }
    }

    /// The range widened to whole units, and to a multiple of the granularity.
    pub fn align(&self, start: i64, end: i64) -> (i64, i64) {
        match self {
            Self::Calendar { .. } => (start, end),
            Self::Fixed { unit, count, .. } => {
                let step = unit * count;
                let start = start.div_euclid(*unit) * unit;
                let buckets = (i128::from(end) - i128::from(start) + i128::from(step) - 1).div_euclid(i128::from(step));
                let widened = i128::from(start) + buckets * i128::from(step);
                // The service takes no time past the last; its last bucket may be a short one.
                (start, i64::try_from(widened).ok().filter(|e| *e <= LAST + 1).unwrap_or(end))
            }
        }
    }
}

/// `+01:30`, `UTC5`, `GMT-0330` to the service's form, `UTC+01:30`; names of zones stay as they are.
pub fn zone(text: &str) -> Option<String> {
    let bare = ["UTC", "UT", "GMT"].iter().find_map(|p| text.strip_prefix(p)).unwrap_or(text);
    let Some(sign) = bare.chars().next().filter(|c| matches!(c, '+' | '-')) else {
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
        return (!text.is_empty() && text.bytes().all(name)).then(|| text.to_owned());
    };
    let digits: String = bare.chars().skip(1).filter(|c| *c != ':').collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "00"),
        4 => digits.split_at(2),
        _ => return None,
    };
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 18 && minutes < 60).then(|| format!("UTC{sign}{hours:02}:{minutes:02}"))
}

pub fn out_of_range(at: i64, of: &str) -> Error {
    Error::argument(format!(
        "the timestamp {at} of {of} is outside 1900 to 2099 ({FIRST} to {LAST}); timestamps are milliseconds since 1970"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_round_down() {
        for (unit, value, ms) in [
            (Unit::Seconds, 1_700_000_000, Some(1_700_000_000_000)),
            (Unit::Milliseconds, -1, Some(-1)),
            (Unit::Microseconds, 1999, Some(1)),
            (Unit::Microseconds, -1, Some(-1)),
            (Unit::Nanoseconds, -1_000_001, Some(-2)),
            (Unit::Nanoseconds, 1_700_000_000_999_999_999, Some(1_700_000_000_999)),
            (Unit::Filetime, 116_444_736_000_000_000, Some(0)),
            (Unit::Filetime, 116_444_735_999_999_999, Some(-1)),
            (Unit::Filetime, 0, None),
            (Unit::Seconds, i64::MAX, None),
            (Unit::Milliseconds, LAST + 1, None),
            (Unit::Milliseconds, FIRST - 1, None),
        ] {
            assert_eq!(unit.to_ms(value), ms, "{unit:?} {value}");
        }
    }

    #[test]
    fn texts() {
        const NOW: i64 = 1_700_000_000_000;
        for (text, ms) in [
            ("now", Some(NOW)),
            ("2w-ago", Some(NOW - 1_209_600_000)),
            ("3s-ahead", Some(NOW + 3000)),
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2023-11-14T22:13:20.1239Z", Some(NOW + 123)),
            ("2023-11-15 00:13:20+02:00", Some(NOW)),
            ("2000-02-29T12:00:00.5-00:30", Some(951_827_400_500)),
            ("1899-12-31T23:59:59Z", Some(FIRST - 1000)),
            ("2001-02-29T00:00:00Z", None),
            ("2001-02-28T00:00:00", None),
            ("2001-02-28", None),
            ("1.5h-ago", None),
            ("-1h-ago", None),
            ("h-ago", None),
            ("1H-ago", None),
            ("99999999999999999w-ago", None),
            ("", None),
            ("2001-02-28T00:00:00.Z", None),
            ("2001-02-28Tø0:00:00Z", None),
        ] {
            assert_eq!(parse(text, NOW), ms, "{text}");
        }
    }

    #[test]
    fn granularities_and_zones() {
        for (text, sent) in [("2hours", "2h"), ("1w", "7d"), ("1quarter", "3mo"), ("10t", "10m"), ("30s", "30s")] {
            assert_eq!(Granularity::parse(text).unwrap().text(), sent);
        }
        for bad in ["h", "0h", "1 h", "1H", "1.5h", "", "-1h", "9999999s"] {
            assert!(Granularity::parse(bad).is_none(), "{bad}");
        }
        let g = |t: &str| Granularity::parse(t).unwrap();
        assert_eq!(g("36h").align(90_000_000, 200_000_000), (90_000_000, 219_600_000));
        assert_eq!(g("10m").align(1_700_000_000_000, 1_700_003_600_000), (1_699_999_980_000, 1_700_004_180_000));
        assert_eq!(g("1mo").align(5, 7), (5, 7));
        for (text, sent) in [
            ("Europe/Oslo", Some("Europe/Oslo")),
            ("+1", Some("UTC+01:00")),
            ("UTC-0330", Some("UTC-03:30")),
            ("GMT+05:30", Some("UTC+05:30")),
            ("UTC", Some("UTC")),
            ("+19", None),
            ("+1x", None),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(zone(text).as_deref(), sent, "{text}");
        }
    }
}
