//! HTTP/1.1 and HTTP/2 from one client to one TLS server, side by side.
//!
//!     http2-bench [--rounds N]
//!
//! The server is this program in a process of its own. Some rows go through a relay that delays each direction, as a
//! network would. CPU is the client's alone.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Res<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const BULK: usize = 1 << 20;

struct Row {
    name: &'static str,
    /// Of the relay, there and back; 0: no relay.
    rtt_ms: u64,
    method: Method,
    sent: usize,
    path: &'static str,
    at_a_time: u32,
    count: u32,
    /// Whether connections are made before the clock starts.
    warm: bool,
}

fn rows() -> Vec<Row> {
    let get = |name, rtt_ms, count, warm| Row {
        name,
        rtt_ms,
        method: Method::GET,
        sent: 0,
        path: "/small",
        at_a_time: 20,
        count,
        warm,
    };
    let bulk = |name, rtt_ms, count, up: bool| Row {
        name,
        rtt_ms,
        method: if up { Method::POST } else { Method::GET },
        sent: if up { BULK } else { 0 },
        path: if up { "/taken" } else { "/bulk" },
        at_a_time: 5,
        count,
        warm: true,
    };
    vec![
        get("small GET, 20 at a time", 0, 20_000, true),
        bulk("1 MiB POST, 5 at a time", 0, 200, true),
        bulk("1 MiB GET, 5 at a time", 0, 200, false),
        get("first 20 small GETs, 30 ms away", 30, 20, false),
        get("small GET, 20 at a time, 30 ms away", 30, 2_000, true),
        bulk("1 MiB POST, 5 at a time, 30 ms away", 30, 40, true),
        bulk("1 MiB GET, 5 at a time, 30 ms away", 30, 40, false),
    ]
}

fn main() -> Res<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match words.as_slice() {
        ["serve"] => runtime.block_on(serve()),
        [] => runtime.block_on(measure(3)),
        ["--rounds", n] => runtime.block_on(measure(n.parse()?)),
        _ => Err("usage: http2-bench [--rounds N]".into()),
    }
}

// ---- the server ----

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    static SMALL: &[u8] =
        br#"{"items":[{"id":1234567890,"externalId":"pump-17","name":"Pump 17","createdTime":1700000000000}]}"#;
    static LARGE: [u8; BULK] = [b'x'; BULK];
    let large = request.uri().path() == "/bulk";
    let _ = request.into_body().collect().await;
    Ok(Response::new(Full::new(Bytes::from_static(if large { &LARGE } else { SMALL }))))
}

/// Prints its port, then the certificate as PEM and an end line; ends with its standard input.
async fn serve() -> Res<()> {
    let key = rcgen::KeyPair::generate()?;
    let cert = rcgen::CertificateParams::new(vec!["localhost".into()])?.self_signed(&key)?;
    let private = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let mut tls =
        rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![cert.der().clone()], private)?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}\n{}END", listener.local_addr()?.port(), cert.pem());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(socket).await else { return };
            let mut server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            server.http2().max_concurrent_streams(200);
            let _ = server.serve_connection(TokioIo::new(stream), hyper::service::service_fn(answer)).await;
        });
    }
}

// ---- the way to it ----

/// Hands on what comes, half a round trip later.
async fn relay(port: u16, rtt: Duration) -> Res<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let own = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(async move {
                // A connection costs a round trip before anything can be said.
                tokio::time::sleep(rtt).await;
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let ((nr, nw), (fr, fw)) = (near.into_split(), far.into_split());
                tokio::spawn(hand_on(nr, fw, rtt / 2));
                tokio::spawn(hand_on(fr, nw, rtt / 2));
            });
        }
    });
    Ok(own)
}

