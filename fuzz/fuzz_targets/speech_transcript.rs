#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voiced::fuzzing::run("speech_transcript", bytes));
