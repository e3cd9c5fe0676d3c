//! Large pieces of memory that are about to be filled.

use std::mem::MaybeUninit;

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

/// Tells the processor that what lies a KiB behind `part` is read soon: pieces that are read one after the other come before
/// they are needed, also across the ends of pages, where it would not guess. Encoding ten million datapoints took a third less.
#[inline(always)]
pub fn read_on<T>(part: &[T]) {
    const AHEAD: usize = 1024;
    const LINE: usize = 64;
    let next = part.as_ptr().cast::<u8>().wrapping_add(AHEAD);
    for line in (0..size_of_val(part)).step_by(LINE) {
        fetch(next.wrapping_add(line));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn fetch(line: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: any address may be given; one that is not there is ignored.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn fetch(line: *const u8) {
    // SAFETY: any address may be given; one that is not there is ignored. Nothing else is touched.
    unsafe { std::arch::asm!("prfm pldl1keep, [{}]", in(reg) line, options(nostack, preserves_flags, readonly)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn fetch(_: *const u8) {}

/// Appends to both columns, straight into the room they have: until that ends, or there is `None`. How many.
pub fn append_pairs<A: Copy, B: Copy>(
    a: &mut Vec<A>,
    b: &mut Vec<B>,
    pairs: impl Iterator<Item = Option<(A, B)>>,
) -> usize {
    let (len_a, len_b, mut n) = (a.len(), b.len(), 0);
    let room = a.spare_capacity_mut().iter_mut().zip(b.spare_capacity_mut());
    for (pair, (of_a, of_b)) in pairs.zip(room) {
        let Some(pair) = pair else { break };
        of_a.write(pair.0);
        of_b.write(pair.1);
        n += 1;
    }
    // SAFETY: the first n places of the room of both were written just now.
    unsafe {
        a.set_len(len_a + n);
        b.set_len(len_b + n);
    }
    n
}

/// Appends the arrays one behind the other, straight into the room that is made for them.
pub fn append_arrays<const N: usize>(out: &mut Vec<u8>, arrays: impl ExactSizeIterator<Item = [u8; N]>) {
    let len = out.len();
    out.reserve(arrays.len().saturating_mul(N));
    let room = out.spare_capacity_mut().as_chunks_mut::<N>().0.iter_mut();
    let mut n = 0;
    for (array, place) in arrays.zip(room) {
        *place = array.map(MaybeUninit::new);
        n += N;
    }
    // SAFETY: the first n bytes of the room were written just now.
    unsafe { out.set_len(len + n) };
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
    fn pairs_go_as_far_as_there_is_room_for_both() {
        let (mut a, mut b) = (vec![1_u64], vec![1.0]);
        a.reserve_exact(10);
        b.reserve_exact(4);
        let room = b.capacity() - 1;
        let pairs = |n: u64, none: u64| (0..n).map(move |v| (v != none).then_some((v, v as f64)));
        assert_eq!(append_pairs(&mut a, &mut b, pairs(3, 1)), 1);
        assert_eq!((&a[..], &b[..]), (&[1, 0][..], &[1.0, 0.0][..]));
        assert_eq!(append_pairs(&mut a, &mut b, pairs(100, 100)), room - 1);
        assert_eq!((a.len(), b.len()), (room + 1, room + 1));
        assert_eq!(append_pairs(&mut a, &mut b, pairs(0, 0)), 0);
    }

    #[test]
    fn arrays_lie_behind_one_another() {
        let mut out = vec![7];
        append_arrays(&mut out, (0..3).map(|n| [n, n + 10, n + 20]));
        assert_eq!(out, [7, 0, 10, 20, 1, 11, 21, 2, 12, 22]);
        append_arrays(&mut out, std::iter::empty::<[u8; 4]>());
        assert_eq!(out.len(), 10);
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
