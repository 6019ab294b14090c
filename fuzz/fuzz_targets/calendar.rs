#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rlad_fuzz::calendar(bytes));
