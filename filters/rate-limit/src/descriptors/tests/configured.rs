use super::*;
use crate::rate::tests::token_bucket;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn entries(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_same_in_all_or_left_open() {
    let all = [
        entries(&[("a", ""), ("b", "")]),
        entries(&[("a", "1"), ("b", "")]),
        entries(&[("a", "1"), ("b", "2")]),
        entries(&[("a", "1")]),
        entries(&[("b", "2"), ("a", "1")]),
    ];
    let header =
        |name: &str| json!({"requestHeaders": {"headerName": name, "descriptorKey": name, "skipIfAbsent": true}});
    let configured = Configured::new(all.iter().map(Vec::as_slice));
    let without_open = Configured::new(all.iter().skip(1).map(Vec::as_slice));
    let actions = actions(&[header("a"), header("b"), header("c")]);
    for (headers, expected, other) in [
        (&[("a", "1"), ("b", "2")][..], Some(2), Some(1)),
        // The first that leaves a value open.
        (&[("a", "1"), ("b", "3")], Some(0), Some(0)),
        (&[("a", "0"), ("b", "2")], Some(0), None),
        (&[("a", ""), ("b", "")], Some(0), None),
        (&[("a", "1")], Some(3), Some(2)),
        (&[("a", "2")], None, None),
        (&[("b", "2")], None, None),
        (&[("a", "1"), ("b", "2"), ("c", "")], None, None),
    ] {
        let headers = map(headers);
        let descriptor = actions.descriptor(&headers, &Destination::OfProxy, &FakeHost::default()).unwrap();
        assert_eq!(configured.find(&descriptor), expected, "{descriptor:?}");
        assert_eq!(without_open.find(&descriptor), other, "{descriptor:?}");
    }
}

#[test]
fn keys_of_tables() {
    let header = |name: &str| json!({"requestHeaders": {"headerName": name, "descriptorKey": name}});
    let actions = actions(&[header("a"), header("b")]);
    let key = |a: &str, b: &str| {
        actions
            .descriptor(&map(&[("a", a), ("b", b)]), &Destination::OfProxy, &FakeHost::default())
            .unwrap()
            .table_key()
    };
    assert_eq!(key("x", ""), b"\x01\0\0\0x\0\0\0\0");
    assert_ne!(key("ab", "c"), key("a", "bc"));
    assert_ne!(key("", "a"), key("a", ""));
}

#[test]
fn the_slowest_first() {
    let mut buckets = [
        token_bucket(1, 10, 1_000),
        token_bucket(2, 1, 50),
        token_bucket(3, 1, 1_000),
        token_bucket(4, u32::MAX, 50),
        token_bucket(5, 600, 60_000),
        token_bucket(6, 1, u64::MAX),
    ];
    buckets.sort_by(by_rate);
    assert_eq!(buckets.map(|bucket| bucket.max_tokens.get()), [6, 3, 1, 5, 2, 4]);
}
