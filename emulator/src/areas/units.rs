//! The unit catalog: 24 of its quantities with all their units, and its three systems.

use std::sync::OnceLock;

use serde_json::json;

use crate::error::{ApiError, Result};
use crate::generic::{SET, Set};

/// Where the units are nodes.
pub const SPACE: &str = "cdf_cdm_units";

/// Quantity and its units: name, symbol, multiplier, offset. A value in the base unit is (value + offset) * multiplier.
const UNITS: &[(&str, &str)] = &[
    ("temperature", "deg_c °C 1 273.15, deg_f °F 0.5555555555555556 459.67, deg_r °R 0.5555555555555556, k K 1"),
    (
        "pressure",
        "atm atm 101325, bar bar 100000, barg bar(g) 100000 1.01325, gigapa GPa 1000000000, hectopa hPa 100, \
         kilobar kbar 100000000, kilogm-per-m-sec2 kg/(m⋅s²) 1, kilolb_f-per-in2 kpsi 6894757.293168361, \
         kilogm_f-per-centim2 kgf/cm² 98066.5, kilopa kPa 1000, kilopag kPa(g) 1000 101.325, lb_f-per-ft2 lbf/ft² \
         47.880258980335846, lb_f-per-100-ft2 lbf/100ft² 0.478802631, megabar Mbar 100000000000, megapa MPa \
         1000000, micropa μPa 1e-06, millibar mbar 100, millim_h2o mmH₂0 9.80665, in_h2o inH₂O 249.0889, millipa \
         mPa 0.001, n-per-centim2 N/cm² 10000, n-per-m2 N/m² 1, n-per-millim2 N/mm² 1000000, pa Pa 1, psi psi \
         6894.757293168362, psig psi(g) 6894.757293168362 14.6959475034, millibarg mbar(g) 100 1013.25",
    ),
    (
        "length",
        "centim cm 0.01, decim dm 0.1, ft ft 0.3048, in in 0.0254, kilom km 1000, m m 1, mi mi 1609.344, microm \
         µm 1e-06, milliin mil 2.54e-05, millim mm 0.001, yd yd 0.9144, 1_64_in ¹⁄₆₄″ 0.000396875",
    ),
    (
        "area",
        "centim2 cm² 0.0001, decim2 dm² 0.01, ft2 ft² 0.09290304, in2 in² 0.00064516, m2 m² 1, millim2 mm² 1e-06, \
         yd2 yd² 0.83612736",
    ),
    (
        "volume",
        "bbl_us bbl 0.1589873, centim3 cm³ 1e-06, decil dL 0.0001, decim3 dm³ 0.001, ft3 ft³ 0.028316846592, \
         gal_uk gal{UK} 0.00454609, in3 in³ 1.6387064e-05, kilo-ft3 kft³ 28.316846592, kilol kL 1, l L 0.001, m3 \
         m³ 1, megal ML 1000, kilo-m3 km³ 1000, mega-m3 Mm³ 1000000, microl μL 1e-09, microm3 µm³ 1e-18, millil \
         mL 1e-06, millim3 mm³ 1e-09, yd3 yd³ 0.764554857984, mega-ft3 MMCF 28316.846592, kilo-bbl_us kbbl \
         158.987294928",
    ),
    (
        "mass",
        "centigm cg 1e-05, gm g 0.001, kilogm kg 1, kilotonne kt 1000000, lb lbm 0.45359237, milligm mg 1e-06, oz \
         oz 0.028349523125, ton_long t{long} 1016.0469088, tonne t 1000",
    ),
    (
        "time",
        "day day 86400, hr h 3600, microsec µs 1e-06, millisec ms 0.001, min min 60, mo mo 2629800, sec s 1, wk \
         wk 604800, yr yr 31557600",
    ),
    (
        "power",
        "btu_it-per-hr Btu{IT}/h 0.2930710701722222, btu_it-per-sec Btu{IT}/s 1055.05585262, ft-lb_f-per-hr \
         ft⋅lbf/h 0.0003766160967587223, ft-lb_f-per-min ft⋅lbf/min 0.02259696580552334, ft-lb_f-per-sec ft⋅lbf/s \
         1.3558179483314003, gigaw GW 1000000000, hp HP 745.6999, gigaj-per-hr GJ/h 277777.77777777775, j-per-hr \
         J/h 0.0002777777777777778, j-per-min J/min 0.016666666666666666, j-per-sec J/s 1, kilobtu_it-per-hr \
         kBtu{IT}/h 293.0710701722222, kilocal-per-min kcal/min 69.73333333333333, kilocal-per-sec kcal/s 4184, \
         kilov-a kV⋅A 1000, kilow kW 1000, megabtu_it-per-hr MBtu{IT}/h 293071.0701722222, megaj-per-sec MJ/s \
         1000000, megav-a MV⋅A 1000000, megaw MW 1000000, milliw mW 0.001, teraw TW 1000000000000, v-a V⋅A 1, w W \
         1, megabtu_it-per-day MBtu{IT}/d 12211.29",
    ),
    (
        "energy",
        "btu_it Btu{IT} 1055.05585262, btu_th Btu{th} 1054.3502645, cal_it cal{IT} 4.1868, cal_th cal 4.184, \
         ft-lb_f ft⋅lbf 1.3558179483314003, gigaj GJ 1000000000, gigaw-hr GW⋅h 3600000000000, j J 1, kilobtu_it \
         kBtu{IT} 1055055.85262, kilobtu_th kBtu{th} 1054350.2645, kilocal kcal 4184, kiloj kJ 1000, kilov-a-hr \
         kV·A·h 3600000, kilow-hr kW⋅h 3600000, megaj MJ 1000000, megatoe Mtoe 4.1868e+16, megav-a-hr MV⋅A⋅h \
         3600000000, megaw-hr MW⋅h 3600000000, microj µJ 1e-06, millij mJ 0.001, teraj TJ 1000000000000, teraw-hr \
         TW⋅h 3600000000000000, toe toe 41868000000, v-a-hr V⋅A⋅h 3600, w-hr W⋅h 3600, w-sec W⋅s 1, boe boe \
         6120000000",
    ),
    (
        "volume_flow_rate",
        "bbl_us-per-day bbl/day 1.840130787037037e-06, bbl_us_pet-per-hr bbl/h 4.416313888888889e-05, \
         centim3-per-sec cm³/s 1e-06, decim3-per-min dm³/min 1.6666666666666667e-05, decim3-per-sec dm³/s 0.001, \
         ft3-per-day ft³/day 3.2774128e-07, ft3-per-hr ft³/h 7.86579072e-06, ft3-per-min ft³/min 0.0004719474432, \
         ft3-per-sec ft³/s 0.028316846592, gal_uk-per-hr gal{UK}/h 1.2628027777777779e-06, gal_uk-per-min \
         gal{UK}/min 7.576816666666667e-05, gal_uk-per-sec gal{UK}/s 0.00454609, in3-per-sec in³/s 1.6387064e-05, \
         kilol-per-hr kL/h 0.0002777777777777778, kilo-ft3-per-day kft³/day 0.0003277413, l-per-hr L/hr \
         2.7777777777777776e-07, l-per-min L/min 1.6666666666666667e-05, l-per-sec L/s 0.001, mega-m3-per-day \
         Mm³/day 11.574074074074074, m3-per-day m³/day 1.1574074074074073e-05, m3-per-hr m³/h \
         0.0002777777777777778, m3-per-min m³/min 0.016666666666666666, m3-per-sec m³/s 1, millil-per-sec mL/s \
         1e-06, yd3-per-day yd³/day 8.84901456e-06, gal_us-per-min gal{US}/min 6.30901964e-05, yd3-per-hr yd³/h \
         0.00021237634944, yd3-per-min yd³/min 0.0127425809664, yd3-per-sec yd³/s 0.764554857984, \
         mega-ft3-per-day MMscf/day 0.3277413, l-per-day L/day 1.1574074074074074e-08, kilo-bbl_us-per-day kbbl/d \
         0.0018401307283",
    ),
    (
        "mass_flow_rate",
        "gm-per-min g/min 1.6666666666666667e-05, gm-per-sec g/s 0.001, kilogm-per-day kg/day \
         1.1574074074074073e-05, kilogm-per-hr kg/h 0.0002777777777777778, kilogm-per-min kg/min \
         0.016666666666666666, kilogm-per-sec kg/s 1, lb-per-hr lbm/h 0.00012599788055555556, lb-per-min lbm/min \
         0.007559872833333333, milligm-per-sec mg/s 1e-06, tonne-per-day t/day 0.011574074074074073, tonne-per-hr \
         t/h 0.2777777777777778, tonne-per-min t/min 16.666666666666668, tonne-per-sec t/s 1000, lb-per-sec lbm/s \
         0.45359237, lb-per-day lbm/d 5.249911689814815e-06",
    ),
    (
        "velocity",
        "ft-per-hr ft/h 8.466666666666667e-05, ft-per-sec ft/s 0.3048, in-per-sec in/s 0.0254, kilom-per-hr km/h \
         0.2777777777777778, kilom-per-sec km/s 1000, kn kn 0.5144444444444445, ft-per-min ft/min 0.00508, \
         m-per-hr m/h 0.0002777777777777778, m-per-sec m/s 1, mi-per-hr mi/h 0.44704, mi-per-sec mi/s 1609.344, \
         millim-per-sec mm/s 0.001, millim-per-hr mm/h 2.7777777777777776e-07, millim-per-yr mm/yr \
         3.168808781402895e-11, millim-per-wk mm/wk 1.6534391534391535e-09, m-per-min m/min 0.016666666666666666, \
         kilom-per-wk km/wk 0.001653439153439153",
    ),
    (
        "density",
        "gm-per-centim3 g/cm³ 1000, gm-per-m3 g/m³ 0.001, kilogm-per-m3 kg/m³ 1, kilogm-per-l kg/L 1000, \
         lb-per-ft3 lbm/ft³ 16.01846337396014, lb-per-gal lb/gal 99.7763727, lb-per-in3 lbm/in³ \
         27679.90471020312, lb-per-yd3 lbm/yd³ 0.5932764212577829, milligm-per-m3 mg/m³ 1e-06, oz-per-gal \
         oz/gal{US} 6.23602329, oz-per-in3 oz/in³ 1729.994044387695, milligm-per-l mg/L 0.001",
    ),
    (
        "frequency",
        "hz Hz 1, kilohz kHz 1000, num-per-hr #/h 0.0002777777777777778, num-per-sec #/s 1, num-per-yr #/yr \
         3.168808781402895e-08, per-min /min 0.016666666666666666, hectohz hHz 100",
    ),
    ("electric_current", "a A 1, kiloa kA 1000, megaa MA 1000000, millia mA 0.001"),
    ("electric_potential", "kilov kV 1000, megav MV 1000000, nanov nV 1e-09, microv µV 1e-06, milliv mV 0.001, v V 1"),
    (
        "angle",
        "deg ° 0.017453292519943295, grad grad 0.015707963267949, microrad µrad 1e-06, millirad mrad 0.001, rad \
         rad 1, rev rev 6.283185307179586, kilorev krev 6283.18531",
    ),
    (
        "force",
        "centin cN 0.01, kilolb_f klbf 4448.2216152605, kilon kN 1000, kilodan kdaN 10000, kilo_kilogm_f kkgf \
         9806.65, kilogm_f kgf 9.80665, lb_f lbf 4.4482216152605, megalb_f Mlbf 4448221.6152605, n N 1, oz_f ozf \
         0.278013850954",
    ),
    (
        "torque",
        "lb_f-ft lbf⋅ft 1.3558179483314003, kilo_lb_f-ft klbf⋅ft 1355.81807, lb_f-in lbf⋅in 0.1129848290276167, \
         n-m N⋅m 1, kilon-m kN·m 1000",
    ),
    (
        "dimensionless_ratio",
        "fraction - 1, percent % 0.01, ppb PPB 1e-09, ppm PPM 1e-06, ppth PPTH 0.001, unitless - 1",
    ),
    (
        "volume_fraction",
        "centim3-per-centim3 cm³/cm³ 1, centim3-per-m3 cm³/m³ 1e-06, l-per-l L/L 1, m3-per-m3 m³/m³ 1, \
         microl-per-l μL/L 1e-06, millil-per-l mL/L 0.001, millil-per-m3 mL/m³ 1e-06, ft3-per-bbl_us ft³/bbl \
         0.178107606679035, bbl_us-per-bbl_us bbl/bbl 1, bbl_us-per-kilo-ft3 bbl/kft³ 0.00561458333, \
         kilo-ft3-per-bbl_us kft³/bbl 178.107606679035",
    ),
    (
        "angular_velocity",
        "rev-per-hr rev/h 0.0017453292519943296, rev-per-min rev/min 0.10471975511965977, rev-per-sec rev/s \
         6.283185307179586, rad-per-sec rad/s 1",
    ),
    (
        "dynamic_viscosity",
        "centipoise cP 0.001, lb-per-ft-hr lbm/(ft⋅h) 0.00041337887321376497, lb-per-ft-sec lbm/(ft⋅s) \
         1.4881639435695537, millipa-sec mPa⋅s 0.001, pa-sec Pa⋅s 1, poise P 0.1",
    ),
    (
        "standard_volume",
        "scm_1atm_15deg_c_iso Sm³ 1, kilo_scm_1atm_15deg_c_iso kSm³ 1000, mega_scm_1atm_15deg_c_iso MSm³ 1000000, \
         scf_1atm_60deg_f SCF 0.028316846592, kilo_scf_1atm_60deg_f MSCF 28.316846592, mega_scf_1atm_60deg_f \
         MMSCF 28316.846592",
    ),
];

