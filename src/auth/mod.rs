//! Who we are to CDF: descriptions of credentials, and the engine that turns them into tokens.

pub mod credentials;
pub mod engine;
pub mod load;
pub mod secret;
pub mod token_endpoint;

pub use credentials::{ClientCredentials, Credentials, Scopes, TokenProvider};
pub use engine::TokenEngine;
pub use secret::Secret;
