//! Settings as text: YAML or JSON of the host's, or of whoever writes its files.

use cognite::auth::Credentials;
use cognite::config::{ClientConfig, global};
use cognite::document::parse_mapping;
use cognite::error::{Error, Status};

/// Longest message that is still a sentence for people.
const MESSAGE: usize = 4096;

/// An error about settings names what is wrong, briefly.
fn proper(e: &Error) {
    assert!(matches!(e.status(), Status::Config | Status::InvalidArgument), "{e}");
    assert!(!e.message().is_empty() && e.message().len() <= MESSAGE, "{} bytes: {e}", e.message().len());
}

pub fn config(data: &[u8]) {
    match ClientConfig::load(data) {
        Ok(config) => {
            // Complete when it is loaded, and what is shown of it is a document again.
            config.check().expect("a loaded config is complete");
            let shown = config.to_json().to_string();
            parse_mapping(shown.as_bytes(), "what is shown").expect("what is shown is JSON");
        }
        Err(e) => proper(&e),
    }
}

pub fn credentials(data: &[u8]) {
    match Credentials::load(data) {
        Ok(credentials) => assert!(credentials.to_json().is_object()),
        Err(e) => proper(&e),
    }
}

/// All of a text is applied, or nothing.
pub fn settings(data: &[u8]) {
    let before = global::current().to_json();
    match global::apply_settings(data) {
        Ok(()) => {
            let after = global::current().to_json();
            assert_eq!(after.as_object().map(|o| o.len()), before.as_object().map(|o| o.len()));
        }
        Err(e) => {
            proper(&e);
            assert_eq!(global::current().to_json(), before);
        }
    }
    global::update(|g| {
        *g = global::Global::default();
        Ok(())
    })
    .expect("the defaults can be had back");
}
