use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn at(path: &[u8]) -> HeaderMap {
    map(&[(":path", path)])
}

#[test]
fn query_parameters() {
    for (path, expected, skipped) in [
        (&b"/?a=1"[..], Some("d=1"), Some("d=1")),
        (b"/?b=0&a=1&a=2", Some("d=1"), Some("d=1")),
        (b"/?a", Some("d="), Some("d=")),
        (b"/?a=", Some("d="), Some("d=")),
        (b"/?%61=x", Some("d=x"), Some("d=x")),
        (b"/?a=hello%20world+%2B%26%ff", Some("d=hello world++&\\xff"), Some("d=hello world++&\\xff")),
        (b"/?a=%", Some("d=%"), Some("d=%")),
        (b"/?a=%4", Some("d=%4"), Some("d=%4")),
        (b"/?a=%zz%4g%+1", Some("d=%zz%4g%+1"), Some("d=%zz%4g%+1")),
        (b"/?a=%2541", Some("d=%41"), Some("d=%41")),
        (b"/?a=1#b", Some("d=1"), Some("d=1")),
        (b"/?A=1", None, Some("")),
        (b"/a=1", None, Some("")),
        (b"", None, Some("")),
    ] {
        makes(&json!({"queryParameters": {"queryParameterName": "a", "descriptorKey": "d"}}), &at(path), expected);
        let skip = json!({"queryParameters": {"queryParameterName": "a", "descriptorKey": "d", "skipIfAbsent": true}});
        makes(&skip, &at(path), skipped);
    }
}

#[test]
fn query_parameter_value_match() {
    for (matcher, path, holds) in [
        (json!({"name": "a"}), "/?a", true),
        (json!({"name": "a"}), "/?b", false),
        (json!({"name": "a", "presentMatch": false}), "/?b", true),
        (json!({"name": "a", "presentMatch": false}), "/?a=1", false),
        (json!({"name": "a", "stringMatch": {"exact": "x y"}}), "/?a=x%20y", true),
        (json!({"name": "a", "stringMatch": {"exact": "2"}}), "/?a=1&a=2", false),
        (json!({"name": "a", "stringMatch": {"exact": ""}}), "/?a", true),
        (json!({"name": "a", "stringMatch": {"exact": ""}}), "/", false),
    ] {
        for expected in [true, false] {
            let action = json!({"queryParameterValueMatch": {
                "descriptorValue": "v", "expectMatch": expected, "queryParameters": [matcher],
            }});
            makes(&action, &at(path.as_bytes()), (holds == expected).then_some("query_match=v"));
        }
    }
}

#[test]
fn templates() {
    for (template, path, expected) in [
        ("/users/{id}/orders", &b"/users/7/orders"[..], Some("7")),
        ("/users/{id}/orders", b"/users/7/orders?x=1", Some("7")),
        ("/users/{id}/orders", b"/users/\xff%2f/orders#x", Some("\\xff%2f")),
        ("/users/{id}/orders", b"/users//orders", None),
        ("/users/{id}/orders", b"/users/7/orders/", None),
        ("/users/{id}/orders", b"/users/7/8/orders", None),
        ("/users/{id}/orders", b"/Users/7/orders", None),
        ("/users/{id}/orders", b"users/7/orders", None),
        ("/users/{id}/orders", b"/users/7", None),
        ("/users/{id}/orders", b"", None),
        ("/users/{id}/orders", b"*", None),
        ("/{id}", b"/7", Some("7")),
        ("/{id}", b"/", None),
        ("/a/{id}/{**}", b"/a/7/", Some("7")),
        ("/a/{id}/{**}", b"/a/7/b//c/", Some("7")),
        ("/a/{id}/{*}", b"/a/7/b/c", Some("7")),
        ("/a/{id}/{**}", b"/a/7", None),
        ("/a/{id}/", b"/a/7/", Some("7")),
        ("/a/{id}/", b"/a/7", None),
    ] {
        let action =
            |variable: &str| json!({"path": {"template": template, "variable": variable, "descriptorKey": "d"}});
        makes(&action("id"), &at(path), expected.map(|id| format!("d={id}")).as_deref());
        makes(&action(""), &at(path), expected.map(|_| format!("d={template}")).as_deref());
    }
    makes(&json!({"path": {"template": "/{**}", "descriptorKey": "d"}}), &at(b"/"), Some("d=/{**}"));
    makes(&json!({"path": {"template": "/", "descriptorKey": "d"}}), &at(b"/"), Some("d=/"));
    let skip = json!({"path": {"template": "/", "descriptorKey": "d", "skipIfAbsent": true}});
    makes(&skip, &at(b"/a"), Some(""));
    for (template, why) in [
        ("users", "is no path: it begins with `/`"),
        ("/a?b", "has a query or a fragment: it is matched against the path alone"),
        ("/a{id}", "has `a{id}`: a variable is a whole segment, such as `{id}`"),
        ("/{}", "has `{}`: a variable's name is of letters, digits, `_` and `-`"),
        ("/{a=*}", "has `{a=*}`: a variable's name is of letters, digits, `_` and `-`"),
        ("/{a}/{a}", "has `{a}` twice"),
        ("/{**}/a", "has `{**}` before its end"),
        ("/a/*", "has `*`: write `{*}` at its end, or a name: `{id}`"),
    ] {
        assert_eq!(pointsman_http::Template::parse(template).unwrap_err(), why);
    }
}
