//! One series' datapoints as the caller has them.

use std::ffi::c_char;

use super::notify::{Sized, read_sized};
use super::text::{array, bytes, text_opt};
use crate::api::datapoints::column::{Column, Key, Values};
use crate::error::Error;

/// Datapoints of one time series as columns of the caller's. Read during the call only. Begin with COGNITE_COLUMN_INIT.
///
/// The series is named by `id`, by `external_id`, or by `space` and `external_id` (an instance). Its values are `numbers`, or
/// texts (`text` and `text_offsets`), or states: `states`, or texts with `state_text` 1. States are written by instance id.
///
/// Numbers are written as they are, also NaN and infinities: CDF takes those only with a bad status code, and refuses the
/// request that holds one without.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct cognite_column {
    /// sizeof(cognite_column), set by COGNITE_COLUMN_INIT.
    pub struct_size: usize,
    /// The id; 0: named by `external_id`.
    pub id: i64,
    /// The external id, of the series or of the instance; NULL with `id`.
    pub external_id: *const c_char,
    /// The space of the instance; NULL: `external_id` is the series' own.
    pub space: *const c_char,
    /// The number of datapoints: the length of all columns.
    pub count: usize,
    /// Milliseconds since 1970, 1900 to 2099, in any order. Of equal ones the last wins.
    pub timestamps_ms: *const i64,
    /// Numeric values; NULL: other values.
    pub numbers: *const f64,
    /// Numbers of states; NULL: other values.
    pub states: *const i64,
    /// UTF-8 without NULs between the values; NULL: no texts.
    pub text: *const c_char,
    /// `count` + 1 offsets into `text`: value `n` lies from `text_offsets[n]` to `text_offsets[n + 1]`.
    pub text_offsets: *const i64,
    /// OPC UA status codes; NULL: all good.
    pub status_codes: *const u32,
    /// A bit for each value, from the low end of the first byte on: 0 says that the value is missing (which CDF takes with a
    /// bad status code only). NULL: all are there.
    pub validity: *const u8,
    /// 1: the texts are names of states.
    pub state_text: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: repr(C), begins with struct_size; NULL pointers and zeros are all zero.
unsafe impl Sized for cognite_column {
    const NAME: &'static str = "cognite_column";
    const FIRST: usize = size_of::<cognite_column>();
}

/// # Safety
/// `raw` is NULL or a column whose pointers live as long as `'a`.
pub(crate) unsafe fn column_of<'a>(raw: *const cognite_column, parameter: &str) -> Result<Column<'a>, Error> {
    // SAFETY: passed on to the caller of this function, here and below.
    let c = unsafe { read_sized(raw, parameter) }?;
    // SAFETY: NULL or texts.
    let (external_id, space) =
        unsafe { (text_opt(c.external_id, "column.external_id")?, text_opt(c.space, "column.space")?) };
    let key = match (c.id, external_id, space) {
        (0, Some(external_id), Some(space)) => Key::Instance { space, external_id },
        (0, Some(external_id), None) => Key::External(external_id),
        (id, None, None) if id != 0 => Key::Id(id),
        _ => {
            return Err(Error::argument(
                "column: the series is named by id, by external_id, or by space and external_id",
            ));
        }
    };
    let n = c.count;
    let given = [!c.numbers.is_null(), !c.states.is_null(), !c.text_offsets.is_null()];
    if n > 0 && given.iter().filter(|g| **g).count() != 1 {
        return Err(Error::argument(format!("column: one of numbers, states and text_offsets is needed, for {key}")));
    }
    if c.state_text > 1 || c.reserved != 0 {
        return Err(Error::argument("column: state_text is 0 or 1, reserved is 0"));
    }
    // SAFETY: NULL or `count` elements each; the text is as long as its last offset says.
    unsafe {
        let values = if !c.states.is_null() {
            Values::StateNumbers(array(c.states, n, "column.states")?)
        } else if !c.text_offsets.is_null() {
            let offsets = array(c.text_offsets, n.saturating_add(1), "column.text_offsets")?;
            let last = offsets.last().copied().and_then(|o| usize::try_from(o).ok());
            let last =
                last.ok_or_else(|| Error::argument(format!("column: the last text offset of {key} is negative")))?;
            let text = std::str::from_utf8(bytes(c.text.cast(), last, "column.text")?).map_err(|e| {
                Error::argument(format!("column.text of {key} is not valid UTF-8 (byte {})", e.valid_up_to()))
            })?;
            if c.state_text == 1 { Values::StateTexts { offsets, text } } else { Values::Texts { offsets, text } }
        } else {
            Values::Numbers(array(c.numbers, n, "column.numbers")?)
        };
        let optional = |there: bool| there && n > 0;
        Ok(Column {
            key,
            timestamps: array(c.timestamps_ms, n, "column.timestamps_ms")?,
            values,
            status: match optional(!c.status_codes.is_null()) {
                true => Some(array(c.status_codes, n, "column.status_codes")?),
                false => None,
            },
            validity: match optional(!c.validity.is_null()) {
                true => Some(array(c.validity, n.div_ceil(8), "column.validity")?),
                false => None,
            },
        })
    }
}
