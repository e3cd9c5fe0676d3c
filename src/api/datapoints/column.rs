//! Columns as the caller has them: borrowed, checked once before anything is sent.

use serde_json::{Value, json};

use super::time;
use crate::error::Error;
use crate::sys::memory;

/// Which time series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    Id(i64),
    External(&'a str),
    Instance { space: &'a str, external_id: &'a str },
}

impl Key<'_> {
    /// As the service's JSON names it.
    pub fn to_json(self) -> Value {
        match self {
            Key::Id(id) => json!({ "id": id }),
            Key::External(external_id) => json!({ "externalId": external_id }),
            Key::Instance { space, external_id } => {
                json!({"instanceId": {"space": space, "externalId": external_id}})
            }
        }
    }
}

/// For sentences.
impl std::fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Id(id) => write!(f, "the series with id {id}"),
            Key::External(external_id) => write!(f, "the series '{external_id}'"),
            Key::Instance { space, external_id } => write!(f, "the series '{external_id}' of space '{space}'"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    Numbers(&'a [f64]),
    /// Value `n` lies from `offsets[n]` to `offsets[n + 1]`.
    Texts {
        offsets: &'a [i64],
        text: &'a str,
    },
    /// Numbers and names of states.
    StateNumbers(&'a [i64]),
    StateTexts {
        offsets: &'a [i64],
        text: &'a str,
    },
}

/// What a time series holds; one series, one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Numeric,
    Text,
    State,
}

impl Kind {
    /// As the service calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Numeric => "numeric",
            Kind::Text => "string",
            Kind::State => "state",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Kind::Numeric, Kind::Text, Kind::State].into_iter().find(|k| k.name() == name)
    }
}

impl Values<'_> {
    pub fn kind(&self) -> Kind {
        match self {
            Values::Numbers(_) => Kind::Numeric,
            Values::Texts { .. } => Kind::Text,
            Values::StateNumbers(_) | Values::StateTexts { .. } => Kind::State,
        }
    }

    fn len(&self) -> usize {
        match self {
            Values::Numbers(v) => v.len(),
            Values::StateNumbers(v) => v.len(),
            Values::Texts { offsets, .. } | Values::StateTexts { offsets, .. } => offsets.len().saturating_sub(1),
        }
    }

    /// Bytes of text from point `from` to `to`.
    pub fn text_bytes(&self, from: usize, to: usize) -> usize {
        match self {
            Values::Texts { offsets, .. } | Values::StateTexts { offsets, .. } => {
                match (offsets.get(from), offsets.get(to)) {
                    (Some(a), Some(b)) => usize::try_from(b - a).unwrap_or(0),
                    _ => 0,
                }
            }
            _ => 0,
        }
    }
}

/// The text at `n`; empty where there is none.
pub fn text_at<'a>(offsets: &[i64], text: &'a str, n: usize) -> &'a str {
    let at = |n: usize| offsets.get(n).and_then(|o| usize::try_from(*o).ok());
    match (at(n), at(n + 1)) {
        (Some(a), Some(b)) => text.get(a..b).unwrap_or_default(),
        _ => "",
    }
}

/// Points of one series. All columns have the length of `timestamps`.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    pub key: Key<'a>,
    pub timestamps: &'a [i64],
    pub values: Values<'a>,
    /// OPC UA status codes; `None`: all good.
    pub status: Option<&'a [u32]>,
    /// Bit `n` (from the low end of byte `n / 8`) says that value `n` is there; `None`: all are.
    pub validity: Option<&'a [u8]>,
}

