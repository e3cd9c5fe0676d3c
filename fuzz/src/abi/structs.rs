//! Arguments that are structs of the ABI.

use std::mem::offset_of;

use cognite::ffi::arrow::{ArrowArray, ArrowSchema};
use cognite::ffi::column::cognite_column;
use cognite::ffi::files::{cognite_download, cognite_upload};
use cognite::ffi::limits::cognite_limits;
use cognite::ffi::notify::cognite_notify;
use cognite::ffi::operation::cognite_operation;
use cognite::ffi::points_insert::cognite_insert;
use cognite::ffi::queue::cognite_completion;
use cognite::ffi::request::cognite_request;

use super::draw::*;
use super::host;
use super::scene::{Kind, Scene, null};

impl Draw for *const cognite_column {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let mut value: cognite_column = unsafe { std::mem::zeroed() };
        value.id = i64::from(pick(input, 2)) - 1;
        value.external_id = if pick(input, 1) == 0 { text(scene, input) } else { std::ptr::null() };
        value.space = if pick(input, 3) == 0 { text(scene, input) } else { std::ptr::null() };
        value.timestamps_ms = array(scene, input).cast();
        value.count = scene.last.unwrap_or(0);
        match pick(input, 4) {
            0 => value.states = space(scene, ROOM).cast(),
            // Texts without a character.
            1 => (value.text, value.text_offsets) = (space(scene, 1).cast(), space(scene, ROOM).cast()),
            2 => {}
            _ => value.numbers = space(scene, ROOM).cast(),
        }
        if pick(input, 1) == 0 {
            (value.status_codes, value.validity) = (space(scene, ROOM).cast(), space(scene, ROOM).cast());
        }
        value.reserved = u32::from(pick(input, 15) == 0);
        sized(scene, input, value, size_of::<cognite_column>())
    }
}

impl Draw for *const *const cognite_column {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let n = usize::from(pick(input, 3));
        let all: Vec<u64> = (0..n).map(|_| <*const cognite_column>::draw(scene, input) as u64).collect();
        scene.last = Some(n).filter(|n| *n > 0);
        if n == 0 {
            return std::ptr::null();
        }
        let to = space(scene, n);
        unsafe { std::ptr::copy_nonoverlapping(all.as_ptr(), to, n) };
        to.cast_const().cast()
    }
}

/// Up to a week; more is refused.
fn timeout(input: &mut Input<'_>) -> u64 {
    [0, 1, 5, 20, 604_800_001, u64::MAX][usize::from(pick(input, 5))]
}

impl Draw for *const cognite_insert {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let mut value: cognite_insert = unsafe { std::mem::zeroed() };
        value.timeout_ms = timeout(input);
        value.json = u32::from(pick(input, 2));
        if pick(input, 3) == 0 {
            value.create_missing = text(scene, input);
            value.create_missing_len = scene.last.unwrap_or(0);
        }
        sized(scene, input, value, offset_of!(cognite_insert, create_missing))
    }
}

const FILES: [&str; 4] = ["{\"id\":1}", "{\"externalId\":\"a\"}", "{\"name\":\"n\"}", "{\"id\":\"1\"}"];
/// Nothing is written anywhere.
const PATHS: [&str; 4] = ["/nonexistent/folder/file", "/", "/dev/null", ""];

fn file(scene: &mut Scene, input: &mut Input<'_>) -> (*const std::ffi::c_char, usize) {
    let at = match pick(input, 5) {
        n if usize::from(n) < FILES.len() => keep(scene, FILES[usize::from(n)].as_bytes()),
        _ => text(scene, input),
    };
    (at, scene.last.unwrap_or(0))
}

fn path(scene: &mut Scene, input: &mut Input<'_>) -> *const std::ffi::c_char {
    PATHS.get(usize::from(pick(input, 7))).map_or(std::ptr::null(), |p| keep(scene, p.as_bytes()))
}

impl Draw for *const cognite_upload {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let mut value: cognite_upload = unsafe { std::mem::zeroed() };
        (value.file, value.file_len) = file(scene, input);
        if pick(input, 1) == 0 {
            value.content = text(scene, input).cast();
            value.content_len = scene.last.unwrap_or(0);
        }
        value.path = path(scene, input);
        value.timeout_ms = timeout(input);
        value.flags = u32::from(pick(input, 4));
        if pick(input, 1) == 0 {
            value.cancel = handle(scene, input, Kind::Cancel).cast();
        }
        sized(scene, input, value, size_of::<cognite_upload>())
    }
}

impl Draw for *const cognite_download {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let mut value: cognite_download = unsafe { std::mem::zeroed() };
        (value.file, value.file_len) = file(scene, input);
        value.path = path(scene, input);
        value.timeout_ms = timeout(input);
        value.flags = u32::from(pick(input, 7) == 0);
        if pick(input, 1) == 0 {
            value.cancel = handle(scene, input, Kind::Cancel).cast();
        }
        sized(scene, input, value, size_of::<cognite_download>())
    }
}

/// A place for a struct of Arrow's; what is put there is released after the call.
macro_rules! arrow {
    ($($kind:ty)*) => {
        $(impl Draw for *mut $kind {
            fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
                if pick(input, 7) == 0 {
                    return null();
                }
                let place = space(scene, size_of::<$kind>().div_ceil(8)).cast::<$kind>();
                scene.exported.push(Box::new(move || unsafe {
                    if let Some(release) = (*place).release {
                        release(place);
                        assert!((*place).release.is_none());
                    }
                }));
                place
            }
        })*
    };
}
arrow!(ArrowArray ArrowSchema);

