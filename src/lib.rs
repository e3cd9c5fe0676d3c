//! Cognite Data Fusion from C. The map of the house is in ARCHITECTURE.md.
#![deny(unsafe_code)]

#[cfg(panic = "abort")]
compile_error!("build with panic = \"unwind\": a defect of the library must not end the host");

pub mod api;
pub mod auth;
pub mod config;
pub mod document;
pub mod error;
pub mod ffi;
pub mod http;
pub mod log;
pub mod redact;
pub mod runtime;
pub mod sys;