impl Column<'_> {
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    pub fn is_there(&self, n: usize) -> bool {
        self.validity.is_none_or(|bits| bits.get(n / 8).is_some_and(|b| b >> (n % 8) & 1 == 1))
    }

    pub fn code(&self, n: usize) -> u32 {
        self.status.and_then(|s| s.get(n)).copied().unwrap_or(0)
    }

    /// Refuses what the service would refuse for the whole request, and what would read past the end of a column.
    /// Whether it can be written; and whether all its points are usual ones, which is seen in the same pass.
    pub fn check(&self) -> Result<bool, Error> {
        let key = self.key;
        match key {
            Key::Id(id) if id < 1 => return Err(Error::argument(format!("the id {id} is no id of a time series"))),
            Key::Instance { space: "", .. } => return Err(Error::argument(format!("{key}: the space is empty"))),
            _ => {}
        }
        let n = self.len();
        let short = self.values.len() != n
            || self.status.is_some_and(|s| s.len() != n)
            || self.validity.is_some_and(|v| v.len() < n.div_ceil(8));
        if short {
            return Err(Error::argument(format!("the columns of {key} are not of one length")));
        }
        if !matches!(key, Key::Instance { .. }) && self.values.kind() == Kind::State {
            return Err(Error::argument(format!("{key}: states are written by instance id only")));
        }
        // One pass is enough for most columns; only where a time is early it is looked for one that is outside.
        let usual = self.is_usual(0, n);
        if !usual && let Some(at) = self.timestamps.iter().find(|t| !(time::FIRST..=time::LAST).contains(*t)) {
            return Err(time::out_of_range(*at, &key.to_string()));
        }
        if let Some(code) = self.status.and_then(|s| s.iter().find(|c| **c >> 30 == 3)) {
            return Err(Error::argument(format!("{key}: {code:#010x} is no OPC UA status code")));
        }
        if let Values::Texts { offsets, text } | Values::StateTexts { offsets, text } = self.values {
            let mut last = 0;
            for (n, offset) in offsets.iter().enumerate() {
                let inside = usize::try_from(*offset).is_ok_and(|o| text.is_char_boundary(o));
                if !inside || (n > 0 && *offset < last) {
                    return Err(Error::argument(format!(
                        "{key}: the text offset {offset} (number {n}) is out of order, past the end, or inside a character"
                    )));
                }
                last = *offset;
            }
        }
        Ok(usual)
    }

    /// Whether points `from` to `to` are good numbers, all there, of times that are six bytes long (1971 to 2099).
    pub fn is_usual(&self, from: usize, to: usize) -> bool {
        const SIX_BYTES: i64 = 1 << 35;
        if !matches!(self.values, Values::Numbers(_)) || self.status.is_some() || self.validity.is_some() {
            return false;
        }
        // The sign tells of any time outside.
        let outside = |t: i64| t.wrapping_sub(SIX_BYTES) | time::LAST.wrapping_sub(t);
        let times = self.timestamps.get(from..to).unwrap_or_default();
        let eights = |all, [a, b, c, d, e, f, g, h]: &[i64; 8]| {
            let (left, right) = (outside(*a) | outside(*b) | outside(*c), outside(*d) | outside(*e) | outside(*f));
            all | left | right | outside(*g) | outside(*h)
        };
        // Read in eight places at once: a long column comes from memory, which has an answer to one place long after the question.
        let (blocks, rest) = times.as_chunks::<8>();
        let far = blocks.len() / 8;
        let lanes: [&[[i64; 8]]; 8] = std::array::from_fn(|n| blocks.get(n * far..(n + 1) * far).unwrap_or_default());
        let mut all = rest.iter().fold(0, |all, t| all | outside(*t));
        for at in 0..far {
            for lane in &lanes {
                all = lane.get(at).map_or(all, |block| {
                    memory::read_on(block);
                    eights(all, block)
                });
            }
        }
        all = blocks.iter().skip(far * 8).fold(all, eights);
        all >= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column<'a>(key: Key<'a>, timestamps: &'a [i64], values: Values<'a>) -> Column<'a> {
        Column { key, timestamps, values, status: None, validity: None }
    }

    #[test]
    fn a_time_that_is_not_usual_is_seen_wherever_it_is() {
        for n in [1, 7, 8, 63, 64, 65, 127, 128, 1000] {
            let mut times = vec![1_600_000_000_000; n];
            let numbers = vec![1.0; n];
            let usual =
                |times: &[i64], from, to| column(Key::Id(1), times, Values::Numbers(&numbers)).is_usual(from, to);
            assert!(usual(&times, 0, n) && usual(&times, 0, 0));
            for at in 0..n {
                for odd in [0, -1, i64::MIN, i64::MAX, time::LAST + 1] {
                    let usual_time = std::mem::replace(&mut times[at], odd);
                    assert!(!usual(&times, 0, n) && !usual(&times, at, at + 1), "{odd} at {at} of {n}");
                    assert!(usual(&times, 0, at) && usual(&times, at + 1, n));
                    times[at] = usual_time;
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let good = column(Key::External("a"), &[1], Values::Numbers(&[1.0]));
        assert!(good.check().is_ok());
        let instance = Key::Instance { space: "s", external_id: "x" };
        let text = |offsets| Values::Texts { offsets, text: "æb" };
        for (bad, word) in [
            (column(Key::Id(0), &[1], Values::Numbers(&[1.0])), "id 0"),
            (column(Key::Id(1), &[1, 2], Values::Numbers(&[1.0])), "length"),
            (column(Key::Id(1), &[time::LAST + 1], Values::Numbers(&[1.0])), "4102444800000"),
            (column(Key::Id(1), &[5, i64::MIN], Values::Numbers(&[1.0, 2.0])), "1900"),
            (column(Key::Id(1), &[1], Values::StateNumbers(&[1])), "instance"),
            (column(Key::Instance { space: "", external_id: "x" }, &[1], Values::Numbers(&[1.0])), "space"),
            (column(Key::Id(1), &[1], text(&[0, 1])), "character"),
            (column(Key::Id(1), &[1], text(&[0, 4])), "past"),
            (column(Key::Id(1), &[1, 2], text(&[2, 0, 3])), "order"),
            (column(Key::Id(1), &[1], text(&[-1, 0])), "order"),
            (Column { status: Some(&[0xC000_0000]), ..good }, "0xc0000000"),
            (Column { status: Some(&[]), ..good }, "length"),
            (Column { validity: Some(&[]), ..good }, "length"),
        ] {
            let e = bad.check().unwrap_err();
            assert!(e.message().contains(word), "{e}");
        }
        assert!(column(instance, &[1], Values::StateNumbers(&[1])).check().is_ok());
        assert!(column(Key::Id(1), &[], text(&[0])).check().is_ok());
    }
}