impl Draw for *const cognite_limits {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let mut value: cognite_limits = unsafe { std::mem::zeroed() };
        value.timeout_ms = timeout(input);
        if pick(input, 1) == 0 {
            value.cancel = handle(scene, input, Kind::Cancel).cast();
        }
        sized(scene, input, value, size_of::<cognite_limits>())
    }
}

/// A sized struct in memory that is as large as one may be: as it is now, as it was, of the future, or damaged.
fn sized<T: Copy>(scene: &mut Scene, input: &mut Input<'_>, value: T, first: usize) -> *mut T {
    const LARGEST: usize = 4096;
    if pick(input, 15) == 0 {
        return null();
    }
    let raw = space(scene, LARGEST / 8 + 1).cast::<T>();
    unsafe { raw.write(value) };
    let size = size_of::<T>();
    let said = match pick(input, 15) {
        0 => first,
        1 => size + 16,
        2 => {
            unsafe { raw.cast::<u8>().add(size + usize::from(pick(input, 255))).write(1) };
            LARGEST
        }
        3 => 0,
        4 => first - 1,
        5 => LARGEST + 1,
        6 => usize::MAX,
        7 => return raw.wrapping_byte_add(1 + usize::from(pick(input, 6))),
        _ => size,
    };
    unsafe { raw.cast::<usize>().write(said) };
    raw
}

impl Draw for *const cognite_notify {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let which = pick(input, 7);
        let value = cognite_notify {
            struct_size: 0,
            done: if which < 4 { Some(host::done) } else { None },
            user_data: null(),
            queue: if which > 2 { handle(scene, input, Kind::Queue).cast() } else { null() },
            tag: u64::draw(scene, input),
        };
        scene.by_callback = value.done.is_some();
        sized(scene, input, value, offset_of!(cognite_notify, queue))
    }
}

impl Draw for *mut cognite_completion {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let value: cognite_completion = unsafe { std::mem::zeroed() };
        let raw = sized(scene, input, value, size_of::<cognite_completion>());
        scene.completion(raw);
        raw
    }
}

impl Draw for *const cognite_operation {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        const NAMES: [&std::ffi::CStr; 8] = [
            c"assets.list",
            c"assets.create",
            c"assets.retrieve_multiple",
            c"assets.delete",
            c"events.update",
            c"raw.rows.insert",
            c"time_series.upsert",
            c"assets.aggregate",
        ];
        const ARGUMENTS: [&str; 6] = [
            "{}",
            "{\"limit\":3}",
            "{\"items\":[{\"externalId\":\"a\",\"name\":\"b\"},{\"externalId\":\"a\"}]}",
            "{\"ids\":[1,2],\"externalIds\":[\"x\"]}",
            "{\"filter\":{\"name\":\"x\"},\"limit\":null,\"partitions\":3}",
            "{\"dbName\":\"d\",\"tableName\":\"t\",\"items\":[{\"key\":\"k\",\"columns\":{}}]}",
        ];
        let name = match input.choose(&NAMES) {
            Ok(n) if pick(input, 7) != 0 => n.as_ptr(),
            _ => text(scene, input),
        };
        scene.last = None;
        let arguments = match input.choose(&ARGUMENTS) {
            Ok(a) if pick(input, 3) != 0 => keep(scene, a.as_bytes()),
            _ => text(scene, input),
        };
        let value = cognite_operation {
            struct_size: 0,
            name,
            arguments,
            arguments_len: usize::draw(scene, input),
            timeout_ms: [0, 1, 5, 20, 604_800_001, u64::MAX][usize::from(pick(input, 5))],
            flags: [0, 1, 2, u32::MAX][usize::from(pick(input, 3))],
            reserved: u32::from(pick(input, 15) == 0),
            cancel: if pick(input, 1) == 0 { null() } else { handle(scene, input, Kind::Cancel).cast() },
        };
        sized(scene, input, value, offset_of!(cognite_operation, cancel))
    }
}

impl Draw for *const cognite_request {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        const METHODS: [&std::ffi::CStr; 6] = [c"GET", c"POST", c"PUT", c"DELETE", c"get", c"G T"];
        let method = match input.choose(&METHODS) {
            Ok(m) if pick(input, 15) != 0 => m.as_ptr(),
            _ => text(scene, input),
        };
        let url = address(scene, input);
        let optional = |scene: &mut Scene, input: &mut Input<'_>| match pick(input, 2) {
            0 => text(scene, input),
            _ => std::ptr::null(),
        };
        let (params, headers) = (optional(scene, input), optional(scene, input));
        let content_type = optional(scene, input);
        scene.last = None;
        let body = optional(scene, input);
        let body_len = if body.is_null() && pick(input, 7) != 0 { 0 } else { usize::draw(scene, input) };
        let value = cognite_request {
            struct_size: 0,
            method,
            url,
            params,
            headers,
            body: body.cast(),
            body_len,
            content_type,
            // Up to a week; more is refused.
            timeout_ms: [0, 1, 5, 20, 604_800_001, u64::MAX][usize::from(pick(input, 5))],
            retry: [0, 1, 2, 3, u32::MAX][usize::from(pick(input, 4))],
            reserved: u32::from(pick(input, 15) == 0),
            cancel: if pick(input, 1) == 0 { null() } else { handle(scene, input, Kind::Cancel).cast() },
        };
        sized(scene, input, value, offset_of!(cognite_request, cancel))
    }
}