async fn hand_on(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf, late: Duration) {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = told.recv().await {
            tokio::time::sleep_until(due.into()).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut part = vec![0; 64 << 10];
    while let Ok(n @ 1..) = from.read(&mut part).await {
        if tell.send((Instant::now() + late, part[..n].to_vec())).is_err() {
            return;
        }
    }
}

// ---- the client ----

fn cpu() -> f64 {
    // SAFETY: rusage is plain numbers, and getrusage writes to the place given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

struct Figures {
    wall: f64,
    cpu: f64,
}

async fn run(row: &Row, two: bool, port: u16, pem: &str) -> Res<Figures> {
    let mut builder = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes())?])
        .pool_max_idle_per_host(20)
        .tcp_nodelay(true)
        .no_proxy();
    builder = if two {
        // Windows that do not hold a bulk body back.
        builder
            .http2_adaptive_window(false)
            .http2_initial_stream_window_size(4 << 20)
            .http2_initial_connection_window_size(16 << 20)
    } else {
        builder.http1_only()
    };
    let client = builder.build()?;
    let url = format!("https://localhost:{port}{}", row.path);
    let body = Bytes::from(vec![b'x'; row.sent]);
    if row.warm {
        batch(&client, row, &url, &body, 40.min(row.count)).await?;
    }
    let (began, before) = (Instant::now(), cpu());
    let version = batch(&client, row, &url, &body, row.count).await?;
    let figures = Figures { wall: began.elapsed().as_secs_f64(), cpu: cpu() - before };
    let wanted = if two { reqwest::Version::HTTP_2 } else { reqwest::Version::HTTP_11 };
    if version != wanted { Err(format!("{version:?} was spoken").into()) } else { Ok(figures) }
}

async fn batch(client: &reqwest::Client, row: &Row, url: &str, body: &Bytes, count: u32) -> Res<reqwest::Version> {
    let left = Arc::new(AtomicU32::new(count));
    let mut tasks = Vec::new();
    for _ in 0..row.at_a_time {
        let (client, url, body, method, left) =
            (client.clone(), url.to_owned(), body.clone(), row.method.clone(), Arc::clone(&left));
        tasks.push(tokio::spawn(async move {
            let mut version = reqwest::Version::HTTP_11;
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                let answer =
                    client.request(method.clone(), &url).body(body.clone()).send().await?.error_for_status()?;
                version = answer.version();
                answer.bytes().await?;
            }
            Ok::<_, reqwest::Error>(version)
        }));
    }
    let mut version = reqwest::Version::HTTP_11;
    for task in tasks {
        version = version.max(task.await??);
    }
    Ok(version)
}

fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v.get(v.len() / 2).copied().unwrap_or(f64::NAN)
}

async fn measure(rounds: usize) -> Res<()> {
    let mut server =
        Command::new(std::env::current_exe()?).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(server.stdout.take().ok_or("no standard output")?).lines();
    let port: u16 = lines.next().ok_or("the server said nothing")??.trim().parse()?;
    let mut pem = String::new();
    for line in lines {
        match line?.as_str() {
            "END" => break,
            line => pem.extend([line, "\n"]),
        }
    }
    println!(
        "{:<38}{:>12}{:>12}{:>12}{:>12}",
        "per request, median", "1.1 wall us", "2 wall us", "1.1 cpu us", "2 cpu us"
    );
    for row in rows() {
        let port = if row.rtt_ms == 0 { port } else { relay(port, Duration::from_millis(row.rtt_ms)).await? };
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            one.push(run(&row, false, port, &pem).await?);
            two.push(run(&row, true, port, &pem).await?);
        }
        let per = 1e6 / f64::from(row.count);
        let of = |v: &[Figures], f: fn(&Figures) -> f64| median(v.iter().map(f).collect()) * per;
        println!(
            "{:<38}{:>12.1}{:>12.1}{:>12.1}{:>12.1}",
            row.name,
            of(&one, |f| f.wall),
            of(&two, |f| f.wall),
            of(&one, |f| f.cpu),
            of(&two, |f| f.cpu)
        );
    }
    drop(server.stdin.take());
    server.wait()?;
    Ok(())
}
