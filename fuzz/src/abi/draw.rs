//! Arguments, drawn by the type of the parameter, and functions of any number of them.

use std::ffi::{c_char, c_void};

use arbitrary::Unstructured;
use cognite::ffi::log::cognite_log_callback;
use cognite::ffi::logins::{cognite_device_code_prompt, cognite_open_url};
use cognite::ffi::notify::cognite_done;
use cognite::ffi::token_provider::{cognite_destroy, cognite_token_provider};

use super::host;
use super::scene::{Handle, Kind, Live, Scene, null, read};

pub type Input<'a> = Unstructured<'a>;

/// A function of the ABI.
pub trait Callable {
    /// Calls it; the result, if it is a number that may be a status.
    fn call(&self, scene: &mut Scene, input: &mut Input<'_>) -> Option<i32>;
}

macro_rules! callable {
    ($($arg:ident)*) => {
        impl<R: Seen, $($arg: Draw),*> Callable for unsafe extern "C" fn($($arg),*) -> R {
            #[allow(non_snake_case, unused_variables)]
            fn call(&self, scene: &mut Scene, input: &mut Input<'_>) -> Option<i32> {
                $(let $arg = $arg::draw(scene, input);)*
                unsafe { self($($arg),*) }.seen(scene)
            }
        }
    };
}

callable!();
callable!(A);
callable!(A B);
callable!(A B C);
callable!(A B C D);
callable!(A B C D E);
callable!(A B C D E F);
callable!(A B C D E F G);
callable!(A B C D E F G H);
callable!(A B C D E F G H I);

/// A result.
pub trait Seen {
    fn seen(self, scene: &mut Scene) -> Option<i32>;
}

impl Seen for i32 {
    fn seen(self, _: &mut Scene) -> Option<i32> {
        Some(self)
    }
}

macro_rules! number {
    ($($kind:ty)*) => {
        $(impl Seen for $kind {
            fn seen(self, _: &mut Scene) -> Option<i32> {
                None
            }
        })*
    };
}
number!(() u32 u64 i64 usize isize *const i64 *const f64 *const u32 *const u8);

impl Seen for *const c_char {
    fn seen(self, scene: &mut Scene) -> Option<i32> {
        // Texts one behind the other, told apart by offsets.
        if scene.name != "cognite_columns_text" {
            read(self);
        }
        None
    }
}

impl<T: Handle> Seen for *mut T {
    fn seen(self, scene: &mut Scene) -> Option<i32> {
        if !self.is_null() {
            scene.live.push(Live { kind: T::KIND, raw: self.cast(), local: false });
        }
        None
    }
}

/// An argument.
pub trait Draw {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self;
}

pub(super) fn pick(input: &mut Input<'_>, most: u8) -> u8 {
    input.int_in_range(0..=most).unwrap_or(0)
}

pub(super) fn handle(scene: &mut Scene, input: &mut Input<'_>, kind: Kind) -> *mut c_void {
    let name = scene.name;
    let takes = name.ends_with("_free") || name.starts_with("cognite_token_request_");
    let sends = ["_call", "_get", "_post", "_put", "_authorization", "_diagnose", "_operate", "_upload", "_download"]
        .iter()
        .any(|s| name.strip_prefix("cognite_client").is_some_and(|rest| rest.starts_with(s)))
        || [
            "cognite_pages_new",
            "cognite_multipart_new",
            "cognite_points_insert",
            "cognite_points_delete",
            "cognite_columns_read",
            "cognite_columns_pages_new",
            "cognite_subscription_new",
        ]
        .iter()
        .any(|s| name.starts_with(s));
    let choice = pick(input, 15);
    let fits = |l: &Live| match choice {
        1 => l.kind != kind,
        2 => true,
        _ => l.kind == kind && (l.local || kind != Kind::Client || !sends),
    };
    let fitting: Vec<usize> = (0..scene.live.len()).filter(|i| fits(&scene.live[*i])).collect();
    let chosen = input.choose(&fitting).copied();
    match (choice, chosen) {
        (0, _) | (_, Err(_)) => null(),
        // Memory that is no handle.
        (3, _) => space(scene, 8).cast(),
        (1, Ok(i)) => scene.live[i].raw,
        (2, Ok(i)) => scene.live[i].raw.wrapping_byte_add(1 + usize::from(pick(input, 6))),
        (_, Ok(i)) if takes => scene.live.remove(i).raw,
        (_, Ok(i)) => scene.live[i].raw,
    }
}

impl<T: Handle> Draw for *mut T {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        handle(scene, input, T::KIND).cast()
    }
}

