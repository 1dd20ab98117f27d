//! What the upstream gets for what came.

use pointsman_host::FakeHost;
use pointsman_http::{Edits, HeaderMap, Write};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
/// What the host's random numbers make, the first of which decides whether it is sampled.
const NEW_TRACE: &str = "00000000000000120000000000000013";
const W3C: Propagators = Propagators { trace_context: true, b3: false, b3_multi: false };
const ALL: Propagators = Propagators { trace_context: true, b3: true, b3_multi: true };

/// Traces of which so many are sampled.
fn sampling(per_10_000: u32) -> Sampling {
    Sampling { per_10_000, by_request_id: false }
}

/// What is written for `name: value | …`, but for the request's id, which is there.
fn passed_on(lines: &str, propagators: Propagators, sampling: Sampling) -> Vec<String> {
    let lines = lines.split(" | ").filter(|line| !line.is_empty()).map(|line| line.split_once(':').unwrap());
    let lines = lines.map(|(name, value)| (name, value.strip_prefix(' ').unwrap_or(value)));
    let lines: Vec<(&str, &str)> = lines.chain([("x-request-id", "me")]).collect();
    let headers = HeaderMap::parse(HeaderMap::serialize(&lines)).unwrap();
    let mut host = FakeHost { random: (0x11..0x20).collect(), ..FakeHost::default() };
    let mut edits = Edits::default();
    Context::of(&headers, propagators, sampling, &mut edits, &mut host);
    shown(&edits, &headers)
}

fn shown(edits: &Edits, headers: &HeaderMap) -> Vec<String> {
    let mut written = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    edits.write(Some(headers), |write| {
        written.push(match write {
            Write::Add(name, value) | Write::Replace(name, value) => format!("{}: {}", text(name), text(value)),
            Write::Remove(name) => format!("-{}", text(name)),
        });
    });
    written
}

