//! Who we are to CDF: descriptions of credentials, and the engine that turns them into tokens.

pub mod authority;
mod browser;
mod cached;
pub mod certificate;
pub mod credentials;
pub mod device_code;
pub mod engine;
mod entra;
pub mod form;
pub mod interactive;
pub mod load;
mod load_logins;
mod loopback;
pub mod person;
pub mod secret;
pub mod secret_source;
mod session;
pub mod token_cache;
pub mod token_endpoint;

pub use credentials::{ClientCredentials, Credentials, Scopes, TokenProvider};
pub use engine::TokenEngine;
pub use entra::cluster_url;
pub use secret::Secret;
