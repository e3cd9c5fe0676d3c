//! Large pieces of memory that are about to be filled.

/// Smaller room is had from memory that was used before, most times.
const LARGE: usize = 128 << 10;

/// Room for so many more, which are filled next: what is large has its pages now, all at once. Each page that is touched for
/// the first time costs more than what is written into it; asked for together they cost half.
pub fn reserve<T: Copy>(column: &mut Vec<T>, more: usize) {
    column.reserve(more);
    let room = column.spare_capacity_mut();
    let room = room.get_mut(..more).unwrap_or_default();
    if size_of_val(room) >= LARGE {
        touch(room.as_mut_ptr().cast(), size_of_val(room));
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn touch(start: *mut u8, length: usize) {
    const PAGE: usize = 4096;
    // From the beginning of its first page: all of its pages hold something of ours.
    let before = start.addr() % PAGE;
    // SAFETY: the pages of live memory of ours, which are made writable as if they were written to; nothing in them changes.
    // Kernels before 5.14, and those with larger pages, answer EINVAL, others that there is no memory: then they come one
    // by one, as always.
    unsafe { libc::madvise(start.wrapping_sub(before).cast(), before + length, libc::MADV_POPULATE_WRITE) };
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn touch(_: *mut u8, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_and_there_is_room() {
        for n in [0, 1, 1000, 100_000, 1_000_000] {
            let mut column: Vec<u64> = (0..n as u64).collect();
            reserve(&mut column, n);
            assert!(column.capacity() >= 2 * n);
            assert!(column.iter().enumerate().all(|(at, v)| *v == at as u64) && column.len() == n);
        }
    }
}
