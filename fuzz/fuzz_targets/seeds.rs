//! No target: writes the seeds of the others.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: {
        rlad_fuzz::seeds::write();
        std::process::exit(0);
    },
    |_bytes: &[u8]| {}
);
