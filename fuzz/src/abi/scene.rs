//! The state of one sequence: the live handles, and what a call must leave behind.

use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use cognite::ffi::cancel::{cognite_cancel, cognite_cancel_free};
use cognite::ffi::client::{cognite_client, cognite_client_free, cognite_client_load, cognite_client_new};
use cognite::ffi::columns::{cognite_columns, cognite_columns_free};
use cognite::ffi::columns_pages::{cognite_columns_pages, cognite_columns_pages_free};
use cognite::ffi::config::{cognite_config, cognite_config_free, cognite_config_load};
use cognite::ffi::config_values::cognite_config_set_credentials;
use cognite::ffi::credentials::{cognite_credentials, cognite_credentials_free};
use cognite::ffi::error::{cognite_error, cognite_error_free, cognite_error_message, cognite_error_status};
use cognite::ffi::global::cognite_global_apply_settings;
use cognite::ffi::log::cognite_log_set_callback;
use cognite::ffi::multipart::{cognite_multipart, cognite_multipart_free};
use cognite::ffi::pages::{cognite_pages, cognite_pages_free};
use cognite::ffi::points::{cognite_points, cognite_points_free};
use cognite::ffi::queue::{cognite_completion, cognite_queue, cognite_queue_free};
use cognite::ffi::response::{cognite_response, cognite_response_free};
use cognite::ffi::shutdown::cognite_shutdown;
use cognite::ffi::subscription::{cognite_subscription, cognite_subscription_free};
use cognite::ffi::token_provider::{
    cognite_credentials_new_token_provider, cognite_token_request, cognite_token_request_fail,
};

use super::draw::Callable;
use super::host;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Cancel,
    Client,
    Columns,
    ColumnsPages,
    Config,
    Credentials,
    Error,
    Multipart,
    Pages,
    Points,
    Queue,
    Response,
    Request,
    Subscription,
}

/// The C type of a handle.
pub trait Handle {
    const KIND: Kind;
}

impl Handle for cognite_cancel {
    const KIND: Kind = Kind::Cancel;
}
impl Handle for cognite_client {
    const KIND: Kind = Kind::Client;
}
impl Handle for cognite_config {
    const KIND: Kind = Kind::Config;
}
impl Handle for cognite_credentials {
    const KIND: Kind = Kind::Credentials;
}
impl Handle for cognite_error {
    const KIND: Kind = Kind::Error;
}
impl Handle for cognite_multipart {
    const KIND: Kind = Kind::Multipart;
}
impl Handle for cognite_pages {
    const KIND: Kind = Kind::Pages;
}
impl Handle for cognite_columns {
    const KIND: Kind = Kind::Columns;
}
impl Handle for cognite_columns_pages {
    const KIND: Kind = Kind::ColumnsPages;
}
impl Handle for cognite_subscription {
    const KIND: Kind = Kind::Subscription;
}
impl Handle for cognite_points {
    const KIND: Kind = Kind::Points;
}
impl Handle for cognite_queue {
    const KIND: Kind = Kind::Queue;
}
impl Handle for cognite_response {
    const KIND: Kind = Kind::Response;
}
impl Handle for cognite_token_request {
    const KIND: Kind = Kind::Request;
}

#[derive(Clone, Copy)]
pub struct Live {
    pub kind: Kind,
    pub raw: *mut c_void,
    /// A client whose calls go to this machine and end soon.
    pub local: bool,
}

/// What a place for a result holds before a call.
const UNTOUCHED: *mut c_void = 0x5a5a_5a50 as *mut c_void;
/// Most handles of one sequence; more are freed at once.
const HANDLES: usize = 100;

#[derive(Default)]
pub struct Scene {
    pub live: Vec<Live>,
    /// Memory of the arguments of the call that is being made.
    pub memory: Vec<Box<[u64]>>,
    places: Vec<(Kind, Box<*mut c_void>)>,
    /// Gives back what was exported.
    pub exported: Vec<Box<dyn FnOnce()>>,
    completion: Option<*mut cognite_completion>,
    /// The function takes an error slot, so what it returns is a status.
    has_status: bool,
    /// The call is told by callback, if it is accepted.
    pub by_callback: bool,
    pub name: &'static str,
    /// What the parameter before was: the room or length a count may say.
    pub last: Option<usize>,
    pub first_text: bool,
    accepted: u64,
    pub given: u64,
    told_before: u64,
    destroyed_before: u64,
}

