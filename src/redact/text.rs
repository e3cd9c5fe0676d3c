//! What may be shown of a sentence, a form, a page or JSON that is not whole: the values of secret names in it are
//! masked, wherever they are, and the user info of addresses. Everything else stays as it is.

use std::borrow::Cow;

use super::{MASK, is_secret_parameter, is_sensitive_name};

fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'%' | b'~')
}

fn is_quote(b: u8) -> bool {
    matches!(b, b'"' | b'\'')
}

/// Ends a value that is not in quotes.
fn is_end(b: u8) -> bool {
    b.is_ascii_whitespace()
        || is_quote(b)
        || matches!(b, b'&' | b'#' | b';' | b',' | b'<' | b'>' | b')' | b']' | b'}' | b'\\')
}

/// The text as it may be shown.
pub fn text(given: &str) -> Cow<'_, str> {
    let bytes = given.as_bytes();
    let mut out = String::new();
    // What is before this is in `out`.
    let mut done = 0;
    let mut at = 0;
    while at < bytes.len() {
        let hidden = if bytes[at..].starts_with(b"://") {
            user_info(bytes, at + 3)
        } else if is_name(bytes[at]) {
            let end = end_of(bytes, at, |b| !is_name(b));
            let value = value_of(bytes, at, end);
            at = end - 1;
            value.filter(|(from, to)| from < to && given.get(*from..*to) != Some("null"))
        } else {
            None
        };
        at += 1;
        if let Some((from, to)) = hidden
            && let (Some(before), true) = (given.get(done..from), given.is_char_boundary(to))
        {
            out.push_str(before);
            out.push_str(MASK);
            (done, at) = (to, to);
        }
    }
    if done == 0 {
        return Cow::Borrowed(given);
    }
    out.push_str(given.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// The first place from `from` on whose byte is one of those, or the end.
fn end_of(bytes: &[u8], from: usize, is_one: impl Fn(u8) -> bool) -> usize {
    bytes.iter().skip(from).position(|b| is_one(*b)).map_or(bytes.len(), |n| from + n)
}

/// The user info of an address whose host begins at `from`.
fn user_info(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let end = end_of(bytes, from, |b| b.is_ascii_whitespace() || is_quote(b) || b"/?#<>\\".contains(&b));
    let at = bytes.get(from..end)?.iter().rposition(|b| *b == b'@')?;
    Some((from, from + at))
}

/// Where the value of a secret lies whose name is from `from` to `end`: `name=value`, or `"name": value`.
fn value_of(bytes: &[u8], from: usize, end: usize) -> Option<(usize, usize)> {
    let mut at = end;
    let assigned = bytes.get(at) == Some(&b'=');
    if assigned {
        at += 1;
    } else {
        // JSON within JSON has its quotes escaped, once or more.
        at = end_of(bytes, at, |b| b != b'\\');
        if !bytes.get(at).copied().is_some_and(is_quote) {
            return None;
        }
        at = end_of(bytes, at + 1, |b| !b.is_ascii_whitespace());
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        at = end_of(bytes, at + 1, |b| !b.is_ascii_whitespace());
    }
    let name = std::str::from_utf8(bytes.get(from..end)?).ok()?;
    let parameter = assigned && from.checked_sub(1).is_some_and(|n| b"?&#".contains(&bytes[n]));
    if !(is_sensitive_name(name) || (parameter && is_secret_parameter(name)) || (assigned && name == "sig")) {
        return None;
    }
    let opened = end_of(bytes, at, |b| b != b'\\');
    match bytes.get(opened) {
        Some(quote) if is_quote(*quote) => {
            let begins = opened + 1;
            // Ends with the same quote, behind as many backslashes.
            let escapes = opened - at;
            let mut ends = begins;
            loop {
                ends = end_of(bytes, ends, |b| b == *quote);
                let slashes = bytes[begins..ends].iter().rev().take_while(|b| **b == b'\\').count();
                if ends >= bytes.len() {
                    return Some((begins, ends));
                }
                if slashes <= escapes {
                    return Some((begins, ends - slashes));
                }
                ends += 1;
            }
        }
        // Whatever is in there: where it ends cannot be told for sure.
        Some(b'{' | b'[') => Some((opened, bytes.len())),
        _ => Some((at, end_of(bytes, at, is_end))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_sentences() {
        for (given, shown) in [
            ("see https://b/f?sv=1&sig=canary. Then", "see https://b/f?sv=1&sig=*** Then"),
            ("refused: /b/f?sig=canary&se=5, twice", "refused: /b/f?sig=***&se=5, twice"),
            ("https://u:canary@h/x and ftp://canary@h", "https://***@h/x and ftp://***@h"),
            ("(https://h/cb#access_token=canary&state=5)", "(https://h/cb#access_token=***&state=5)"),
            ("client_secret=canary&grant_type=x", "client_secret=***&grant_type=x"),
            ("sasToken=canary pwd=\"ca na ry\" x=y", "sasToken=*** pwd=\"***\" x=y"),
            (r#"{"error":{"clientSecret" : "can\"ary", "a":1"#, r#"{"error":{"clientSecret" : "***", "a":1"#),
            (r#"{"m":"{\"apiToken\":\"canary\",\"b\":\"c\"}"}"#, r#"{"m":"{\"apiToken\":\"***\",\"b\":\"c\"}"}"#),
            (r#"{"password":"canary"#, r#"{"password":"***"#),
            (r#"{"secrets":{"k":"canary"}}"#, r#"{"secrets":***"#),
            (r#"{"pwd":12345,"n":{"token":null}}"#, r#"{"pwd":***,"n":{"token":null}}"#),
            ("https://h/f?code=canary&%73ig=canary", "https://h/f?code=***&%73ig=***"),
            ("sig=canary", "sig=***"),
            ("password=æøå-canary æ", "password=*** æ"),
        ] {
            assert_eq!(text(given), shown);
        }
        for whole in [
            "",
            "http://purl.org/ns#Pump and https://h/a?x=1&y=2#z are names",
            "Invalid token: signature mismatch",
            "externalId 'a=b;key=c' is taken, as is mail@example.com",
            r#"{"externalId":"x","tokenUrl":"https://h/t","author":"me","key":"k"}"#,
            "æ=ø? ://",
        ] {
            assert!(matches!(text(whole), Cow::Borrowed(w) if w == whole), "{}", text(whole));
        }
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        let alphabet =
            ["\"", "\\", "token", "sig", "=", ":", "//", "@", "?", "&", "{", "[", " ", "æ", "x", "'", "%", "null"];
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..20_000 {
            let given: String = (0..rng.usize(0..14)).filter_map(|_| rng.choice(alphabet)).collect();
            let once = text(&given).into_owned();
            assert!(once.len() <= given.len() + 3 * 14, "{given}");
        }
    }
}
