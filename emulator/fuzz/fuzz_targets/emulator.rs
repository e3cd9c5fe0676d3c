#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cognite_emulator_fuzz::emulator(data));
