//! The settings of one client, collected field by field and checked as a whole when a client is made.

use std::time::Duration;

use reqwest::Url;
use serde_json::{Map, Value, json};

use super::network::Network;
use crate::auth::credentials::{seconds, within_a_week};
use crate::auth::{Credentials, cluster_url};
use crate::error::Error;
use crate::redact;
use crate::sys::process;

pub const DEFAULT_API_SUBVERSION: &str = "20230101";
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// The reference has no such bound; its worst case is eleven attempts of 60 s and 4 minutes of pauses.
pub const DEFAULT_TOTAL_TIMEOUT: Duration = Duration::from_secs(600);
pub const DEFAULT_FILE_TRANSFER_TIMEOUT: Duration = Duration::from_secs(600);
pub(crate) const DEFAULT_MAX_RESPONSE_BYTES: u64 = 256 << 20;
pub(crate) const DEFAULT_MAX_ACCEPTED_CALLS: u64 = 10_000;
/// Below this a body goes out as it is: gzip would make it larger or save less than a packet.
pub(crate) const DEFAULT_GZIP_MIN_BYTES: u64 = 1024;

#[derive(Clone, Debug)]
pub struct ClientConfig {
    pub client_name: Option<String>,
    pub project: Option<String>,
    pub base_url: Option<String>,
    pub cluster: Option<String>,
    pub credentials: Option<Credentials>,
    pub api_subversion: String,
    /// Names as given; compared without letter case.
    pub headers: Vec<(String, String)>,
    /// For a connection to be made, and for each wait for data.
    pub timeout: Duration,
    /// For a whole call: attempts, pauses, tokens.
    pub total_timeout: Duration,
    pub file_transfer_timeout: Duration,
    pub debug: bool,
    pub max_response_bytes: u64,
    /// Calls accepted and not finished, at most: a producer faster than the network is told, not buffered.
    pub max_accepted_calls: u64,
    pub gzip_min_bytes: u64,
    pub refresh_on_401: bool,
    pub project_hint_on_401: bool,
    pub network: Network,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            client_name: None,
            project: None,
            base_url: None,
            cluster: None,
            credentials: None,
            api_subversion: DEFAULT_API_SUBVERSION.into(),
            headers: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            total_timeout: DEFAULT_TOTAL_TIMEOUT,
            file_transfer_timeout: DEFAULT_FILE_TRANSFER_TIMEOUT,
            debug: false,
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
            max_accepted_calls: DEFAULT_MAX_ACCEPTED_CALLS,
            gzip_min_bytes: DEFAULT_GZIP_MIN_BYTES,
            refresh_on_401: true,
            project_hint_on_401: false,
            network: Network::default(),
        }
    }
}

/// The service's address: as text without trailing slashes, and parsed.
#[derive(Clone, Debug)]
pub struct BaseUrl {
    pub text: String,
    pub url: Url,
}

/// A config that is complete.
#[derive(Clone, Debug)]
pub struct Checked {
    pub client_name: String,
    pub project: String,
    pub base_url: BaseUrl,
    pub cluster_hint: Option<String>,
    pub credentials: Credentials,
    pub config: ClientConfig,
}

impl ClientConfig {
    /// The reference's `ClientConfig.default`: the address from the cluster, the client named after the login.
    pub fn for_cluster(
        project: &str,
        cluster: &str,
        credentials: Credentials,
        client_name: Option<&str>,
    ) -> Result<Self, Error> {
        let mut config = Self::default();
        config.set_project(project)?;
        config.set_base_url(&cluster_url("cluster", cluster)?)?;
        config.credentials = Some(credentials);
        let login = client_name.is_none().then(login_name).flatten();
        match client_name.or(login.as_deref()) {
            Some(name) => config.set_client_name(name)?,
            None => return Err(Error::config("no login name can be found out on this system: give client_name")),
        }
        Ok(config)
    }

    pub fn set_client_name(&mut self, name: &str) -> Result<(), Error> {
        if let Some(c) = name.chars().find(|c| *c > '\u{ff}' || (c.is_control() && *c != '\t')) {
            return Err(Error::config(format!(
                "client_name must be Latin-1 text, as it travels in a header; it holds U+{:04X}",
                c as u32
            )));
        }
        self.client_name = Some(name.to_owned());
        Ok(())
    }

    pub fn set_project(&mut self, project: &str) -> Result<(), Error> {
        if project.is_empty() {
            return Err(Error::config("project is empty: give the name of the CDF project"));
        }
        self.project = Some(project.to_owned());
        Ok(())
    }

