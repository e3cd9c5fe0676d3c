//! TLS settings. The provider is passed by hand: a process-wide default would be the host's business.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::version;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::{BuilderVerifierExt, Verifier};

use crate::config::network::{Identity, MinTls, Network};
use crate::error::{Error, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The system's store, or the one SSL_CERT_FILE and SSL_CERT_DIR name, and the client's own authorities; with
    /// `ca_only` the latter alone.
    Authorities,
    /// Every certificate (`disable_ssl`).
    Anything,
    /// None: for a client that only speaks plain HTTP. Costs nothing to make.
    Nothing,
}

pub fn client_config(trust: Trust, network: &Network) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let fault = |e: &dyn std::fmt::Display| Error::new(Status::Tls, format!("TLS cannot be set up: {e}"));
    let versions: &[&rustls::SupportedProtocolVersion] = match network.min_tls {
        MinTls::V1_2 => &[&version::TLS13, &version::TLS12],
        MinTls::V1_3 => &[&version::TLS13],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|e| fault(&e))?;
    let builder = match trust {
        Trust::Nothing => builder.with_root_certificates(RootCertStore::empty()),
        Trust::Anything => builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAnything(provider))),
        Trust::Authorities if network.ca_only => {
            let mut roots = RootCertStore::empty();
            for ca in &network.ca {
                roots.add(ca.clone()).map_err(|e| fault(&e))?;
            }
            builder.with_root_certificates(roots)
        }
        Trust::Authorities if network.ca.is_empty() => builder.with_platform_verifier().map_err(|e| fault(&e))?,
        Trust::Authorities => {
            let verifier =
                Verifier::new_with_extra_roots(network.ca.iter().cloned(), provider).map_err(|e| fault(&e))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let mut config = match &network.identity {
        Some(Identity(identity)) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(identity))))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts any certificate; signatures are still checked, so the peer does hold the key of what it shows.
#[derive(Debug)]
struct TrustAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
