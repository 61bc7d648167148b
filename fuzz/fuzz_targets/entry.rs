#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| countersign::rest::fuzzing::entry(text));
