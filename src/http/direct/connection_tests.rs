//! Against a peer in memory that says and takes what it is told to, in pieces of any size.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::HeaderMap;

use super::*;
use crate::http::headers::Headers;

#[derive(Clone, Copy, PartialEq)]
enum End {
    Closes,
    Stalls,
    Resets,
}

struct Peer {
    answer: Vec<u8>,
    /// Received at a time; 0: all there is.
    piece: usize,
    end: End,
    /// Bytes it takes of the request, and then no more.
    takes: usize,
    refuses: bool,
    /// Bytes it takes at a time, and how long it is busy with each.
    slowly: (usize, Duration),
    /// So often it has nothing to say yet.
    late: u32,
    taken: Arc<Mutex<Vec<u8>>>,
    passed: bool,
}

impl Peer {
    fn says(answer: &[u8]) -> Self {
        let taken = Arc::default();
        Self {
            answer: answer.to_vec(),
            piece: 0,
            end: End::Closes,
            takes: usize::MAX,
            refuses: false,
            slowly: (usize::MAX, Duration::ZERO),
            late: 0,
            taken,
            passed: false,
        }
    }
}

impl Wire for Peer {
    fn poll_send(&mut self, _: &mut Context<'_>, pieces: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        let all = pieces.concat();
        let n = all.len().min(self.takes).min(self.slowly.0);
        std::thread::sleep(self.slowly.1);
        if n == 0 && !all.is_empty() {
            return if self.refuses { Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) } else { Poll::Pending };
        }
        self.takes -= n;
        self.passed |= n > 0;
        self.taken.lock().unwrap().extend_from_slice(&all[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
        _: bool,
    ) -> Poll<io::Result<usize>> {
        assert!(most > 0);
        if self.late > 0 {
            // In turns of the runtime, which looks at its timers between them.
            self.late -= 1;
            let waker = cx.waker().clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(5));
                waker.wake();
            });
            return Poll::Pending;
        }
        let piece = if self.piece == 0 { usize::MAX } else { self.piece };
        let n = self.answer.len().min(most).min(piece);
        match (n, self.end) {
            (0, End::Stalls) => return Poll::Pending,
            (0, End::Resets) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            _ => into.extend(self.answer.drain(..n)),
        }
        Poll::Ready(Ok(n))
    }

    fn has_passed(&self) -> bool {
        self.passed
    }

    fn begin(&mut self) {
        self.passed = false;
    }

    fn is_quiet(&mut self, _fresh: bool) -> bool {
        self.answer.is_empty()
    }

    fn rest(&self) {}

    fn is_registered(&self) -> bool {
        true
    }
}

struct Request {
    method: Method,
    url: Url,
    headers: Headers,
    body: Bytes,
}

fn request(method: &str, body: &'static [u8]) -> Request {
    Request {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        url: Url::parse("http://h.x:81/a%20b?q=1").unwrap(),
        headers: Headers::default(),
        body: Bytes::from_static(body),
    }
}

impl Request {
    fn exchange(&self) -> Exchange<'_> {
        let Self { method, url, headers, body } = self;
        Exchange::alone(method, url, headers, body, Duration::from_secs(5))
    }
}

async fn ask(x: &Request, peer: Peer, limit: u64) -> Result<(Answer, bool), Failed> {
    Connection::new(Box::new(peer)).exchange(&x.exchange(), limit, &Progress::new(!x.body.is_empty())).await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text).unwrap();
    out.finish().unwrap()
}

