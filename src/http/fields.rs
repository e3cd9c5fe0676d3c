//! Headers of an answer: kept as they came, and taken apart only for who asks for one.

use std::ops::Deref;
use std::sync::OnceLock;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Lines of a head at most.
pub(crate) const MOST: usize = 100;

#[derive(Debug, Default)]
pub struct Fields {
    /// From the status line to the empty one; found to be HTTP.
    head: Box<[u8]>,
    map: OnceLock<Box<HeaderMap>>,
}

impl Fields {
    pub fn of_head(head: &[u8]) -> Self {
        Self { head: head.into(), map: OnceLock::new() }
    }
}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Self {
        Self { head: Box::default(), map: Box::new(map).into() }
    }
}

impl Deref for Fields {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        self.map.get_or_init(|| Box::new(read(&self.head)))
    }
}

fn read(head: &[u8]) -> HeaderMap {
    let mut lines = [httparse::EMPTY_HEADER; MOST];
    let mut parsed = httparse::Response::new(&mut lines);
    let mut map = HeaderMap::new();
    if parsed.parse(head).is_err() {
        return map;
    }
    for line in parsed.headers.iter() {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(line.name.as_bytes()), HeaderValue::from_bytes(line.value))
        {
            map.append(name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_asked_for() {
        let fields = Fields::of_head(b"HTTP/1.1 200 OK\r\nA: 1\r\nb:  2 \r\na: 3\r\n\r\n");
        assert!(fields.map.get().is_none());
        let values = |name: &str| fields.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!((values("a"), values("B"), values("c")), (vec!["1", "3"], vec!["2"], vec![]));
        assert!(Fields::default().is_empty() && Fields::of_head(b"x").is_empty());
        assert_eq!(Fields::from(HeaderMap::clone(&fields)).len(), 3);
    }
}