/// A context that came is continued by a new span; with what is none a new trace begins.
#[test]
fn trace_parents() {
    let continued = |flags: &str| Some(format!("00-{TRACE}-0000000000000011-{flags}"));
    for (value, expected) in [
        (format!("00-{TRACE}-{SPAN}-01"), continued("01")),
        (format!("00-{TRACE}-{SPAN}-00"), continued("00")),
        (format!("00-{TRACE}-{SPAN}-ff"), continued("03")),
        (format!("00-{TRACE}-{SPAN}-02"), continued("02")),
        (format!("\t 00-{TRACE}-{SPAN}-01 \t"), continued("01")),
        (format!("cc-{TRACE}-{SPAN}-01"), continued("01")),
        (format!("cc-{TRACE}-{SPAN}-01-what-the-future-is"), continued("01")),
        (format!("01-{TRACE}-{SPAN}-01-"), continued("01")),
        (format!("cc-{TRACE}-{SPAN}-01.what"), None),
        (format!("00-{TRACE}-{SPAN}-01-"), None),
        (format!("00-{TRACE}-{SPAN}-01-x"), None),
        (format!("ff-{TRACE}-{SPAN}-01"), None),
        (format!("0-{TRACE}-{SPAN}-01"), None),
        (format!("000-{TRACE}-{SPAN}-01"), None),
        (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None),
        (format!("00-{TRACE}-{}-01", SPAN.to_uppercase()), None),
        (format!("00-{TRACE}-{SPAN}-0A"), None),
        (format!("00-{TRACE}0-{SPAN}-01"), None),
        (format!("00-{}-{SPAN}-01", &TRACE[..16]), None),
        (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
        (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
        (format!("00-{TRACE}-{SPAN}-1"), None),
        (format!("00-{TRACE}-{SPAN}-.1"), None),
        (format!("00-{TRACE}-{SPAN}"), None),
        (format!("00_{TRACE}_{SPAN}_01"), None),
        (String::new(), None),
        (format!("00-{TRACE}-{SPAN}-01 | traceparent: 00-{TRACE}-{SPAN}-01"), None),
    ] {
        let expected = expected.unwrap_or(format!("00-{NEW_TRACE}-0000000000000014-00"));
        let found = passed_on(&format!("traceparent: {value}"), W3C, sampling(0));
        assert_eq!(found, [format!("traceparent: {expected}")], "{value}");
    }
    let sampled = [format!("traceparent: 00-{NEW_TRACE}-0000000000000014-01")];
    assert_eq!(passed_on("", W3C, sampling(10_000)), sampled);
}

#[test]
fn trace_states() {
    let parent = format!("traceparent: 00-{TRACE}-{SPAN}-01");
    let long = |length: usize| "a".repeat(length);
    let members = |count: usize| (0..count).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
    for (lines, expected) in [
        ("foo=1,bar=2".to_owned(), None),
        ("foo=1".into(), None),
        ("0a_-*/@z=!~ #.".into(), None),
        (" foo=1 ,\tbar=2, ".into(), Some("foo=1,bar=2".to_owned())),
        ("foo=1,,bar=2".into(), Some("foo=1,bar=2".into())),
        ("foo=1 | tracestate: bar=2,rojo=1 | tracestate: baz=3".into(), Some("foo=1,bar=2,rojo=1,baz=3".into())),
        (" | tracestate: foo=1 | tracestate: ".into(), Some("foo=1".into())),
        ("foo=1,foo=2".into(), None),
        (members(32), None),
        (members(33), Some(String::new())),
        (format!("{}=1", long(256)), None),
        (format!("{}=1", long(257)), Some(String::new())),
        (format!("a={}", long(256)), None),
        (format!("a={}", long(257)), Some(String::new())),
        ("foo=1,Bar=2".into(), Some(String::new())),
        ("_foo=1".into(), Some(String::new())),
        ("foo".into(), Some(String::new())),
        ("foo=".into(), Some(String::new())),
        ("foo=1=2".into(), Some(String::new())),
        ("foo =1".into(), Some(String::new())),
        ("foo=\u{e4}".into(), Some(String::new())),
        (" , ".into(), Some(String::new())),
    ] {
        let found = passed_on(&format!("{parent} | tracestate: {lines}"), W3C, sampling(0));
        let expected =
            expected.map(|all| if all.is_empty() { "-tracestate".into() } else { format!("tracestate: {all}") });
        assert_eq!(found[1..], expected.into_iter().collect::<Vec<_>>(), "{lines}");
        let alone = passed_on(&format!("tracestate: {lines}"), W3C, sampling(0));
        assert_eq!(alone[1..], ["-tracestate"], "{lines}");
    }
}

#[test]
fn b3() {
    let multi = format!("x-b3-traceid: {TRACE} | x-b3-spanid: {SPAN}");
    let own = "0000000000000011";
    for (lines, trace, parent, decision) in [
        (format!("b3: {TRACE}-{SPAN}-1"), TRACE, SPAN, "1"),
        (format!("b3: {TRACE}-{SPAN}-0"), TRACE, SPAN, "0"),
        (format!("b3: {TRACE}-{SPAN}-d-{SPAN}"), TRACE, SPAN, "d"),
        (format!("b3: {TRACE}-{SPAN}-1 | {multi} | x-b3-sampled: 0"), TRACE, SPAN, "1"),
        (format!("b3: nonsense | {multi} | x-b3-sampled: 1"), TRACE, SPAN, "1"),
        (format!("{multi} | x-b3-sampled: true"), TRACE, SPAN, "1"),
        (format!("{multi} | x-b3-sampled: false"), TRACE, SPAN, "0"),
        (format!("{multi} | x-b3-flags: 1"), TRACE, SPAN, "d"),
        (
            format!("x-b3-traceid: A3CE929D0E0E4736 | x-b3-spanid: {SPAN} | x-b3-sampled: 0"),
            "0000000000000000a3ce929d0e0e4736",
            SPAN,
            "0",
        ),
        // W3C's goes before.
        (format!("traceparent: 00-{TRACE}-{SPAN}-01 | b3: 0"), TRACE, SPAN, "1"),
        ("b3: 0".into(), "00000000000000110000000000000012", "", "0"),
        (format!("b3: {TRACE}-{SPAN}-x"), NEW_TRACE, "", "0"),
        (format!("b3: {TRACE}-{SPAN}-1-x"), NEW_TRACE, "", "0"),
        (format!("b3: {TRACE}-{SPAN}-1-{SPAN}-1"), NEW_TRACE, "", "0"),
        (format!("b3: {TRACE}"), NEW_TRACE, "", "0"),
        (format!("x-b3-traceid: {TRACE}"), NEW_TRACE, "", "0"),
    ] {
        let is_new = parent.is_empty();
        let decided = lines == "b3: 0";
        let own = if is_new && decided {
            "0000000000000013"
        } else if is_new {
            "0000000000000014"
        } else {
            own
        };
        let mut expected = vec![
            format!("traceparent: 00-{trace}-{own}-{}", if decision == "0" { "00" } else { "01" }),
            format!("b3: {trace}-{own}-{decision}{}", if is_new { String::new() } else { format!("-{parent}") }),
            format!("x-b3-traceid: {trace}"),
            format!("x-b3-spanid: {own}"),
        ];
        if !is_new {
            expected.push(format!("x-b3-parentspanid: {parent}"));
        }
        match decision {
            "d" => expected.push("x-b3-flags: 1".into()),
            _ => expected.push(format!("x-b3-sampled: {decision}")),
        }
        assert_eq!(passed_on(&lines, ALL, sampling(0)), expected, "{lines}");
    }
    // What is not written any more would contradict.
    let one = Propagators { b3: true, ..Propagators::default() };
    let found = passed_on(&format!("{multi} | x-b3-sampled: 1 | x-b3-parentspanid: {SPAN}"), one, sampling(0));
    let expected = [
        format!("b3: {TRACE}-{own}-1-{SPAN}").as_str(),
        "-x-b3-traceid",
        "-x-b3-spanid",
        "-x-b3-parentspanid",
        "-x-b3-sampled",
    ]
    .map(String::from);
    assert_eq!(found, expected);
    // A B3 that nobody asked for is none of our business.
    assert_eq!(passed_on("b3: 1", W3C, sampling(0)).len(), 1);
}

/// Envoy's: 1 of 10,000 is a share, and the request's id decides for all proxies alike.
#[test]
fn who_is_sampled() {
    let id = |id: &str, per_10_000: u32| {
        let headers = HeaderMap::parse(HeaderMap::serialize(&[("x-request-id", id)])).unwrap();
        let mut host = FakeHost { random: [4_999].into(), ..FakeHost::default() };
        let sampling = Sampling { per_10_000, by_request_id: true };
        Context::of(&headers, W3C, sampling, &mut Edits::default(), &mut host).is_sampled()
    };
    // 0x00001387 is 4,999.
    for (version, at_4999, at_5000) in
        [('4', false, true), ('9', true, true), ('a', true, true), ('b', true, true), ('7', false, true)]
    {
        let uuid = format!("00001387-0000-{version}000-8000-000000000000");
        assert_eq!((id(&uuid, 4_999), id(&uuid, 5_000)), (at_4999, at_5000), "{uuid}");
    }
    for other in ["x", "00001387-0000-9000-8000-00000000000", "00001387-0000-9000-8000-00000000000g"] {
        assert_eq!((id(other, 4_999), id(other, 5_000)), (false, true), "{other}");
    }
}

/// It is kept, or made: a UUID of version 4, or of 9, if it is sampled.
#[test]
fn request_ids() {
    for (lines, per_10_000, made) in [
        (vec![("x-request-id", "kept")], 0, None),
        (vec![("x-request-id", "")], 0, Some('4')),
        (vec![], 0, Some('4')),
        (vec![], 10_000, Some('9')),
    ] {
        let headers = HeaderMap::parse(HeaderMap::serialize::<&str, &str>(&lines)).unwrap();
        let mut host = FakeHost { random: [u64::MAX - 9_999, u64::MAX, u64::MAX / 3].into(), ..FakeHost::default() };
        let mut edits = Edits::default();
        Context::of(&headers, W3C, sampling(per_10_000), &mut edits, &mut host);
        let written = shown(&edits, &headers);
        let own = written.iter().find_map(|line| line.strip_prefix("x-request-id: "));
        assert_eq!(own.map(|id| id.chars().nth(14).unwrap()), made, "{written:?}");
        if let Some(own) = own {
            let made = HeaderMap::parse(HeaderMap::serialize(&[("x-request-id", own)])).unwrap();
            let id = RequestId::of(&made).unwrap();
            assert!(id.is_uuid() && b"89ab".contains(&own.as_bytes()[19]), "{own}");
        }
    }
}
