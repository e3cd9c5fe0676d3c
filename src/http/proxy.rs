//! Which proxy a request goes through: the one that is set, or the usual environment variables with their exceptions.

use std::net::IpAddr;

use reqwest::Url;

use crate::config::global::NO_PROXY_AT_ALL;
use crate::error::Error;

/// How the requests of one scheme travel. Decided when a client is made.
#[derive(Clone, Debug)]
pub enum Route {
    Direct,
    /// By what the system says, on systems that have such settings.
    System,
    Via {
        proxy: Url,
        exempt: Exempt,
    },
}

impl Route {
    /// `setting` wins over the environment, which `variable` looks up.
    pub fn choose(
        setting: Option<&str>,
        secure: bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        if let Some(setting) = setting {
            if setting == NO_PROXY_AT_ALL {
                return Ok(Route::Direct);
            }
            let proxy = address(setting).ok_or_else(|| Error::config("proxy is not a URL that can be used"))?;
            return Ok(Route::Via { proxy, exempt: Exempt::default() });
        }
        // In a CGI program HTTP_PROXY is the text of a stranger's "Proxy:" header.
        let cgi = variable("REQUEST_METHOD").is_some();
        let names: &[&str] = match (secure, cgi) {
            (true, _) => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            (false, false) => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
            (false, true) => &["http_proxy", "all_proxy", "ALL_PROXY"],
        };
        let found = names.iter().find_map(|name| Some((name, variable(name).filter(|v| !v.trim().is_empty())?)));
        let Some((name, value)) = found else {
            return Ok(if cfg!(any(windows, target_os = "macos")) { Route::System } else { Route::Direct });
        };
        // The value may hold a password, so it is not quoted.
        let proxy = address(value.trim()).ok_or_else(|| {
            Error::config(format!("the environment variable {name} must be the http:// or https:// URL of a proxy"))
        })?;
        let exempt = ["no_proxy", "NO_PROXY"].iter().find_map(|name| variable(name)).unwrap_or_default();
        Ok(Route::Via { proxy, exempt: Exempt::new(&exempt) })
    }

    /// The proxy `url` goes through, if that is known here.
    pub fn for_url(&self, url: &Url) -> Option<&Url> {
        match self {
            Route::Via { proxy, exempt } if !exempt.covers(url) => Some(proxy),
            _ => None,
        }
    }
}

/// A host without a scheme is an http proxy, as everywhere.
fn address(text: &str) -> Option<Url> {
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    url.ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
}

/// The entries of NO_PROXY.
#[derive(Clone, Debug, Default)]
pub struct Exempt {
    all: bool,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    scheme: Option<String>,
    port: Option<u16>,
    host: Host,
}

#[derive(Clone, Debug)]
enum Host {
    /// The name itself and every name below it.
    Name(String),
    Network(IpAddr, u8),
}

impl Exempt {
    pub fn new(list: &str) -> Self {
        let mut out = Self::default();
        for entry in list.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            if entry == "*" {
                out.all = true;
            } else if let Some(entry) = Entry::new(entry) {
                out.entries.push(entry);
            }
        }
        out
    }

    pub fn covers(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let host = host.trim_end_matches('.');
        let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        self.all
            || self.entries.iter().any(|e| {
                e.scheme.as_deref().is_none_or(|s| s == url.scheme())
                    && e.port.is_none_or(|p| url.port_or_known_default() == Some(p))
                    && match (&e.host, address) {
                        (Host::Network(net, bits), Some(a)) => within(a, *net, *bits),
                        (Host::Name(name), None) => host
                            .strip_suffix(name.as_str())
                            .is_some_and(|front| front.is_empty() || front.ends_with('.')),
                        _ => false,
                    }
            })
    }
}

impl Entry {
    fn new(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme).filter(|s| *s != "all").map(str::to_owned), rest),
            None => (None, text.as_str()),
        };
        if let Some(network) = network(rest) {
            return Some(Self { scheme, port: None, host: network });
        }
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (rest, None),
        };
        if let Some(network) = network(name) {
            return Some(Self { scheme, port, host: network });
        }
        let name = name.trim_start_matches('*').trim_matches('.');
        (!name.is_empty()).then(|| Self { scheme, port, host: Host::Name(name.to_owned()) })
    }
}