/// The unit of each quantity; the first system holds for quantities that another does not name.
const SYSTEMS: &[(&str, &str)] = &[
    (
        "Default",
        "angle:deg angular_velocity:rev-per-sec area:m2 density:kilogm-per-m3 dimensionless_ratio:fraction \
         dynamic_viscosity:pa-sec electric_current:a electric_potential:v energy:j force:n frequency:hz \
         length:m mass:kilogm mass_flow_rate:kilogm-per-sec power:w pressure:bar \
         standard_volume:scm_1atm_15deg_c_iso temperature:deg_c time:sec torque:n-m velocity:m-per-sec \
         volume:m3 volume_flow_rate:m3-per-sec volume_fraction:m3-per-m3",
    ),
    (
        "SI",
        "angle:rad angular_velocity:rad-per-sec area:m2 density:kilogm-per-m3 dimensionless_ratio:fraction \
         dynamic_viscosity:pa-sec electric_current:a electric_potential:v energy:j force:n frequency:hz \
         length:m mass:kilogm mass_flow_rate:kilogm-per-sec power:w pressure:pa \
         standard_volume:scm_1atm_15deg_c_iso temperature:k time:sec torque:n-m velocity:m-per-sec volume:m3 \
         volume_flow_rate:m3-per-sec volume_fraction:m3-per-m3",
    ),
    (
        "Imperial",
        "area:ft2 density:lb-per-ft3 dynamic_viscosity:lb-per-ft-sec energy:btu_it force:lb_f length:ft \
         mass:lb mass_flow_rate:lb-per-sec power:hp pressure:psi standard_volume:scf_1atm_60deg_f \
         temperature:deg_f torque:lb_f-ft velocity:ft-per-sec volume:ft3 volume_flow_rate:ft3-per-sec",
    ),
];

