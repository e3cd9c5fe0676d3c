//! What crosses the border, checked by Miri too (`cargo xtask hazards --miri`): no sockets, no threads, no foreign code.

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem::offset_of;
use std::ptr::{null, null_mut};

use super::cancel::*;
use super::client::*;
use super::config::*;
use super::config_network::*;
use super::config_values::*;
use super::credentials::*;
use super::error::*;
use super::global_values::*;
use super::handle::{Object, free, get, into_raw};
use super::notify::{cognite_notify, notify_of, read_sized, write_sized};
use super::queue::*;
use super::response::*;
use super::status::cognite_status_name;
use super::text;
use super::token_provider::*;
use crate::error::{Error, Status};
use crate::http::Response;

fn said(raw: *const c_char) -> String {
    assert!(!raw.is_null());
    // SAFETY: a text of the library's, whose object is alive.
    unsafe { CStr::from_ptr(raw) }.to_str().unwrap().to_owned()
}

/// The error that a call left, freed.
fn told(status: i32, err: *mut cognite_error) -> (i32, String) {
    // SAFETY: an error that the call has just handed over.
    unsafe {
        assert_eq!(cognite_error_status(err), status);
        let message = said(cognite_error_message(err));
        cognite_error_free(err);
        (status, message)
    }
}

const ARGUMENT: i32 = Status::InvalidArgument as i32;

#[test]
fn text_and_bytes() {
    let good = CString::new("grüße").unwrap();
    let bad = c"ab\xff";
    // SAFETY: texts and lengths are as said.
    unsafe {
        assert_eq!(text::text(good.as_ptr(), "x").unwrap(), "grüße");
        assert!(text::text(bad.as_ptr(), "x").unwrap_err().message().contains("(byte 2)"));
        assert!(text::text(null(), "x").unwrap_err().message().contains("x is NULL"));
        assert_eq!(text::text_opt(null(), "x").unwrap(), None);
        let exact = vec![1u8, 2, 3].into_boxed_slice();
        assert_eq!(text::bytes(exact.as_ptr().cast(), 3, "x").unwrap(), [1, 2, 3]);
        assert_eq!(text::bytes(null(), 0, "x").unwrap(), [0u8; 0]);
        assert!(text::bytes(null(), 1, "x").is_err() && text::bytes(exact.as_ptr().cast(), usize::MAX, "x").is_err());
        let numbers = vec![429, -1].into_boxed_slice();
        assert_eq!(text::numbers(numbers.as_ptr(), 2, "x").unwrap(), [429, -1]);
        assert!(text::numbers(null(), 1, "x").is_err() && text::numbers(numbers.as_ptr(), 10_001, "x").is_err());
        for (room, kept) in [(0, ""), (1, ""), (3, "ab"), (4, "abc"), (9, "abc")] {
            let mut into = vec![b'?' as c_char; room].into_boxed_slice();
            assert_eq!(text::copy_text("abc", into.as_mut_ptr(), room), 3);
            assert!(room == 0 || said(into.as_ptr()) == kept);
        }
        assert_eq!(text::copy_text("abc", null_mut(), 9), 3);
    }
    assert_eq!(text::c_text("a\0b").to_bytes(), b"ab");
}

struct Thing(Box<u32>);
impl Object for Thing {
    type C = u8;
    const TAG: u64 = 0x7468_696e_6774_6869;
    const NAME: &'static str = "thing";
}
struct Other;
impl Object for Other {
    type C = u8;
    const TAG: u64 = 0x6f74_6865_726f_7468;
    const NAME: &'static str = "other";
}

