//! Logging in with a client certificate: no secret is sent, but a statement signed with the certificate's private key.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;

use super::authority::{Authority, Endpoints};
use super::credentials::{Leeway, Scopes};
use super::form::{Form, base64url, base64url_padded};
use super::token_endpoint::FormRequest;
use crate::error::Error;

/// How long a signed statement is good for.
const ASSERTION_LIFE: u64 = 600;

#[derive(Clone)]
pub struct ClientCertificate {
    pub authority: Authority,
    pub client_id: String,
    pub scopes: Scopes,
    pub leeway: Leeway,
    thumbprint: [u8; 20],
    key: Arc<RsaKeyPair>,
}

impl ClientCertificate {
    /// `pem` holds the private key, and perhaps the certificate, of which the thumbprint is computed if none is given.
    pub fn new(
        authority: Authority,
        client_id: &str,
        thumbprint: Option<&str>,
        pem: &str,
        scopes: Scopes,
    ) -> Result<Self, Error> {
        if client_id.is_empty() {
            return Err(Error::config("client_id of the client certificate is empty"));
        }
        if scopes.joined().is_none_or(|s| s.trim().is_empty()) {
            return Err(Error::config("scopes of the client certificate are empty"));
        }
        let key = private_key(pem)?;
        let computed = CertificateDer::from_pem_slice(pem.as_bytes())
            .ok()
            .map(|der| ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &der));
        let computed: Option<[u8; 20]> = computed.and_then(|d| d.as_ref().try_into().ok());
        let thumbprint = match (thumbprint.map(hex).transpose()?, computed) {
            (Some(given), Some(computed)) if given != computed => {
                return Err(Error::config(
                    "cert_thumbprint is not the SHA-1 thumbprint of the certificate that is given beside the key",
                ));
            }
            (Some(print), _) | (None, Some(print)) => print,
            (None, None) => {
                return Err(Error::config(
                    "cert_thumbprint is missing: give it, or put the certificate (BEGIN CERTIFICATE) beside the private key",
                ));
            }
        };
        Ok(Self {
            authority,
            client_id: client_id.to_owned(),
            scopes,
            leeway: Leeway::default(),
            thumbprint,
            key: Arc::new(key),
        })
    }

    /// The token request, with a statement signed now.
    pub fn request(&self, endpoints: &Endpoints) -> Result<FormRequest, Error> {
        let assertion = self.assertion(&endpoints.token, SystemTime::now())?;
        let mut form = Form::default()
            .with("client_id", &self.client_id)
            .with("grant_type", "client_credentials")
            .with("client_info", "1")
            .with("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            .with("client_assertion", &assertion);
        form.push("scope", &sorted(self.scopes.names()));
        Ok(FormRequest { url: endpoints.token.clone(), form: form.finish(), ..FormRequest::default() })
    }

    fn assertion(&self, audience: &str, now: SystemTime) -> Result<String, Error> {
        let header = json!({"alg": "RS256", "typ": "JWT", "x5t": base64url_padded(&self.thumbprint)});
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = json!({
            "aud": audience,
            "iss": self.client_id,
            "sub": self.client_id,
            "exp": now + ASSERTION_LIFE,
            "iat": now,
            "jti": random_uuid()?,
        });
        let mut text =
            format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| Error::auth("the login could not be signed with the private key of the certificate"))?;
        text.push('.');
        text.push_str(&base64url(&signature));
        Ok(text)
    }
}

fn private_key(pem: &str) -> Result<RsaKeyPair, Error> {
    let bad = |why: &str| Error::config(format!("the private key of the client certificate {why}"));
    if pem.contains("ENCRYPTED") {
        return Err(bad("is encrypted; give it without a passphrase (openssl pkey -in key.pem -out plain.pem)"));
    }
    if pem.contains("BEGIN EC PRIVATE KEY") {
        return Err(bad("is an elliptic curve key; identity providers take RSA keys"));
    }
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        bad("is not in PEM form: it begins with -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----")
    })?;
    let key = match &der {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(bad("is not an RSA key")),
    };
    key.map_err(|e| bad(&format!("is not a usable RSA key of 2048 to 4096 bits ({e})")))
}

