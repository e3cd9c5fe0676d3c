//! Times as requests write them, granularities, and the buckets they cut time into.

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};
use serde_json::Value;

use crate::error::{ApiError, Result};

/// 1900-01-01T00:00:00.000Z.
pub const MIN_TIME: i64 = -2_208_988_800_000;
/// 2099-12-31T23:59:59.999Z.
pub const MAX_TIME: i64 = 4_102_444_799_999;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Milliseconds since the epoch, as a number or text, or relative to now: `now`, `2d-ago`, `1w-ahead`.
pub fn parse(name: &str, value: &Value, now: i64) -> Result<i64> {
    let wrong =
        || ApiError::bad(format!("Invalid value for {name}: {value}. Expected milliseconds or <n>[s|m|h|d|w]-ago"));
    if let Some(number) = value.as_i64() {
        return Ok(number);
    }
    let text = value.as_str().ok_or_else(wrong)?;
    if text == "now" {
        return Ok(now);
    }
    let (span, sign) = match (text.strip_suffix("-ago"), text.strip_suffix("-ahead")) {
        (Some(span), _) => (span, -1),
        (_, Some(span)) => (span, 1),
        _ => return text.parse().map_err(|_| wrong()),
    };
    let unit = match span.chars().last() {
        Some('s') => SECOND,
        Some('m') => MINUTE,
        Some('h') => HOUR,
        Some('d') => DAY,
        Some('w') => 7 * DAY,
        _ => return Err(wrong()),
    };
    let digits = span.get(..span.len() - 1).unwrap_or("");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let count: i64 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(unit * sign).and_then(|d| now.checked_add(d)).ok_or_else(wrong)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Fixed(i64),
    Month,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granularity {
    pub count: i64,
    pub unit: Unit,
}

impl Granularity {
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || ApiError::bad(format!("Invalid granularity: '{text}'"));
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (digits, name) = text.split_at_checked(split).ok_or_else(wrong)?;
        let count: i64 = if digits.is_empty() { 1 } else { digits.parse().map_err(|_| wrong())? };
        let (unit, max) = match name {
            "s" | "second" | "seconds" => (Unit::Fixed(SECOND), 120),
            "m" | "minute" | "minutes" => (Unit::Fixed(MINUTE), 120),
            "h" | "hour" | "hours" => (Unit::Fixed(HOUR), 100_000),
            "d" | "day" | "days" => (Unit::Fixed(DAY), 100_000),
            "mo" | "month" | "months" => (Unit::Month, 100_000),
            _ => return Err(wrong()),
        };
        if !(1..=max).contains(&count) {
            return Err(ApiError::bad(format!("Invalid granularity: '{text}'. The multiplier must be 1 to {max}")));
        }
        Ok(Self { count, unit })
    }
}

/// Where one bucket ends and the next begins.
#[derive(Debug)]
pub enum Buckets {
    Fixed {
        origin: i64,
        width: i64,
        end: i64,
    },
    /// Boundaries in order; for months, and for days of a zone whose days differ in length.
    Calendar(Vec<i64>),
}

impl Buckets {
    /// The start is rounded down to a whole unit of the zone, the end up to a whole bucket.
    pub fn new(granularity: Granularity, zone: &Zone, start: i64, end: i64) -> Result<Self> {
        let (start, end) = (start.clamp(MIN_TIME, MAX_TIME), end.clamp(MIN_TIME, MAX_TIME + 1));
        match (granularity.unit, &zone.0) {
            (Unit::Fixed(unit), zone) if unit != DAY || zone.to_fixed_offset().is_ok() => {
                let shift = if unit >= HOUR { offset_ms(zone, start)? } else { 0 };
                let origin = (start + shift).div_euclid(unit) * unit - shift;
                let width = unit * granularity.count;
                let whole = (end - origin + width - 1).div_euclid(width) * width;
                Ok(Self::Fixed { origin, width, end: origin + whole })
            }
            (unit, zone) => {
                let first = zone.to_datetime(at(start)?).date();
                let date = if unit == Unit::Month { first.first_of_month() } else { first };
                let mut edges = Vec::new();
                for n in 0.. {
                    let steps = granularity.count.saturating_mul(n);
                    let span =
                        if unit == Unit::Month { Span::new().try_months(steps) } else { Span::new().try_days(steps) };
                    let edge = span.ok().and_then(|s| date.checked_add(s).ok()).and_then(|d| midnight(zone, d));
                    // Past the calendar's end there is no data either.
                    let edge = edge.unwrap_or(MAX_TIME + 1);
                    edges.push(edge);
                    if edge >= end || edge > MAX_TIME {
                        break;
                    }
                }
                Ok(Self::Calendar(edges))
            }
        }
    }

    pub fn start(&self) -> i64 {
        match self {
            Self::Fixed { origin, .. } => *origin,
            Self::Calendar(edges) => edges.first().copied().unwrap_or(0),
        }
    }