/// `10.0.0.0/8`, `10.1.2.3`, `fe80::/10`, `[::1]`.
fn network(text: &str) -> Option<Host> {
    let bare = |t: &str| t.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    match text.split_once('/') {
        Some((address, bits)) => {
            let address = bare(address)?;
            let bits: u8 = bits.parse().ok().filter(|b| *b <= if address.is_ipv4() { 32 } else { 128 })?;
            Some(Host::Network(address, bits))
        }
        None => bare(text).map(|a| Host::Network(a, 128)),
    }
}

fn within(address: IpAddr, net: IpAddr, bits: u8) -> bool {
    let shifted = |value: u128, width: u8| value.checked_shr(u32::from(width.saturating_sub(bits))).unwrap_or(0);
    match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(n)) => shifted(a.to_bits().into(), 32) == shifted(n.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => shifted(a.to_bits(), 128) == shifted(n.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(list: &str, url: &str) -> bool {
        Exempt::new(list).covers(&Url::parse(url).unwrap())
    }

    #[test]
    fn exceptions() {
        for (list, url, direct) in [
            ("", "http://h/", false),
            ("*", "http://anything.example/", true),
            ("a, *", "http://h/", true),
            ("example.com", "http://example.com/", true),
            ("example.com", "http://www.example.com:81/", true),
            ("example.com", "http://notexample.com/", false),
            ("example.com", "http://example.com.evil/", false),
            (".example.com", "https://www.example.com/", true),
            (".example.com", "https://example.com/", true),
            ("*.example.com", "https://www.example.com/", true),
            ("EXAMPLE.com.", "https://Example.Com/", true),
            ("localhost", "http://localhost:8080/", true),
            ("localhost", "http://127.0.0.1/", false),
            ("127.0.0.1", "http://127.0.0.1:5/", true),
            ("127.0.0.1", "http://127.0.0.11/", false),
            ("10.0.0.0/8", "http://10.255.1.2/", true),
            ("10.0.0.0/8", "http://11.0.0.1/", false),
            ("192.168.1.128/25", "http://192.168.1.127/", false),
            ("192.168.1.128/25", "http://192.168.1.129/", true),
            ("0.0.0.0/0", "http://8.8.8.8/", true),
            ("0.0.0.0/0", "http://[::1]/", false),
            ("::1", "http://[::1]:9/", true),
            ("[::1]:9", "http://[::1]:9/", true),
            ("[::1]:8", "http://[::1]:9/", false),
            ("fe80::/10", "http://[fe80::1]/", true),
            ("fe80::/10", "http://[fec0::1]/", false),
            ("10.0.0.0/33", "http://10.0.0.1/", false),
            ("h:8080", "http://h:8080/", true),
            ("h:8080", "http://h:8081/", false),
            ("h:443", "https://h/", true),
            ("http://h", "http://h/", true),
            ("http://h", "https://h/", false),
            ("all://h", "https://h/", true),
            ("h:port", "http://h/", false),
            (" , ,,", "http://h/", false),
        ] {
            assert_eq!(covered(list, url), direct, "NO_PROXY={list} {url}");
        }
    }

    #[test]
    fn choices() {
        let via = |setting: Option<&str>, secure: bool, env: &[(&str, &str)]| {
            let lookup = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            Route::choose(setting, secure, lookup).map(|route| match route {
                Route::Via { proxy, .. } => proxy.to_string(),
                other => format!("{other:?}"),
            })
        };
        let both = [("HTTP_PROXY", "http://up:1"), ("http_proxy", "low:2"), ("ALL_PROXY", "http://all:3")];
        for (setting, secure, env, wanted) in [
            (None, false, &both[..], "http://low:2/"),
            (None, true, &both[..], "http://all:3/"),
            (None, false, &both[..1], "http://up:1/"),
            (None, false, &[("HTTP_PROXY", "http://up:1"), ("REQUEST_METHOD", "GET")][..], "Direct"),
            (None, true, &[("HTTPS_PROXY", " ")][..], "Direct"),
            (None, true, &[][..], "Direct"),
            (Some("none"), false, &both[..], "Direct"),
            (Some("http://set:4"), false, &both[..], "http://set:4/"),
        ] {
            if cfg!(target_os = "linux") {
                assert_eq!(via(setting, secure, env).unwrap(), wanted, "{setting:?} {secure} {env:?}");
            }
        }
        for (name, value) in [("HTTPS_PROXY", "socks5://u:canary@h:1"), ("ALL_PROXY", "http://")] {
            let e = via(None, true, &[(name, value)]).unwrap_err();
            assert!(e.message().contains(name) && !e.message().contains("canary"), "{e}");
        }
    }
}