impl Scene {
    pub fn begin() -> Self {
        let mut scene = Self {
            told_before: host::TOLD.load(Ordering::SeqCst),
            destroyed_before: host::DESTROYED.load(Ordering::SeqCst),
            ..Self::default()
        };
        reset();
        let text = format!(
            "{{\"client_name\":\"f\",\"project\":\"p\",\"base_url\":\"http://127.0.0.1:{}\",\"total_timeout\":0.05,\
             \"max_retries\":1,\"credentials\":{{\"token\":\"t\"}}}}",
            host::port()
        );
        let (mut client, mut asking, mut config, mut credentials) = (null(), null(), null(), null());
        unsafe {
            let text = (text.as_ptr().cast(), text.len());
            assert_eq!(cognite_client_load(text.0, text.1, &mut client, null()), 0);
            assert_eq!(cognite_config_load(text.0, text.1, &mut config, null()), 0);
            let provider = cognite_credentials_new_token_provider(
                Some(host::provide),
                null(),
                Some(host::destroy),
                &mut credentials,
                null(),
            );
            assert_eq!(provider, 0);
            assert_eq!(cognite_config_set_credentials(config, credentials, null()), 0);
            assert_eq!(cognite_client_new(config, &mut asking, null()), 0);
            cognite_config_free(config);
            cognite_credentials_free(credentials);
        }
        scene.given = 1;
        for raw in [client, asking] {
            scene.live.push(Live { kind: Kind::Client, raw: raw.cast(), local: true });
        }
        scene
    }

    pub fn call(&mut self, name: &'static str, function: &dyn Callable, input: &mut Unstructured<'_>) {
        for request in host::asked() {
            self.live.push(Live { kind: Kind::Request, raw: request as *mut c_void, local: true });
        }
        self.name = name;
        (self.has_status, self.by_callback, self.first_text, self.last) = (false, false, true, None);
        self.completion = None;
        let status = function.call(self, input);
        self.judge(status);
        self.exported.drain(..).for_each(|release| release());
        self.memory.clear();
        while self.live.len() > HANDLES {
            let oldest = self.live.remove(2);
            free(oldest);
        }
    }

    /// A place for a handle that is given out.
    pub fn place(&mut self, kind: Kind) -> *mut *mut c_void {
        let mut place = Box::new(UNTOUCHED);
        let raw: *mut *mut c_void = &mut *place;
        self.places.push((kind, place));
        raw
    }

    pub fn takes_error(&mut self) {
        self.has_status = true;
    }

    pub fn completion(&mut self, raw: *mut cognite_completion) {
        self.completion = Some(raw);
    }

    fn judge(&mut self, returned: Option<i32>) {
        let places = std::mem::take(&mut self.places);
        let name = self.name;
        let status = if self.has_status { returned.expect("a status") } else { 0 };
        assert_ne!(status, 99, "{name}: {}", message(&places));
        for (kind, place) in places {
            let raw = *place;
            assert_ne!(raw, UNTOUCHED, "{name} left its {kind:?} as it was");
            match kind {
                Kind::Error if self.has_status => {
                    assert_eq!(raw.is_null(), status == 0, "{name}: status {status}, error {raw:?}");
                    if !raw.is_null() {
                        assert_eq!(unsafe { cognite_error_status(raw.cast()) }, status, "{name}");
                    }
                }
                _ => assert_eq!(raw.is_null(), status != 0, "{name}: status {status}, result {raw:?}"),
            }
            if !raw.is_null() {
                self.live.push(Live { kind, raw, local: false });
            }
        }
        if status != 0 || !self.has_status {
            return;
        }
        self.accepted += u64::from(self.by_callback);
        if let Some(done) = self.completion {
            // The size may be less than ours only where the call was refused.
            let done = unsafe { done.read() };
            assert_eq!(done.status == 0, !done.response.is_null());
            assert_eq!(done.status != 0, !done.error.is_null());
            for (kind, raw) in [(Kind::Response, done.response.cast()), (Kind::Error, done.error.cast::<c_void>())] {
                if !raw.is_null() {
                    self.live.push(Live { kind, raw, local: false });
                }
            }
        }
    }