    pub fn set_base_url(&mut self, text: &str) -> Result<(), Error> {
        self.base_url = Some(parse_base_url(text)?.text);
        Ok(())
    }

    pub fn set_cluster(&mut self, cluster: &str) -> Result<(), Error> {
        cluster_url("cluster", cluster)?;
        self.cluster = Some(cluster.to_owned());
        Ok(())
    }

    pub fn set_api_subversion(&mut self, text: &str) -> Result<(), Error> {
        header_value("api_subversion", text)?;
        self.api_subversion = if text.is_empty() { DEFAULT_API_SUBVERSION } else { text }.to_owned();
        Ok(())
    }

    /// Sets or, with `None`, removes a header that goes with every request.
    pub fn set_header(&mut self, name: &str, value: Option<&str>) -> Result<(), Error> {
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(Error::config("a header has a name that HTTP does not allow"));
        }
        if let Some(value) = value {
            header_value(name, value)?;
        }
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        if let Some(value) = value {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        Ok(())
    }

    /// Complete and free of contradictions, or an error that names what is wrong.
    pub fn check(&self) -> Result<Checked, Error> {
        let missing = |key: &str| Error::config(format!("the config lacks {key}"));
        let base_url = match (&self.base_url, &self.cluster) {
            (Some(url), None) => parse_base_url(url)?,
            (None, Some(cluster)) => parse_base_url(&cluster_url("cluster", cluster)?)?,
            (None, None) => return Err(Error::config("the config needs one of base_url and cluster; it has neither")),
            (Some(_), Some(_)) => {
                return Err(Error::config("the config has both base_url and cluster; give one of the two"));
            }
        };
        let credentials = self.credentials.clone().ok_or_else(|| missing("credentials"))?;
        self.network.check()?;
        Ok(Checked {
            client_name: self.client_name.clone().ok_or_else(|| missing("client_name"))?,
            project: self.project.clone().ok_or_else(|| missing("project"))?,
            cluster_hint: self.cluster.clone().or_else(|| cluster_hint(&base_url.text)),
            base_url,
            credentials,
            config: self.clone(),
        })
    }

    /// The address in force, if it can be told yet.
    pub fn effective_base_url(&self) -> Option<String> {
        self.base_url.clone().or_else(|| self.cluster.as_deref().and_then(|c| cluster_url("cluster", c).ok()))
    }

    /// Everything that may be seen, under the keys of `load`.
    pub fn to_json(&self) -> Value {
        let base_url = self.effective_base_url();
        let hint = self.cluster.clone().or_else(|| base_url.as_deref().and_then(cluster_hint));
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|(n, v)| (n.clone(), if redact::is_sensitive_name(n) { json!("***") } else { json!(v) }))
            .collect();
        let mut shown = json!({
            "client_name": self.client_name,
            "project": self.project,
            "base_url": base_url,
            "cluster_hint": hint,
            "api_subversion": self.api_subversion,
            "headers": headers,
            "timeout": seconds(self.timeout),
            "total_timeout": seconds(self.total_timeout),
            "file_transfer_timeout": seconds(self.file_transfer_timeout),
            "debug": self.debug,
            "max_response_bytes": self.max_response_bytes,
            "max_accepted_calls": self.max_accepted_calls,
            "gzip_min_bytes": self.gzip_min_bytes,
            "refresh_on_401": self.refresh_on_401,
            "project_hint_on_401": self.project_hint_on_401,
            "credentials": self.credentials.as_ref().map(Credentials::to_json),
        });
        if let Value::Object(shown) = &mut shown {
            self.network.add_to_json(shown);
        }
        shown
    }
}

/// 0 means the default, as it does in the reference.
pub fn checked_timeout(name: &str, wanted: Duration, default: Duration) -> Result<Duration, Error> {
    match wanted {
        Duration::ZERO => Ok(default),
        t => within_a_week(name, t).map_err(Error::config),
    }
}

/// Text that can be the value of a header: ASCII without control characters. What a service makes of other characters is
/// known to nobody.
pub fn header_value(name: &str, value: &str) -> Result<(), Error> {
    match value.chars().find(|c| !matches!(c, '\t' | ' '..='~')) {
        None => Ok(()),
        Some(c) if c.is_ascii() => {
            Err(Error::config(format!("the value of the header {name} holds characters that HTTP does not allow")))
        }
        Some(c) => Err(Error::config(format!(
            "the value of the header {name} must be ASCII, as HTTP has no way to say what else it is; it holds U+{:04X}",
            c as u32
        ))),
    }
}