#[test]
fn handles() {
    let (thing, other) = (into_raw(Thing(Box::new(7))), into_raw(Other));
    // SAFETY: live handles; a wrong kind and a wrong alignment are what is checked.
    unsafe {
        assert_eq!(*get::<Thing>(thing, "t").unwrap().0, 7);
        assert!(get::<Thing>(other, "t").map(|_| ()).unwrap_err().message().contains("not a thing but another handle"));
        assert!(get::<Thing>(thing.wrapping_add(1), "t").map(|_| ()).unwrap_err().message().contains("not a thing"));
        assert!(get::<Thing>(null(), "t").map(|_| ()).unwrap_err().message().contains("NULL"));
        free::<Thing>(null_mut());
        free::<Thing>(other);
        free::<Thing>(thing);
        free::<Other>(other);
    }
}

#[test]
fn structs_of_other_versions() {
    unsafe extern "C" fn done(_: *mut c_void, _: i32, _: *mut cognite_response, _: *mut cognite_error) {}
    const NOW: usize = size_of::<cognite_notify>();
    // As large as the size says, and no byte more: what is read beyond it is found.
    let with_size = |size: usize, room: usize, damage: bool| {
        let mut memory = vec![0u64; room.div_ceil(8)].into_boxed_slice();
        let value =
            cognite_notify { struct_size: size, done: Some(done), user_data: null_mut(), queue: null_mut(), tag: 9 };
        // SAFETY: as many bytes as both have.
        unsafe {
            let to = memory.as_mut_ptr().cast::<u8>();
            std::ptr::copy_nonoverlapping((&raw const value).cast(), to, room.min(NOW));
            if damage {
                to.add(room - 1).write(1);
            }
            read_sized(memory.as_ptr().cast::<cognite_notify>(), "notify").map(|n| (n.done.is_some(), n.tag))
        }
    };
    let first = offset_of!(cognite_notify, queue);
    assert_eq!(with_size(NOW, NOW, false).unwrap(), (true, 9));
    assert_eq!(with_size(first, first, false).unwrap(), (true, 0));
    assert_eq!(with_size(NOW + 64, NOW + 64, false).unwrap(), (true, 9));
    assert!(with_size(NOW + 64, NOW + 64, true).unwrap_err().message().contains("does not know"));
    for size in [0, first - 1, 4097, usize::MAX] {
        assert!(with_size(size, NOW, false).unwrap_err().message().contains("struct_size"), "{size}");
    }
    let value =
        cognite_completion { struct_size: 0, tag: 3, response: null_mut(), error: null_mut(), status: 5, reserved: 0 };
    let size = size_of::<cognite_completion>();
    let mut memory = vec![u64::MAX; size / 8 + 2].into_boxed_slice();
    memory[0] = (size + 8) as u64;
    // SAFETY: there is more memory than the size says.
    unsafe {
        write_sized(memory.as_mut_ptr().cast(), &value, "out").unwrap();
        let seen = memory.as_ptr().cast::<cognite_completion>().read();
        assert_eq!((seen.struct_size, seen.tag, seen.status), (size + 8, 3, 5));
    }
    assert_eq!((memory[size / 8], memory[size / 8 + 1]), (0, u64::MAX), "cleared to its size, and no further");
    let nobody = cognite_notify { struct_size: NOW, done: None, user_data: null_mut(), queue: null_mut(), tag: 0 };
    // SAFETY: whole structs.
    unsafe {
        assert!(notify_of(&nobody).map(|_| ()).unwrap_err().message().contains("nobody to tell"));
        assert!(notify_of(&cognite_notify { done: Some(done), ..nobody }).is_ok());
        assert!(notify_of(null()).is_err());
    }
}

#[test]
fn errors() {
    let e = Error::new(Status::Api, "no").with(|d| {
        d.http_status = 418;
        d.code = Some("teapot".into());
        d.request_id = Some("r".into());
        d.attempts = 2;
    });
    let raw = into_raw(ErrorBox::new(e));
    // SAFETY: a live error, then NULL.
    unsafe {
        assert_eq!((cognite_error_status(raw), cognite_error_http_status(raw)), (5, 418));
        assert_eq!((said(cognite_error_code(raw)), said(cognite_error_message(raw))), ("teapot".into(), "no".into()));
        assert_eq!((said(cognite_error_request_id(raw)), cognite_error_attempts(raw)), ("r".into(), 2));
        assert!(said(cognite_error_json(raw)).contains("teapot"));
        assert_eq!((cognite_error_is_retryable(raw), cognite_error_in_doubt(raw)), (0, 0));
        cognite_error_free(raw);
        assert_eq!((cognite_error_status(null()), cognite_error_retry_after_ms(null())), (0, 0));
        said(cognite_error_message(null()));
        cognite_error_free(null_mut());
    }
    assert_eq!((said(cognite_status_name(5)), said(cognite_status_name(-77))), ("API".into(), "UNKNOWN".into()));
}

