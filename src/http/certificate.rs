//! The two facts a person wants of a certificate: who issued it and until when it is good. Reads just enough of DER for
//! that; what it does not understand it leaves out. Trust is decided elsewhere.

/// Issuer (organisation and common name) and end (`YYYY-MM-DD HH:MM:SS` UTC) with its Unix time.
#[derive(Debug, Default, PartialEq)]
pub struct Facts {
    pub issuer: Option<String>,
    pub ends: Option<(String, i64)>,
}

/// Splits one element off: tag, content, rest.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let n = usize::from(first & 0x7f);
            let len = rest.get(..n)?.iter().fold(0usize, |l, b| (l << 8) | usize::from(*b));
            (len, rest.get(n..)?)
        }
        _ => return None,
    };
    Some((tag, rest.get(..len)?, rest.get(len..)?))
}

pub fn facts(der: &[u8]) -> Facts {
    read(der).unwrap_or_default()
}

fn read(der: &[u8]) -> Option<Facts> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    // The version is optional and tagged; then serial number, algorithm, issuer, validity.
    if element(rest)?.0 == 0xa0 {
        rest = element(rest)?.2;
    }
    for _ in 0..2 {
        rest = element(rest)?.2;
    }
    let (_, issuer, rest) = element(rest)?;
    let (_, validity, _) = element(rest)?;
    let (tag, end, _) = element(element(validity)?.2)?;
    Some(Facts { issuer: name(issuer), ends: time(tag, end) })
}

fn name(mut rdns: &[u8]) -> Option<String> {
    const ORGANISATION: [u8; 3] = [0x55, 0x04, 0x0a];
    const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
    let mut parts: Vec<String> = Vec::new();
    while let Some((_, set, rest)) = element(rdns) {
        rdns = rest;
        let Some((_, pair, _)) = element(set) else { continue };
        let Some((_, oid, value)) = element(pair) else { continue };
        let Some((_, text, _)) = element(value) else { continue };
        if oid == ORGANISATION || oid == COMMON_NAME {
            let text: String = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(100).collect();
            parts.push(text);
        }
    }
    Some(parts.join(", ")).filter(|p| !p.is_empty())
}

/// UTCTime (tag 23, two digits of the year) or GeneralizedTime (tag 24), both ending in Z.
fn time(tag: u8, text: &[u8]) -> Option<(String, i64)> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let full = match tag {
        23 if text.len() == 12 => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        24 if text.len() == 14 => text.to_owned(),
        _ => return None,
    };
    if !full.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n = |from: usize, to: usize| full.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (n(0, 4)?, n(4, 6)?, n(6, 8)?);
    let (hour, minute, second) = (n(8, 10)?, n(10, 12)?, n(12, 14)?);
    // Days since 1970 by the usual trick: years that begin in March, so that the leap day is the last.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days =
        y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (m * 153 + 2) / 5 + day - 1 - 719_468;
    let unix = days * 86_400 + hour * 3600 + minute * 60 + second;
    Some((format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"), unix))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element of less than 128 bytes.
    fn e(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, content.len() as u8], content].concat()
    }

    fn certificate(end: &[u8]) -> Vec<u8> {
        let part = |oid: u8, text: &str| e(0x31, &e(0x30, &[e(6, &[0x55, 4, oid]), e(12, text.as_bytes())].concat()));
        let issuer = e(0x30, &[part(6, "NO"), part(10, "Pumps AS"), part(3, "Root 1")].concat());
        let validity = e(0x30, &[&e(23, b"240101000000Z")[..], end].concat());
        let tbs = [e(0xa0, &e(2, &[2])), e(2, &[5]), e(0x30, &[]), issuer, validity].concat();
        e(0x30, &e(0x30, &tbs))
    }

    #[test]
    fn issuer_and_end() {
        let f = facts(&certificate(&e(23, b"251231235959Z")));
        assert_eq!(f.issuer.as_deref(), Some("Pumps AS, Root 1"));
        assert_eq!(f.ends, Some(("2025-12-31 23:59:59".into(), 1_767_225_599)));
        assert_eq!(facts(&certificate(&e(24, b"20000229120000Z"))).ends.unwrap().1, 951_825_600);
        assert_eq!(facts(&certificate(&e(23, b"nonsense"))).ends, None);
    }

    #[test]
    fn damaged_ones_say_nothing() {
        let good = certificate(&e(23, b"251231235959Z"));
        for n in 0..good.len() {
            facts(&good[..n]);
            let mut bad = good.clone();
            bad[n] = bad[n].wrapping_add(131);
            facts(&bad);
        }
        assert_eq!(facts(b""), Facts::default());
        assert_eq!(facts(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), Facts::default());
    }
}
