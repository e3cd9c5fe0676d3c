//! The C face. Converts and calls; decides nothing. The order of the `mod` lines is the order of the header.
#![allow(unsafe_code)]
// The names are C's, and so is the documentation: it becomes the header, which has its own words for what Rust puts
// under "# Safety".
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

pub mod version;

pub mod status;

pub mod error;

pub mod response;

pub mod credentials;

pub mod token_provider;

pub mod logins;

pub mod login_settings;

pub mod config;

pub mod config_values;

pub mod config_network;

pub mod global;

pub mod global_values;

pub mod global_threads;

pub mod concurrency;

pub mod client;

pub mod cancel;

pub mod queue;

pub mod request;

pub mod shortcuts;

pub mod operation;

pub mod pages;

pub mod files;

pub mod multipart;

pub mod column;

pub mod points;

pub mod points_units;

pub mod points_insert;

pub mod limits;

pub mod points_delete;

pub mod columns;

pub mod columns_read;

pub mod columns_pages;

pub mod arrow;

pub mod subscription;

pub mod usage;

pub mod metrics;

pub mod diagnose;

pub mod log;

pub mod shutdown;

#[cfg(feature = "testing")]
pub mod testing;

pub(crate) mod guard;
pub(crate) mod handle;
pub mod notify;
pub(crate) mod text;

#[cfg(test)]
mod tests;
