//! What fuzzing found worth keeping, replayed without a fuzzer, and mutated for a moment (EMULATOR_FUZZ_SECONDS: for longer).

use std::time::{Duration, Instant};

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

fn corpus() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/emulator");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{} files", files.len());
    files.iter().map(|f| std::fs::read(f).unwrap()).collect()
}

#[test]
fn every_file_of_the_corpus() {
    corpus().iter().for_each(|file| fuzz::emulator(file));
}

struct Random(u64);

impl Random {
    /// SplitMix64.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

const NASTY: [&[u8]; 12] = [
    b"-9223372036854775808",
    b"9223372036854775807",
    b"1e999",
    b"null",
    b"[]",
    b"{}",
    b"\"\xf0\x9f\x92\xa3\"",
    b"\"%00\"",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"true",
    b"-1",
    b"\"\"",
];

fn mutate(random: &mut Random, all: &[Vec<u8>]) -> Vec<u8> {
    let mut data = all[random.below(all.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(data.len() + 1);
        let end = (at + random.below(40)).min(data.len());
        match random.below(7) {
            0 if at < data.len() => data[at] ^= 1 << random.below(8),
            1 => drop(data.drain(at..end)),
            2 => {
                let again = data[at..end].to_vec();
                data.splice(at..at, again);
            }
            3 => {
                let other = &all[random.below(all.len())];
                let from = random.below(other.len());
                data.splice(at..at, other[from..].iter().copied().take(200));
            }
            // A value in place of a number or a text.
            4 | 5 => {
                let starts = |b: &u8| b.is_ascii_digit() || *b == b'"';
                let Some(start) = data[at..].iter().position(starts).map(|n| at + n) else { continue };
                let text = data[start] == b'"';
                let length = data[start + 1..].iter().position(|b| if text { *b == b'"' } else { !b.is_ascii_digit() });
                let end = length.map_or(data.len(), |n| start + 1 + n + usize::from(text));
                data.splice(start..end, NASTY[random.below(NASTY.len())].iter().copied());
            }
            _ => data.insert(at, random.below(256) as u8),
        }
    }
    data.truncate(8192);
    data
}

#[test]
fn mutations() {
    let seconds = std::env::var("EMULATOR_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok());
    let all = corpus();
    let mut random = Random(seconds.unwrap_or(0));
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
    let mut count = 0;
    while Instant::now() < end {
        let data = mutate(&mut random, &all);
        if std::panic::catch_unwind(|| fuzz::emulator(&data)).is_err() {
            let file = std::env::temp_dir().join("emulator-found");
            std::fs::write(&file, &data).unwrap();
            panic!("add this to fuzz/corpus/emulator when it is fixed: {}", file.display());
        }
        count += 1;
    }
    println!("{count} inputs");
}
