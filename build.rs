//! Link options of the shared library. The header is not made here: `cargo xtask header` does, and a test compares.

/// The ABI's own number. Raised only for a break; apart from the package version.
const ABI: u32 = 0;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let unix_elf = matches!(std::env::var("CARGO_CFG_TARGET_OS").as_deref(), Ok("linux" | "android" | "freebsd"));
    if unix_elf {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcognite.so.{ABI}");
        // Threads and exit handlers of ours outlive a dlclose; their code must too.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
