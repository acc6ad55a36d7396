#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| myicq_tests::fuzz::peer_sessions(data));
