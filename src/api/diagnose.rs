//! A diagnosis: everything between the program and its project, looked at step by step. A step that fails is a result.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::client::Accepted;
use super::outgoing::segment;
use crate::auth::Credentials;
use crate::error::{Cause, Error, Status};
use crate::http::probe::{self, Proxy};
use crate::http::transport::Answer;
use crate::http::{HttpClient, Response};

const DEFAULT_TIME: Duration = Duration::from_secs(30);
const LONGEST_TIME: Duration = Duration::from_secs(3600);
/// A clock that is off by more is worth a word: some identity providers allow no more than this.
const MAX_SKEW_S: i64 = 60;
/// A certificate that ends sooner is worth a word.
const ENDS_SOON_S: i64 = 14 * 86_400;

struct Check {
    name: &'static str,
    /// `None`: left out.
    ok: Option<bool>,
    detail: String,
    advice: String,
    elapsed: Duration,
}

/// What a step found: whether it is well, what was seen, what to do.
type Found = (Option<bool>, String, String);

fn good(detail: impl Into<String>) -> Found {
    (Some(true), detail.into(), String::new())
}

fn bad(detail: impl Into<String>, advice: impl Into<String>) -> Found {
    (Some(false), detail.into(), advice.into())
}

fn left_out(why: &str) -> Found {
    (None, why.into(), String::new())
}

struct Diagnosis<'a> {
    http: &'a HttpClient,
    until: Instant,
    total: Duration,
    checks: Vec<Check>,
}

impl Accepted {
    /// Runs the diagnosis; its report is the body. Zero: the usual time.
    pub async fn diagnose(self, time: Duration) -> Result<Response, Error> {
        let total = if time.is_zero() { DEFAULT_TIME } else { time.min(LONGEST_TIME) };
        let started = Instant::now();
        let mut d = Diagnosis { http: &self.client.http, until: started + total, total, checks: Vec::new() };
        d.run().await;
        Ok(Response { elapsed: started.elapsed(), ..Response::of_json(&d.report()) })
    }
}

