//! Logins at Microsoft Entra ID, from a tenant and a CDF cluster.

use super::authority::Authority;
use super::certificate::ClientCertificate;
use super::credentials::{Credentials, Scopes};
use super::device_code::DeviceCode;
use super::interactive::Interactive;
use crate::error::Error;

fn default_scope(cluster: &str) -> Result<Scopes, Error> {
    check(cluster)?;
    Ok(Scopes::List(vec![format!("https://{cluster}.cognitedata.com/.default")]))
}

pub(super) fn check(cluster: &str) -> Result<(), Error> {
    if cluster.is_empty() || !cluster.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
        return Err(Error::config("cdf_cluster must be the name of a CDF cluster such as westeurope-1"));
    }
    Ok(())
}

impl Credentials {
    pub fn entra_interactive(tenant: &str, client_id: &str, cluster: &str) -> Result<Self, Error> {
        let login = Interactive::new(Authority::entra(tenant)?, client_id, default_scope(cluster)?)?;
        Ok(Credentials::Interactive(Box::new(login)))
    }

    pub fn entra_device_code(tenant: &str, client_id: &str, cluster: &str) -> Result<Self, Error> {
        check(cluster)?;
        let mut scopes = DeviceCode::cluster_scopes(cluster);
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
