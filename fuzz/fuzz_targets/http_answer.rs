#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cognite_fuzz::run("http_answer", data));