#[derive(Debug)]
struct Unit {
    id: String,
    quantity: &'static str,
    symbol: &'static str,
    multiplier: f64,
    offset: f64,
}

fn units() -> &'static [Unit] {
    static ALL: OnceLock<Vec<Unit>> = OnceLock::new();
    ALL.get_or_init(|| {
        let unit = |quantity: &'static str, text: &'static str| {
            let mut parts = text.split_whitespace();
            let id = format!("{quantity}:{}", parts.next()?);
            let symbol = parts.next()?.trim_matches('-');
            let multiplier = parts.next()?.parse().ok()?;
            Some(Unit { id, quantity, symbol, multiplier, offset: parts.next().map_or(Some(0.0), |o| o.parse().ok())? })
        };
        UNITS.iter().flat_map(|(quantity, list)| list.split(", ").filter_map(|text| unit(quantity, text))).collect()
    })
}

/// Id, symbol and quantity of every unit.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    units().iter().map(|u| (u.id.as_str(), u.symbol, quantity(&u.id)))
}

fn find(id: &str) -> Option<&'static Unit> {
    units().iter().find(|u| u.id == id)
}

pub fn exists(id: &str) -> bool {
    find(id).is_some()
}

/// Refuses what is no unit. Of quantities that are not here nothing is known, so any unit goes.
pub fn check(id: &str) -> Result<()> {
    let known = id.split_once(':').is_none_or(|(quantity, _)| UNITS.iter().any(|(q, _)| *q == quantity));
    if known && !exists(id) {
        return Err(ApiError::bad(format!("There is no unit {id} in the catalog")));
    }
    Ok(())
}

