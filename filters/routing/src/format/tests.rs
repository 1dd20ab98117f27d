use super::*;
use pointsman_host::FakeHost;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    HeaderMap::parse(HeaderMap::serialize(lines)).unwrap()
}

fn host(properties: &[(&str, &str)]) -> FakeHost {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
    FakeHost { properties: properties.iter().map(pair).collect(), ..FakeHost::default() }
}

fn request(text: &str) -> String {
    let headers = map(&[
        (":path", "/a/b?q=1"),
        (":authority", "Orig:80"),
        ("x", "one"),
        ("x", "two"),
        ("y", "why"),
        ("empty", ""),
        ("gone", "G"),
        ("a%b", "percent"),
    ]);
    let mut edits = Edits::default();
    edits.remove(b"gone".as_slice().into());
    edits.set(b"put".as_slice().into(), b"inner".as_slice().into());
    let host = host(&[
        ("source.address", "[2001:db8::1]:55628"),
        ("destination.address", "10.0.0.1:8080"),
        ("request.protocol", "HTTP/2"),
    ]);
    let scope = RequestScope { headers: &headers, edits: &edits, host: &host };
    String::from_utf8(Format::parse(text).unwrap().evaluate(&scope)).unwrap()
}

/// All of them as a real Envoy answers them.
#[test]
fn in_a_request() {
    for (text, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("%%|%%", "%|%"),
        ("%%REQ(x)%%", "%REQ(x)%"),
        ("%REQ(x)%", "one"),
        ("%REQ(X)%", "one"),
        ("%REQ(x)%%REQ(y)%", "onewhy"),
        ("a-%REQ(missing)%-b", "a--b"),
        ("%REQ(missing)%", ""),
        ("%REQ(x?y):3%", "one"),
        ("%REQ(x):2%|", "on|"),
        ("%REQ(x):0%", ""),
        ("%REQ(x):18446744073709551615%", "one"),
        ("%REQ(missing?y)%", "why"),
        ("%REQ(missing?y):2%", "wh"),
        ("%REQ(missing?missing2)%|", "|"),
        ("%REQ(empty?y)%", ""),
        ("%REQ(?x)%", "one"),
        ("%REQ(x?)%", "one"),
        ("%REQ(:path)%", "/a/b?q=1"),
        ("%REQ(:authority)%", "Orig:80"),
        ("%REQ(Host)%", "Orig:80"),
        ("%REQ(missing?host)%", "Orig:80"),
        ("%REQ(a%b)%", "percent"),
        ("%REQ(gone)%|", "|"),
        ("%REQ(put)%", "inner"),
        ("%DOWNSTREAM_REMOTE_ADDRESS%", "[2001:db8::1]:55628"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "2001:db8::1"),
        ("%DOWNSTREAM_REMOTE_PORT%", "55628"),
        ("%DOWNSTREAM_LOCAL_ADDRESS%", "10.0.0.1:8080"),
        ("%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "10.0.0.1"),
        ("%DOWNSTREAM_LOCAL_PORT%", "8080"),
        ("%PROTOCOL%, %PROTOCOL()%", "HTTP/2, HTTP/2"),
        ("ü %REQ(x)% ü", "ü one ü"),
    ] {
        assert_eq!(request(text), expected, "{text}");
    }
}

#[test]
fn in_a_response() {
    let mut sent = Request::new(map(&[(":path", "/a"), ("b", "orig")]));
    sent.edits.set(b":path".as_slice().into(), b"/rewritten".as_slice().into());
    let headers = map(&[(":status", "200"), ("multi", "1"), ("multi", "2"), ("x-gone", "1"), ("x-set", "old")]);
    let mut edits = Edits::default();
    edits.remove(b"x-gone".as_slice().into());
    let host = host(&[("upstream.address", "127.0.0.1:35383")]);
    let scope = ResponseScope { request: &sent, is_sent: true, headers: &headers, edits: &edits, host: &host };
    for (text, expected) in [
        ("%RESP(:status)%", "200"),
        ("%RESP(x-gone)%|%RESP(x-set)%|%RESP(multi)%", "|old|1"),
        ("%RESP(x-gone?x-set):2%", "ol"),
        ("%REQ(:path)% %REQ(b)%", "/rewritten orig"),
        ("%UPSTREAM_HOST%", "127.0.0.1:35383"),
        ("%DOWNSTREAM_REMOTE_PORT%|", "|"),
    ] {
        let value = Format::parse(text).unwrap().evaluate(&scope);
        assert_eq!(String::from_utf8(value).unwrap(), expected, "{text}");
    }
}

#[test]
fn values_are_bytes() {
    let headers = HeaderMap::parse(HeaderMap::serialize(&[("x", b"\xff\xfe")])).unwrap();
    let scope = RequestScope { headers: &headers, edits: &Edits::default(), host: &FakeHost::default() };
    assert_eq!(Format::parse("%REQ(x):1%").unwrap().evaluate(&scope), b"\xff");
}

#[test]
fn what_is_no_format() {
    for (text, why) in [
        ("%", "begins no command"),
        ("a%b", "begins no command"),
        ("100%", "write a percent sign as `%%`"),
        ("%%%", "begins no command"),
        ("%REQ(x)", "begins no command"),
        ("REQ(x)%", "begins no command"),
        ("%REQ(x", "begins no command"),
        ("%req(x)%", "begins no command"),
        ("%(x)%", "begins no command"),
        ("%REQ(x):%", "begins no command"),
        ("%REQ(x):99999999999999999999%", "begins no command"),
        ("%REQ(x)abc%", "begins no command"),
        ("%REQ(x)%%", "begins no command"),
        ("%REQ(x)% %", "begins no command"),
        ("%REQ%", "`%REQ%` needs a header's name"),
        ("%RESP()%", "`%RESP%` needs a header's name"),
        ("%REQ(?)%", "`%REQ%` needs a header's name"),
        ("%REQ(x?y?z)%", "more than one alternative"),
        ("%REQ(x y)%", "`x y` in `%REQ(x y)%` is not a header's name"),
        ("%REQ(x?ü)%", "`ü` in `%REQ(x?ü)%` is not a header's name"),
        ("%PROTOCOL(x)%", "takes neither"),
        ("%PROTOCOL:3%", "takes neither"),
        ("%FOO%", "It can: %REQ(name?alternative):length%, "),
        ("%DYNAMIC_METADATA(a:b)%", "`%DYNAMIC_METADATA%` is none"),
        ("%HOSTNAME%", "%DOWNSTREAM_LOCAL_PORT%, %PROTOCOL%"),
        ("%RESPONSE_CODE%", "say `%RESP(:status)%`"),
        ("%PATH(NQ)%", "say `%REQ(:path)%`"),
    ] {
        let error = Format::parse(text).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn what_is_known_beforehand() {
    let of = |text| {
        let format = Format::parse(text).unwrap();
        let literal = format.literal().map(|text| String::from_utf8_lossy(&text).into_owned());
        (literal, format.is_of_response(), format.reads_response())
    };
    assert_eq!(of(""), (Some("".into()), false, false));
    assert_eq!(of("a%%b"), (Some("a%b".into()), false, false));
    assert_eq!(of("a%REQ(x)%"), (None, false, false));
    assert_eq!(of("%PROTOCOL%"), (None, false, false));
    assert_eq!(of("%UPSTREAM_HOST%"), (None, true, false));
    assert_eq!(of("a%RESP(x)%"), (None, true, true));
}

#[cfg(not(target_arch = "wasm32"))]
proptest::proptest! {
    /// Any text is a value once its percent signs are doubled.
    #[test]
    fn doubling_is_the_cure(text: String) {
        let format = Format::parse(&text.replace('%', "%%")).unwrap();
        assert_eq!(&*format.literal().unwrap(), text.as_bytes());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[%()?:A-Z0-9RESPQ_a-z ü-]{0,24}") {
        drop(Format::parse(&text));
    }
}
