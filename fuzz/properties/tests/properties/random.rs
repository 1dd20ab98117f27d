//! Every property, for random bytes and for soups of its grammar's tokens: what the fuzz targets do, on stable.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::folders::folder;

/// The tokens of a fuzz target's dictionary: one a line, in quotes, with `\xff`, `\\` and `\"` in it.
fn tokens(name: &str) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(folder("dictionaries").join(format!("{name}.dict"))).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    let tokens: Vec<_> = lines.map(unescaped).collect();
    assert!(!tokens.is_empty());
    tokens
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut token = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return token,
            [b'\\', b'x', high, low, rest @ ..] => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap() as u8;
                token.push(digit(high) << 4 | digit(low));
                rest
            }
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                token.push(*byte);
                rest
            }
        };
    }
}

/// Tokens, and a few bytes that are none.
fn soup(name: &str, most: usize) -> impl Strategy<Value = Vec<u8>> + use<> {
    let piece = prop_oneof![9 => prop::sample::select(tokens(name)), 1 => vec(any::<u8>(), 1..3)];
    vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

macro_rules! hold {
    ($($name:ident: $cases:literal of $inputs:expr;)*) => {$(
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases($cases))]

                #[test]
                fn holds(bytes in $inputs) {
                    pointsman_properties::$name(&bytes);
                }

                #[test]
                fn holds_for_any_bytes(bytes in vec(any::<u8>(), 0..200)) {
                    pointsman_properties::$name(&bytes);
                }
            }
        }
    )*};
}

hold! {
    configuration: 2000 of configurations();
    cookie: 1000 of soup("cookie", 20);
    duration: 2000 of durations();
    edits: 1000 of vec(any::<u8>(), 0..60);
    header_map: 1000 of blocks();
    path: 1000 of soup("path", 20);
    pipeline: 3000 of vec(any::<u8>(), 0..900);
    query: 1000 of soup("query", 20);
    regex: 1000 of soup("regex", 24);
    regex_tree: 2000 of vec(any::<u8>(), 0..60);
}

/// Objects as JSON text: with all that can stand in it, and with names that are there twice.
fn documents() -> impl Strategy<Value = String> {
    let number = r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?";
    let text = r#""([a-zé /%*.]|\\[\\"/bfnrt]|\\u00[0-7][0-9a-f]){0,6}""#;
    let leaf = prop_oneof!["null|true|false", number, text];
    let known: Vec<String> = tokens("configuration")
        .into_iter()
        .filter_map(|token| {
            let token = String::from_utf8(token).ok()?;
            Some(token.strip_prefix('"')?.strip_suffix("\":")?.to_owned())
        })
        .collect();
    let name = prop_oneof![prop::sample::select(known), "[ab]{0,2}"];
    let inner = leaf.prop_recursive(6, 40, 4, move |inner| {
        let entry = (name.clone(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        prop_oneof![
            vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            vec(entry, 0..5).prop_map(|entries| format!("{{{}}}", entries.join(", "))),
        ]
    });
    let section = prop::sample::select(vec!["rateLimits", "faults", "a"]);
    (inner.clone(), section, inner).prop_map(|(a, name, b)| format!("{{\"virtualServices\":{a},\"{name}\":{b}}}"))
}

/// Whole ones, and soups.
fn configurations() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => documents().prop_map(String::into_bytes), 1 => soup("configuration", 60)]
}

/// Numbers with units, of any number of digits, and soups.
fn durations() -> impl Strategy<Value = Vec<u8>> {
    let sum = r"\+?([0-9]{0,12}(\.[0-9]{0,22})?(ns|us|µs|ms|s|m|h)){1,3}";
    prop_oneof![sum.prop_map(String::into_bytes), soup("duration", 8)]
}

/// Whole blocks, some with a number that is wrong or cut off somewhere.
fn blocks() -> impl Strategy<Value = Vec<u8>> {
    let line = (vec(any::<u8>(), 0..4), vec(any::<u8>(), 0..6));
    let number = prop_oneof![0u32..20, u32::MAX - 60..=u32::MAX, any::<u32>()];
    let fault = prop::option::of((any::<prop::sample::Index>(), number));
    (vec(line, 0..6), fault, prop::option::of(any::<prop::sample::Index>())).prop_map(|(lines, fault, cut)| {
        let mut block = pointsman_http::HeaderMap::serialize(&lines);
        if let Some((place, number)) = fault {
            let place = 4 * place.index(1 + 2 * lines.len());
            block[place..place + 4].copy_from_slice(&number.to_le_bytes());
        }
        block.truncate(cut.map_or(block.len(), |cut| cut.index(block.len())));
        block
    })
}

/// JSON and a Struct that are nested ten thousand deep are refused, not followed until the stack ends.
#[test]
fn a_configuration_ten_thousand_deep() {
    const DEEP: usize = 10_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"virtualServices\":[", "]}")] {
        for end in ["", "1"] {
            let text = format!("{}{end}{}", open.repeat(DEEP), close.repeat(DEEP));
            pointsman_properties::configuration(text.as_bytes());
            assert!(pointsman_runtime::configuration::parse(text.as_bytes()).is_err());
        }
    }
    // A field `a` that is a Struct with a field `a` …; and the same of lists.
    for tags in [[0x0a, 0x2a], [0x0a, 0x32]] {
        let mut bytes = Vec::new();
        for _ in 0..DEEP {
            bytes = match tags {
                [_, 0x2a] => message(0x0a, &[&b"\x0a\x01a"[..], &message(0x12, &message(0x2a, &bytes))].concat()),
                _ => message(0x0a, &message(0x32, &bytes)),
            };
        }
        let bytes = message(0x0a, &[&b"\x0a\x01a"[..], &message(0x12, &message(tags[1], &bytes))].concat());
        pointsman_properties::configuration(&bytes);
        assert!(pointsman_runtime::configuration::parse(&bytes).is_err());
    }
}

/// Garbage from end to end does not fill the log.
#[test]
fn a_configuration_with_a_thousand_errors() {
    let fields: Vec<String> = (0..1000).map(|index| format!("\"field{index}\": 1")).collect();
    let services = ["{\"hosts\": [7]}"; 1000].join(",");
    let gateways = ["{\"hosts\": [\"a\"], \"exportTo\": [\".\"]}"; 1000].join(",");
    for text in [
        format!("{{{}}}", fields.join(",")),
        format!("{{\"virtualServices\": [{services}]}}"),
        format!("{{\"virtualServices\": [{gateways}]}}"),
    ] {
        pointsman_properties::configuration(text.as_bytes());
    }
}

/// A field of protobuf that has a length.
fn message(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let mut length = content.len();
    while length > 127 {
        bytes.push((length & 127) as u8 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(content);
    bytes
}
