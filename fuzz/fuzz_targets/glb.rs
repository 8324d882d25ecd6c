#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| siren_tests::fuzz::glb(data));