/// Most of the time there is only one thing to send, and the clock is not asked for it.
#[tokio::test]
async fn a_body_that_moves_is_no_silence() {
    let x = request("POST", &[b'x'; 4000]);
    let slowly = |pieces: usize, each| Peer {
        slowly: (4200 / pieces, each),
        late: 3,
        ..Peer::says(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    };
    let exchange = Exchange { idle: Duration::from_millis(200), ..x.exchange() };
    let ask = async |peer| Connection::new(Box::new(peer)).exchange(&exchange, 99, &Progress::new(true)).await;
    // All of it goes out in one turn, which takes twice as long as there may be silence.
    assert!(ask(slowly(20, Duration::from_millis(20))).await.is_ok());
    let mut dead = slowly(1, Duration::ZERO);
    (dead.answer, dead.end) = (Vec::new(), End::Stalls);
    assert!(matches!(ask(dead).await, Err((Broken::Silent, 0))));
}

/// How a failure is called here.
fn kind(failed: &Failed) -> &'static str {
    match failed.0 {
        Broken::Io(_) => "io",
        Broken::Ended => "ended",
        Broken::Malformed(_) => "malformed",
        Broken::Silent => "silent",
        Broken::Encoding(_) => "encoding",
        Broken::TooLarge => "too large",
        Broken::Undecodable => "undecodable",
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_in_pieces_of_any_size() {
    let packed = gzip(b"{\"items\":[]}");
    let gz = [
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: GZIP\r\ncontent-length: {}\r\n\r\n", packed.len()).as_bytes(),
        &packed,
    ]
    .concat();
    let two = [&gzip(b"{\"it")[..], &gzip(b"ems\":[]}")[..]].concat();
    let two = [
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: x-gzip\r\ncontent-length: {}\r\n\r\n", two.len()).as_bytes(),
        &two,
    ]
    .concat();
    let ok = "{\"items\":[]}";
    for (method, answer, status, body, keep) in [
        ("GET", &b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"items\":[]}"[..], 200, ok, true),
        ("GET", b"\r\nHTTP/1.1 200\r\nContent-Length: 12, 12\r\ncontent-length:12\r\n\r\n{\"items\":[]}", 200, ok, true),
        ("GET", b"HTTP/1.1 200 OK\ncontent-length: 12\n\n{\"items\":[]}", 200, ok, true),
        ("GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5;a=\"b\"\r\n{\"ite\r\n007 \r\nms\":[]}\r\n0\r\n\r\n", 200, ok, true),
        ("GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nC\r\n{\"items\":[]}\r\n000;x\r\nt: 1\r\nu: 2\r\n\r\n", 200, ok, true),
        ("GET", b"HTTP/1.1 200 OK\r\n\r\n{\"items\":[]}", 200, ok, false),
        ("GET", b"HTTP/1.0 200 OK\r\ncontent-length: 12\r\n\r\n{\"items\":[]}", 200, ok, false),
        ("GET", b"HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 12\r\n\r\n{\"items\":[]}", 200, ok, true),
        ("GET", b"HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 12\r\n\r\n{\"items\":[]}", 200, ok, false),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"items\":[]}", 200, ok, true),
        ("GET", b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", 101, "", false),
        ("GET", b"HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n", 204, "", true),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n", 304, "", true),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", 200, "", true),
        ("GET", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-encoding: gzip\r\n\r\n", 200, "", true),
        ("GET", &gz, 200, ok, true),
        ("GET", &two, 200, ok, true),
        // More than one answer to one request.
        ("GET", b"HTTP/1.1 204 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 204, "", false),
    ] {
        for piece in 0..answer.len() {
            let text = String::from_utf8_lossy(answer);
            let stalls = if keep { End::Stalls } else { End::Closes };
            let (got, kept) = ask(&request(method, b""), Peer { piece, end: stalls, ..Peer::says(answer) }, 1000).await.expect(&text);
            assert_eq!((got.status, &got.body[..]), (status, body.as_bytes()), "{text}");
            // What comes after the end may come too late to be seen here; the look before the next use finds it.
            assert!(kept == keep || status == 204, "{text} {piece}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_http_or_can_be_understood_in_two_ways_is_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(head::LONGEST));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101));
    let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(40);
    let chunked = |rest: &str| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{rest}");
    let headers = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nab");
    for (answer, how) in [
        (headers("content-length: 2\r\ntransfer-encoding: chunked"), "malformed"),
        (headers("content-length: 2\r\ncontent-length: 3"), "malformed"),
        (headers("content-length: 2, 3"), "malformed"),
        (headers("content-length: +2"), "malformed"),
        (headers("content-length: -2"), "malformed"),
        (headers("content-length: 0x2"), "malformed"),
        (headers("content-length:"), "malformed"),
        (headers("content-length: 99999999999999999999999"), "malformed"),
        (headers("content-length: 1001"), "too large"),
        (headers("content-length: 3"), "ended"),
        (headers("transfer-encoding: gzip, chunked"), "malformed"),
        (headers("transfer-encoding: identity"), "malformed"),
        (headers("transfer-encoding: chunked\r\ntransfer-encoding: chunked"), "malformed"),
        (headers("content-encoding: br\r\ncontent-length: 2"), "encoding"),
        (headers("content-encoding: gzip\r\ncontent-length: 2"), "undecodable"),
        (headers("a: b\r\n folded: c"), "malformed"),
        (headers("a : b"), "malformed"),
        (headers("a: b\0c"), "malformed"),
        (headers("no colon"), "malformed"),
        ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".into(), "malformed"),
        ("HTTP/2 200 OK\r\n\r\n".into(), "malformed"),
        ("HTTP/1.1 20 OK\r\n\r\n".into(), "malformed"),
        ("HTTP/1.1 099 OK\r\n\r\n".into(), "malformed"),
        ("SSH-2.0-OpenSSH".into(), "malformed"),
        (String::new(), "ended"),
        ("HTTP/1.1 20".into(), "ended"),
        ("HTTP/1.1 100 Continue\r\n\r\n".into(), "ended"),
        (long, "malformed"),
        (many, "malformed"),
        (flood, "malformed"),
        (chunked(""), "ended"),
        (chunked("\r\n"), "malformed"),
        (chunked("g\r\n"), "malformed"),
        (chunked(" 2\r\nab\r\n"), "malformed"),
        (chunked("-2\r\nab\r\n"), "malformed"),
        (chunked("2\nab\r\n0\r\n\r\n"), "malformed"),
        (chunked("2\r\nabc\r\n"), "malformed"),
        (chunked("2\r\nab0\r\n"), "malformed"),
        (chunked("2;a\nb\r\nab\r\n0\r\n\r\n"), "malformed"),
        (chunked("fffffffffffffffff\r\n"), "malformed"),
        (chunked("00000000000000002\r\nab\r\n"), "malformed"),
        (chunked("ffffffffffffffff\r\nab"), "ended"),
        (chunked(&format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001))), "too large"),
        (chunked(&format!("2;{}\r\n", "x".repeat(20_000))), "malformed"),
        (chunked(&format!("0\r\n{}", "a: b\r\n".repeat(9000))), "malformed"),
        (chunked("0\r\nno line\n\r\n"), "malformed"),
        (format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1001)), "too large"),
    ] {
        for piece in [0, 1, 7, 4096] {
            if matches!(piece, 1 | 7) && answer.len() > 50_000 {
                continue;
            }
            let failed = ask(&request("GET", b""), Peer { piece, ..Peer::says(answer.as_bytes()) }, 1000).await;
            let begins: String = answer.chars().take(300).collect();
            let failed = failed.map(|(a, _)| a.status).expect_err(&begins);
            assert_eq!(kind(&failed), how, "in pieces of {piece}: {begins:?}");
        }
    }
    // A bomb is stopped at the limit, not after it.
    let packed = gzip(&vec![b'0'; 1 << 20]);
    let bomb = [
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len()).as_bytes(),
        &packed,
    ]
    .concat();
    assert_eq!(kind(&ask(&request("GET", b""), Peer::says(&bomb), 100_000).await.unwrap_err()), "too large");
    assert_eq!(ask(&request("GET", b""), Peer::says(&bomb), 1 << 20).await.unwrap().0.body.len(), 1 << 20);
    // Compressed, then cut short or followed by something else.
    for end in [&packed[..packed.len() - 1], &[&packed[..], b"x"].concat()[..]] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", end.len());
        let peer = Peer::says(&[head.as_bytes(), end].concat());
        assert_eq!(kind(&ask(&request("GET", b""), peer, 1 << 20).await.unwrap_err()), "undecodable");
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test(start_paused = true)]
async fn the_request_as_it_leaves() {
    for (method, body, framed) in [
        ("GET", &b""[..], ""),
        ("DELETE", b"", ""),
        ("POST", b"", "content-length: 0\r\n"),
        ("POST", b"{}", "content-length: 2\r\n"),
        ("GET", b"{}", "content-length: 2\r\n"),
    ] {
        let peer = Peer { end: End::Stalls, ..Peer::says(OK) };
        let taken = Arc::clone(&peer.taken);
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("b", "1"), ("a", "2"), ("content-length", "77"), ("transfer-encoding", "x"), ("host", "y")]
        {
            headers.insert(name, value.parse().unwrap());
        }
        let x = Request { headers: headers.into(), ..request(method, body) };
        assert!(ask(&x, peer, 10).await.unwrap().1);
        let wanted = format!(
            "{method} /a%20b?q=1 HTTP/1.1\r\nb: 1\r\na: 2\r\naccept: */*\r\nhost: h.x:81\r\n{framed}\r\n{}",
            String::from_utf8_lossy(body)
        );
        assert_eq!(String::from_utf8_lossy(&taken.lock().unwrap()), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_early_is_read_and_ends_the_connection() {
    for refuses in [false, true] {
        let peer = Peer { takes: 100, refuses, end: End::Stalls, ..Peer::says(OK) };
        let (answer, keep) = ask(&request("POST", &[b'x'; 5000]), peer, 10).await.unwrap();
        assert!(answer.body == b"ok" && !keep);
    }
}

#[tokio::test(start_paused = true)]
async fn how_far_a_request_came_is_known() {
    let x = request("POST", &[b'x'; 5000]);
    let mut head = Vec::new();
    head::write(&mut head, &x.exchange());
    for (takes, refuses, how, known) in [
        (0, true, "io", false),
        (head.len() - 1, true, "io", false),
        (head.len(), true, "io", true),
        (head.len() + 10, true, "io", true),
        (usize::MAX, true, "ended", true),
        (0, false, "silent", false),
        (head.len() + 10, false, "silent", true),
    ] {
        let progress = Progress::new(true);
        progress.exact();
        let end = if how == "silent" { End::Stalls } else { End::Closes };
        let mut connection = Connection::new(Box::new(Peer { takes, refuses, end, ..Peer::says(b"") }));
        let failed = connection.exchange(&x.exchange(), 10, &progress).await.unwrap_err();
        assert_eq!((kind(&failed), progress.may_be_sent()), (how, known), "{takes}");
        assert_eq!(connection.has_passed(), takes > 0);
        assert_eq!(progress.sent_bytes(), takes.saturating_sub(head.len()).min(5000) as u64);
    }
    let failed =
        ask(&x, Peer { end: End::Resets, ..Peer::says(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab") }, 10).await;
    assert!(matches!(failed, Err((Broken::Io(e), 200)) if e.kind() == io::ErrorKind::ConnectionReset));
    let failed = ask(&x, Peer { end: End::Stalls, ..Peer::says(b"HTTP/1.1 200 OK\r\n\r\nab") }, 10).await;
    assert!(matches!(failed, Err((Broken::Silent, 200))));
}
