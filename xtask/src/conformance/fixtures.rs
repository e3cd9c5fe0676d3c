//! Test-only keys and certificates, made anew for every run; they belong to nothing and protect nothing.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

pub fn make(dir: &Path) -> Result<Arc<ServerConfig>, String> {
    fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let tls = make_server(dir).map_err(|e| format!("test certificates: {e}"))?;
    make_client(dir)?;
    let browser = dir.join("browser.py");
    fs::write(&browser, include_str!("browser.py")).map_err(|e| format!("{}: {e}", browser.display()))?;
    Ok(tls)
}

fn named(common_name: &str) -> CertificateParams {
    let mut p = CertificateParams::default();
    p.distinguished_name = rcgen::DistinguishedName::new();
    p.distinguished_name.push(DnType::CommonName, common_name);
    p.not_before = rcgen::date_time_ymd(2024, 1, 1);
    p.not_after = rcgen::date_time_ymd(2048, 1, 1);
    p
}

/// An authority and a certificate of it for this machine and for the two hosts that vectors reach through the proxy.
fn make_server(dir: &Path) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error>> {
    let ca_key = KeyPair::generate()?;
    let mut ca = named("Conformance Test CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_cert = ca.self_signed(&ca_key)?;
    fs::write(dir.join("ca_cert.pem"), ca_cert.pem())?;

    let key = KeyPair::generate()?;
    let mut server = named("127.0.0.1");
    server.is_ca = IsCa::ExplicitNoCa;
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    server.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    for host in ["localhost", "login.microsoftonline.com", "greenfield.cognitedata.com"] {
        server.subject_alt_names.push(SanType::DnsName(host.try_into()?));
    }
    let cert = server.signed_by(&key, &Issuer::new(ca, ca_key))?;
    fs::write(dir.join("server_cert.pem"), cert.pem())?;

    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], private)?;
    Ok(Arc::new(config))
}

/// Of the certificate that was in use when the vectors were recorded: it is part of what clients were seen to send, and
/// only a label to them. That of the certificate made here is another one.
const RECORDED_THUMBPRINT: &str = "B1B70D1DB983DAB09A5DDBD20E3507476F8DA320";

/// RSA key, certificate and thumbprint of a client that logs in with a certificate. ring makes no RSA keys, so this is
/// left to the openssl program; without it the vectors that name these files are counted as unsupported, by name.
fn make_client(dir: &Path) -> Result<(), String> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "8000", "-subj", "/CN=conformance client"])
        .args(["-keyout", "client_key.pem", "-out", "client_cert.pem"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|s| s.success()) {
        return Ok(());
    }
    let path = dir.join("client_thumbprint.txt");
    fs::write(&path, RECORDED_THUMBPRINT).map_err(|e| format!("{}: {e}", path.display()))
}