fn parse_base_url(text: &str) -> Result<BaseUrl, Error> {
    let trimmed = text.trim_end_matches('/');
    let bad = |why: &str| Error::config(format!("base_url {why}; it looks like https://westeurope-1.cognitedata.com"));
    let url = Url::parse(trimmed).map_err(|_| bad("is not a full URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(bad("must begin with https:// (or http://) and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must not hold a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("must not hold a query or fragment"));
    }
    Ok(BaseUrl { text: trimmed.to_owned(), url })
}

/// The cluster named by an address of CDF itself, private links included; only decorates errors.
pub fn cluster_hint(base_url: &str) -> Option<String> {
    let rest = base_url.strip_prefix("https://").or_else(|| base_url.strip_prefix("http://"))?;
    let host = rest.split('/').next()?;
    let host = match host.split_once(':') {
        Some((h, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => h,
        Some(_) => return None,
        None => host,
    };
    let label = |s: &str| !s.is_empty() && !s.contains(|c: char| c == '.' || c.is_whitespace());
    let front = host.strip_suffix(".cognitedata.com")?;
    match front.split_once(".plink.") {
        Some((link, cluster)) => (label(link) && label(cluster)).then(|| cluster.to_owned()),
        None => label(front).then(|| front.to_owned()),
    }
}

/// The login name: the usual environment variables first, then the password database.
fn login_name() -> Option<String> {
    ["LOGNAME", "USER", "LNAME", "USERNAME"]
        .iter()
        .find_map(|v| std::env::var(v).ok().filter(|s| !s.is_empty()))
        .or_else(process::login_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> ClientConfig {
        let token = Credentials::token("canary-token").unwrap();
        ClientConfig::for_cluster("p", "c", token, Some("n")).unwrap()
    }

    #[test]
    fn cluster_hints() {
        for (url, hint) in [
            ("https://greenfield.cognitedata.com", Some("greenfield")),
            ("https://az-eastus-1.cognitedata.com:443/prefix", Some("az-eastus-1")),
            ("https://p001.plink.az-eastus-1.cognitedata.com/x", Some("az-eastus-1")),
            ("http://d.cognitedata.com:80", Some("d")),
            ("https://api.cognitedata.com.example.org", None),
            ("https://a.b.cognitedata.com", None),
            ("https://API.CogniteData.com", None),
            ("https://huh.my_cluster.cognitedata.com", None),
            ("https://3D.cognitedata.com", Some("3D")),
            ("https://my_clus-ter.cognitedata.com", Some("my_clus-ter")),
            ("https://localhost", None),
            ("d.cognitedata.com", None),
            ("https://.cognitedata.com", None),
        ] {
            assert_eq!(cluster_hint(url).as_deref(), hint, "{url}");
        }
    }

    #[test]
    fn addresses() {
        let mut c = complete();
        assert_eq!(c.check().unwrap().base_url.text, "https://c.cognitedata.com");
        c.set_base_url("http://127.0.0.1:8080/pre///").unwrap();
        assert_eq!(c.base_url.as_deref(), Some("http://127.0.0.1:8080/pre"));
        for bad in ["", "d.cognitedata.com", "ftp://x", "https://", "https://u:p@h", "https://h?x=1", "https://h#f"] {
            assert!(c.set_base_url(bad).is_err(), "{bad}");
        }
        c.cluster = Some("x".into());
        assert!(c.check().unwrap_err().message().contains("both base_url and cluster"));
        (c.cluster, c.base_url) = (None, None);
        assert!(c.check().unwrap_err().message().contains("base_url and cluster"));
        for bad in ["", "a/b", "a b", "a@b"] {
            assert!(c.set_cluster(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn headers_are_kept_once_and_shown_redacted() {
        let mut c = complete();
        c.set_header("X-Api-Key", Some("canary-1")).unwrap();
        c.set_header("x-api-key", Some("canary-2")).unwrap();
        c.set_header("x-team", Some("pumps")).unwrap();
        assert_eq!(c.headers.len(), 2);
        let shown = c.to_json().to_string();
        assert!(!shown.contains("canary") && shown.contains("pumps"), "{shown}");
        c.set_header("X-API-KEY", None).unwrap();
        assert_eq!(c.headers.len(), 1);
        assert!(c.set_header("a b", Some("x")).is_err() && c.set_header("a", Some("x\r\ny: z")).is_err());
        assert!(c.set_client_name("日本").is_err() && c.set_client_name("").is_ok());
    }
}
