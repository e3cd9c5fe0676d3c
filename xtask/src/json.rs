//! A small JSON value whose numbers keep their text: the conformance vectors hold integers beyond 64 bits, and NaN.

use std::fmt::Write;

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// As written; also `NaN`, `Infinity` and `-Infinity`, which some peers write.
    Num(String),
    Str(String),
    List(Vec<Json>),
    /// In order of appearance; a name occurs once (the last one counts).
    Map(Vec<(String, Json)>),
}

impl Json {
    pub fn parse(text: &str) -> Result<Json, String> {
        let mut r = Reader { s: text.as_bytes(), at: 0, depth: 0 };
        let v = r.value()?;
        r.space();
        if r.at == r.s.len() { Ok(v) } else { Err(r.bad("text after the value")) }
    }

    pub fn str(s: impl Into<String>) -> Json {
        Json::Str(s.into())
    }

    pub fn int(n: i128) -> Json {
        Json::Num(n.to_string())
    }

    /// `{"name": value}`, the form of all macros and matchers.
    pub fn single(name: &str, value: Json) -> Json {
        Json::Map(vec![(name.to_string(), value)])
    }

    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Map(m) => m.iter().find(|(k, _)| k == name).map(|(_, v)| v),
            _ => None,
        }
    }

    pub fn set(&mut self, name: &str, value: Json) {
        if let Json::Map(m) = self {
            match m.iter_mut().find(|(k, _)| k == name) {
                Some(slot) => slot.1 = value,
                None => m.push((name.to_string(), value)),
            }
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::Str(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Json]> {
        match self {
            Json::List(l) => Some(l),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&[(String, Json)]> {
        match self {
            Json::Map(m) => Some(m),
            _ => None,
        }
    }

    pub fn as_i128(&self) -> Option<i128> {
        match self {
            Json::Num(n) => n.parse().ok(),
            _ => None,
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Json::Num(n) => number(n),
            _ => None,
        }
    }

    pub fn as_usize(&self) -> Option<usize> {
        self.as_i128().and_then(|n| usize::try_from(n).ok())
    }

    /// Python's idea of truth, for optional switches.
    pub fn is_true(&self) -> bool {
        !matches!(self, Json::Null | Json::Bool(false))
    }

    pub fn text_of<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Json::as_str)
    }

    pub fn list_of<'a>(&'a self, name: &str) -> &'a [Json] {
        self.get(name).and_then(Json::as_list).unwrap_or(&[])
    }

    /// The text, in one line. With `macros`, infinities and NaN are written `{"$float": ...}`.
    pub fn write(&self, macros: bool) -> String {
        let mut out = String::new();
        self.write_to(&mut out, macros, "");
        out
    }

    /// The text as Python writes it, with a space after commas and colons: some vectors count its bytes.
    pub fn write_spaced(&self) -> String {
        let mut out = String::new();
        self.write_to(&mut out, false, " ");
        out
    }

    fn write_to(&self, out: &mut String, macros: bool, space: &str) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Json::Num(n) if macros && n.ends_with(['N', 'y']) => {
                let _ = write!(out, "{{\"$float\":\"{n}\"}}");
            }
            Json::Num(n) => out.push_str(n),
            Json::Str(s) => quote(out, s),
            Json::List(l) => {
                out.push('[');
                for (i, v) in l.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                        out.push_str(space);
                    }
                    v.write_to(out, macros, space);
                }
                out.push(']');
            }
            Json::Map(m) => {
                out.push('{');
                for (i, (k, v)) in m.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                        out.push_str(space);
                    }
                    quote(out, k);
                    out.push(':');
                    out.push_str(space);
                    v.write_to(out, macros, space);
                }
                out.push('}');
            }
        }
    }
}

fn quote(out: &mut String, s: &str) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The value of a number's text; Rust reads neither Python's spelling of infinity nor the sign in front of it.
pub fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok(),
    }
}