impl Diagnosis<'_> {
    /// Runs one step within what is left of the time; half of it at most, so that one that hangs leaves some to the next.
    async fn step<T>(&mut self, name: &'static str, step: impl Future<Output = (Found, Option<T>)>) -> Option<T> {
        let started = Instant::now();
        let limit = self.until.min(started + self.until.saturating_duration_since(started) / 2);
        let (found, value) = match timeout_at(limit, step).await {
            Ok(done) => done,
            Err(_) => {
                let ms = limit.saturating_duration_since(started).as_millis();
                let advice =
                    "a firewall or proxy in between may swallow what is sent; ask for the address to be let through";
                (bad(format!("no result within {ms} ms"), advice), None)
            }
        };
        let (ok, detail, advice) = found;
        self.checks.push(Check { name, ok, detail, advice, elapsed: started.elapsed() });
        value
    }

    fn note(&mut self, name: &'static str, found: Found) {
        let (ok, detail, advice) = found;
        self.checks.push(Check { name, ok, detail, advice, elapsed: Duration::ZERO });
    }

    async fn run(&mut self) {
        let http = self.http;
        let base = http.checked().base_url.url.clone();
        let proxy = http.proxy();
        self.note("config", config(http));
        self.note("proxy", proxy_found(proxy.as_ref()));

        let first = proxy.as_ref().map_or(&base, |p| &p.url);
        let host = first.host_str().unwrap_or_default().to_owned();
        let port = first.port_or_known_default().unwrap_or(443);
        let addresses = self.step("dns", look_up(&host, port)).await;
        let stream = match &addresses {
            Some(addresses) => self.step("tcp", connect(&host, port, addresses)).await,
            None => {
                self.note("tcp", left_out("no address to connect to"));
                None
            }
        };
        let reached = stream.is_some();
        match (base.scheme(), stream, &addresses) {
            ("https", Some(stream), Some(addresses)) if first.scheme() != "https" || proxy.is_none() => {
                self.step::<()>("tls", tls(http, stream, proxy.as_ref(), addresses)).await;
            }
            ("https", Some(_), _) => {
                self.note("tls", left_out("inside the connection to an https proxy: see the requests"))
            }
            ("https", None, _) => self.note("tls", left_out("no connection")),
            _ => self.note("tls", left_out("the address is http://: nothing is encrypted")),
        }

        let token = self.step("token", token(http)).await;
        let mut date = None;
        if reached {
            // Also without a token: the answer tells whether this is CDF, and what time it is there.
            let idle = self.total / 4;
            let asked = token.as_ref();
            let seen = self.step("inspect", inspect(http, asked, idle)).await;
            date = seen.flatten();
            match asked {
                Some(token) => {
                    let seen = self.step("project", project(http, token, idle)).await;
                    date = seen.flatten().or(date);
                }
                None => self.note("project", left_out("no token")),
            }
        } else {
            self.note("inspect", left_out("no connection"));
            self.note("project", left_out("no connection"));
        }
        self.note("clock", date.map_or_else(|| left_out("no answer with a Date"), clock));
    }

    fn report(&self) -> Value {
        let failed: Vec<&Check> = self.checks.iter().filter(|c| c.ok == Some(false)).collect();
        let checked = self.http.checked();
        let mut text = format!(
            "libcognite {}: '{}' to project {} at {}\n",
            env!("CARGO_PKG_VERSION"),
            checked.client_name,
            checked.project,
            crate::redact::url(&checked.base_url.text)
        );
        for c in &self.checks {
            let word = match c.ok {
                Some(true) => "ok",
                Some(false) => "FAILED",
                None => "-",
            };
            text.push_str(&format!("{word:<8}{:<9}{} ({} ms)\n", c.name, c.detail, c.elapsed.as_millis()));
            if !c.advice.is_empty() {
                text.push_str(&format!("{:17}-> {}\n", "", c.advice));
            }
        }
        text.push_str(&match failed.first() {
            None => "Everything works.\n".to_owned(),
            Some(first) => {
                format!("{} of {} checks failed; begin with '{}'.\n", failed.len(), self.checks.len(), first.name)
            }
        });
        let checks: Vec<Value> = self
            .checks
            .iter()
            .map(|c| {
                json!({"name": c.name, "ok": c.ok, "detail": c.detail, "advice": c.advice,
                       "elapsed_ms": c.elapsed.as_millis() as u64})
            })
            .collect();
        json!({"ok": failed.is_empty(), "checks": checks, "text": text})
    }
}

fn config(http: &HttpClient) -> Found {
    let c = http.checked();
    let way = match &c.credentials {
        Credentials::Token(_) => "a token".to_owned(),
        Credentials::Provider(_) => "tokens from the program".to_owned(),
        other => other.to_json().get("type").and_then(Value::as_str).unwrap_or("credentials").to_owned(),
    };
    let times = (c.config.timeout.as_millis(), c.config.total_timeout.as_millis());
    let detail = format!("login by {way}; timeout {} ms, total {} ms", times.0, times.1);
    let advice = match http.checks_certificates() {
        true => String::new(),
        false => "certificates are not checked (disable_ssl): turn that off outside of tests".to_owned(),
    };
    (Some(true), detail, advice)
}

fn proxy_found(proxy: Option<&Proxy>) -> Found {
    match proxy {
        None => good("none: the connection is made directly"),
        Some(p) => {
            let source = if p.from_environment { "the system's settings" } else { "the setting proxy" };
            good(format!("{} (from {source})", p.shown()))
        }
    }
}

async fn look_up(host: &str, port: u16) -> (Found, Option<Vec<std::net::SocketAddr>>) {
    match probe::look_up(host, port).await {
        Ok(found) if !found.is_empty() => {
            let mut list: Vec<String> = found.iter().map(|a| a.ip().to_string()).collect();
            list.dedup();
            list.truncate(4);
            (good(format!("{host} is {}", list.join(", "))), Some(found))
        }
        _ => (
            bad(
                format!("the name {host} cannot be looked up"),
                "check the spelling of base_url (or cluster, or the proxy), and that this machine's name server knows it",
            ),
            None,
        ),
    }
}

