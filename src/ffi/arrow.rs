//! Columns handed to Arrow: the C Data Interface. The values stay where they are; what is handed out keeps them alive.

use std::borrow::Cow;
use std::ffi::{CString, c_char, c_void};
use std::sync::Arc;

use super::columns::{ColumnsBox, cognite_columns};
use super::error::cognite_error;
use super::guard::{cognite_status, entry};
use super::handle::get;
use super::text::c_text;
use crate::api::datapoints::columns::Columns;
use crate::api::datapoints::fields::{Field, Held};
use crate::error::Error;
use crate::runtime;

/// As Arrow's C Data Interface says it.
#[repr(C)]
pub struct ArrowSchema {
    pub format: *const c_char,
    pub name: *const c_char,
    pub metadata: *const c_char,
    pub flags: i64,
    pub n_children: i64,
    pub children: *mut *mut ArrowSchema,
    pub dictionary: *mut ArrowSchema,
    pub release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    pub private_data: *mut c_void,
}

/// As Arrow's C Data Interface says it.
#[repr(C)]
pub struct ArrowArray {
    pub length: i64,
    pub null_count: i64,
    pub offset: i64,
    pub n_buffers: i64,
    pub n_children: i64,
    pub buffers: *mut *const c_void,
    pub children: *mut *mut ArrowArray,
    pub dictionary: *mut ArrowArray,
    pub release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    pub private_data: *mut c_void,
}

/// The values of a field may be missing: ARROW_FLAG_NULLABLE.
const NULLABLE: i64 = 2;

/// What is pointed to where there is nothing: a buffer that must not be NULL, however short, and one offset.
static NOTHING: [u64; 8] = [0; 8];

/// What a schema owns.
struct SchemaParts {
    format: CString,
    name: CString,
    metadata: Option<Vec<u8>>,
    children: Vec<*mut ArrowSchema>,
}

/// What an array owns. Each one for itself, children too: a child may be moved out and outlive its parent.
struct ArrayParts {
    buffers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
    /// What had to be made, as no column has it.
    _made: Vec<Made>,
    _columns: Arc<Columns>,
}

#[allow(dead_code, reason = "kept, never read")]
enum Made {
    Bits(Vec<u8>),
    Longs(Vec<i64>),
    Codes(Vec<u32>),
}

fn schema(format: &str, name: &str, flags: i64, metadata: Option<Vec<u8>>, children: Vec<ArrowSchema>) -> ArrowSchema {
    let children = children.into_iter().map(|c| Box::into_raw(Box::new(c))).collect();
    let mut parts = Box::new(SchemaParts { format: c_text(format), name: c_text(name), metadata, children });
    ArrowSchema {
        format: parts.format.as_ptr(),
        name: parts.name.as_ptr(),
        metadata: parts.metadata.as_ref().map_or(std::ptr::null(), |m| m.as_ptr().cast()),
        flags,
        n_children: parts.children.len() as i64,
        children: if parts.children.is_empty() { std::ptr::null_mut() } else { parts.children.as_mut_ptr() },
        dictionary: std::ptr::null_mut(),
        release: Some(release_schema),
        private_data: Box::into_raw(parts).cast(),
    }
}

fn array(length: usize, nulls: usize, mut parts: Box<ArrayParts>) -> ArrowArray {
    ArrowArray {
        length: length as i64,
        null_count: nulls as i64,
        offset: 0,
        n_buffers: parts.buffers.len() as i64,
        n_children: parts.children.len() as i64,
        buffers: parts.buffers.as_mut_ptr(),
        children: if parts.children.is_empty() { std::ptr::null_mut() } else { parts.children.as_mut_ptr() },
        dictionary: std::ptr::null_mut(),
        release: Some(release_array),
        private_data: Box::into_raw(parts).cast(),
    }
}

/// What both kinds have in common.
trait Exported: Sized {
    type Parts;
    fn release(&self) -> Option<unsafe extern "C" fn(*mut Self)>;
    /// Takes what it owns; it is released afterwards.
    fn taken(&mut self) -> *mut c_void;
    fn children(parts: &mut Self::Parts) -> Vec<*mut Self>;
}

impl Exported for ArrowSchema {
    type Parts = SchemaParts;
    fn release(&self) -> Option<unsafe extern "C" fn(*mut Self)> {
        self.release
    }
    fn taken(&mut self) -> *mut c_void {
        self.release = None;
        std::mem::replace(&mut self.private_data, std::ptr::null_mut())
    }
    fn children(parts: &mut SchemaParts) -> Vec<*mut Self> {
        std::mem::take(&mut parts.children)
    }
}

