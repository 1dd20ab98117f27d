#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pointsman_properties::regex_tree(data));
