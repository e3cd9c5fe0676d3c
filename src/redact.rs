//! What may be shown of names and URLs. One home for the question "is this a secret?".

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

pub fn is_sensitive_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if HARMLESS.contains(&name.as_str()) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
        for n in ["x-team", "cdf-version", "WWW-Authenticate", "audience"] {
            assert!(!is_sensitive_name(n), "{n}");
        }
    }

    #[test]
    fn urls() {
        assert_eq!(url("https://u:p@h:1/a/b?sig=1#x"), "https://h:1/a/b");
        assert_eq!(url("/a?token=1"), "/a");
        assert_eq!(url("https://h"), "https://h");
    }
}