/// `volume_flow_rate` is written Volume Flow Rate.
pub fn quantity(id: &str) -> String {
    let words = id.split(':').next().unwrap_or("").split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
    });
    words.collect::<Vec<_>>().join(" ")
}

fn in_system(system: &str, quantity: &str) -> Result<&'static str> {
    let of = |list: &'static str| list.split_whitespace().find(|id| id.split(':').next() == Some(quantity));
    let known = SYSTEMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(system));
    let (_, list) = known.ok_or_else(|| ApiError::bad(format!("Unknown unit system: {system}")))?;
    let found = of(list).or_else(|| SYSTEMS.first().and_then(|(_, list)| of(list)));
    found.ok_or_else(|| ApiError::bad(format!("No unit of {quantity} in the unit system {system}")))
}

/// From one unit to another of the same quantity.
#[derive(Debug, Clone, Copy)]
pub struct Conversion {
    pub to: &'static str,
    ratio: (f64, f64),
    offsets: (f64, f64),
    same: bool,
}

impl Conversion {
    /// To a unit, or to that of a unit system.
    pub fn new(from: Option<&str>, unit: Option<&str>, system: Option<&str>) -> Result<Option<Self>> {
        let wanted = match (unit, system) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(ApiError::bad("Only one of targetUnit and targetUnitSystem can be given"));
            }
            (unit, _) => unit,
        };
        let from = from.ok_or_else(|| {
            ApiError::bad("The time series has no unitExternalId, so its values cannot be converted to another unit")
        })?;
        let unknown = |id: &str| ApiError::bad(format!("Unknown unit: {id}"));
        let source = find(from).ok_or_else(|| unknown(from))?;
        let wanted = wanted.map_or_else(|| in_system(system.unwrap_or(""), source.quantity), Ok)?;
        let target = find(wanted).ok_or_else(|| unknown(wanted))?;
        if source.quantity != target.quantity {
            return Err(ApiError::bad(format!(
                "Cannot convert from {from} to {wanted}: they measure different things"
            )));
        }
        Ok(Some(Self {
            to: &target.id,
            ratio: (source.multiplier, target.multiplier),
            offsets: (source.offset, target.offset),
            same: source.id == target.id,
        }))
    }

    pub fn value(&self, v: f64) -> f64 {
        if self.same { v } else { rounded((v + self.offsets.0) * self.ratio.0 / self.ratio.1 - self.offsets.1) }
    }

    /// What is the sum of so many values.
    pub fn sum(&self, v: f64, count: f64) -> f64 {
        let ratio = self.ratio.0 / self.ratio.1;
        if self.same { v } else { rounded((v + self.offsets.0 * count) * ratio - self.offsets.1 * count) }
    }

    /// A difference, or with a power of two a variance.
    pub fn difference(&self, v: f64, power: i32) -> f64 {
        if self.same { v } else { rounded(v * self.ratio.0.powi(power) / self.ratio.1.powi(power)) }
    }
}

