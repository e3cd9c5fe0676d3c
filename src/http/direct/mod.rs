//! Requests that go straight to where they are addressed, over connections of our own. Nothing here knows of calls, tokens
//! or repeats.

mod chunks;
mod connect;
pub mod connection;
mod head;
mod pool;
pub mod wire;

use std::sync::Arc;
use std::time::Instant;

use once_cell::sync::OnceCell;
use tokio::task::AbortHandle;

use self::connect::Dialer;
use self::connection::{Connection, Failed};
use self::pool::{Origin, Pool};
use super::failure::{Broken, Unconnected};
use super::progress::Progress;
use super::tls::Trust;
use super::transport::{Answer, Exchange, Failure, Settings};
use crate::error::Phase;
use crate::runtime::panics::contained;
use crate::runtime::socket;

pub use self::head::Malformed;

pub struct Direct {
    pool: Arc<Pool>,
    dialer: Arc<Dialer>,
    limit: u64,
}

impl Direct {
    pub fn new(s: &Settings) -> Self {
        let dialer = Dialer {
            timeout: s.connect_timeout,
            trust: if s.disable_ssl { Trust::Anything } else { Trust::Authorities },
            network: s.network.clone(),
            tls: OnceCell::new(),
        };
        Self {
            pool: Pool::new(s.pool_size, s.network.keep_alive_idle),
            dialer: Arc::new(dialer),
            limit: s.max_response_bytes,
        }
    }

    /// `peer`: whom it is with, for messages.
    pub async fn exchange(
        &self,
        x: &Exchange<'_>,
        progress: &Arc<Progress>,
        peer: impl Fn() -> String,
    ) -> Result<Answer, Failure> {
        progress.exact();
        loop {
            let (origin, mut connection, kept) = match self.pool.take(x.url, !socket::is_driven(), progress.started()) {
                Some((origin, connection)) => (origin, connection, true),
                None => {
                    let origin = Arc::new(Origin::of(x.url));
                    let connection = self.connection(&origin, progress).await;
                    let connection = connection.map_err(|e| Failure::unconnected(&e, &peer()))?;
                    (origin, connection, false)
                }
            };
            match connection.exchange(x, self.limit, progress).await {
                Ok((answer, keep)) => {
                    let now = Instant::now();
                    progress.ended(now);
                    if keep {
                        self.pool.put(origin, connection, now);
                    }
                    return Ok(answer);
                }
                // Closed by the server while it was unused, and found so before a byte was out: nothing was tried.
                Err((Broken::Io(_), 0)) if kept && !connection.has_passed() => {}
                Err(failed) => return Err(self.failure(failed, x, progress, &peer())),
            }
        }
    }

    fn failure(&self, (broken, status): Failed, x: &Exchange<'_>, progress: &Progress, peer: &str) -> Failure {
        let phase = if status == 0 { Phase::Send } else { Phase::Body };
        let sent = status != 0 || progress.may_be_sent();
        let (cause, message) = broken.told(peer, x.idle, self.limit);
        Failure { cause, phase: if sent { phase } else { Phase::Connect }, sent, http_status: status, message }
    }

    /// A connection that becomes free, or a new one, whichever comes first. A new one that comes later is kept.
    async fn connection(&self, origin: &Arc<Origin>, progress: &Arc<Progress>) -> Result<Connection, Unconnected> {
        let _connecting = progress.connecting();
        let (slot, told) = self.pool.wait(origin);
        let (pool, dialer, origin) = (Arc::clone(&self.pool), Arc::clone(&self.dialer), Arc::clone(origin));
        let dialing = tokio::spawn(async move {
            match contained(Box::pin(dialer.connect(&origin))).await {
                Ok(Ok(connection)) => pool.give(&slot, origin, connection),
                Ok(Err(why)) => slot.fail(why),
                Err(defect) => slot.fail(Unconnected::Setup(defect)),
            }
        });
        let mut given_up = GivenUp(Some(dialing.abort_handle()));
        // Without a word only if the engine went away.
        let told = told.await.unwrap_or(Err(Unconnected::GivenUp));
        given_up.0 = None;
        told
    }
}

/// Ends the making of a connection that nobody waits for any more: one that was never used would only be in a server's way.
struct GivenUp(Option<AbortHandle>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(dialing) = &self.0 {
            dialing.abort();
        }
    }
}
