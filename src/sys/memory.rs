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

/// Frees what was large, and has the system take its pages back at once: an allocator keeps them, most times.
pub fn release<T: Copy>(mut column: Vec<T>) {
    column.clear();
    let room = column.spare_capacity_mut();
    if size_of_val(room) >= LARGE {
        untouch(room.as_mut_ptr().cast(), size_of_val(room));
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
const PAGE: usize = 4096;

#[cfg(any(target_os = "linux", target_os = "android"))]
fn untouch(start: *mut u8, length: usize) {
    // Only pages that hold nothing but ours.
    let before = start.addr().wrapping_neg() % PAGE;
    let whole = length.saturating_sub(before) / PAGE * PAGE;
    // SAFETY: live memory of ours in which nothing is kept any more; read again, it is zero. Where it is locked, or pages are
    // larger, the answer is EINVAL and it stays as it was.
    unsafe { libc::madvise(start.wrapping_add(before).cast(), whole, libc::MADV_DONTNEED) };
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn untouch(_: *mut u8, _: usize) {}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn touch(start: *mut u8, length: usize) {
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

    #[test]
    fn only_what_is_ours_is_given_back() {
        for n in [0, 1000, 16_384, 16_385, 100_000] {
            // Neighbours, which may share a page with it.
            let mut three = [0, 1, 2].map(|n2| vec![n2 + 7_u64; n]);
            let middle = std::mem::take(&mut three[1]);
            release(middle);
            assert!(three[0].iter().all(|v| *v == 7) && three[2].iter().all(|v| *v == 9));
            let again = vec![0_u64; n];
            assert!(again.iter().all(|v| *v == 0));
        }
        let mut bytes = vec![5_u8; 3 * LARGE];
        let (first, rest) = bytes.split_at_mut(LARGE);
        // In the middle of an allocation: the pages at both ends stay.
        untouch(rest[1..].as_mut_ptr(), LARGE);
        assert!(first.iter().chain(&rest[..1]).chain(&rest[LARGE + 1..]).all(|b| *b == 5));
    }
}
