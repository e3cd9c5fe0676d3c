//! The unit catalog: a small part of the real one.

use serde_json::json;

use crate::generic::{SET, Set};

/// Where the units are nodes.
pub const SPACE: &str = "cdf_cdm_units";

pub fn exists(id: &str) -> bool {
    UNITS.iter().any(|(unit, ..)| *unit == id)
}

/// External id, symbol, multiplier and offset to the unit of the quantity with multiplier 1.
const UNITS: &[(&str, &str, f64, f64)] = &[
    ("temperature:k", "K", 1.0, 0.0),
    ("temperature:deg_c", "°C", 1.0, 273.15),
    ("temperature:deg_f", "°F", 0.555_555_555_555_555_6, 459.67),
    ("pressure:pa", "Pa", 1.0, 0.0),
    ("pressure:kilopa", "kPa", 1000.0, 0.0),
    ("pressure:bar", "bar", 100_000.0, 0.0),
    ("pressure:psi", "psi", 6_894.757_293_168, 0.0),
    ("length:m", "m", 1.0, 0.0),
    ("length:millim", "mm", 0.001, 0.0),
    ("length:kilom", "km", 1000.0, 0.0),
    ("length:ft", "ft", 0.3048, 0.0),
    ("mass:kilogm", "kg", 1.0, 0.0),
    ("mass:gm", "g", 0.001, 0.0),
    ("mass:lb", "lb", 0.453_592_37, 0.0),
    ("time:sec", "s", 1.0, 0.0),
    ("time:min", "min", 60.0, 0.0),
    ("time:hr", "h", 3600.0, 0.0),
    ("power:w", "W", 1.0, 0.0),
    ("power:kilow", "kW", 1000.0, 0.0),
    ("volume:m3", "m³", 1.0, 0.0),
    ("volume:l", "L", 0.001, 0.0),
    ("velocity:m-per-sec", "m/s", 1.0, 0.0),
    ("velocity:kilom-per-hr", "km/h", 0.277_777_777_777_777_8, 0.0),
];

/// Unit of each quantity in each system.
const SYSTEMS: &[(&str, &[&str])] = &[
    ("Default", &["temperature:deg_c", "pressure:bar", "length:m", "mass:kilogm"]),
    ("SI", &["temperature:k", "pressure:pa", "length:m", "mass:kilogm"]),
    ("Imperial", &["temperature:deg_f", "pressure:psi", "length:ft", "mass:lb"]),
];

fn quantity(unit: &str) -> String {
    let name = unit.split(':').next().unwrap_or("");
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
}

pub static SETS: &[Set] = &[
    Set {
        path: "units",
        noun: "units",
        numbered: false,
        times: &[],
        // The catalog comes in one page.
        ops: "GET:1000:1000 byids one",
        seed: Some(|_| {
            let unit = |(id, symbol, multiplier, offset): &(&str, &str, f64, f64)| {
                let name = id.split(':').next_back().unwrap_or("").to_uppercase();
                json!({"externalId": id, "name": name, "longName": name, "symbol": symbol, "aliasNames": [symbol],
                    "quantity": quantity(id), "conversion": {"multiplier": multiplier, "offset": offset}})
            };
            UNITS.iter().map(unit).collect()
        }),
        ..SET
    },
    Set {
        path: "units/systems",
        noun: "unit systems",
        key: &["name"],
        numbered: false,
        times: &[],
        ops: "GET:1000:1000",
        seed: Some(|_| {
            let system = |(name, units): &(&str, &[&str])| {
                let quantities: Vec<_> =
                    units.iter().map(|u| json!({"name": quantity(u), "unitExternalId": u})).collect();
                json!({"name": name, "quantities": quantities})
            };
            SYSTEMS.iter().map(system).collect()
        }),
        ..SET
    },
];
