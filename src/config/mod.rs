//! Settings: of one client ([`ClientConfig`]) and of the process ([`global`]).

pub mod client;
pub mod concurrency;
pub mod global;
pub mod load;
pub mod network;

pub use client::{BaseUrl, Checked, ClientConfig};
