//! The emulator without a network: requests go in and answers come out in the same process.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;

use crate::config::Config;
use crate::routes::router;
use crate::server::prepared;
use crate::state::State;
use crate::surround::respond;
use crate::wire::Wire;

pub struct Offline {
    state: Arc<State>,
    router: Router,
}

impl Offline {
    pub fn new(config: Config) -> io::Result<Self> {
        let state = Arc::new(prepared(config)?);
        Ok(Self { router: router(Arc::clone(&state)), state })
    }

    /// Status and body of the answer, as it would be sent. None where the connection would be dropped.
    pub async fn call(&self, request: Request<Vec<u8>>) -> Option<(u16, Vec<u8>)> {
        let request = request.map(Body::from);
        let answer = respond(Arc::clone(&self.state), self.router.clone(), Arc::new(Wire::default()), request).await;
        let (head, body) = answer.ok()?.into_parts();
        Some((head.status.as_u16(), to_bytes(body, usize::MAX).await.ok()?.to_vec()))
    }

    /// Forgets all data.
    pub fn reset(&self) {
        self.state.reset(false);
    }
}
