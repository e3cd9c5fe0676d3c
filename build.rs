//! Link options of the shared library, and the table of operations made small. The header is not made here:
//! `cargo xtask header` does, and a test compares.

use std::io::Write;
use std::path::Path;

/// The ABI's own number. Raised only for a break; apart from the package version.
const ABI: u32 = 0;

const TABLE: &str = "src/api/operations/table.txt";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={TABLE}");
    let unix_elf = matches!(std::env::var("CARGO_CFG_TARGET_OS").as_deref(), Ok("linux" | "android" | "freebsd"));
    if unix_elf {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcognite.so.{ABI}");
        // Threads and exit handlers of ours outlive a dlclose; their code must too.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // Functions that came out the same are kept once: a tenth of the library. No code of ours tells functions apart by
        // their addresses, and tables of functions (wakers, traits) are data that stays.
        if links_with(FOLD) {
            println!("cargo::rustc-cdylib-link-arg={FOLD}");
        }
    }
    squeeze_table();
}

/// The table without its comments and columns' padding, compressed: 60 KB of text are 6 KB of library.
fn squeeze_table() {
    let text = std::fs::read_to_string(TABLE).expect(TABLE);
    let mut small = String::new();
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        small.extend(line.split_whitespace().collect::<Vec<_>>().join(" ").chars().chain(['\n']));
    }
    let out = std::env::var("OUT_DIR").expect("OUT_DIR");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(small.as_bytes()).expect("gzip");
    std::fs::write(Path::new(&out).join("operations.gz"), gzip.finish().expect("gzip")).expect("operations.gz");
}

/// lld, which rustc brings along on most Linux targets, knows it; GNU ld does not.
const FOLD: &str = "-Wl,--icf=all";

/// Whether a library can be linked with `argument` by the linker that this build uses: tried, as it cannot be asked.
fn links_with(argument: &str) -> bool {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let out = std::path::PathBuf::from(var("OUT_DIR"));
    let source = out.join("probe.rs");
    if std::fs::write(&source, "#[unsafe(no_mangle)] pub extern \"C\" fn probe() {}\n").is_err() {
        return false;
    }
    let mut rustc = std::process::Command::new(var("RUSTC"));
    rustc.args(["--crate-type", "cdylib", "--crate-name", "probe", "--edition", "2024", "--target", &var("TARGET")]);
    rustc.args(var("CARGO_ENCODED_RUSTFLAGS").split('\u{1f}').filter(|f| !f.is_empty()));
    let linker = var("RUSTC_LINKER");
    if !linker.is_empty() {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.arg(format!("-Clink-arg={argument}")).arg("--out-dir").arg(&out).arg(&source);
    rustc.output().is_ok_and(|o| o.status.success())
}
