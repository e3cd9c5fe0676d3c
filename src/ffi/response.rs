//! Answers.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::sync::{Arc, OnceLock};

use super::guard::{access, glance};
use super::handle::{Object, free, get};
use super::text::c_text;
use crate::api::operations::answer;
use crate::http::{Index, Response};
use crate::runtime::usage::{BODY_BYTES, Held};

/// One answer. Read-only; may be read by any number of threads. Free it with cognite_response_free().
pub struct cognite_response {
    _opaque: [u8; 0],
}

pub(crate) struct ResponseBox {
    response: Response,
    len: usize,
    headers: OnceLock<Headers>,
    index: OnceLock<Option<Box<Index>>>,
    _counted: Held,
}

struct Headers {
    /// Lower-case names; values of one name joined.
    values: BTreeMap<String, CString>,
    json: CString,
}

impl ResponseBox {
    pub(crate) fn new(mut response: Response) -> Self {
        let len = response.body.len();
        response.body.push(0);
        let index = match response.index.take() {
            Some(known) => OnceLock::from(Some(known)),
            None => OnceLock::new(),
        };
        Self { response, len, headers: OnceLock::new(), index, _counted: BODY_BYTES.hold(len) }
    }

    /// What is in it, if it is `{"items":[…]}`.
    fn index(&self) -> Option<&Index> {
        self.index.get_or_init(|| answer::index(self.response.body.get(..self.len)?)).as_deref()
    }

    /// What the operation made of its answers.
    pub(crate) fn payload(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.response.payload.as_ref()
    }

    fn headers(&self) -> &Headers {
        self.headers.get_or_init(|| {
            let mut joined: BTreeMap<String, String> = BTreeMap::new();
            for (name, value) in &*self.response.headers {
                // Bytes outside ASCII are nothing certain in HTTP: UTF-8 where they can be, else Latin-1.
                let value = match std::str::from_utf8(value.as_bytes()) {
                    Ok(text) => text.to_owned(),
                    Err(_) => value.as_bytes().iter().map(|b| *b as char).collect(),
                };
                joined
                    .entry(name.as_str().to_owned())
                    .and_modify(|v| {
                        v.push_str(", ");
                        v.push_str(&value);
                    })
                    .or_insert(value);
            }
            let json = c_text(&serde_json::json!(joined).to_string());
            Headers { values: joined.into_iter().map(|(n, v)| (n, c_text(&v))).collect(), json }
        })
    }
}

impl Drop for ResponseBox {
    fn drop(&mut self) {
        self.response.give_back();
    }
}

impl Object for ResponseBox {
    type C = cognite_response;
    const TAG: u64 = 0x636f_675f_7265_7370;
    const NAME: &'static str = "cognite_response";
}

/// The HTTP status.
///
/// @param response  The response, or NULL.
/// @return 200 to 299; 0 for NULL and for responses that did not come over HTTP.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_http_status(response: *const cognite_response) -> i32 {
    // SAFETY: NULL or a live response.
    glance(0, || Ok(i32::from(unsafe { get::<ResponseBox>(response, "response") }?.response.status)))
}

/// The body, decompressed. One NUL byte follows it, so a JSON or text body can be printed as it is; a body may hold
/// NULs of its own, hence the length.
///
/// @param response  The response; NULL gives `""`.
/// @param[out] len  Number of bytes without the added NUL; may be NULL.
/// @return The bytes, never NULL.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_body(response: *const cognite_response, len: *mut usize) -> *const c_char {
    let (body, n) = glance((c"".as_ptr(), 0), || {
        // SAFETY: NULL or a live response.
        let r = unsafe { get::<ResponseBox>(response, "response") }?;
        Ok((r.response.body.as_ptr().cast(), r.len))
    });
    if !len.is_null() {
        // SAFETY: not NULL, so by the contract a place that may be written.
        unsafe { len.write(n) };
    }
    body
}

/// A header of the answer.
///
/// @param response  The response, or NULL.
/// @param name      The name in any letter case, or NULL.
/// @return The value, several of one name joined by `", "`; NULL when the answer has no such header.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_header(
    response: *const cognite_response,
    name: *const c_char,
) -> *const c_char {
    access(std::ptr::null(), || {
        // SAFETY: NULL or a live response; NULL or a text.
        let (r, name) = unsafe { (get::<ResponseBox>(response, "response")?, super::text::text(name, "name")?) };
        Ok(r.headers().values.get(&name.to_ascii_lowercase()).map_or(std::ptr::null(), |v| v.as_ptr()))
    })
}