impl<T: Handle> Draw for *const T {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        handle(scene, input, T::KIND).cast_const().cast()
    }
}

impl<T: Handle> Draw for *mut *mut T {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        if T::KIND == Kind::Error {
            scene.takes_error();
        }
        if pick(input, 7) == 0 { null() } else { scene.place(T::KIND).cast() }
    }
}

/// Zeroed memory for the time of the call.
pub(super) fn space(scene: &mut Scene, words: usize) -> *mut u64 {
    scene.memory.push(vec![0; words].into_boxed_slice());
    scene.memory.last_mut().map_or(null(), |m| m.as_mut_ptr())
}

const TEXTS: [&str; 24] = [
    "",
    "text",
    "none",
    "{}",
    "[",
    "{\"a\":1,\"b\":[true,null,\"x\"]}",
    "{\"token\":\"t\"}",
    "{\"client_name\":\"n\",\"project\":\"p\",\"cluster\":\"c\",\"credentials\":{\"token\":\"t\"}}",
    "client_name: n\nproject: p\nbase_url: https://h\ncredentials: {token: t}\n",
    "{\"client_name\":\"n\",\"project\":\"p\",\"cluster\":\"c\",\"credentials\":{\"client_credentials\":{\"client_id\":\"i\",\
     \"client_secret\":\"s\",\"token_url\":\"https://h/t\",\"scopes\":\"x\"}}}",
    "max_retries: 3\ndisable_gzip: true\n",
    "{\"x-header\":\"value\"}",
    "https://h.example/t",
    "http://localhost:1/",
    "a/b",
    "westeurope-1",
    "00000000-0000-0000-0000-000000000000",
    "1.2",
    "1.3",
    "select_account",
    "x-name",
    "&a [*a]",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
];

const ADDRESSES: [&str; 8] = ["/ok", "/error", "/hang", "/close", "/ok?x=1&y", "", "ftp://h/", "http://127.0.0.1:1/x"];

/// Nothing that is not on this machine is asked for.
pub(super) fn address(scene: &mut Scene, input: &mut Input<'_>) -> *const c_char {
    let mut text = b"/o".to_vec();
    match pick(input, 10) {
        n if usize::from(n) < ADDRESSES.len() => text = ADDRESSES[usize::from(n)].into(),
        8 => return std::ptr::null(),
        9 => text.extend(b"k".repeat(70_000)),
        _ => text.extend(some(input)),
    }
    keep(scene, &text)
}

fn some<'a>(input: &mut Input<'a>) -> &'a [u8] {
    let n = usize::from(pick(input, 63)).min(input.len());
    input.bytes(n).unwrap_or_default()
}

/// Ended by NUL; the length goes to the parameter that follows.
pub(super) fn keep(scene: &mut Scene, text: &[u8]) -> *const c_char {
    scene.last = Some(text.len());
    let to = space(scene, text.len() / 8 + 1).cast::<u8>();
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), to, text.len()) };
    to.cast_const().cast()
}

impl Draw for *const c_char {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let first = std::mem::take(&mut scene.first_text);
        if first && ["_get", "_post", "_put"].iter().any(|s| scene.name.starts_with(&format!("cognite_client{s}"))) {
            return address(scene, input);
        }
        text(scene, input)
    }
}

pub(super) fn text(scene: &mut Scene, input: &mut Input<'_>) -> *const c_char {
    match pick(input, 9) {
        0 => {
            scene.last = None;
            std::ptr::null()
        }
        1 | 2 => keep(scene, some(input)),
        3 => keep(scene, &b"[{\"a\":".repeat(1 + usize::from(pick(input, 255)) * 64)),
        _ => {
            let n = input.choose_index(TEXTS.len()).unwrap_or(0);
            keep(scene, TEXTS[n].as_bytes())
        }
    }
}

impl Draw for *const c_void {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        text(scene, input).cast()
    }
}

impl Draw for *const i32 {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let n = usize::from(pick(input, 6));
        scene.last = Some(n).filter(|n| *n > 0);
        if n == 0 {
            return std::ptr::null();
        }
        let to = space(scene, n).cast::<i32>();
        for i in 0..n {
            let number = if pick(input, 3) == 0 { i32::draw(scene, input) } else { 400 + i32::from(pick(input, 200)) };
            unsafe { to.add(i).write(number) };
        }
        to
    }
}

