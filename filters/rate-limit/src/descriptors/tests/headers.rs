use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn request_headers() {
    for (headers, expected, skipped) in [
        (&[("x", &b"1"[..])][..], Some("d=1"), Some("d=1")),
        // The first line, whole.
        (&[("x", b"1, 2"), ("x", b"3")], Some("d=1, 2"), Some("d=1, 2")),
        // An empty one is there.
        (&[("x", b""), ("x", b"3")], Some("d="), Some("d=")),
        (&[("x", b"\x80\xff\x00=,")], Some("d=\\x80\\xff\\x00=,"), Some("d=\\x80\\xff\\x00=,")),
        (&[("xx", b"1")], None, Some("")),
        (&[], None, Some("")),
    ] {
        let headers = map(headers);
        makes(&json!({"requestHeaders": {"headerName": "X", "descriptorKey": "d"}}), &headers, expected);
        let skip = json!({"requestHeaders": {"headerName": "X", "descriptorKey": "d", "skipIfAbsent": true}});
        makes(&skip, &headers, skipped);
    }
    let headers = map(&[(":method", "GET"), (":authority", "a"), (":path", "/a?b")]);
    for (name, value) in [(":method", "GET"), ("Host", "a"), (":authority", "a"), (":path", "/a\\?b")] {
        let action = json!({"requestHeaders": {"headerName": name, "descriptorKey": "d"}});
        makes(&action, &headers, Some(&format!("d={}", value.replace('\\', ""))));
    }
}

#[test]
fn a_long_value_is_cut_but_told_from_others() {
    let action = actions(&[json!({"requestHeaders": {"headerName": "x", "descriptorKey": "d"}})]);
    let value = |text: &[u8]| {
        let headers = map(&[("x", text)]);
        let descriptor = action.descriptor(&headers, &Destination::OfProxy, &FakeHost::default()).unwrap();
        let (_, value) = descriptor.entries().next().unwrap();
        value.to_vec()
    };
    assert_eq!(value(&[b'a'; LONGEST]), [b'a'; LONGEST]);
    let mut long = vec![b'a'; 60_000];
    let first = value(&long);
    assert_eq!(first.len(), LONGEST);
    assert!(first.starts_with(&[b'a'; LONGEST - 33]) && first[LONGEST - 33] == b'~');
    assert_eq!(first, value(&long));
    *long.last_mut().unwrap() = b'b';
    assert_ne!(first, value(&long));
}

