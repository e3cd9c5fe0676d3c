//! Huffman codes for deflate, and the header that tells them.

/// Literals, the end of a block, and lengths.
pub(super) const LITERALS: usize = 286;
pub(super) const DISTANCES: usize = 30;
/// Longest code: several fit into what is written at a time.
const LONGEST: u8 = 12;

/// The length of each symbol's code. Counts are flattened until no code is too long: near the best, and simple.
fn lengths(counts: &[u32]) -> Vec<u8> {
    let mut counts: Vec<u64> = counts.iter().map(|c| u64::from(*c).max(1)).collect();
    loop {
        // Leaves in order of their count, and the inner nodes, which arise in order.
        let mut leaves: Vec<(u64, usize)> = counts.iter().copied().zip(0..).collect();
        leaves.sort_unstable();
        let n = leaves.len();
        let mut inner: Vec<u64> = Vec::with_capacity(n);
        let mut parents = vec![0usize; 2 * n];
        let (mut leaf, mut node) = (0, 0);
        for new in 0..n.saturating_sub(1) {
            let mut sum = 0;
            for _ in 0..2 {
                let take_leaf = match (leaves.get(leaf), inner.get(node)) {
                    (Some((count, _)), Some(weight)) => count <= weight,
                    (Some(_), None) => true,
                    _ => false,
                };
                let (child, weight) = if take_leaf {
                    leaf += 1;
                    leaves.get(leaf - 1).map_or((0, 0), |(count, symbol)| (*symbol, *count))
                } else {
                    node += 1;
                    (n + node - 1, inner.get(node - 1).copied().unwrap_or(0))
                };
                sum += weight;
                if let Some(parent) = parents.get_mut(child) {
                    *parent = n + new;
                }
            }
            inner.push(sum);
        }
        let root = (2 * n).saturating_sub(2);
        // From the root down: the depth of a node is one more than its parent's.
        let mut depths = vec![0u8; 2 * n];
        for node in (0..root).rev() {
            let parent = parents.get(node).copied().unwrap_or(root);
            let depth = if parent >= root { 0 } else { depths.get(parent).copied().unwrap_or(0) };
            if let Some(d) = depths.get_mut(node) {
                *d = depth + 1;
            }
        }
        depths.truncate(n);
        if depths.iter().all(|d| *d <= LONGEST) {
            return depths;
        }
        counts.iter_mut().for_each(|c| *c = *c / 2 + 1);
    }
}

/// The code of each symbol, in the order in which its bits are written, and its length.
pub fn codes(counts: &[u32]) -> Vec<(u16, u8)> {
    let lengths = lengths(counts);
    let mut next = [0u16; 17];
    let mut code = 0;
    for length in 1..=16u8 {
        if let Some(slot) = next.get_mut(usize::from(length)) {
            *slot = code;
        }
        code = code.wrapping_add(lengths.iter().filter(|l| **l == length).count() as u16).wrapping_shl(1);
    }
    let give = |length: u8| {
        let Some(slot) = next.get_mut(usize::from(length)) else { return (0, 0) };
        let code = *slot;
        *slot += 1;
        (code.reverse_bits() >> (16 - u32::from(length.max(1))), length)
    };
    lengths.into_iter().map(give).collect()
}

/// The head of the one block: its codes' lengths, each told in four bits.
pub fn header(literals: &[(u16, u8)], distances: &[(u16, u8)], bits: &mut dyn FnMut(u32, u32)) {
    bits(0b101, 3); // the last block, with codes of its own
    bits(literals.len() as u32 - 257, 5);
    bits(distances.len() as u32 - 1, 5);
    bits(15, 4);
    // All sixteen lengths have codes of four bits, the three sorts of runs none. In deflate's own order.
    for symbol in [16u8, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] {
        bits(if symbol < 16 { 4 } else { 0 }, 3);
    }
    for (_, length) in literals.iter().chain(distances) {
        bits(u32::from(length.reverse_bits() >> 4), 4);
    }
}
