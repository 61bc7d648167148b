#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    countersign::rest::fuzzing::creation(text);
    countersign::rest::fuzzing::time(text);
});