async fn connect(host: &str, port: u16, to: &[std::net::SocketAddr]) -> (Found, Option<tokio::net::TcpStream>) {
    match probe::connect(to).await {
        Ok(stream) => (good(format!("connected to {host} port {port}")), Some(stream)),
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => (
            bad(
                format!("{host} refuses connections to port {port}"),
                "check the port in base_url (or of the proxy), and that the service runs",
            ),
            None,
        ),
        Err(e) => (
            bad(
                format!("no connection to {host} port {port}: {e}"),
                "a firewall may be in between, or a proxy be needed: ask for outgoing connections to this address",
            ),
            None,
        ),
    }
}

async fn tls(
    http: &HttpClient,
    stream: tokio::net::TcpStream,
    proxy: Option<&Proxy>,
    addresses: &[std::net::SocketAddr],
) -> (Found, Option<()>) {
    let url = &http.checked().base_url.url;
    let led = async |stream| match proxy {
        Some(proxy) => probe::tunnel(stream, proxy, url).await,
        None => Ok(stream),
    };
    let first = async { http.handshake(led(stream).await?, false).await }.await;
    let shown = match first {
        Err(e) => {
            return (
                bad(e, "check that base_url names an https server, and what the proxy or firewall does with TLS"),
                None,
            );
        }
        Ok(shown) => shown,
    };
    let Some(why) = shown.refused else {
        let (_, detail, advice) = certificate(&shown.facts);
        return ((Some(true), detail, advice), Some(()));
    };
    // Once more without trust, only to say whose certificate it is.
    let again = async {
        let stream = probe::connect(addresses).await.map_err(|e| e.to_string())?;
        http.handshake(led(stream).await?, true).await
    };
    let whose = again.await.map(|h| certificate(&h.facts).1).unwrap_or_default();
    let advice = "an issuer that you know as your company's inspects connections: add it to the system's trust store or to SSL_CERT_FILE. One that you do not know: do not go on";
    (bad(format!("{why}; {whose}"), advice), None)
}

