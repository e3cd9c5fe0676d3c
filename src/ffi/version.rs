//! Version.

use std::ffi::c_char;

/// The version of the library that is loaded, such as `0.1.0`. Compare with `COGNITE_VERSION`, the header's.
///
/// @return Static text, never NULL.
///
/// **Blocks:** no. **Threads:** any. **Owns:** the library. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn cognite_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The same as a number, 0xMMmmpp: major, minor, patch. A program made for a newer header than the library that is
/// loaded should refuse it: `cognite_version_number() < COGNITE_VERSION_NUMBER`.
///
/// @return The number.
///
/// **Blocks:** no. **Threads:** any. **Owns:** nothing. **Since:** 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn cognite_version_number() -> u32 {
    const fn part(text: &str) -> u32 {
        let (bytes, mut i, mut n) = (text.as_bytes(), 0, 0);
        while i < bytes.len() {
            n = n * 10 + (bytes[i] - b'0') as u32;
            i += 1;
        }
        n
    }
    part(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | part(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | part(env!("CARGO_PKG_VERSION_PATCH"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn number_and_text_agree() {
        let n = super::cognite_version_number();
        assert_eq!(format!("{}.{}.{}", n >> 16, n >> 8 & 255, n & 255), env!("CARGO_PKG_VERSION"));
    }
}