#[test]
fn responses() {
    let raw = into_raw(ResponseBox::new(Response::of_text("grüße".into())));
    let mut n = 99;
    // SAFETY: a live response; texts.
    unsafe {
        let body = cognite_response_body(raw, &mut n);
        assert_eq!((said(body), n), ("grüße".into(), 7));
        assert!(cognite_response_header(raw, c"x-none".as_ptr()).is_null());
        assert!(cognite_response_header(raw, null()).is_null());
        assert!(said(cognite_response_headers_json(raw)).starts_with('{'));
        cognite_response_free(raw);
        assert_eq!((said(cognite_response_body(null(), &mut n)), n), (String::new(), 0));
    }
}

/// A config through all its doors.
#[test]
fn config_values() {
    const TEXT: &[u8] = b"client_name: n\nproject: p\ncluster: c\ncredentials: {token: secret}\n";
    let (mut config, mut err) = (null_mut(), null_mut());
    // SAFETY: live objects, texts and places, or NULL where that is what is checked.
    unsafe {
        assert_eq!(cognite_config_load(TEXT.as_ptr().cast(), TEXT.len(), &mut config, &mut err), 0);
        assert_eq!(said(cognite_config_get_project(config)), "p");
        assert_eq!(cognite_config_set_project(config, c"other".as_ptr(), &mut err), 0);
        assert_eq!(cognite_config_set_timeout_ms(config, 1500, null_mut()), 0);
        assert_eq!(
            (said(cognite_config_get_project(config)), cognite_config_get_timeout_ms(config)),
            ("other".into(), 1500)
        );
        assert_eq!(cognite_config_set_header(config, c"x-a".as_ptr(), c"1".as_ptr(), &mut err), 0);
        let statuses = [503, 429];
        assert_eq!(cognite_config_set_status_forcelist(config, statuses.as_ptr(), 2, &mut err), 0);
        let shown = said(cognite_config_json(config));
        assert!(shown.contains("\"other\"") && shown.contains("x-a") && !shown.contains("secret"));

        let bad = cognite_config_set_project(config, c"\xff".as_ptr(), &mut err);
        assert!(told(bad, err).1.contains("UTF-8"));
        let cancel = cognite_cancel_new();
        let wrong = cognite_config_set_project(cancel.cast(), c"p".as_ptr(), &mut err);
        assert_eq!(told(wrong, err).0, ARGUMENT);
        cognite_cancel_free(cancel);
        assert_eq!(cognite_config_set_project(null_mut(), null(), null_mut()), ARGUMENT);

        let mut credentials = null_mut();
        assert_eq!(cognite_credentials_new_token(c"t".as_ptr(), &mut credentials, &mut err), 0);
        assert_eq!(cognite_config_set_credentials(config, credentials, &mut err), 0);
        cognite_credentials_free(credentials);
        assert_eq!(cognite_global_set_status_forcelist(statuses.as_ptr(), 2, null_mut()), 0);
        let mut seen = [0i32; 1];
        assert_eq!((cognite_global_get_status_forcelist(seen.as_mut_ptr(), 1), seen[0]), (2, 503));
        assert_eq!(cognite_global_set_status_forcelist([429, 502, 503, 504].as_ptr(), 4, null_mut()), 0);
        cognite_config_free(config);

        // The text is damaged: nothing comes out, and the place is cleared.
        config = std::ptr::dangling_mut();
        let status = cognite_config_load(TEXT.as_ptr().cast(), 20, &mut config, &mut err);
        assert!(config.is_null() && told(status, err).0 == Status::Config as i32);
        let mut client = std::ptr::dangling_mut();
        assert_eq!(cognite_client_new(null(), &mut client, null_mut()), Status::Config as i32);
        assert!(client.is_null());
    }
}