/// Room for a result, that the next parameter tells.
fn room(scene: &mut Scene, input: &mut Input<'_>, of: usize) -> *mut u64 {
    let n = usize::from(pick(input, 40));
    // Beyond any length: of out-parameters less may be said than there is, never more.
    scene.last = Some(n);
    if n == 0 { null() } else { space(scene, (n * of).div_ceil(8)) }
}

impl Draw for *mut i32 {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        room(scene, input, 4).cast()
    }
}

impl Draw for *mut c_char {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        room(scene, input, 1).cast()
    }
}

impl Draw for *mut usize {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        if pick(input, 3) == 0 { null() } else { space(scene, 1).cast() }
    }
}

impl Draw for *mut c_void {
    fn draw(_: &mut Scene, _: &mut Input<'_>) -> Self {
        null()
    }
}

impl Draw for usize {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let out = scene.name.starts_with("cognite_global_get");
        match (pick(input, 5), scene.last) {
            (0, Some(n)) => n / 2,
            (1, _) => 0,
            // No memory is that large: to be refused, not read.
            (2, _) if !out => usize::MAX - usize::from(pick(input, 1)) * (usize::MAX / 2),
            (_, Some(n)) => n,
            (_, None) => 1,
        }
    }
}

impl Draw for u64 {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        // A longer one may be waited for: a question for a token need not be answered.
        if scene.name.contains("diagnose") {
            return [1, 5, 20, 50][usize::from(pick(input, 3))];
        }
        match pick(input, 7) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => 1 << 32,
            4 => i64::MAX as u64,
            5 => input.arbitrary().unwrap_or(0),
            _ => u64::from(pick(input, 255)) * 100,
        }
    }
}

impl Draw for i64 {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        // Less than 0 waits for ever.
        if scene.name == "cognite_queue_next" {
            return i64::from(pick(input, 2));
        }
        u64::draw(scene, input) as i64
    }
}

impl Draw for u32 {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        // A few threads are enough to start and end each time; or too many, which is refused.
        if scene.name.ends_with("_threads") {
            return [0, 1, 3, 257, u32::MAX][usize::from(pick(input, 4))];
        }
        u64::draw(scene, input) as u32
    }
}

impl Draw for i32 {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        if pick(input, 1) == 0 { i32::from(pick(input, 5)) - 1 } else { u64::draw(scene, input) as i32 }
    }
}

/// A callback or none.
macro_rules! callback {
    ($($kind:ty = $function:path;)*) => {
        $(impl Draw for $kind {
            fn draw(_: &mut Scene, input: &mut Input<'_>) -> Self {
                if pick(input, 3) == 0 { None } else { Some($function) }
            }
        })*
    };
}
callback! {
    cognite_token_provider = host::provide;
    cognite_device_code_prompt = host::prompt;
    cognite_open_url = host::open_url;
    cognite_log_callback = host::log;
    cognite_done = host::done;
}

impl Draw for cognite_destroy {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        let given = pick(input, 3) != 0;
        scene.given += u64::from(given);
        given.then_some(host::destroy as _)
    }
}

/// Most numbers of an array.
pub(super) const ROOM: usize = 64;

/// `ROOM` numbers, of which fewer are said to be there; NULL now and then.
pub(super) fn array(scene: &mut Scene, input: &mut Input<'_>) -> *mut u64 {
    let n = usize::from(pick(input, 40));
    scene.last = Some(n);
    if n == 0 {
        return null();
    }
    let to = space(scene, ROOM);
    for i in 0..n {
        let number = if pick(input, 3) == 0 { u64::draw(scene, input) } else { 1_700_000_000_000 + i as u64 };
        unsafe { to.add(i).write(number) };
    }
    to
}

macro_rules! arrays {
    ($($kind:ty)*) => {
        $(impl Draw for $kind {
            fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
                array(scene, input).cast()
            }
        })*
    };
}
arrays!(*const i64 *const f64);

impl Draw for *mut i64 {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        if pick(input, 7) == 0 { null() } else { space(scene, ROOM).cast() }
    }
}

impl Draw for *mut *const i64 {
    fn draw(scene: &mut Scene, input: &mut Input<'_>) -> Self {
        if pick(input, 3) == 0 { null() } else { space(scene, 1).cast() }
    }
}
