//! What an answer with items holds: checked in one pass, taken apart by where things lie, not copied.

use std::ffi::CString;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Status};
use crate::http::{Index, Response};

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// First byte of each element and the one after its last.
    pub items: Vec<(u32, u32)>,
    pub cursor: Option<String>,
    /// It had more elements than were wanted.
    pub cut: bool,
}

impl Page {
    /// From the first element to the last, without the brackets.
    pub fn span(&self) -> Range<usize> {
        match (self.items.first(), self.items.last()) {
            (Some(first), Some(last)) => first.0 as usize..last.1 as usize,
            _ => 0..0,
        }
    }
}

impl Page {
    pub fn into_index(self) -> Box<Index> {
        Box::new(Index { items: self.items, cursor: self.cursor.and_then(|c| CString::new(c).ok()) })
    }
}

/// Where the elements of an array lie in the text that begins at this address.
struct Elements(usize);

impl<'de> DeserializeSeed<'de> for Elements {
    type Value = Vec<(u32, u32)>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<(u32, u32)>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut out = Vec::new();
        while let Some(element) = seq.next_element::<&'de RawValue>()? {
            let text = element.get();
            let at = (text.as_ptr() as usize).wrapping_sub(self.0);
            // The text is shorter than 4 GiB.
            out.push((at as u32, (at + text.len()) as u32));
        }
        Ok(out)
    }
}

struct Envelope(usize);

impl<'de> Visitor<'de> for Envelope {
    type Value = (Option<Vec<(u32, u32)>>, Option<String>);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut items, mut cursor) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "items" => items = Some(map.next_value_seed(Elements(self.0))?),
                "nextCursor" => cursor = map.next_value::<Option<String>>()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((items, cursor))
    }
}

/// Reads `{"items":[…],"nextCursor":…}`. `None`: it has no items.
pub fn page(body: &[u8]) -> Result<Option<Page>, String> {
    if u32::try_from(body.len()).is_err() {
        return Err("more than 4 GiB".to_owned());
    }
    let text = std::str::from_utf8(body).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to()))?;
    let place = |e: serde_json::Error| format!("line {}, column {}", e.line(), e.column());
    let mut de = serde_json::Deserializer::from_str(text);
    let (items, cursor) = de.deserialize_map(Envelope(text.as_ptr() as usize)).map_err(place)?;
    de.end().map_err(place)?;
    Ok(items.map(|items| Page { items, cursor, cut: false }))
}

/// The items of an answer that has to have some, if only an empty list.
pub fn some_page(response: &Response) -> Result<Page, Error> {
    match page(&response.body) {
        Ok(Some(page)) => Ok(page),
        Ok(None) => Err(unusable(response, "it has no items")),
        Err(what) => Err(unusable(response, &what)),
    }
}

/// What is in a body that has items.
pub fn index(body: &[u8]) -> Option<Box<Index>> {
    page(body).ok().flatten().map(Page::into_index)
}

/// The cursor of a page that has one as its last member, as CDF writes it, without a look at the rest. `None`: it is
/// written in another way, or there is none.
pub fn cursor_at_end(body: &[u8]) -> Option<String> {
    let before = |text: &[u8], end: &[u8]| Some(text.trim_ascii_end().strip_suffix(end)?.len());
    if body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let body = body.get(..before(body, b"}")?)?;
    let body = body.get(..before(body, b"\"")?)?;
    let open = body.iter().rposition(|b| *b == b'"')?;
    let value = body.get(open + 1..)?;
    let body = body.get(..open)?;
    let body = body.get(..before(body, b":")?)?;
    let key = body.get(..before(body, b"\"nextCursor\"")?)?.trim_ascii_end().last()?;
    // The quote found may itself be part of the text: then a backslash stands somewhere around it.
    let plain = value.iter().all(|b| *b >= b' ' && *b != b'\\' && b.is_ascii());
    (plain && matches!(key, b',' | b'{')).then(|| String::from_utf8_lossy(value).into_owned())
}

/// An answer that is not what the operation is documented to answer.
pub fn unusable(response: &Response, what: &str) -> Error {
    let id = response.headers.get("x-request-id").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let hint = "check base_url; a proxy may have answered in the service's place";
    Error::new(Status::Decode, format!("the answer is no list of items ({what}); {hint}")).with(|d| {
        d.http_status = response.status;
        d.request_id = id;
        d.attempts = response.attempts;
    })
}

