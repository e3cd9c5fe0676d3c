//! Answers that point elsewhere: where a call goes on, and without what.

use std::borrow::Cow;

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, Url};

/// Hops of one attempt at most.
const MAX_HOPS: u32 = 5;

/// Where an attempt is sent now; changes with each redirect that is followed.
pub struct Place<'a> {
    pub url: Cow<'a, Url>,
    /// Whether the token goes along. Lost for good at the first foreign origin.
    pub authorize: bool,
    /// The origin was left: headers that may be secret stay behind.
    pub foreign: bool,
    pub hops: u32,
}

impl<'a> Place<'a> {
    pub fn start(url: &'a Url, authorize: bool) -> Self {
        Self { url: Cow::Borrowed(url), authorize, foreign: false, hops: 0 }
    }

    /// Goes on to where the answer points; `false` when it is not to be followed. The method never changes: 301, 302 and
    /// 303 are followed for GET and HEAD, 307 and 308 for all, as bodies are kept in memory.
    pub fn follow(&mut self, method: &Method, status: u16, headers: &HeaderMap) -> bool {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let may = matches!(status, 307 | 308) || (reads && matches!(status, 301..=303));
        if !may || self.hops >= MAX_HOPS {
            return false;
        }
        let location = headers.get(LOCATION).and_then(|l| std::str::from_utf8(l.as_bytes()).ok());
        let Some(mut next) = location.and_then(|l| self.url.join(l).ok()) else { return false };
        let named = !next.username().is_empty() || next.password().is_some();
        // Never from a secure connection to one that anybody can read.
        let downgrade = self.url.scheme() == "https" && next.scheme() != "https";
        if named || downgrade || !matches!(next.scheme(), "http" | "https") || !next.has_host() {
            return false;
        }
        next.set_fragment(None);
        if next.origin() != self.url.origin() {
            self.authorize = false;
            self.foreign = true;
        }
        self.url = Cow::Owned(next);
        self.hops += 1;
        true
    }

    /// Takes out what a foreign origin must not see.
    pub fn strip(&self, headers: &mut HeaderMap) {
        if self.foreign {
            let secret = |n: &reqwest::header::HeaderName| crate::redact::is_sensitive_name(n.as_str());
            let names: Vec<_> = headers.keys().filter(|n| secret(n)).cloned().collect();
            for name in names {
                headers.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(place: &mut Place, method: &Method, status: u16, location: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().unwrap());
        place.follow(method, status, &headers)
    }

    fn start() -> Place<'static> {
        Place { url: Cow::Owned(Url::parse("https://h/api/a?x=1").unwrap()), authorize: true, foreign: false, hops: 0 }
    }

    #[test]
    fn which_are_followed() {
        for (method, status, location, to) in [
            (Method::GET, 301, "/b", Some("https://h/b")),
            (Method::GET, 302, "b?y=2#f", Some("https://h/api/b?y=2")),
            (Method::HEAD, 303, "//o/c", Some("https://o/c")),
            (Method::POST, 301, "/b", None),
            (Method::POST, 302, "/b", None),
            (Method::PUT, 303, "/b", None),
            (Method::POST, 307, "/b", Some("https://h/b")),
            (Method::PUT, 308, "/b", Some("https://h/b")),
            (Method::GET, 300, "/b", None),
            (Method::GET, 304, "/b", None),
            (Method::GET, 307, "http://h/b", None),
            (Method::GET, 307, "ftp://h/b", None),
            (Method::GET, 307, "https://u:p@h/b", None),
            (Method::GET, 307, "https://", None),
        ] {
            let mut place = start();
            let followed = go(&mut place, &method, status, location);
            assert_eq!(followed.then(|| place.url.to_string()).as_deref(), to, "{method} {status} {location}");
        }
        let mut place = start();
        assert!(!place.follow(&Method::GET, 301, &HeaderMap::new()));
        assert!((0..MAX_HOPS).all(|_| go(&mut place, &Method::GET, 302, "/a")));
        assert!(!go(&mut place, &Method::GET, 302, "/a"));
    }

    #[test]
    fn the_token_stays_at_its_origin_and_does_not_come_back() {
        let mut place = start();
        assert!(go(&mut place, &Method::GET, 302, "/b") && place.authorize && !place.foreign);
        assert!(go(&mut place, &Method::GET, 302, "https://h:444/b") && !place.authorize);
        assert!(go(&mut place, &Method::GET, 302, "https://h/b") && !place.authorize);
        let mut headers = HeaderMap::new();
        for name in ["authorization", "x-api-key", "cookie", "accept"] {
            headers.insert(name, "x".parse().unwrap());
        }
        place.strip(&mut headers);
        assert_eq!(headers.len(), 1);
    }
}