/// Twelve digits: what more there is, is an artefact of the factors.
fn rounded(v: f64) -> f64 {
    if v.is_finite() { format!("{v:.11e}").parse().unwrap_or(v) } else { v }
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
            let unit = |unit: &Unit| {
                let name = unit.id.split(':').next_back().unwrap_or("").to_uppercase();
                json!({"externalId": unit.id, "name": name, "longName": name, "symbol": unit.symbol,
                    "aliasNames": [unit.symbol], "quantity": quantity(&unit.id),
                    "conversion": {"multiplier": unit.multiplier, "offset": unit.offset}})
            };
            units().iter().map(unit).collect()
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
            let system = |(name, units): &(&str, &str)| {
                let units = units.split_whitespace();
                let units: Vec<_> = units.map(|u| json!({"name": quantity(u), "unitExternalId": u})).collect();
                json!({"name": name, "quantities": units})
            };
            SYSTEMS.iter().map(system).collect()
        }),
        ..SET
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_unit() {
        let lines: usize = UNITS.iter().map(|(_, list)| list.split(", ").count()).sum();
        assert_eq!(units().len(), lines);
        for (system, list) in SYSTEMS {
            for id in list.split_whitespace() {
                assert!(exists(id), "{id} of {system}");
            }
        }
    }

    #[test]
    fn conversions() {
        let to = |from: &str, to: &str| Conversion::new(Some(from), Some(to), None).unwrap().unwrap();
        assert_eq!(to("temperature:deg_c", "temperature:deg_f").value(100.0), 212.0);
        assert_eq!(to("temperature:deg_c", "temperature:deg_f").difference(10.0, 1), 18.0);
        assert_eq!(to("pressure:barg", "pressure:bar").value(0.0), 1.01325);
        assert_eq!(to("length:m", "length:millim").difference(2.0, 2), 2e6);
        let imperial = |from| Conversion::new(Some(from), None, Some("imperial")).unwrap().unwrap().to;
        assert_eq!((imperial("temperature:k"), imperial("angle:rad")), ("temperature:deg_f", "angle:deg"));
        for (from, unit, system) in [
            (None, Some("length:m"), None),
            (Some("mass:kilogm"), Some("length:m"), None),
            (Some("length:m"), Some("length:ell"), None),
            (Some("length:m"), None, Some("Martian")),
            (Some("length:m"), Some("length:m"), Some("SI")),
        ] {
            assert!(Conversion::new(from, unit, system).is_err(), "{from:?} {unit:?} {system:?}");
        }
        assert!(check("length:ell").is_err() && check("nonsense").is_err() && check("acceleration:m-per-sec2").is_ok());
    }
}