struct Reader<'a> {
    s: &'a [u8],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn bad(&self, what: &str) -> String {
        format!("JSON: {what} at byte {}", self.at)
    }

    fn space(&mut self) {
        while matches!(self.s.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, w: &str) -> bool {
        let hit = self.s[self.at..].starts_with(w.as_bytes());
        if hit {
            self.at += w.len();
        }
        hit
    }

    fn value(&mut self) -> Result<Json, String> {
        self.space();
        if self.depth > 500 {
            return Err(self.bad("nested too deep"));
        }
        match self.s.get(self.at) {
            Some(b'{') => self.map(),
            Some(b'[') => self.list(),
            Some(b'"') => self.string().map(Json::Str),
            Some(b'-' | b'0'..=b'9' | b'N' | b'I') => self.num(),
            Some(_) if self.word("null") => Ok(Json::Null),
            Some(_) if self.word("true") => Ok(Json::Bool(true)),
            Some(_) if self.word("false") => Ok(Json::Bool(false)),
            _ => Err(self.bad("no value")),
        }
    }

    fn map(&mut self) -> Result<Json, String> {
        self.at += 1;
        self.depth += 1;
        let mut m: Vec<(String, Json)> = Vec::new();
        self.space();
        if self.word("}") {
            self.depth -= 1;
            return Ok(Json::Map(m));
        }
        loop {
            self.space();
            if self.s.get(self.at) != Some(&b'"') {
                return Err(self.bad("no member name"));
            }
            let k = self.string()?;
            self.space();
            if !self.word(":") {
                return Err(self.bad("no colon"));
            }
            let v = self.value()?;
            match m.iter_mut().find(|(n, _)| *n == k) {
                Some(slot) => slot.1 = v,
                None => m.push((k, v)),
            }
            self.space();
            if self.word("}") {
                self.depth -= 1;
                return Ok(Json::Map(m));
            }
            if !self.word(",") {
                return Err(self.bad("no comma"));
            }
        }
    }

    fn list(&mut self) -> Result<Json, String> {
        self.at += 1;
        self.depth += 1;
        let mut l = Vec::new();
        self.space();
        if self.word("]") {
            self.depth -= 1;
            return Ok(Json::List(l));
        }
        loop {
            l.push(self.value()?);
            self.space();
            if self.word("]") {
                self.depth -= 1;
                return Ok(Json::List(l));
            }
            if !self.word(",") {
                return Err(self.bad("no comma"));
            }
        }
    }

    fn num(&mut self) -> Result<Json, String> {
        for w in ["NaN", "Infinity", "-Infinity"] {
            if self.word(w) {
                return Ok(Json::Num(w.to_string()));
            }
        }
        let start = self.at;
        self.word("-");
        let int = self.digits();
        if int == 0 || int > 1 && self.s[self.at - int] == b'0' {
            return Err(self.bad("not a number"));
        }
        if self.word(".") && self.digits() == 0 {
            return Err(self.bad("no digit after the point"));
        }
        if self.word("e") || self.word("E") {
            let _ = self.word("+") || self.word("-");
            if self.digits() == 0 {
                return Err(self.bad("no exponent"));
            }
        }
        Ok(Json::Num(String::from_utf8_lossy(&self.s[start..self.at]).into_owned()))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.s.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out: Vec<u8> = Vec::new();
        loop {
            let Some(&c) = self.s.get(self.at) else { return Err(self.bad("string without end")) };
            self.at += 1;
            match c {
                b'"' => return String::from_utf8(out).map_err(|_| self.bad("not UTF-8")),
                b'\\' => self.escape(&mut out)?,
                0..0x20 => return Err(self.bad("control character in a string")),
                _ => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(&c) = self.s.get(self.at) else { return Err(self.bad("string without end")) };
        self.at += 1;
        let plain = match c {
            b'"' | b'\\' | b'/' => c,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(out),
            _ => return Err(self.bad("unknown escape")),
        };
        out.push(plain);
        Ok(())
    }

    fn unicode(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let mut code = self.hex4()?;
        if (0xd800..0xdc00).contains(&code) && self.s[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            } else {
                self.at = back;
            }
        }
        let c = char::from_u32(code).unwrap_or('\u{fffd}');
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn hex4(&mut self) -> Result<u32, String> {
        let part = self.s.get(self.at..self.at + 4).and_then(|b| std::str::from_utf8(b).ok());
        let code = part.and_then(|t| u32::from_str_radix(t, 16).ok());
        self.at += 4;
        code.ok_or_else(|| self.bad("bad \\u escape"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_it_reads() {
        let text = r#"{"a":[1,-0.5e+3,123456789012345678901234567890,NaN],"b":{"c":"é\u001f\"x"},"d":null}"#;
        assert_eq!(Json::parse(text).unwrap().write(false), text);
        assert_eq!(Json::parse("[NaN]").unwrap().write(true), r#"[{"$float":"NaN"}]"#);
        assert_eq!(Json::parse(r#""\ud83d\ude00\/""#).unwrap(), Json::str("😀/"));
    }

    #[test]
    fn writes_as_python_does() {
        assert_eq!(Json::parse(r#"{"a":[1,"\n"],"b":2}"#).unwrap().write_spaced(), r#"{"a": [1, "\n"], "b": 2}"#);
    }

    #[test]
    fn refuses_what_is_not_json() {
        for bad in ["", "{", "[1,]", "{\"a\" 1}", "01", "1.", "\"\t\"", "nul", "1 2", "{'a':1}", "\"\\x\"", "-"] {
            assert!(Json::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_of_two_equal_names_counts() {
        assert_eq!(Json::parse(r#"{"a":1,"a":2}"#).unwrap(), Json::single("a", Json::int(2)));
    }
}