#[test]
fn header_value_match() {
    let of = |matcher: Value, expected: bool| {
        let fields = json!({"descriptorValue": "v", "expectMatch": expected, "headers": [matcher]});
        json!({"headerValueMatch": fields})
    };
    for (matcher, headers, holds) in [
        (json!({"name": "x"}), &["1"][..], true),
        (json!({"name": "x"}), &[""], true),
        (json!({"name": "x"}), &[], false),
        (json!({"name": "x", "presentMatch": true}), &["1"], true),
        (json!({"name": "x", "presentMatch": false}), &["1"], false),
        (json!({"name": "x", "presentMatch": false}), &[], true),
        (json!({"name": "x", "presentMatch": true, "invertMatch": true}), &[], true),
        (json!({"name": "x", "presentMatch": true, "invertMatch": true}), &["1"], false),
        (json!({"name": "x", "presentMatch": false, "invertMatch": true}), &["1"], true),
        (json!({"name": "x", "presentMatch": false, "invertMatch": true}), &[], false),
        (json!({"name": "x", "stringMatch": {"exact": "a"}}), &["a"], true),
        (json!({"name": "x", "stringMatch": {"exact": "a"}}), &["A"], false),
        (json!({"name": "x", "stringMatch": {"exact": "a"}}), &["a,b"], false),
        // Each line stands for itself.
        (json!({"name": "x", "stringMatch": {"exact": "a"}}), &["b", "a"], true),
        (json!({"name": "x", "stringMatch": {"exact": "b,a"}}), &["b", "a"], false),
        (json!({"name": "x", "stringMatch": {"exact": "a"}, "invertMatch": true}), &["b", "a"], false),
        (json!({"name": "x", "stringMatch": {"exact": "a"}, "invertMatch": true}), &["b", "c"], true),
        // Of one that is not there nothing holds.
        (json!({"name": "x", "stringMatch": {"exact": "a"}, "invertMatch": true}), &[], false),
        (json!({"name": "x", "stringMatch": {"exact": ""}}), &[], false),
        (json!({"name": "x", "stringMatch": {"exact": ""}, "treatMissingHeaderAsEmpty": true}), &[], true),
        (
            json!({"name": "x", "stringMatch": {"exact": "a"}, "treatMissingHeaderAsEmpty": true, "invertMatch": true}),
            &[],
            true,
        ),
        (json!({"name": "x", "stringMatch": {"exact": "Ab", "ignoreCase": true}}), &["aB"], true),
        (json!({"name": "x", "stringMatch": {"prefix": "Ab", "ignoreCase": true}}), &["aBc"], true),
        (json!({"name": "x", "stringMatch": {"prefix": "Ab"}}), &["abc"], false),
        (json!({"name": "x", "stringMatch": {"suffix": "Bc"}}), &["aBc"], true),
        (json!({"name": "x", "stringMatch": {"suffix": "Bc"}}), &["abc"], false),
        (json!({"name": "x", "stringMatch": {"suffix": "Bc", "ignoreCase": true}}), &["abC"], true),
        (json!({"name": "x", "stringMatch": {"suffix": "Bc", "ignoreCase": true}}), &["c"], false),
        (json!({"name": "x", "stringMatch": {"contains": "Bc"}}), &["aBcd"], true),
        (json!({"name": "x", "stringMatch": {"contains": "Bc"}}), &["abcd", "B"], false),
        (json!({"name": "x", "stringMatch": {"contains": "Bc", "ignoreCase": true}}), &["abCd"], true),
        (json!({"name": "x", "stringMatch": {"contains": "Bc", "ignoreCase": true}}), &["abd"], false),
        (json!({"name": "x", "stringMatch": {"safeRegex": {"regex": "a+"}}}), &["aa"], true),
        (json!({"name": "x", "stringMatch": {"safeRegex": {"regex": "a+"}}}), &["aab"], false),
        (json!({"name": "x", "rangeMatch": {"start": -10, "end": 0}}), &["-1"], true),
        (json!({"name": "x", "rangeMatch": {"start": -10, "end": 0}}), &["-10"], true),
        (json!({"name": "x", "rangeMatch": {"start": -10, "end": 0}}), &["0"], false),
        (json!({"name": "x", "rangeMatch": {"end": 10}}), &["+9"], true),
        (json!({"name": "x", "rangeMatch": {"end": 10}}), &["9.5", "9x", "", "x", "9223372036854775808"], false),
        (json!({"name": "x", "rangeMatch": {"end": 10}, "invertMatch": true}), &["x"], true),
    ] {
        let lines: Vec<_> = headers.iter().map(|line| ("x", *line)).collect();
        let headers = map(&lines);
        makes(&of(matcher.clone(), true), &headers, holds.then_some("header_match=v"));
        makes(&of(matcher, false), &headers, (!holds).then_some("header_match=v"));
    }
    let both = json!({"headerValueMatch": {"descriptorKey": "h", "descriptorValue": "v", "headers": [
        {"name": "x"}, {"name": ":method", "stringMatch": {"exact": "GET"}},
    ]}});
    makes(&both, &map(&[("x", "1"), (":method", "GET")]), Some("h=v"));
    makes(&both, &map(&[("x", "1"), (":method", "PUT")]), None);
}

#[test]
fn hits() {
    let cost = Hits::RequestHeader(b"x-cost"[..].into());
    for (headers, expected) in [
        (&[("x-cost", &b"7"[..])][..], 7),
        (&[("x-cost", b"0")], 0),
        (&[("x-cost", b" 7 ")], 7),
        (&[("x-cost", b"007")], 7),
        (&[("x-cost", b"3"), ("x-cost", b"5")], 3),
        (&[("x-cost", b"1000000000")], MOST_HITS),
        (&[("x-cost", b"1000000001")], MOST_HITS),
        (&[("x-cost", b"99999999999999999999999999")], MOST_HITS),
        (&[("x-cost", b"-1")], 1),
        (&[("x-cost", b"+1")], 1),
        (&[("x-cost", b"1.5")], 1),
        (&[("x-cost", b"1, 2")], 1),
        (&[("x-cost", b"\xff")], 1),
        (&[("x-cost", b"")], 1),
        (&[], 1),
    ] {
        assert_eq!(cost.of_request(&map(headers)), Some(expected), "{headers:?}");
    }
    let none = map::<&str>(&[]);
    assert_eq!(Hits::Number(3).of_request(&none), Some(3));
    assert_eq!(Hits::ResponseHeader(b"x"[..].into()).of_request(&none), None);
    assert_eq!(Hits::ResponseTrailer(b"x"[..].into()).of_request(&none), None);
}