const OPEN: &[u8] = b"{\"items\":[";

/// `{"items":[…]}`, put together from pieces.
pub struct Spliced(Vec<u8>);

impl Spliced {
    /// Where the first element begins.
    pub const OPENING: u32 = OPEN.len() as u32;

    pub fn open() -> Self {
        Self(OPEN.to_vec())
    }

    /// Adds elements; an empty piece adds nothing.
    pub fn add(&mut self, elements: &[u8]) {
        if elements.is_empty() {
            return;
        }
        if !self.elements().is_empty() {
            self.0.push(b',');
        }
        self.0.extend_from_slice(elements);
    }

    pub fn elements(&self) -> &[u8] {
        self.0.get(OPEN.len()..).unwrap_or_default()
    }

    pub fn finish(mut self, cursor: Option<&str>) -> Vec<u8> {
        self.0.push(b']');
        if let Some(cursor) = cursor {
            self.0.extend_from_slice(b",\"nextCursor\":");
            self.0.extend_from_slice(serde_json::Value::from(cursor).to_string().as_bytes());
        }
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_taken_apart() {
        let body = br#" {"x":[1,{"items":[9]}],"items" : [ {"a":[1]} , 2,"]" ], "nextCursor":"c\u0041"} "#;
        let p = page(body).unwrap().unwrap();
        assert_eq!(&body[p.span()], br#"{"a":[1]} , 2,"]""#);
        let items: Vec<&[u8]> = p.items.iter().map(|(a, b)| &body[*a as usize..*b as usize]).collect();
        assert_eq!(items, [&b"{\"a\":[1]}"[..], b"2", b"\"]\""]);
        assert_eq!(p.cursor.as_deref(), Some("cA"));
        let p = page(br#"{"nextCursor":null,"items":[]}"#).unwrap().unwrap();
        assert_eq!(p, Page::default());
        assert_eq!(page(br#"{"a":1}"#).unwrap(), None);
        for bad in ["", "[]", "{\"items\":{}}", "{\"items\":[1}", "{\"items\":[],\"nextCursor\":5}", "{\"items\":[]} x"]
        {
            assert!(page(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(page(b"{\"items\":[\"\xff\"]}").is_err());
    }

    #[test]
    fn a_cursor_is_found_without_parsing_or_not_at_all() {
        for (body, cursor) in [
            (r#"{"items":[],"nextCursor":"abc="}"#, Some("abc=")),
            (" {\"items\":[] , \"nextCursor\" : \"a b\" \n } \n", Some("a b")),
            (r#"{"nextCursor":"x"}"#, Some("x")),
            (r#"{"items":[],"nextCursor":"a\"b"}"#, None),
            (r#"{"items":[],"nextCursor":"a\\"}"#, None),
            (r#"{"items":[],"nextCursor":""}"#, Some("")),
            (r#"{"items":[],"nextCursor":null}"#, None),
            (r#"{"nextCursor":"x","items":[]}"#, None),
            (r#"{"items":["\"nextCursor\":"]}"#, None),
            (r#"{"items":[],"a\"nextCursor":"x"}"#, None),
            (r#"[{"nextCursor":"x"}"#, None),
            ("", None),
            ("{", None),
            ("}", None),
        ] {
            assert_eq!(cursor_at_end(body.as_bytes()).as_deref(), cursor, "{body}");
            // Where it finds one, the parser finds the same.
            if let (Some(c), Ok(Some(p))) = (cursor, page(body.as_bytes())) {
                assert_eq!(p.cursor.as_deref(), Some(c));
            }
        }
    }

    #[test]
    fn pieces_are_put_together() {
        for (pieces, wanted) in [
            (&[][..], r#"{"items":[]}"#),
            (&["", ""][..], r#"{"items":[]}"#),
            (&["[", "", "1,2"][..], r#"{"items":[[,1,2]}"#),
        ] {
            let mut s = Spliced::open();
            pieces.iter().for_each(|p| s.add(p.as_bytes()));
            assert_eq!(s.finish(None), wanted.as_bytes());
        }
        assert_eq!(Spliced::open().finish(Some("a\"b")), br#"{"items":[],"nextCursor":"a\"b"}"#);
    }
}