impl Exported for ArrowArray {
    type Parts = ArrayParts;
    fn release(&self) -> Option<unsafe extern "C" fn(*mut Self)> {
        self.release
    }
    fn taken(&mut self) -> *mut c_void {
        self.release = None;
        std::mem::replace(&mut self.private_data, std::ptr::null_mut())
    }
    fn children(parts: &mut ArrayParts) -> Vec<*mut Self> {
        std::mem::take(&mut parts.children)
    }
}

/// # Safety
/// `raw` is NULL or one that this file made, perhaps moved to another place; it is not used by another thread.
unsafe fn release<T: Exported>(raw: *mut T) {
    // SAFETY: NULL or live, as the caller promises.
    let Some(it) = (unsafe { raw.as_mut() }) else { return };
    if it.release().is_none() {
        return;
    }
    let owned = it.taken().cast::<T::Parts>();
    if owned.is_null() {
        return;
    }
    let _ = runtime::panics::contain(|| {
        // SAFETY: made by `Box::into_raw` here; `taken` gives it out once.
        let mut parts = unsafe { Box::from_raw(owned) };
        for child in T::children(&mut parts) {
            // SAFETY: made by `Box::into_raw` here. One that was moved out has no release any more, and stays as it is.
            let mut child = unsafe { Box::from_raw(child) };
            if let Some(release) = child.release() {
                // SAFETY: its own callback, by the interface's contract.
                unsafe { release(&raw mut *child) };
            }
        }
    });
}

unsafe extern "C" fn release_schema(raw: *mut ArrowSchema) {
    // SAFETY: by the contract of the interface, one that was exported.
    unsafe { release(raw) }
}

unsafe extern "C" fn release_array(raw: *mut ArrowArray) {
    // SAFETY: as above.
    unsafe { release(raw) }
}

/// Pairs of texts, each with its length before it, as the interface has it.
fn metadata(pairs: &[(&str, &str)]) -> Vec<u8> {
    let number = |n: usize| i32::try_from(n).unwrap_or(0).to_ne_bytes();
    let mut out = number(pairs.len()).to_vec();
    for text in pairs.iter().flat_map(|(key, value)| [key, value]) {
        out.extend_from_slice(&number(text.len()));
        out.extend_from_slice(text.as_bytes());
    }
    out
}

fn start<T>(of: &[T]) -> *const c_void {
    if of.is_empty() { NOTHING.as_ptr().cast() } else { of.as_ptr().cast() }
}

/// One column: its type and its array.
fn column(field: Field<'_>, columns: &Arc<Columns>) -> (ArrowSchema, ArrowArray) {
    let (mut made, mut types, mut children) = (Vec::new(), Vec::new(), Vec::new());
    let flags = if field.nullable { NULLABLE } else { 0 };
    let mut buffers = vec![std::ptr::null()];
    let mut nulls = 0;
    if let Some((bits, missing)) = field.there
        && missing > 0
    {
        nulls = missing;
        buffers = vec![kept(bits, &mut made, Made::Bits)];
    }
    let format = match field.held {
        Held::Times(times) => {
            buffers.push(kept(times, &mut made, Made::Longs));
            "tsm:UTC"
        }
        Held::Codes(codes) => {
            buffers.push(kept(codes, &mut made, Made::Codes));
            "I"
        }
        Held::Numbers(numbers) => {
            buffers.push(start(numbers));
            "g"
        }
        Held::States(states) => {
            buffers.push(start(states));
            "l"
        }
        Held::Texts(texts) => {
            buffers.extend([start(&texts.offsets), start(&texts.bytes)]);
            "U"
        }
        Held::Lists(begins, parts) => {
            let entries = begins.last().map_or(0, |n| usize::try_from(*n).unwrap_or(0));
            buffers.push(kept(begins, &mut made, Made::Longs));
            let (entry, values) = rows(parts, entries, "item", None, columns);
            types.push(entry);
            children.push(Box::into_raw(Box::new(values)));
            "+L"
        }
    };
    let parts = ArrayParts { buffers, children, _made: made, _columns: Arc::clone(columns) };
    (schema(format, field.name, flags, None, types), array(field.length, nulls, Box::new(parts)))
}