    pub fn end(&self) -> i64 {
        match self {
            Self::Fixed { end, .. } => *end,
            Self::Calendar(edges) => edges.last().copied().unwrap_or(0),
        }
    }

    /// The bucket holding the time.
    pub fn around(&self, time: i64) -> Option<(i64, i64)> {
        if time < self.start() || time >= self.end() {
            return None;
        }
        match self {
            Self::Fixed { origin, width, .. } => {
                let begin = origin + (time - origin).div_euclid(*width) * width;
                Some((begin, begin + width))
            }
            Self::Calendar(edges) => {
                let next = edges.partition_point(|e| *e <= time);
                Some((*edges.get(next.checked_sub(1)?)?, *edges.get(next)?))
            }
        }
    }
}

fn midnight(zone: &TimeZone, date: Date) -> Option<i64> {
    Some(zone.to_timestamp(date.to_datetime(Time::midnight())).ok()?.as_millisecond())
}

fn at(ms: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(ms).map_err(|_| ApiError::bad("Time out of range"))
}

fn offset_ms(zone: &TimeZone, ms: i64) -> Result<i64> {
    Ok(i64::from(zone.to_offset(at(ms)?).seconds()) * 1000)
}

#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Zone {
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// A region such as Europe/Oslo, or UTC with an offset of whole quarters of an hour.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || ApiError::bad(format!("Invalid timeZone: '{text}'"));
        let offset = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT"));
        match offset {
            Some("") => Ok(Self::utc()),
            Some(offset) => {
                let (sign, digits) = match offset.split_at_checked(1) {
                    Some(("+", rest)) => (1, rest),
                    Some(("-", rest)) => (-1, rest),
                    _ => return Err(wrong()),
                };
                let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
                let hours: i32 = hours.parse().map_err(|_| wrong())?;
                let minutes: i32 = minutes.parse().map_err(|_| wrong())?;
                if !(0..=18).contains(&hours) || !(0..60).contains(&minutes) || minutes % 15 != 0 {
                    return Err(wrong());
                }
                let offset = Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).map_err(|_| wrong())?;
                Ok(Self(offset.to_time_zone()))
            }
            None => TimeZone::get(text).map(Self).map_err(|_| wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times() {
        let now = 1_000_000_000_000;
        assert_eq!(parse("start", &json!(-5), now).unwrap(), -5);
        assert_eq!(parse("start", &json!("17"), now).unwrap(), 17);
        assert_eq!(parse("start", &json!("now"), now).unwrap(), now);
        assert_eq!(parse("start", &json!("2d-ago"), now).unwrap(), now - 2 * DAY);
        assert_eq!(parse("end", &json!("1w-ahead"), now).unwrap(), now + 7 * DAY);
        for bad in [
            "",
            "d-ago",
            "2x-ago",
            "æ-ago",
            "-ago",
            "99999999999999999999w-ago",
            "9223372036854775807w-ago",
            "1.5d-ago",
        ] {
            assert!(parse("start", &json!(bad), now).is_err(), "{bad}");
        }
        assert!(parse("start", &json!(1.5), now).is_err());
    }

    #[test]
    fn granularities() {
        assert_eq!(Granularity::parse("15m").unwrap(), Granularity { count: 15, unit: Unit::Fixed(MINUTE) });
        assert_eq!(Granularity::parse("d").unwrap().count, 1);
        assert_eq!(Granularity::parse("2mo").unwrap().unit, Unit::Month);
        for bad in ["", "5", "0h", "121s", "1y", "1 h", "99999999999999999999d"] {
            assert!(Granularity::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hours_start_at_the_unit_not_the_bucket() {
        let buckets = Buckets::new(Granularity::parse("36h").unwrap(), &Zone::utc(), 90_000_001, 200_000_000).unwrap();
        assert_eq!((buckets.start(), buckets.end()), (90_000_000, 219_600_000));
        assert_eq!(buckets.around(100_000_000), Some((90_000_000, 219_600_000)));
        assert_eq!(buckets.around(219_600_000), None);
    }

    #[test]
    fn months_and_zones() {
        let month = Buckets::new(Granularity::parse("1mo").unwrap(), &Zone::utc(), 1_000_000, 40 * DAY).unwrap();
        assert_eq!(month.around(32 * DAY), Some((31 * DAY, 59 * DAY)));
        let zone = Zone::parse("UTC+01:30").unwrap();
        let day = Buckets::new(Granularity::parse("1d").unwrap(), &zone, 0, DAY).unwrap();
        assert_eq!(day.start(), -90 * MINUTE);
        // 2024-03-31 had 23 hours in Oslo.
        let oslo = Zone::parse("Europe/Oslo").unwrap();
        let noon = 1_711_882_800_000;
        let day = Buckets::new(Granularity::parse("1d").unwrap(), &oslo, noon, noon + 1).unwrap();
        assert_eq!(day.around(noon).map(|(b, e)| e - b), Some(23 * HOUR));
        assert!(Zone::parse("UTC+01:07").is_err() && Zone::parse("Nowhere/Land").is_err());
    }
}