/// Twenty bytes in hex; letter case and colons do not matter.
fn hex(text: &str) -> Result<[u8; 20], Error> {
    let digits: Vec<u8> =
        text.trim().chars().filter(|c| *c != ':').map_while(|c| c.to_digit(16)).map(|d| d as u8).collect();
    let written = text.trim().chars().filter(|c| *c != ':').count();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    match bytes.try_into() {
        Ok(bytes) if written == 40 => Ok(bytes),
        _ => {
            Err(Error::config("cert_thumbprint must be the SHA-1 thumbprint of the certificate: 40 hexadecimal digits"))
        }
    }
}

pub fn sorted(mut names: Vec<String>) -> String {
    names.sort();
    names.dedup();
    names.join(" ")
}

pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::auth("the system has no random numbers to give"))?;
    Ok(bytes)
}

fn random_uuid() -> Result<String, Error> {
    let mut b: [u8; 16] = random()?;
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let h: String = b.iter().map(|b| format!("{b:02x}")).collect();
    Ok(format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::form::{form_pairs, from_base64url};
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

    const KEY: &str = include_str!("../../tests/data/test_only_client_key.pem");
    const KEY_PKCS1: &str = include_str!("../../tests/data/test_only_client_key_pkcs1.pem");
    const CERT: &str = include_str!("../../tests/data/test_only_client_cert.pem");
    const PRINT: &str = include_str!("../../tests/data/test_only_client_thumbprint.txt");

    fn made(print: Option<&str>, pem: &str) -> Result<ClientCertificate, Error> {
        let scopes = Scopes::List(vec!["b".into(), "a".into()]);
        ClientCertificate::new(Authority::microsoft("https://h/t").unwrap(), "me", print, pem, scopes)
    }

    #[test]
    fn the_statement_can_be_verified() {
        for pem in [KEY, KEY_PKCS1] {
            let c = made(Some(PRINT), pem).unwrap();
            let e = Endpoints { token: "https://h/token".into(), authorization: None, device: None };
            let request = c.request(&e).unwrap();
            let fields = form_pairs(&request.form);
            let field = |n: &str| fields.iter().find(|(k, _)| k == n).unwrap().1.as_str();
            assert_eq!((field("scope"), field("grant_type")), ("a b", "client_credentials"));
            let (signed, signature) = field("client_assertion").rsplit_once('.').unwrap();
            let components = RsaPublicKeyComponents::<Vec<u8>>::from(c.key.public());
            let signature = from_base64url(signature).unwrap();
            components.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).unwrap();
            let claims: serde_json::Value =
                serde_json::from_slice(&from_base64url(signed.split('.').nth(1).unwrap()).unwrap()).unwrap();
            assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
            assert_eq!((claims["aud"].as_str(), claims["jti"].as_str().unwrap().len()), (Some("https://h/token"), 36));
        }
    }

    #[test]
    fn thumbprints() {
        let both = format!("{KEY}{CERT}");
        let lower = PRINT.trim().to_lowercase();
        assert_eq!(made(None, &both).unwrap().thumbprint, made(Some(&lower), KEY).unwrap().thumbprint);
        let zeros = "00".repeat(20);
        for (print, pem, word) in [
            (None, KEY, "cert_thumbprint is missing"),
            (Some("XYZ123"), KEY, "40 hexadecimal"),
            (Some(""), KEY, "40 hexadecimal"),
            (Some(zeros.as_str()), both.as_str(), "is not the SHA-1 thumbprint"),
        ] {
            assert!(made(print, pem).map(|_| ()).unwrap_err().message().contains(word), "{word}");
        }
    }

    #[test]
    fn keys_that_cannot_be_used() {
        let encrypted = KEY.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let damaged = KEY.replacen("MIIE", "AAAA", 1);
        for (pem, word) in [
            ("", "PEM"),
            ("canary", "PEM"),
            (CERT, "PEM"),
            (encrypted.as_str(), "encrypted"),
            (damaged.as_str(), "RSA key"),
            ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "elliptic"),
        ] {
            let e = made(Some(PRINT), pem).map(|_| ()).unwrap_err();
            assert!(e.message().contains(word) && !e.message().contains("canary"), "{word}: {e}");
        }
    }
}
