//! What a server says on a connection of our own.

use std::io;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cognite::http::direct::connection::Connection;
use cognite::http::direct::wire::Wire;
use cognite::http::failure::Broken;
use cognite::http::headers::Headers;
use cognite::http::progress::Progress;
use cognite::http::transport::Exchange;
use reqwest::{Method, Url};
use tokio::runtime::{Builder, Runtime};

/// Answers allowed to be this long.
const LIMIT: u64 = 4096;

/// Takes every request, says `answer` in pieces, and closes.
struct Peer {
    answer: Vec<u8>,
    at: usize,
    /// 0: all that is asked for at once; else where the sizes of the pieces begin.
    pieces: u32,
}

impl Wire for Peer {
    fn poll_send(&mut self, _: &mut Context<'_>, pieces: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(pieces.iter().map(|p| p.len()).sum()))
    }

    fn poll_receive(
        &mut self,
        _: &mut Context<'_>,
        into: &mut Vec<u8>,
        most: usize,
        _: bool,
    ) -> Poll<io::Result<usize>> {
        assert!(most > 0, "room for something");
        let left = &self.answer[self.at..];
        let piece = match self.pieces {
            0 => usize::MAX,
            n => {
                self.pieces = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) | 1;
                1 + (n >> 24) as usize % 9
            }
        };
        let n = left.len().min(most).min(piece);
        into.extend_from_slice(&left[..n]);
        self.at += n;
        Poll::Ready(Ok(n))
    }

    fn has_passed(&self) -> bool {
        true
    }

    fn begin(&mut self) {}

    fn is_quiet(&mut self, _fresh: bool) -> bool {
        false
    }

    fn rest(&self) {}

    fn is_registered(&self) -> bool {
        true
    }
}

/// What came of it, and whether the connection would be used again.
type Outcome = (Result<(u16, Vec<u8>), (std::mem::Discriminant<Broken>, u16)>, bool);

fn exchange(kind: u8, answer: &[u8], pieces: u32) -> Outcome {
    static TIME: OnceLock<Runtime> = OnceLock::new();
    let time = TIME.get_or_init(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));
    let (method, body) = match kind % 3 {
        0 => (Method::GET, Bytes::new()),
        1 => (Method::HEAD, Bytes::new()),
        _ => (Method::POST, Bytes::from_static(&[b'x'; 3000])),
    };
    let url = Url::parse("http://h.example/a?b").expect("an address");
    let (headers, idle) = (Headers::default(), Duration::from_secs(3600));
    let x = Exchange::alone(&method, &url, &headers, &body, idle);
    let mut connection = Connection::new(Box::new(Peer { answer: answer.to_vec(), at: 0, pieces }));
    match time.block_on(connection.exchange(&x, LIMIT, &Progress::new(true))) {
        Ok((answer, keep)) => {
            assert!(answer.body.len() as u64 <= LIMIT && (100..1000).contains(&answer.status));
            (Ok((answer.status, answer.body)), keep)
        }
        Err((broken, status)) => {
            let (_, said) = broken.told("h.example", x.idle, LIMIT);
            assert!(!said.is_empty() && !matches!(broken, Broken::Silent));
            (Err((std::mem::discriminant(&broken), status)), false)
        }
    }
}

/// A byte for the method, one for the pieces, then all that the server says. However it is cut, it means the same.
pub fn answer(data: &[u8]) {
    let [kind, pieces, said @ ..] = data else { return };
    let (whole, keep) = exchange(*kind, said, 0);
    let (cut, kept) = exchange(*kind, said, u32::from(*pieces) << 24 | 1);
    assert_eq!(whole, cut);
    // What follows the answer may not have arrived yet when it is used.
    assert!(kept || !keep);
}
