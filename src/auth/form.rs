//! Forms and the small encodings around them.

use zeroize::Zeroizing;

/// An application/x-www-form-urlencoded text in the making. It can hold secrets, so it is wiped.
#[derive(Default)]
pub struct Form(Zeroizing<String>);

impl Form {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.push(name, value);
        self
    }

    pub fn push(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        form_encode(name, &mut self.0);
        self.0.push('=');
        form_encode(value, &mut self.0);
    }

    pub fn finish(self) -> Zeroizing<String> {
        self.0
    }
}

/// The form browsers send: space is `+`, all but `A-Za-z0-9*-._` escaped.
pub fn form_encode(text: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => into.push(b as char),
            b' ' => into.push('+'),
            _ => {
                into.push('%');
                into.push(HEX[usize::from(b >> 4)] as char);
                into.push(HEX[usize::from(b & 15)] as char);
            }
        }
    }
}

/// The pairs of a query or form. Escapes that are none stay as they are; bytes that are not UTF-8 are replaced.
pub fn form_pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', _, _) => out.push(b' '),
            (b, _, _) => out.push(b),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// URL-safe base64 without padding.
pub fn base64url(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..=chunk.len() {
            out.push(char::from(URL_SAFE[(bits >> (18 - 6 * i)) as usize & 63]));
        }
    }
    out
}

/// The same with `=` to a multiple of four characters.
pub fn base64url_padded(bytes: &[u8]) -> String {
    let mut out = base64url(bytes);
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

/// Reads URL-safe base64, padded or not.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for b in text.trim_end_matches('=').bytes() {
        let value = URL_SAFE.iter().position(|c| *c == b)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_there_and_back() {
        let form = Form::default().with("a b", "1&2=ø").with("c", "").finish();
        assert_eq!(form.as_str(), "a+b=1%262%3D%C3%B8&c=");
        assert_eq!(form_pairs(&form), [("a b".into(), "1&2=ø".into()), ("c".into(), String::new())]);
        assert_eq!(
            form_pairs("x=%4&y=%zz&&z"),
            [("x", "%4"), ("y", "%zz"), ("z", "")].map(|(a, b)| (a.into(), b.into()))
        );
    }

    #[test]
    fn base64_there_and_back() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (&[0xfb, 0xff], "-_8=")]
        {
            assert_eq!(base64url_padded(bytes), text);
            assert_eq!(from_base64url(text).as_deref(), Some(bytes));
            assert_eq!(base64url(bytes), text.trim_end_matches('='));
        }
        assert_eq!(from_base64url("a+b"), None);
    }
}