    /// All is given back: then nobody waits for anything any more.
    pub fn end(self) {
        for live in self.live {
            free(live);
        }
        unsafe {
            assert_eq!(cognite_log_set_callback(None, null(), None, 0, null()), 0);
        }
        reset();
        for request in host::asked() {
            free(Live { kind: Kind::Request, raw: request as *mut c_void, local: true });
        }
        assert_eq!(unsafe { cognite_shutdown(null()) }, 0);
        for request in host::asked() {
            free(Live { kind: Kind::Request, raw: request as *mut c_void, local: true });
        }
        let end = Instant::now() + Duration::from_secs(5);
        let told = || host::TOLD.load(Ordering::SeqCst) - self.told_before;
        let destroyed = || host::DESTROYED.load(Ordering::SeqCst) - self.destroyed_before;
        while (told() < self.accepted || destroyed() < self.given) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!((told(), destroyed()), (self.accepted, self.given), "calls told; user_data destroyed");
    }
}

pub fn null<T>() -> *mut T {
    std::ptr::null_mut()
}

/// Text that was given out can be read.
pub fn read(text: *const c_char) {
    if !text.is_null() {
        let text = unsafe { CStr::from_ptr(text) };
        assert!(text.to_str().is_ok(), "{text:?}");
    }
}

fn message(places: &[(Kind, Box<*mut c_void>)]) -> String {
    let error = places.iter().find(|(kind, _)| *kind == Kind::Error).map_or(null(), |(_, place)| **place);
    unsafe { CStr::from_ptr(cognite_error_message(error.cast_const().cast())) }.to_string_lossy().into_owned()
}

fn free(live: Live) {
    unsafe {
        match live.kind {
            Kind::Cancel => cognite_cancel_free(live.raw.cast()),
            Kind::Client => cognite_client_free(live.raw.cast()),
            Kind::Config => cognite_config_free(live.raw.cast()),
            Kind::Credentials => cognite_credentials_free(live.raw.cast()),
            Kind::Error => cognite_error_free(live.raw.cast()),
            Kind::Multipart => cognite_multipart_free(live.raw.cast()),
            Kind::Pages => cognite_pages_free(live.raw.cast()),
            Kind::Columns => cognite_columns_free(live.raw.cast()),
            Kind::ColumnsPages => cognite_columns_pages_free(live.raw.cast()),
            Kind::Subscription => cognite_subscription_free(live.raw.cast()),
            Kind::Points => cognite_points_free(live.raw.cast()),
            Kind::Queue => cognite_queue_free(live.raw.cast()),
            Kind::Response => cognite_response_free(live.raw.cast()),
            Kind::Request => {
                let _ = cognite_token_request_fail(live.raw.cast(), c"the end".as_ptr(), null());
            }
        }
    }
}

/// The settings of the process as every sequence begins and ends.
fn reset() {
    const TEXT: &str = r#"{"default_client_config":null,"disable_gzip":false,"disable_pypi_version_check":false,
        "status_forcelist":[429,502,503,504],"max_retries":1,"max_retries_connect":1,"max_retry_backoff":0,
        "max_connection_pool_size":20,"disable_ssl":false,"proxy":"none","max_workers":5,"follow_redirects":false,
        "file_download_chunk_size":null,"file_upload_chunk_size":null,"silence_feature_preview_warnings":false,
        "io_threads":0,"callback_threads":0,"thread_stack_size":0,"thread_name_prefix":null}"#;
    let mut err = null();
    let mut status = unsafe { cognite_global_apply_settings(TEXT.as_ptr().cast(), TEXT.len(), &mut err) };
    if status != 0 {
        // The number of threads is settled while the engine runs.
        unsafe {
            cognite_error_free(err);
            assert_eq!(cognite_shutdown(null()), 0);
            status = cognite_global_apply_settings(TEXT.as_ptr().cast(), TEXT.len(), &mut err);
        }
    }
    assert_eq!(status, 0);
}
