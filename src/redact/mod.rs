//! What may be shown of names, URLs and bodies. One home for the question "is this a secret?".

mod body;

use std::borrow::Cow;

pub use body::{body, cut};

/// Parts of a header or field name that mark its value as secret.
const SENSITIVE: [&str; 13] = [
    "auth",
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "cookie",
    "credential",
    "signature",
    "jwt",
    "assertion",
    "nonce",
];
const KEY_OF: [&str; 11] = [
    "api",
    "access",
    "private",
    "signing",
    "session",
    "encryption",
    "master",
    "client",
    "app",
    "application",
    "customer",
];
const HARMLESS: [&str; 4] =
    ["www-authenticate", "proxy-authenticate", "access-control-allow-credentials", "token_expiry_leeway_seconds"];
/// What an authenticating proxy says of the user, which is no secret: `x-auth-request-` and one of these.
const WHO: [&str; 7] = ["user", "email", "name", "preferred-username", "groups", "roles", "sub"];

pub fn is_sensitive_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let who = name.strip_prefix("x-auth-request-");
    if HARMLESS.contains(&name.as_str()) || who.is_some_and(|w| WHO.contains(&w) || w == "redirect") {
        return false;
    }
    SENSITIVE.iter().any(|s| name.contains(s))
        || KEY_OF.iter().any(|k| ["-", "_", ""].iter().any(|sep| name.contains(&format!("{k}{sep}key"))))
}

/// A URL without user info, query and fragment: the three places where secrets travel.
pub fn url(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let text = &text[..end];
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let slash = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(slash);
            let host = host.rsplit_once('@').map_or(host, |(_, h)| h);
            format!("{scheme}://{host}{path}")
        }
        None => text.to_owned(),
    }
}

/// Parameters of presigned URLs that let anybody in, beside those whose names say so.
const SIGNED: [&str; 7] = ["sig", "code", "key", "policy", "awsaccesskeyid", "googleaccessid", "upload_id"];

/// A URL with its query, for logs: without user info and fragment, the values of secret parameters masked.
pub fn url_with_query(text: &str) -> String {
    let plain = url(text);
    let text = text.split('#').next().unwrap_or_default();
    let Some((_, query)) = text.split_once('?') else { return plain };
    let mut out = plain;
    for (n, pair) in query.split('&').enumerate() {
        out.push(if n == 0 { '?' } else { '&' });
        let name = pair.split('=').next().unwrap_or_default();
        if pair.len() > name.len() && is_secret_parameter(name) {
            out.push_str(name);
            out.push_str("=***");
        } else {
            out.push_str(pair);
        }
    }
    out
}

fn is_secret_parameter(name: &str) -> bool {
    // Escapes hide no name: `%73ig` is `sig` to the server.
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.bytes();
    while let Some(b) = bytes.next() {
        let mut hex = || bytes.next().and_then(|d| char::from(d).to_digit(16));
        plain.push(match b {
            b'%' => (hex().unwrap_or(0) * 16 + hex().unwrap_or(0)) as u8,
            _ => b,
        });
    }
    let name = String::from_utf8_lossy(&plain).to_ascii_lowercase();
    SIGNED.contains(&name.as_str()) || is_sensitive_name(&name)
}

/// `bytes` with every occurrence of `secret` masked. Very short secrets are words, not secrets.
pub fn without<'a>(bytes: &'a [u8], secret: &[u8]) -> Cow<'a, [u8]> {
    if secret.len() < 8 || bytes.len() < secret.len() || !bytes.windows(secret.len()).any(|w| w == secret) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(secret.len()).position(|w| w == secret) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"***");
        rest = &rest[at + secret.len()..];
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_inside_bodies() {
        assert_eq!(&*without(b"x canary-token y canary-token", b"canary-token"), b"x *** y ***");
        assert!(matches!(without(b"nothing of it", b"canary-token"), Cow::Borrowed(_)));
        assert_eq!(&*without(b"short", b"short"), b"short");
        assert_eq!(&*without(b"", b"canary-token"), b"");
    }

    #[test]
    fn names() {
        for n in [
            "Authorization",
            "X-Api-Key",
            "client_secret",
            "Set-Cookie",
            "apikey",
            "x-amz-signature",
            "client_assertion",
        ] {
            assert!(is_sensitive_name(n), "{n}");
        }
        for n in ["x-team", "X-Auth-Request-User", "cdf-version", "WWW-Authenticate", "audience"] {
            assert!(!is_sensitive_name(n), "{n}");
        }
    }

    #[test]
    fn urls() {
        assert_eq!(url("https://u:p@h:1/a/b?sig=1#x"), "https://h:1/a/b");
        assert_eq!(url("/a?token=1"), "/a");
        assert_eq!(url("https://h"), "https://h");
    }

    #[test]
    fn queries() {
        for (given, shown) in [
            ("https://u:p@h/b?limit=5&cursor=a%20b#frag", "https://h/b?limit=5&cursor=a%20b"),
            (
                "https://h/b?sv=1&sig=canary&%73IG=canary&X-Amz-Signature=canary",
                "https://h/b?sv=1&sig=***&%73IG=***&X-Amz-Signature=***",
            ),
            (
                "https://h/b?X-Goog-Signature=canary&X-Amz-Security-Token=canary&code=canary",
                "https://h/b?X-Goog-Signature=***&X-Amz-Security-Token=***&code=***",
            ),
            ("https://h/?flag&x=1", "https://h/?flag&x=1"),
            ("/a?token=canary&%", "/a?token=***&%"),
        ] {
            assert_eq!(url_with_query(given), shown);
        }
    }
}
