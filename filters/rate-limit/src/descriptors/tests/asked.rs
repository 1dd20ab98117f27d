//! What the proxy is asked for.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn host(properties: &[(&str, &[u8])]) -> FakeHost {
    let properties = properties.iter().map(|(path, value)| ((*path).to_owned(), value.to_vec())).collect();
    FakeHost { properties, ..FakeHost::default() }
}

/// What the action makes of that attribute, which is all that is asked for.
#[track_caller]
fn makes_of(value: &Value, attribute: &str, is: Option<&[u8]>, expected: Option<&str>) {
    let host = host(&is.map(|is| (attribute, is)).into_iter().collect::<Vec<_>>());
    let none = map::<&str>(&[]);
    assert_eq!(
        shown(actions(std::slice::from_ref(value)).descriptor(&none, &Destination::OfProxy, &host)).as_deref(),
        expected,
        "{value} {is:?}"
    );
    assert_eq!(*host.asked.borrow(), [attribute], "{value}");
}

#[test]
fn addresses() {
    for (address, plain, masked) in [
        (&b"10.1.2.3:80"[..], Some("10.1.2.3"), Some("10.1.0.0/16")),
        (b"10.1.2.3:0", Some("10.1.2.3"), Some("10.1.0.0/16")),
        (b"[2001:db8:1:2::3]:443", Some("2001:db8:1:2::3"), Some("2001:db8:1::/48")),
        (b"[fe80::1%eth0]:443", Some("fe80::1%eth0"), Some("fe80::/48")),
        (b"[::1]:443", Some("::1"), Some("::/48")),
        (b"[::ffff:10.1.2.3]:443", Some("::ffff:10.1.2.3"), Some("::/48")),
        (b"/var/run/a.sock", None, None),
        (b"envoy://internal/1", None, None),
        (b"10.1.2.3", None, None),
        (b"10.1.2:80", None, None),
        (b"10.1.2.3:x", None, None),
        (b"[]:1", None, None),
        (b"\xff:1", None, None),
        (b":", None, None),
        (b"", None, None),
    ] {
        let expected = plain.map(|plain| format!("remote_address={plain}"));
        makes_of(&json!({"remoteAddress": {}}), "source.address", Some(address), expected.as_deref());
        let mask = json!({"maskedRemoteAddress": {"v4PrefixMaskLen": 16, "v6PrefixMaskLen": 48}});
        let expected = masked.map(|masked| format!("masked_remote_address={masked}"));
        makes_of(&mask, "source.address", Some(address), expected.as_deref());
    }
    makes_of(&json!({"remoteAddress": {}}), "source.address", None, None);
    for (mask, address, expected) in [
        (json!({}), &b"10.1.2.3:80"[..], "10.1.2.3/32"),
        (json!({}), b"[2001:db8::1]:80", "2001:db8::1/128"),
        (json!({}), b"[::1.2.3.4]:80", "::1.2.3.4/128"),
        (json!({}), b"[::ffff:1.2.3.4]:80", "::ffff:1.2.3.4/128"),
        (json!({"v4PrefixMaskLen": 0}), b"10.1.2.3:80", "0.0.0.0/0"),
        (json!({"v4PrefixMaskLen": 31}), b"10.1.2.3:80", "10.1.2.2/31"),
        (json!({"v6PrefixMaskLen": 0}), b"[2001:db8::1]:80", "::/0"),
        (json!({"v6PrefixMaskLen": 1}), b"[ffff::1]:80", "8000::/1"),
    ] {
        let mask = json!({"maskedRemoteAddress": mask});
        makes_of(&mask, "source.address", Some(address), Some(&format!("masked_remote_address={expected}")));
    }
}

#[test]
fn clusters() {
    let destination = json!({"destinationCluster": {}});
    makes_of(&destination, "xds.cluster_name", Some(b"a"), Some("destination_cluster=a"));
    makes_of(&destination, "xds.cluster_name", Some(b""), None);
    makes_of(&destination, "xds.cluster_name", None, None);
    let source = json!({"sourceCluster": {}});
    makes_of(&source, "xds.node.cluster", Some(b"edge"), Some("source_cluster=edge"));
    makes_of(&source, "xds.node.cluster", None, Some("source_cluster="));
    // Where the proxy belongs to is asked for once.
    let (actions, host, none) = (actions(&[source]), host(&[("xds.node.cluster", b"edge")]), map::<&str>(&[]));
    for _ in 0..3 {
        assert_eq!(
            shown(actions.descriptor(&none, &Destination::OfProxy, &host)).as_deref(),
            Some("source_cluster=edge")
        );
    }
    assert_eq!(*host.asked.borrow(), ["xds.node.cluster"]);
}

