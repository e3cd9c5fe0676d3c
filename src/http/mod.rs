//! Requests: addresses, bodies, one exchange, repeats that are safe, errors from answers.

pub mod body;
pub mod budget;
pub mod certificate;
pub mod class;
pub mod client;
pub mod cut;
pub mod direct;
pub mod error_body;
pub mod failure;
pub mod fields;
pub mod gate;
pub mod headers;
mod hint;
pub mod idle;
pub mod metrics;
pub mod observe;
pub mod probe;
pub mod progress;
pub mod proxy;
pub mod redirect;
pub mod relayed;
pub mod retry;
pub mod throttle;
pub mod tls;
pub mod token;
pub mod transfer;
pub mod transport;
pub mod url;

pub use class::Class;
pub use client::{Call, HttpClient, Index, Response};
