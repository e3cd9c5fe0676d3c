//! Unpacking gzip that is there as a whole: libdeflate takes half the time of a stream decoder.

use std::ptr::NonNull;

use libdeflate_sys as ffi;

/// The CRC-32 that ends a gzip member, with the processor's own instructions: of compressed points the stream encoder's was a
/// tenth of the time.
pub fn crc32(bytes: &[u8]) -> u32 {
    // SAFETY: reads as many bytes as there are.
    unsafe { ffi::libdeflate_crc32(0, bytes.as_ptr().cast(), bytes.len()) }
}

pub struct Inflater(NonNull<ffi::libdeflate_decompressor>);

#[derive(Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// One member, of so many bytes.
    Member(usize),
    /// It has more to say than there is room for; nothing was taken.
    NoRoom,
    /// No gzip, or cut short, or damaged.
    Bad,
}

impl Inflater {
    pub fn new() -> Option<Self> {
        // SAFETY: takes nothing; NULL says that there is no memory.
        NonNull::new(unsafe { ffi::libdeflate_alloc_decompressor() }).map(Self)
    }

    /// Appends the member that `packed` begins with, if it fits into the room that `into` has, and `most` bytes.
    pub fn member(&mut self, packed: &[u8], into: &mut Vec<u8>, most: usize) -> Unpacked {
        let room = into.spare_capacity_mut();
        let most = room.len().min(most);
        let (mut read, mut written) = (0, 0);
        // SAFETY: reads `packed.len()` bytes of `packed` and writes at most `most` bytes of the room, which has them; the
        // counts are locals; the decompressor is ours alone.
        let result = unsafe {
            ffi::libdeflate_gzip_decompress_ex(
                self.0.as_ptr(),
                packed.as_ptr().cast(),
                packed.len(),
                room.as_mut_ptr().cast(),
                most,
                &mut read,
                &mut written,
            )
        };
        if result == ffi::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE {
            return Unpacked::NoRoom;
        }
        if result != ffi::libdeflate_result_LIBDEFLATE_SUCCESS || written > most || read == 0 || read > packed.len() {
            return Unpacked::Bad;
        }
        // SAFETY: `written` bytes behind the length were written, and are within the capacity.
        unsafe { into.set_len(into.len() + written) };
        Unpacked::Member(read)
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: made by libdeflate_alloc_decompressor and freed once.
        unsafe { ffi::libdeflate_free_decompressor(self.0.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn sums_are_those_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        for n in [0, 1, 15, 16, 17, 255, 4099, bytes.len()] {
            let mut known = flate2::Crc::new();
            known.update(&bytes[..n]);
            assert_eq!(crc32(&bytes[..n]), known.sum(), "{n}");
        }
    }

    #[test]
    fn a_member_is_taken_whole_or_not_at_all() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&[7; 1000]).unwrap();
        let packed = packed.finish().unwrap();
        let mut inflater = Inflater::new().unwrap();
        let mut out = Vec::with_capacity(3000);
        out.push(1);
        assert_eq!(inflater.member(&packed, &mut out, 999), Unpacked::NoRoom);
        assert_eq!(inflater.member(&packed[..packed.len() - 1], &mut out, 2000), Unpacked::Bad);
        assert_eq!(inflater.member(b"", &mut out, 2000), Unpacked::Bad);
        assert_eq!(out.len(), 1);
        assert_eq!(inflater.member(&[&packed[..], b"xyz"].concat(), &mut out, 1000), Unpacked::Member(packed.len()));
        assert!(out.len() == 1001 && out[0] == 1 && out[1..].iter().all(|b| *b == 7));
    }
}