#[test]
fn texts_in_metadata() {
    let key = json!({"key": "my.filter", "path": [{"key": "a"}, {"key": "b"}]});
    let object = HeaderMap::serialize(&[("a", "b")]);
    for (is, expected) in [
        (Some(&b"text"[..]), Some("text")),
        (Some(b"8 bytes!"), Some("8 bytes!")),
        (Some("é".as_bytes()), Some("\\xc3\\xa9")),
        (Some(b""), None),
        (Some(&[1]), None),
        (Some(&[0]), None),
        (Some(b"1"), Some("1")),
        (Some(&1.5f64.to_le_bytes()), None),
        (Some(&0f64.to_le_bytes()), None),
        (Some(&object), None),
        (None, None),
    ] {
        let of = |fields: Value| {
            let mut action = json!({"descriptorKey": "d", "metadataKey": key});
            action.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            json!({"metadata": action})
        };
        let entry = expected.map(|text| format!("d={text}"));
        makes_of(&of(json!({})), "metadata.filter_metadata.my.filter.a.b", is, entry.as_deref());
        let route = of(json!({"source": "ROUTE_ENTRY"}));
        makes_of(&route, "xds.route_metadata.filter_metadata.my.filter.a.b", is, entry.as_deref());
        let default = of(json!({"source": "DYNAMIC", "defaultValue": "0"}));
        let or = entry.as_deref().unwrap_or("d=0");
        makes_of(&default, "metadata.filter_metadata.my.filter.a.b", is, Some(or));
        // Nothing else is there: an empty descriptor is none.
        makes_of(&of(json!({"skipIfAbsent": true})), "metadata.filter_metadata.my.filter.a.b", is, entry.as_deref());
    }
}

#[test]
fn claims() {
    for (claim, path) in [
        ("sub", "sub"),
        ("a.b", "a.b"),
        ("a[b]", "a.b"),
        ("[example.com/x][y]", "example.com/x.y"),
        ("a.b[c]", "a.b.c"),
    ] {
        let attribute = format!("metadata.filter_metadata.envoy.filters.http.jwt_authn.payload.{path}");
        let action = json!({"jwtClaim": {"claim": claim, "descriptorKey": "who"}});
        makes_of(&action, &attribute, Some(b"me"), Some("who=me"));
        makes_of(&action, &attribute, None, None);
    }
}

#[test]
fn nothing_is_asked_for_in_vain() {
    let header = json!({"requestHeaders": {"headerName": "x", "descriptorKey": "x"}});
    let optional = json!({"jwtClaim": {"claim": "sub", "descriptorKey": "who", "skipIfAbsent": true}});
    let all = actions(&[json!({"remoteAddress": {}}), optional, json!({"destinationCluster": {}}), header]);
    let (none, some) = (map::<&str>(&[]), map(&[("x", "1")]));
    let complete = host(&[("source.address", b"10.0.0.1:1"), ("xds.cluster_name", b"c")]);
    assert_eq!(shown(all.descriptor(&none, &Destination::OfProxy, &complete)), None);
    assert_eq!(*complete.asked.borrow(), [""; 0]);
    let expected = "remote_address=10.0.0.1, destination_cluster=c, x=1";
    assert_eq!(shown(all.descriptor(&some, &Destination::OfProxy, &complete)).as_deref(), Some(expected));
    let claim = "metadata.filter_metadata.envoy.filters.http.jwt_authn.payload.sub";
    assert_eq!(*complete.asked.borrow(), ["source.address", claim, "xds.cluster_name"]);
    let without = host(&[("xds.cluster_name", b"c")]);
    assert_eq!(shown(all.descriptor(&some, &Destination::OfProxy, &without)), None);
    assert_eq!(*without.asked.borrow(), ["source.address"]);
}
