//! What the operating system must be asked directly. Small, and next to `ffi` the only place where unsafe code lives.
#![allow(unsafe_code)]

pub mod cancellation;
pub mod inflate;
pub mod launch;
pub mod memory;
pub mod process;
pub mod readiness;
pub mod signals;
pub mod socket;
#[cfg(unix)]
pub mod streams;
#[cfg(unix)]
pub mod wait;
