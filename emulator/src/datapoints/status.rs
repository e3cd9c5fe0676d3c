//! Status codes as OPC UA defines them; the two top bits are the category.

use std::collections::BTreeMap;

use crate::error::{ApiError, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    Good,
    Uncertain,
    Bad,
}

/// What a datapoint has beyond timestamp and value. Good (0) datapoints with a value have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub code: u32,
    /// A bad datapoint may have no value at all.
    pub null: bool,
}

pub type Marks = BTreeMap<i64, Mark>;

const SYMBOLS: &[(u32, &str)] = &[
    (0x0000_0000, "Good"),
    (0x0096_0000, "GoodLocalOverride"),
    (0x00A2_0000, "GoodEntryInserted"),
    (0x00A3_0000, "GoodEntryReplaced"),
    (0x00A5_0000, "GoodNoData"),
    (0x00A6_0000, "GoodMoreData"),
    (0x002F_0000, "GoodClamped"),
    (0x4000_0000, "Uncertain"),
    (0x4090_0000, "UncertainLastUsableValue"),
    (0x4091_0000, "UncertainSubstituteValue"),
    (0x4092_0000, "UncertainInitialValue"),
    (0x4093_0000, "UncertainSensorNotAccurate"),
    (0x4094_0000, "UncertainEngineeringUnitsExceeded"),
    (0x4095_0000, "UncertainSubNormal"),
    (0x40A4_0000, "UncertainDataSubNormal"),
    (0x8000_0000, "Bad"),
    (0x8001_0000, "BadUnexpectedError"),
    (0x8002_0000, "BadInternalError"),
    (0x8005_0000, "BadCommunicationError"),
    (0x800A_0000, "BadTimeout"),
    (0x8031_0000, "BadNoCommunication"),
    (0x8032_0000, "BadWaitingForInitialData"),
    (0x8089_0000, "BadConfigurationError"),
    (0x808A_0000, "BadNotConnected"),
    (0x808B_0000, "BadDeviceFailure"),
    (0x808C_0000, "BadSensorFailure"),
    (0x808D_0000, "BadOutOfService"),
    (0x809B_0000, "BadNoData"),
    (0x809D_0000, "BadDataLost"),
    (0x809E_0000, "BadDataUnavailable"),
];

pub fn category(code: u32) -> Category {
    match code >> 30 {
        0 => Category::Good,
        1 => Category::Uncertain,
        _ => Category::Bad,
    }
}

/// The name of a code; for codes not in the table that of the main code or the category.
pub fn symbol(code: u32) -> &'static str {
    let named = |wanted: u32| SYMBOLS.iter().find(|(c, _)| *c == wanted).map(|(_, name)| *name);
    named(code).or_else(|| named(code & 0xFFFF_0000)).unwrap_or(match category(code) {
        Category::Good => "Good",
        Category::Uncertain => "Uncertain",
        Category::Bad => "Bad",
    })
}

/// The code that a request's code and symbol mean together.
pub fn parse(code: Option<i64>, name: Option<&str>) -> Result<u32> {
    let by_name = match name.filter(|n| !n.is_empty()) {
        None => None,
        Some(name) => match SYMBOLS.iter().find(|(_, n)| *n == name) {
            Some((code, _)) => Some(*code),
            None => return Err(ApiError::bad(format!("Unknown status symbol: {name}"))),
        },
    };
    let by_code = match code {
        None => None,
        Some(code) => match u32::try_from(code) {
            Ok(code) if code >> 30 != 3 => Some(code),
            _ => return Err(ApiError::bad(format!("Invalid status code: {code}"))),
        },
    };
    match (by_code, by_name) {
        (Some(code), Some(named)) if code != named && code & 0xFFFF_0000 != named => {
            Err(ApiError::bad(format!("Status code {code} and symbol {} do not match", name.unwrap_or(""))))
        }
        (Some(code), _) => Ok(code),
        (None, Some(code)) => Ok(code),
        (None, None) => Ok(0),
    }
}

/// How a query treats datapoints that are not good.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub ignore_bad: bool,
    pub uncertain_as_bad: bool,
}

impl Rules {
    pub fn is_bad(self, category: Category) -> bool {
        match category {
            Category::Good => false,
            Category::Uncertain => self.uncertain_as_bad,
            Category::Bad => true,
        }
    }

    /// Whether a raw query shows the datapoint.
    pub fn shows(self, mark: Option<&Mark>) -> bool {
        !self.ignore_bad || mark.is_none_or(|m| !self.is_bad(category(m.code)))
    }
}
