//! An emulator of Cognite Data Fusion: a real HTTP server with state, for tests and demonstrations.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! let server = cognite_emulator::start(cognite_emulator::Config::default()).await?;
//! println!("{}", server.url());
//! server.stop().await;
//! # Ok(())
//! # }
//! ```

// A request must never be able to end the emulator.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable))]

mod access;
mod api;
mod areas;
mod auth;
mod call;
mod clock;
mod config;
mod contract;
mod cursor;
mod datapoints;
mod error;
mod faults;
mod generic;
mod journal;
mod login;
mod login_pages;
mod models;
mod offline;
mod page;
mod raw;
mod resources;
mod room;
mod routes;
mod scope;
mod seed;
mod server;
mod state;
mod surround;
mod tls;
mod wire;

pub use axum::http;
pub use config::{Config, Limits};
/// The binary messages, for tests that speak protobuf.
pub use datapoints::proto;
pub use offline::Offline;
pub use server::{Server, start};
