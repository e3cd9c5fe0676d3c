//! What a caller can ask for, in terms of CDF rather than of HTTP.

pub mod client;
pub mod datapoints;
pub mod diagnose;
pub mod files;
pub mod operations;
pub mod outgoing;

pub use client::{Client, Request, RetryChoice};