/// All headers as one JSON object with lower-case names: `{"content-type":"application/json"}`.
///
/// @param response  The response; NULL gives `{}`.
/// @return JSON text, never NULL.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_headers_json(response: *const cognite_response) -> *const c_char {
    // SAFETY: NULL or a live response.
    access(c"{}".as_ptr(), || Ok(unsafe { get::<ResponseBox>(response, "response") }?.headers().json.as_ptr()))
}

/// CDF's id of the request (`x-request-id`): what its support asks for.
///
/// @param response  The response, or NULL.
/// @return Text, or NULL when there is none.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_request_id(response: *const cognite_response) -> *const c_char {
    const NAME: &CStr = c"x-request-id";
    // SAFETY: NULL or a live response; a static text.
    unsafe { cognite_response_header(response, NAME.as_ptr()) }
}

/// Time from the start of the call to its end, with waits for a token, repeats and pauses, in microseconds.
///
/// @param response  The response, or NULL.
/// @return Microseconds.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_elapsed_us(response: *const cognite_response) -> u64 {
    // SAFETY: NULL or a live response.
    glance(0, || Ok(unsafe { get::<ResponseBox>(response, "response") }?.response.elapsed.as_micros() as u64))
}

/// How many times the request was made until this answer came.
///
/// @param response  The response, or NULL.
/// @return 1 or more; 0 for NULL and for responses that did not come over HTTP.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_attempts(response: *const cognite_response) -> u32 {
    // SAFETY: NULL or a live response.
    glance(0, || Ok(unsafe { get::<ResponseBox>(response, "response") }?.response.attempts))
}

/// How many elements a body of the form `{"items":[…],…}` has: pages, and results of most operations. The body of a page
/// was looked through when it came; any other is when this is called first.
///
/// @param response  The response, or NULL.
/// @return Their number; 0 also for NULL and for other bodies.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_item_count(response: *const cognite_response) -> usize {
    // SAFETY: NULL or a live response.
    glance(0, || Ok(unsafe { get::<ResponseBox>(response, "response") }?.index().map_or(0, |i| i.items.len())))
}

/// An element of a body of the form `{"items":[…],…}`: its JSON text, not ended by NUL.
///
/// @param response  The response, or NULL.
/// @param index     0 to cognite_response_item_count() - 1.
/// @param[out] len  Number of bytes; may be NULL.
/// @return The bytes; NULL when there is no such element.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_item(
    response: *const cognite_response,
    index: usize,
    len: *mut usize,
) -> *const c_char {
    let (item, n) = glance((std::ptr::null(), 0), || {
        // SAFETY: NULL or a live response.
        let r = unsafe { get::<ResponseBox>(response, "response") }?;
        let place = r.index().and_then(|i| i.items.get(index));
        let item = place.and_then(|(start, end)| r.response.body.get(*start as usize..*end as usize));
        Ok(item.map_or((std::ptr::null(), 0), |text| (text.as_ptr().cast(), text.len())))
    });
    if !len.is_null() {
        // SAFETY: not NULL, so by the contract a place that may be written.
        unsafe { len.write(n) };
    }
    item
}

/// Where a list goes on behind this page: `nextCursor` of a body of the form `{"items":[…],…}`. Given as `cursor` in the
/// arguments of the same operation, it begins there: that is how to resume.
///
/// @param response  The response, or NULL.
/// @return Text; NULL at the end of a list, and for other bodies.
///
/// **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_next_cursor(response: *const cognite_response) -> *const c_char {
    access(std::ptr::null(), || {
        // SAFETY: NULL or a live response.
        let r = unsafe { get::<ResponseBox>(response, "response") }?;
        Ok(r.index().and_then(|i| i.cursor.as_ref()).map_or(std::ptr::null(), |c| c.as_ptr()))
    })
}

/// Frees a response. NULL does nothing.
///
/// @param response  The response; not used afterwards, nor anything borrowed from it.
///
/// **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the response. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_response_free(response: *mut cognite_response) {
    // SAFETY: NULL or a response the caller gives up.
    unsafe { free::<ResponseBox>(response) }
}
