//! Memory that is large and filled from its beginning to its end.

/// Less may lie on the heap of the process, where an advice would outlive the column: malloc maps anything larger by itself.
#[cfg(target_os = "linux")]
const LEAST: usize = 40 << 20;

/// Asks for large pages in the room behind what `column` holds: the system is then asked for memory some hundred times
/// less often while it is filled. Only an advice: nothing depends on it.
#[cfg(target_os = "linux")]
pub fn in_large_pages<T>(column: &mut Vec<T>) {
    const LARGE: usize = 2 << 20;
    let room = column.spare_capacity_mut();
    let size = size_of_val(room);
    let start = room.as_mut_ptr().cast::<u8>();
    let skip = start.addr().wrapping_neg() % LARGE;
    let length = size.saturating_sub(skip) / LARGE * LARGE;
    if size >= LEAST && length > 0 {
        // SAFETY: whole pages within the room that belongs to the column; the advice changes nothing that can be read.
        unsafe { libc::madvise(start.wrapping_add(skip).cast(), length, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
pub fn in_large_pages<T>(_: &mut Vec<T>) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_as_good_as_before() {
        for n in [0, 1, 100_000, 12_000_000] {
            let mut column: Vec<u64> = Vec::with_capacity(n);
            column.extend((0..n as u64).take(3));
            in_large_pages(&mut column);
            column.extend(3..n.max(3) as u64);
            assert!(column.iter().take(n).enumerate().all(|(at, v)| *v == at as u64));
        }
    }
}
