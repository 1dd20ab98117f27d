//! The index of rules, held against a look at each rule in order.
#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;
use serde_json::{Value, json};

use pointsman_host::{FakeHost, Node};
use pointsman_http::HeaderMap;
use pointsman_wire::{Cursor, Path};

use crate::conditions::View;
use crate::{Routes, read};

type Lines = Vec<(String, String)>;

fn map(lines: &Lines) -> HeaderMap {
    HeaderMap::parse(HeaderMap::serialize(lines)).unwrap()
}

/// The rules with those match entries.
fn routes(entries: impl Iterator<Item = Value>) -> std::rc::Rc<Routes> {
    let rules: Vec<_> = entries.map(|entry| json!({"match": [entry]})).collect();
    let configuration = json!({"virtualServices": [{"hosts": ["*"], "http": rules}]});
    let configuration = (&configuration).into();
    let report = Default::default();
    let rules = read::<((),)>(Cursor::new(&configuration, &Path::ROOT, &report), &Node::default(), true).rules;
    rules.unwrap_or_else(|| panic!("{report:?}")).routes
}

/// A value of few letters, so that conditions and requests hit each other.
fn value() -> impl Strategy<Value = String> {
    "[ab]{0,3}"
}

fn condition() -> impl Strategy<Value = Value> {
    let pattern = prop_oneof![
        "[ab]{1,3}",
        "[ab]{0,2}\\.\\*",
        "[ab]{0,2}(a|b|\\[ab\\]|b\\?|a\\+)[ab]?",
        Just("(?i)ab".to_owned()),
        Just("ab|ba|a".to_owned()),
    ];
    prop_oneof![
        3 => value().prop_map(|text| json!({"exact": text})),
        3 => "[ab]{1,3}".prop_map(|text| json!({"prefix": text})),
        2 => pattern.prop_filter("istio refuses an empty one", |text| !text.is_empty()).prop_map(|text| json!({"regex": text})),
        1 => Just(json!({})),
    ]
}

fn uri() -> impl Strategy<Value = Value> {
    let rooted = |mut condition: Value| {
        for (_, text) in condition.as_object_mut().unwrap() {
            *text = json!(format!("/{}", text.as_str().unwrap()));
        }
        condition
    };
    prop_oneof![8 => condition().prop_map(rooted), 1 => Just(json!({"prefix": "/"})), 1 => Just(json!({"regex": ".*"}))]
}

fn entry() -> impl Strategy<Value = Value> {
    let names = |names: &'static str, most| prop::collection::btree_map(names, condition(), 0..=most);
    let uri = prop::option::weighted(0.6, (uri(), any::<bool>()));
    let method = prop::option::weighted(0.1, Just(json!({"exact": "GET"})));
    (uri, names("[xy]", 2), names("[xyz]", 1), names("[pq]", 1), method).prop_map(
        |(uri, headers, without, query, method)| {
            let mut entry = json!({"headers": headers, "withoutHeaders": without, "queryParams": query});
            if let Some((uri, ignores_case)) = uri {
                entry["uri"] = uri;
                entry["ignoreUriCase"] = json!(ignores_case);
            }
            if let Some(method) = method {
                entry["method"] = method;
            }
            entry
        },
    )
}

fn request() -> impl Strategy<Value = Lines> {
    let path = ("[abAB/]{0,4}", prop::option::of("[pq&]{1}=[ab]{0,3}(&[pq]=[ab]{0,2})?"));
    let headers = prop::collection::vec(("[xyz]", "[abAB]{0,3}"), 0..5);
    (path, headers, "GET|POST").prop_map(|((path, query), headers, method)| {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let pseudo = [(":authority", "h".to_owned()), (":method", method), (":path", format!("/{path}{query}"))];
        pseudo.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(headers).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_first_rule_in_order_wins(
        entries in prop::collection::vec(entry(), 1..40),
        requests in prop::collection::vec(request(), 20),
    ) {
        let routes = routes(entries.iter().cloned());
        let table = routes.table.rules(None, b"h").unwrap();
        let host = FakeHost::default();
        for request in requests {
            let headers = map(&request);
            let view = View::new(&headers, &host);
            let scanned = table.list.iter().find(|rule| rule.conditions.failure(&view).is_none());
            let found = table.first(&view);
            prop_assert_eq!(found.map(|rule| rule.label()), scanned.map(|rule| rule.label()), "{:?} {:#?}", request, entries);
        }
    }
}

/// What the index is for: of many rules few are asked.
#[test]
fn a_request_is_held_against_few_rules() {
    let rule = |place: usize| match place % 5 {
        0 => json!({"uri": {"exact": format!("/exact/{place}")}}),
        1 => json!({"uri": {"prefix": format!("/prefix/{place}/")}, "method": {"exact": "GET"}}),
        2 => json!({"uri": {"regex": format!("/regex/{place}/[0-9]+")}}),
        3 => json!({"uri": {"prefix": "/api"}, "headers": {"user": {"exact": format!("user-{place}")}}}),
        _ => {
            json!({"queryParams": {"id": {"exact": place.to_string()}}, "uri": {"exact": "/Q"}, "ignoreUriCase": true})
        }
    };
    let routes = routes((0..1000).map(rule));
    let table = routes.table.rules(None, b"h").unwrap();
    let host = FakeHost::default();
    let request = |path: &str, user: &str| -> Lines {
        let lines = [(":method", "GET"), (":path", path), ("user", user)];
        lines.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    };
    for (path, user, expected) in [
        ("/exact/500", "x", Some(500)),
        ("/prefix/501/x", "x", Some(501)),
        ("/regex/502/17", "x", Some(502)),
        ("/regex/502/x", "x", None),
        ("/api/x", "user-503", Some(503)),
        ("/q?id=504", "x", Some(504)),
        ("/other", "user-503", None),
    ] {
        let headers = map(&request(path, user));
        let view = View::new(&headers, &host);
        let asked = std::cell::Cell::new(0);
        let found = table.index.first(&view, |number| {
            asked.set(asked.get() + 1);
            table.list[number as usize].conditions.failure(&view).is_none()
        });
        assert_eq!(found, expected, "{path} {user}");
        assert!(asked.get() <= 1, "{path} {user}: {} rules were asked", asked.get());
    }
}