fn certificate(facts: &crate::http::certificate::Facts) -> Found {
    let issuer = facts.issuer.as_deref().unwrap_or("an unnamed issuer");
    let Some((end, unix)) = &facts.ends else { return good(format!("certificate by {issuer}")) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
    let advice = if unix - now < ENDS_SOON_S { "the certificate ends soon: tell who runs the server" } else { "" };
    (Some(true), format!("certificate by {issuer}, good until {end} UTC"), advice.into())
}

type Token = crate::auth::engine::Header;

async fn token(http: &HttpClient) -> (Found, Option<Token>) {
    match http.token().await {
        Ok((header, Some(left))) => (good(format!("obtained; good for {} s", left.as_secs())), Some(header)),
        Ok((header, None)) => (good("there is one; until when it is good is not known"), Some(header)),
        Err(e) => {
            let advice = match (e.detail().oauth_error.as_deref(), e.detail().cause) {
                (Some("invalid_client"), _) => "check client_id and client_secret; a secret may have expired",
                (Some("invalid_scope"), _) => "check scopes: usually https://{cluster}.cognitedata.com/.default",
                (Some("unauthorized_client"), _) => "have the application allowed to log in this way",
                (_, Some(Cause::Dns | Cause::Refused | Cause::ConnectTimeout | Cause::Tls | Cause::Proxy)) => {
                    "check token_url, and that this machine may reach the identity provider"
                }
                _ => "check the credentials and token_url",
            };
            (bad(e.message(), advice), None)
        }
    }
}

/// The moment of an answer and what its server took the time to be, in Unix seconds.
type Seen = Option<(i64, i64)>;

fn date_of(answer: &Answer) -> Seen {
    let text = answer.headers.get("date")?.to_str().ok()?;
    let theirs = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs() as i64;
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs() as i64;
    Some((ours, theirs))
}

fn clock((ours, theirs): (i64, i64)) -> Found {
    let skew = ours - theirs;
    let word = if skew >= 0 { "ahead of" } else { "behind" };
    let detail = format!("this machine is {} s {word} the server", skew.abs());
    match skew.abs() <= MAX_SKEW_S {
        true => good(detail),
        false => bad(
            detail,
            "set the clock (NTP): tokens and certificates are refused when it is wrong, and datapoints get wrong times",
        ),
    }
}

/// What is wrong with an answer that is not the JSON of a 2xx.
fn unusable(answer: &Answer, http: &HttpClient) -> Option<Found> {
    let server = crate::redact::url(&http.checked().base_url.text);
    if serde_json::from_slice::<Value>(&answer.body).is_err() {
        let kind = answer.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("no type");
        return Some(bad(
            format!("status {} with something that is not JSON ({kind})", answer.status),
            format!(
                "{server} does not look like CDF: check base_url; a proxy or a login page may have answered in its place"
            ),
        ));
    }
    match answer.status {
        200..=299 => None,
        401 => Some(bad(
            "status 401: the token is refused",
            "check that scopes and tenant belong to this CDF cluster, and the clock",
        )),
        403 => Some(bad("status 403: the token may not do this", "have the identity added to a group of the project")),
        404 => {
            Some(bad("status 404: not found", "check project and base_url; both may be right but not belong together"))
        }
        500.. => Some(bad(
            format!("status {}: the service has a problem", answer.status),
            "try again later; tell support if it stays",
        )),
        other => Some(bad(format!("status {other}"), "check base_url: this is not what CDF answers")),
    }
}

fn failed(e: &Error) -> Found {
    let advice = match e.status() {
        Status::Timeout => {
            "the server accepts connections but does not answer: a firewall or proxy in between, or trouble there"
        }
        Status::Tls => "see the check tls",
        Status::Decode => {
            "check base_url and its port: what answers is no web server, or an https one asked without TLS"
        }
        _ => "check base_url and what lies in between (proxy, firewall)",
    };
    bad(e.message(), advice)
}

async fn inspect(http: &HttpClient, token: Option<&Token>, idle: Duration) -> (Found, Option<Seen>) {
    let answer = match http.probe("/api/v1/token/inspect", token, idle).await {
        Ok(answer) => answer,
        Err(e) => return (failed(&e), None),
    };
    let date = Some(date_of(&answer));
    if token.is_none() {
        let json = serde_json::from_slice::<Value>(&answer.body).is_ok();
        let found =
            if json { left_out("no token") } else { unusable(&answer, http).unwrap_or_else(|| left_out("no token")) };
        return (found, date);
    }
    if let Some(found) = unusable(&answer, http) {
        return (found, date);
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(list) = body.get("projects").and_then(Value::as_array) else {
        return (bad("the answer has no list of projects", "check base_url: this is not what CDF answers"), date);
    };
    let names: Vec<&str> = list.iter().filter_map(|p| p.get("projectUrlName").and_then(Value::as_str)).collect();
    let shown = names.iter().take(10).copied().collect::<Vec<_>>().join(", ");
    let project = &http.checked().project;
    let found = match names.contains(&project.as_str()) {
        true => good(format!("the token reaches {} project(s), among them {project}", names.len())),
        false if names.is_empty() => bad(
            "the token reaches no project",
            "have the identity (service principal) added to a group of the project, by its object id",
        ),
        false => bad(
            format!("the token does not reach {project}; it does reach: {shown}"),
            "correct project in the configuration, or have the identity added to a group of it",
        ),
    };
    (found, date)
}

async fn project(http: &HttpClient, token: &Token, idle: Duration) -> (Found, Option<Seen>) {
    let path = match segment("project", &http.checked().project) {
        Ok(name) => format!("/api/v1/projects/{name}"),
        Err(e) => return (failed(&e), None),
    };
    let answer = match http.probe(&path, Some(token), idle).await {
        Ok(answer) => answer,
        Err(e) => return (failed(&e), None),
    };
    let date = Some(date_of(&answer));
    (unusable(&answer, http).unwrap_or_else(|| good(format!("{} answers", http.checked().project))), date)
}