/// Columns side by side, with no row missing.
fn rows(
    fields: Vec<Field<'_>>,
    length: usize,
    name: &str,
    metadata: Option<Vec<u8>>,
    columns: &Arc<Columns>,
) -> (ArrowSchema, ArrowArray) {
    let (mut types, mut children) = (Vec::new(), Vec::new());
    for field in fields {
        let (of, values) = column(field, columns);
        types.push(of);
        children.push(Box::into_raw(Box::new(values)));
    }
    let parts =
        ArrayParts { buffers: vec![std::ptr::null()], children, _made: Vec::new(), _columns: Arc::clone(columns) };
    (schema("+s", name, 0, metadata, types), array(length, 0, Box::new(parts)))
}

/// Where a buffer begins; one that was made for Arrow is kept with the array.
fn kept<T: Clone>(values: Cow<'_, [T]>, made: &mut Vec<Made>, keep: fn(Vec<T>) -> Made) -> *const c_void {
    match values {
        Cow::Borrowed(values) => start(values),
        Cow::Owned(values) => {
            let at = start(&values);
            made.push(keep(values));
            at
        }
    }
}

/// Hands one series to Arrow as its C Data Interface has it: a record batch, which is a struct array, with a column each of
///
/// - `timestamp`: timestamp[ms, UTC], never missing;
/// - `value`: float64 or large_utf8, with nulls where the value is missing; of states `numericValue` (int64) and
///   `stringValue` (large_utf8);
/// - `status`: uint32, the codes as OPC UA has them, when the query included them (0: good) or one is not good;
/// - of aggregates instead of the two above each under its name: float64 with nulls where the bucket has none, except
///   `maxDatapoint.timestamp` and its like (timestamp[ms, UTC]) and `maxDatapoint.status` (uint32);
/// - of aggregates of single states `stateAggregates`: large_list of struct of `numericValue` (int64), `stringValue`
///   (large_utf8, empty for a state that is no longer in the set), and those that were asked for (int64).
///
/// The schema's metadata has the series as cognite_columns_info() tells it, under the key `cognite`.
///
/// Times, values, texts and missing marks are not copied. What is handed out shares them with `columns`, which may be freed
/// before or after; the last of both frees the memory. It may be called any number of times for one series.
///
/// The two structs are the ones of the interface, so Arrow's own header may be included before or after this one. They are
/// moved to the caller, who calls their `release` once each (or hands them to an importer, such as pyarrow's
/// `RecordBatch._import_from_c`, which does). A child may be moved out, as the interface has it.
///
/// @param columns      The columns. Not NULL.
/// @param series       Which one, from 0.
/// @param[out] schema  Overwritten; its `release` is NULL on failure. Not NULL.
/// @param[out] array   Overwritten; its `release` is NULL on failure. Not NULL.
/// @param[out] err     May be NULL.
/// @return `COGNITE_OK`; INVALID_ARGUMENT, also for a number past the last series.
///
/// **Blocks:** no. **Threads:** any number; `release` may be called from any one thread. **Owns:** the caller both structs.
/// **Since:** 0.1.0
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cognite_columns_export_arrow(
    columns: *const cognite_columns,
    series: usize,
    schema: *mut ArrowSchema,
    array: *mut ArrowArray,
    err: *mut *mut cognite_error,
) -> cognite_status {
    // SAFETY: NULL or places that may be written, here and below; all zero is a released struct of each kind.
    unsafe {
        if !schema.is_null() {
            schema.write(std::mem::zeroed());
        }
        if !array.is_null() {
            array.write(std::mem::zeroed());
        }
    }
    entry(err, || {
        for (is_null, name) in [(schema.is_null(), "schema"), (array.is_null(), "array")] {
            if is_null {
                return Err(Error::argument(format!("{name} is NULL; a place for the result is needed")));
            }
        }
        // SAFETY: NULL or live columns.
        let columns = &unsafe { get::<ColumnsBox>(columns, "columns") }?.columns;
        let (types, values) = export(columns, series)?;
        // SAFETY: not NULL.
        unsafe {
            schema.write(types);
            array.write(values);
        }
        Ok(())
    })
}

fn export(columns: &Arc<Columns>, number: usize) -> Result<(ArrowSchema, ArrowArray), Error> {
    let n = columns.series.len();
    let series = columns
        .series
        .get(number)
        .ok_or_else(|| Error::argument(format!("series is {number}, but there are {n}, counted from 0")))?;
    let info = series.info_json().to_string();
    Ok(rows(series.fields(), series.points.len(), "", Some(metadata(&[("cognite", &info)])), columns))
}
