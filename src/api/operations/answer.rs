//! What an answer with items holds: checked in one pass, taken apart by where things lie, not copied.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Status};
use crate::http::Response;

#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Where the elements lie in the answer, without the brackets.
    pub items: Range<usize>,
    pub count: usize,
    pub cursor: Option<String>,
}

/// Where the elements of an array lie, from the first to the last, and how many there are: at most `most` of them.
struct Elements {
    text_start: usize,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Elements {
    type Value = (Range<usize>, usize);
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements {
    type Value = (Range<usize>, usize);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let (mut span, mut count) = (0..0, 0);
        while let Some(element) = seq.next_element::<&'de RawValue>()? {
            let at = (element.get().as_ptr() as usize).wrapping_sub(self.text_start);
            if count < self.most {
                let start = if count == 0 { at } else { span.start };
                span = start..at + element.get().len();
                count += 1;
            }
        }
        Ok((span, count))
    }
}

struct Envelope(Elements);

impl<'de> Visitor<'de> for Envelope {
    type Value = (Option<(Range<usize>, usize)>, Option<String>);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut items, mut cursor) = (None, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "items" => {
                    let Elements { text_start, most } = self.0;
                    items = Some(map.next_value_seed(Elements { text_start, most })?);
                }
                "nextCursor" => cursor = map.next_value::<Option<String>>()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((items, cursor))
    }
}

/// Reads `{"items":[…],"nextCursor":…}`, counting and keeping no more than `most` elements. `None`: it has no items.
pub fn page(body: &[u8], most: usize) -> Result<Option<Page>, String> {
    let text = std::str::from_utf8(body).map_err(|e| format!("not UTF-8 at byte {}", e.valid_up_to()))?;
    let place = |e: serde_json::Error| format!("line {}, column {}", e.line(), e.column());
    let mut de = serde_json::Deserializer::from_str(text);
    let elements = Elements { text_start: text.as_ptr() as usize, most };
    let (items, cursor) = de.deserialize_map(Envelope(elements)).map_err(place)?;
    de.end().map_err(place)?;
    // An empty cursor would begin again.
    let cursor = cursor.filter(|c| !c.is_empty());
    Ok(items.map(|(items, count)| Page { items, count, cursor }))
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
        let p = page(body, 99).unwrap().unwrap();
        assert_eq!(&body[p.items], br#"{"a":[1]} , 2,"]""#);
        assert_eq!((p.count, p.cursor.as_deref()), (3, Some("cA")));
        let p = page(body, 2).unwrap().unwrap();
        assert_eq!((&body[p.items], p.count), (&br#"{"a":[1]} , 2"#[..], 2));
        let p = page(br#"{"nextCursor":"","items":[]}"#, 9).unwrap().unwrap();
        assert_eq!(p, Page { items: 0..0, count: 0, cursor: None });
        assert_eq!(page(br#"{"a":1}"#, 9).unwrap(), None);
        for bad in ["", "[]", "{\"items\":{}}", "{\"items\":[1}", "{\"items\":[],\"nextCursor\":5}", "{\"items\":[]} x"]
        {
            assert!(page(bad.as_bytes(), 9).is_err(), "{bad}");
        }
        assert!(page(b"{\"items\":[\"\xff\"]}", 9).is_err());
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