/// `destroy` runs once: with the last copy, and also where nothing came of it.
#[test]
fn user_data_is_given_back() {
    unsafe extern "C" fn provide(_: *mut c_void, _: *mut cognite_token_request) {}
    unsafe extern "C" fn destroy(user_data: *mut c_void) {
        // SAFETY: the number of the test, which waits for this.
        unsafe { *user_data.cast::<u32>() += 1 }
    }
    let mut count = 0u32;
    let data = (&raw mut count).cast::<c_void>();
    let mut credentials = null_mut();
    // SAFETY: callbacks that take what they are given.
    unsafe {
        let null = null_mut();
        assert_eq!(cognite_credentials_new_token_provider(None, data, Some(destroy), &mut credentials, null), ARGUMENT);
        assert_eq!(data.cast::<u32>().read(), 1);
        let made = cognite_credentials_new_token_provider(Some(provide), data, Some(destroy), &mut credentials, null);
        let config = cognite_config_new();
        assert_eq!((made, cognite_config_set_credentials(config, credentials, null_mut())), (0, 0));
        cognite_credentials_free(credentials);
        assert_eq!(data.cast::<u32>().read(), 1);
        cognite_config_free(config);
        assert_eq!(data.cast::<u32>().read(), 2);
    }
}

#[test]
fn cancel_tokens() {
    let token = cognite_cancel_new();
    // SAFETY: a live token, then NULL.
    unsafe {
        assert_eq!(cognite_cancel_is_triggered(token), 0);
        cognite_cancel_trigger(token);
        assert_eq!(cognite_cancel_is_triggered(token), 1);
        cognite_cancel_free(token);
        cognite_cancel_trigger(null_mut());
    }
}

#[test]
fn arrow_owns_each_array_by_itself() {
    use super::arrow::*;
    use super::columns::{ColumnsBox, cognite_columns_free};
    use crate::api::datapoints::columns::{Columns, Points, Series};

    let mut points = Points::default();
    for n in 0..9i64 {
        points.timestamps.push(n);
        points.numbers.push(n as f64 / 2.0);
        points.mark(u32::from(n == 3), n != 3);
    }
    let series = Series { points, found: true, complete: true, ..Series::default() };
    let raw = into_raw(ColumnsBox::new(std::sync::Arc::new(Columns { series: vec![series] })));
    // SAFETY: places for the two structs, and live columns; what is exported is read by its own lengths.
    unsafe {
        let (mut schema, mut array): (ArrowSchema, ArrowArray) = (std::mem::zeroed(), std::mem::zeroed());
        assert_eq!(cognite_columns_export_arrow(raw, 0, &raw mut schema, &raw mut array, null_mut()), 0);
        assert_eq!((said(schema.format), array.length, array.n_children), ("+s".into(), 9, 3));
        cognite_columns_free(raw);
        let child = *array.children.add(1);
        let mut moved = std::ptr::read(child);
        (*child).release = None;
        array.release.unwrap()(&raw mut array);
        assert!(array.release.is_none());
        assert_eq!(said((**schema.children.add(1)).name), "value");
        schema.release.unwrap()(&raw mut schema);
        let numbers = std::slice::from_raw_parts((*moved.buffers.add(1)).cast::<f64>(), 9);
        assert_eq!((numbers[8], moved.null_count), (4.0, 1));
        assert_eq!(*(*moved.buffers).cast::<u8>(), 0xf7);
        moved.release.unwrap()(&raw mut moved);
        assert!(moved.release.is_none());
    }
}
