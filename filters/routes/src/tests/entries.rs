//! Match lists of a filter's own, held against a look at each.
#![cfg(not(target_arch = "wasm32"))]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use pointsman_host::{FakeHost, Node};
use pointsman_http::HeaderMap;
use pointsman_wire::decode;

use crate::conditions::{Conditions, View};
use crate::config::HttpMatchRequest;
use crate::{Entries, Gateway, Here};

/// Conditions of few letters, so that they hit requests, of which some can be indexed and some cannot.
fn entry() -> impl Strategy<Value = Value> {
    let condition = prop_oneof![
        "[ab]".prop_map(|text| json!({"exact": text})),
        "[ab]".prop_map(|text| json!({"prefix": text})),
        "[ab]".prop_map(|text| json!({"regex": format!("{text}.*")})),
        Just(json!({})),
    ];
    let uri = prop_oneof![
        "/[ab]{0,1}".prop_map(|text| json!({"prefix": text})),
        "/[ab]{1,2}".prop_map(|text| json!({"exact": text})),
    ];
    let header = prop::collection::btree_map("[xy]", condition, 0..=1);
    let port = prop::option::weighted(0.2, 80..=81);
    let gateway = prop::option::weighted(0.2, "edge|other");
    (prop::option::of(uri), header, port, gateway).prop_map(|(uri, headers, port, gateway)| {
        let mut entry = json!({"headers": headers, "port": port, "gateways": gateway.into_iter().collect::<Vec<_>>()});
        if let Some(uri) = uri {
            entry["uri"] = uri;
        }
        entry
    })
}

fn request() -> impl Strategy<Value = Vec<(String, String)>> {
    let headers = prop::collection::vec(("[xy]", "[ab]{0,2}"), 0..3);
    ("/[ab]{0,2}", headers).prop_map(|(path, headers)| {
        let line = [(":authority", "h".to_owned()), (":method", "GET".into()), (":path", path)];
        line.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(headers).collect()
    })
}

fn read(entry: &Value) -> HttpMatchRequest {
    let (entry, report) = decode::<HttpMatchRequest>(entry);
    entry.unwrap_or_else(|| panic!("{report:?}"))
}

fn gateway(name: &Value) -> Gateway {
    decode::<Gateway>(name).0.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The first owner that is accepted is found; and of those before it, each one that the request is for was asked,
    /// so that what only counts is counted.
    #[test]
    fn the_first_owner_that_is_accepted(
        owners in prop::collection::vec((prop::collection::vec(entry(), 0..3), any::<bool>()), 1..15),
        requests in prop::collection::vec(request(), 10),
        port in 80i64..=81,
    ) {
        let matches: Vec<Vec<_>> = owners.iter().map(|(list, _)| list.iter().map(read).collect()).collect();
        let here = Here { gateway: gateway(&json!("edge")), node: Node::default() };
        let entries = Entries::new(matches.iter().map(Vec::as_slice), &here);
        let mut host = FakeHost::default();
        host.properties.insert("destination.port".into(), port.to_le_bytes().into());
        for request in requests {
            let headers = HeaderMap::parse(HeaderMap::serialize(&request)).unwrap();
            let view = View::new(&headers, &host);
            let is_for = |list: &[HttpMatchRequest]| list.is_empty() || list.iter().any(|entry| {
                let is_here = entry.gateways.is_empty() || entry.gateways == ["edge"];
                let at_port = entry.port == 0 || i64::from(entry.port) == port;
                is_here && at_port && Conditions::new(entry).failure(&view).is_none()
            });
            let for_it: Vec<usize> = (0..owners.len()).filter(|owner| is_for(&matches[*owner])).collect();
            let expected = for_it.iter().copied().find(|owner| owners[*owner].1);
            let mut asked = BTreeSet::new();
            let found = entries.first(&headers, &host, |owner| {
                asked.insert(owner);
                owners[owner].1
            });
            prop_assert_eq!(found, expected, "{:?} {:#?}", request, owners);
            let before: BTreeSet<_> = for_it.iter().copied().take_while(|owner| Some(*owner) != expected).collect();
            prop_assert!(before.is_subset(&asked), "{:?} of {:?}: {:?} {:#?}", asked, before, request, owners);
            prop_assert!(asked.iter().all(|owner| for_it.contains(owner)), "{:?} {:?}", asked, for_it);
            prop_assert_eq!(entries.all(&headers, &host), for_it, "{:?} {:#?}", request, owners);
        }
    }
}

/// Without entries nothing is looked at; one whose entries are all for others is for nobody.
#[test]
fn of_nobody() {
    let headers = HeaderMap::parse(HeaderMap::serialize(&[(":path", "/")])).unwrap();
    let host = FakeHost::default();
    let here = Here { gateway: gateway(&json!("edge")), node: Node::default() };
    assert_eq!(Entries::new(std::iter::empty(), &here).first(&headers, &host, |_| true), None);
    let elsewhere = [read(&json!({"gateways": ["other"]})), read(&json!({"sourceNamespace": "n"}))];
    assert_eq!(Entries::new([&elsewhere[..], &[]].into_iter(), &here).first(&headers, &host, |_| true), Some(1));
    assert_eq!(*host.asked.borrow(), [""; 0]);
}
