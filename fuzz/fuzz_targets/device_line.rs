#![no_main]

#[path = "../src/device_line.rs"]
mod device_line;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| device_line::device_line(bytes));
