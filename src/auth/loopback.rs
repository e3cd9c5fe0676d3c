//! The port of this machine to which the browser brings the answer of an interactive login.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::form::form_pairs;
use super::secret::Secret;
use crate::error::{Error, Status};

/// Larger than any answer; id tokens and codes are a few thousand bytes.
const MAX_REQUEST: usize = 64 * 1024;
/// Browsers open connections ahead and say nothing on them.
const PATIENCE: Duration = Duration::from_secs(30);
const MAX_CONNECTIONS: usize = 32;

pub struct Listener {
    sockets: Vec<TcpListener>,
    port: u16,
}

pub enum Outcome {
    Code(Secret),
    Refused(Error),
}

impl Listener {
    /// On this machine's own addresses only. `localhost` can mean either of the two.
    pub async fn bind(port: u16) -> Result<Self, Error> {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|e| taken(port, &e))?;
        let port = first.local_addr().map_err(|e| taken(port, &e))?.port();
        let mut sockets = vec![first];
        match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            Ok(second) => sockets.push(second),
            // Somebody else would get the answer.
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => return Err(taken(port, &e)),
            // A machine without IPv6.
            Err(_) => {}
        }
        Ok(Self { sockets, port })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the answer; everything else that comes is turned away. Dropping the future closes all of it.
    pub async fn answer(&self, state: &str) -> Outcome {
        let state: Arc<str> = state.into();
        let (tell, mut told) = mpsc::channel(1);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(outcome) = told.recv() => return outcome,
                accepted = self.accept() => match accepted {
                    Ok(stream) if connections.len() < MAX_CONNECTIONS => {
                        let (state, tell) = (Arc::clone(&state), tell.clone());
                        connections.spawn(async move {
                            if let Ok(Some(outcome)) = tokio::time::timeout(PATIENCE, serve(stream, &state)).await {
                                let _ = tell.send(outcome).await;
                            }
                        });
                    }
                    Ok(_) => {}
                    // Out of file descriptors, most likely: some will be back soon.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let accepted: Result<(TcpStream, SocketAddr), _> = match self.sockets.as_slice() {
            [first, second] => tokio::select! { a = first.accept() => a, b = second.accept() => b },
            [only] => only.accept().await,
            _ => return Err(io::Error::other("no socket")),
        };
        accepted.map(|(stream, _)| stream)
    }
}

fn taken(port: u16, e: &io::Error) -> Error {
    Error::new(
        Status::Auth,
        format!(
            "port {port} of this machine, to which the browser would answer, cannot be used ({e}); end the program that uses it, or set redirect_port to one that is registered for the application"
        ),
    )
}

async fn serve(mut stream: TcpStream, state: &str) -> Option<Outcome> {
    let request = read(&mut stream).await?;
    let (status, text, outcome) = match request.fields.and_then(|fields| judge(&fields, state)) {
        None => ("404 Not Found", "This address only takes the answer of a login.", None),
        Some(Outcome::Code(code)) => {
            ("200 OK", "You are logged in. This window can be closed.", Some(Outcome::Code(code)))
        }
        Some(refused) => {
            ("400 Bad Request", "The login failed; the program says why. This window can be closed.", Some(refused))
        }
    };
    let page = format!(
        "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>Login</title></head><body><p>{text}</p></body></html>"
    );
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    // Whether the browser shows it or not, the answer is here.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    outcome
}

struct Request {
    /// `None`: no request of the kind that answers.
    fields: Option<Vec<(String, String)>>,
}

/// One HTTP request: the fields of a form or query.
async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(4096));
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        more(stream, &mut bytes).await?;
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let header = |name: &str| {
        lines
            .clone()
            .find_map(|l| l.split_once(':').filter(|(n, _)| n.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()))
    };
    let fields = match method {
        "GET" => target.split_once('?').map(|(_, query)| form_pairs(query)),
        "POST" => {
            let length: usize = header("content-length")?.parse().ok().filter(|n| *n <= MAX_REQUEST)?;
            while bytes.len() < head + 4 + length {
                more(stream, &mut bytes).await?;
            }
            Some(form_pairs(&String::from_utf8_lossy(&bytes[head + 4..head + 4 + length])))
        }
        _ => None,
    };
    Some(Request { fields })
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut part = zeroize::Zeroizing::new([0; 4096]);
    let n = stream.read(&mut *part).await.ok().filter(|n| *n > 0)?;
    bytes.extend_from_slice(&part[..n]);
    (bytes.len() <= MAX_REQUEST + 4096).then_some(())
}

/// `None`: not the answer of a login at all.
fn judge(fields: &[(String, String)], state: &str) -> Option<Outcome> {
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let given = field("state")?;
    let (code, error) = (field("code"), field("error"));
    if code.is_none() && error.is_none() {
        return None;
    }
    if given != state {
        return Some(Outcome::Refused(Error::auth(
            "the browser brought the answer of another login (its state is not the one of this login); log in again",
        )));
    }
    if let Some(error) = error {
        let description = field("error_description").unwrap_or_default();
        let hint = if error == "access_denied" { "; whoever was asked did not agree" } else { "" };
        return Some(Outcome::Refused(
            Error::auth(format!("the identity provider refused the login: {error}{hint}. It says: {description}"))
                .with(|d| {
                    d.code = Some(error.chars().take(200).collect());
                    d.oauth_error = d.code.clone();
                    d.oauth_description = Some(description.chars().take(1000).collect());
                }),
        ));
    }
    code.filter(|c| !c.is_empty()).map(|c| Outcome::Code(Secret::new(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(port: u16, text: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    fn post(body: &str) -> String {
        format!("POST / HTTP/1.1\r\nHost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    async fn outcome(texts: &[String]) -> (Outcome, Vec<String>) {
        let listener = Listener::bind(0).await.unwrap();
        let port = listener.port();
        let _silent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let texts = texts.to_vec();
        let browser = tokio::spawn(async move {
            let mut answers = Vec::new();
            for text in texts {
                answers.push(ask(port, &text).await);
            }
            answers
        });
        let outcome = tokio::time::timeout(Duration::from_secs(10), listener.answer("s1")).await.unwrap();
        (outcome, browser.await.unwrap())
    }

    #[tokio::test]
    async fn form_and_query_after_noise() {
        let noise = "GET /favicon.ico HTTP/1.1\r\n\r\n".to_owned();
        let unknown = "BREW /?code=c&state=s1 HTTP/1.1\r\n\r\n".to_owned();
        for last in [post("code=c%201&state=s1"), "GET /?code=c+1&state=s1 HTTP/1.1\r\n\r\n".into()] {
            let (outcome, answers) = outcome(&[noise.clone(), unknown.clone(), last]).await;
            assert!(matches!(outcome, Outcome::Code(c) if c.reveal() == "c 1"));
            assert!(
                answers[0].contains("404") && answers[1].contains("404") && answers[2].contains("200 OK"),
                "{answers:?}"
            );
        }
    }

    #[tokio::test]
    async fn refusals() {
        for (text, word) in [
            (post("code=c&state=other"), "another login"),
            (post("error=access_denied&error_description=nope&state=s1"), "access_denied"),
        ] {
            let (outcome, answers) = outcome(&[text]).await;
            assert!(matches!(outcome, Outcome::Refused(e) if e.message().contains(word)), "{word}");
            assert!(answers[0].contains("400"));
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = Listener::bind(0).await.unwrap();
        let e = Listener::bind(first.port()).await.map(|_| ()).unwrap_err();
        assert!(e.message().contains(&first.port().to_string()) && e.message().contains("redirect_port"), "{e}");
    }
}
