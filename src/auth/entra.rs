//! Logins at Microsoft Entra ID, from a tenant and a CDF cluster.

use super::authority::Authority;
use super::certificate::ClientCertificate;
use super::credentials::{Credentials, Scopes};
use super::device_code::DeviceCode;
use super::interactive::Interactive;
use crate::error::Error;

/// The address of a cluster. `setting`: what names it.
pub fn cluster_url(setting: &str, cluster: &str) -> Result<String, Error> {
    if cluster.is_empty() || !cluster.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
        return Err(Error::config(format!("{setting} must be the name of a CDF cluster such as westeurope-1")));
    }
    Ok(format!("https://{cluster}.cognitedata.com"))
}

pub(super) fn default_scope(cluster: &str) -> Result<Scopes, Error> {
    Ok(Scopes::List(vec![format!("{}/.default", cluster_url("cdf_cluster", cluster)?)]))
}

impl Credentials {
    pub fn entra_interactive(tenant: &str, client_id: &str, cluster: &str) -> Result<Self, Error> {
        let login = Interactive::new(Authority::entra(tenant)?, client_id, default_scope(cluster)?)?;
        Ok(Credentials::Interactive(Box::new(login)))
    }

    pub fn entra_device_code(tenant: &str, client_id: &str, cluster: &str) -> Result<Self, Error> {
        let mut scopes = DeviceCode::cluster_scopes(cluster)?;
        // Without this one there is no refresh token, and so a new code every hour.
        scopes.push("offline_access".into());
        let login = DeviceCode::new(Authority::entra(tenant)?, client_id, Scopes::List(scopes))?;
        Ok(Credentials::DeviceCode(Box::new(login)))
    }

    pub fn entra_client_certificate(
        tenant: &str,
        client_id: &str,
        thumbprint: Option<&str>,
        pem: &str,
        cluster: &str,
    ) -> Result<Self, Error> {
        let authority = Authority::entra(tenant)?;
        let login = ClientCertificate::new(authority, client_id, thumbprint, pem, default_scope(cluster)?)?;
        Ok(Credentials::ClientCertificate(Box::new(login)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_login_checks_the_cluster() {
        for cluster in ["", "a/b", "a b", "c.example/x?y"] {
            for made in [
                Credentials::entra_client_credentials("t", "i", "s", cluster),
                Credentials::entra_interactive("t", "i", cluster),
                Credentials::entra_device_code("t", "i", cluster),
                Credentials::entra_client_certificate("t", "i", None, "", cluster),
            ] {
                let e = made.map(|_| ()).unwrap_err();
                assert!(e.message().contains("cdf_cluster"), "{cluster}: {e}");
            }
        }
        assert!(Credentials::entra_client_credentials("t", "i", "s", "westeurope-1").is_ok());
    }
}
