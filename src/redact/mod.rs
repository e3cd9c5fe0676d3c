//! What may be shown of names, URLs and bodies. One home for the question "is this a secret?".

mod body;
mod text;

use std::borrow::Cow;

pub use body::{body, cut, value};
pub use text::text;

/// Stands for what is not shown.
const MASK: &str = "***";

/// Parts of a name of a header, parameter or field that mark its value as secret. Names are compared without letter
/// case, `_` and `-`: `client_secret`, `clientSecret` and `X-Client-Secret` are one.
const SENSITIVE: [&str; 26] = [
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
    "connectionstring",
    "keyvalue",
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "signingkey",
    "sessionkey",
    "encryptionkey",
    "masterkey",
    "clientkey",
    "appkey",
    "applicationkey",
    "customerkey",
    "presharedkey",
];
/// The same, but for names that end in one of `ABOUT`: `tokenUrl` is where to ask for one, `token_type` what it is.
const HOLDERS: [&str; 2] = ["auth", "token"];
const ABOUT: [&str; 7] = ["url", "uri", "endpoint", "type", "expiresin", "expiry", "leewayseconds"];
const HARMLESS: [&str; 3] = ["wwwauthenticate", "proxyauthenticate", "accesscontrolallowcredentials"];
/// What an authenticating proxy says of the user, which is no secret: `x-auth-request-` and one of these.
const WHO: [&str; 8] = ["user", "email", "name", "preferredusername", "groups", "roles", "sub", "redirect"];

/// A name without letter case, `_` and `-`, and without authors, who are no authorization.
fn plain_name(name: &str) -> String {
    let plain: String = name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    let Some(at) = plain.find("author").filter(|at| !plain[at + "author".len()..].starts_with('i')) else {
        return plain;
    };
    format!("{}{}", &plain[..at], &plain[at + "author".len()..])
}

pub fn is_sensitive_name(name: &str) -> bool {
    let name = plain_name(name);
    let who = name.strip_prefix("xauthrequest").is_some_and(|w| WHO.contains(&w));
    if who || HARMLESS.contains(&name.as_str()) {
        return false;
    }
    SENSITIVE.iter().any(|s| name.contains(s))
        || (HOLDERS.iter().any(|s| name.contains(s)) && !ABOUT.iter().any(|s| name.ends_with(s)))
}

/// Whether a secret may be named anywhere in a text whose structure is not known.
fn names_a_secret(text: &str) -> bool {
    let text = plain_name(text);
    SENSITIVE.iter().chain(&HOLDERS).any(|s| text.contains(s))
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
            out.push('=');
            out.push_str(MASK);
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
            "clientAssertion",
            "sasToken",
            "apiToken",
            "pwd",
            "AccountKey",
            "authorization_code",
            "X-Authorized-By",
        ] {
            assert!(is_sensitive_name(n), "{n}");
        }
        for n in [
            "x-team",
            "X-Auth-Request-User",
            "cdf-version",
            "WWW-Authenticate",
            "audience",
            "author",
            "tokenUrl",
            "token_type",
            "key",
        ] {
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
