//! The conversions of `ffi`, with every load and store checked by Miri: bounds, alignment, aliasing, leaks.

use super::{Run, nightly_cargo};
use crate::setup;
use crate::sh::{self, Res};

pub fn all(run: &mut Run) -> Res<()> {
    setup::nightly(&["rust-src", "miri"])?;
    run.folder("hazards-miri")?;
    let mut c = nightly_cargo(&sh::target().join("miri"));
    // The environment is asked for a proxy, the clock for the time.
    c.env("MIRIFLAGS", "-Zmiri-disable-isolation");
    c.args(["miri", "test", "--package", "cognite-c", "--lib", "ffi::tests"]);
    run.host("ffi, miri", &mut c)
}
