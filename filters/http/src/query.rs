//! Query parameters, read as Envoy's `query_parameters` matchers read them.

/// Every parameter of a query (without its `?`), in order: name and value as they stand, not percent-decoded.
///
/// As Envoy's `QueryParamsMulti::parseQueryString`: `&` alone separates, the first `=` divides name from value, a
/// parameter without `=` has an empty value, and an empty piece (`a&&b`) is a parameter without a name.
pub fn params(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    // A trailing `&` starts no further parameter, and an empty query has none.
    let query = query.strip_suffix(b"&").or((!query.is_empty()).then_some(query));
    query.into_iter().flat_map(|query| query.split(|b| *b == b'&')).map(|param| {
        let equals = param.iter().position(|b| *b == b'=');
        let (name, value) = equals.and_then(|at| param.split_at_checked(at)).unwrap_or((param, b""));
        (name, value.strip_prefix(b"=").unwrap_or(b""))
    })
}

/// The value of the first parameter of this name (HTTPMatchRequest `queryParams`: a repeated one is matched by its
/// first occurrence). Names compare byte by byte, in their letter case.
pub fn first<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    params(query).find_map(|(found, value)| (found == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    macro_rules! parses {
        ($($name:ident: $query:literal => [$(($key:literal, $value:literal)),*];)*) => {$(
            #[test]
            fn $name() {
                let expected: &[(&[u8], &[u8])] = &[$(($key, $value)),*];
                assert_eq!(params($query).collect::<Vec<_>>(), expected);
            }
        )*};
    }

    parses! {
        empty: b"" => [];
        one: b"a=1" => [(b"a", b"1")];
        two: b"a=1&b=2" => [(b"a", b"1"), (b"b", b"2")];
        without_an_equals_sign: b"a&b" => [(b"a", b""), (b"b", b"")];
        without_a_value: b"a=" => [(b"a", b"")];
        without_a_name: b"=v" => [(b"", b"v")];
        a_second_equals_sign_is_the_values: b"a=b=c" => [(b"a", b"b=c")];
        empty_pieces: b"a&&b" => [(b"a", b""), (b"", b""), (b"b", b"")];
        a_lone_separator: b"&" => [(b"", b"")];
        two_separators: b"&&" => [(b"", b""), (b"", b"")];
        a_trailing_separator: b"a=1&" => [(b"a", b"1")];
        a_semicolon_does_not_separate: b"a=1;b=2" => [(b"a", b"1;b=2")];
        nothing_is_decoded: b"%61=%26&+=+" => [(b"%61", b"%26"), (b"+", b"+")];
        bytes_that_are_no_text: b"\xff=\xfe" => [(b"\xff", b"\xfe")];
    }

    #[test]
    fn the_first_of_a_repeated_name_counts() {
        let query = b"A=0&a=1&a=2&b";
        assert_eq!(first(query, b"a"), Some(&b"1"[..]));
        assert_eq!(first(query, b"b"), Some(&b""[..]));
        assert_eq!(first(query, b"c"), None);
        assert_eq!(first(query, b""), None);
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        #[test]
        fn what_is_joined_is_found(params_in in proptest::collection::vec(("[a-c]{1,2}", "[a-c=]{0,3}"), 0..6)) {
            let query = params_in.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&");
            let found: Vec<_> = params(query.as_bytes()).collect();
            let expected: Vec<_> = params_in.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes())).collect();
            assert_eq!(found, expected);
        }

        #[test]
        fn any_bytes_are_a_query(query: Vec<u8>) {
            assert!(params(&query).count() <= query.len());
        }
    }
}
