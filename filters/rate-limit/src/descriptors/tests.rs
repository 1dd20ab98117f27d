//! What actions make of requests.

mod asked;
mod configured;
mod headers;
mod paths;
#[cfg(not(target_arch = "wasm32"))]
mod properties;

use super::*;
use pointsman_filter::Destination;
use pointsman_host::FakeHost;
use pointsman_wire::decode;
use serde_json::{Value, json};

/// An action as it stands in a configuration.
#[track_caller]
fn action(value: &Value) -> Action {
    let (action, report) = decode::<Action>(value);
    action.unwrap_or_else(|| panic!("{value}: {:?}", report.errors()))
}

#[track_caller]
fn actions(values: &[Value]) -> Actions {
    Actions::new(values.iter().map(action).collect())
}

fn map<V: AsRef<[u8]>>(headers: &[(&str, V)]) -> HeaderMap {
    HeaderMap::parse(HeaderMap::serialize(headers)).unwrap()
}

/// `key=value, key=value`; `None`: there is no descriptor.
fn shown(descriptor: Option<Descriptor<'_>>) -> Option<String> {
    let descriptor = descriptor?;
    let entry = |(key, value): (&[u8], &[u8])| format!("{}={}", key.escape_ascii(), value.escape_ascii());
    Some(descriptor.entries().map(entry).collect::<Vec<_>>().join(", "))
}

/// What one action makes of those headers, behind another one that always makes an entry.
#[track_caller]
fn makes(value: &Value, headers: &HeaderMap, expected: Option<&str>) {
    let host = FakeHost::default();
    let actions = actions(&[json!({"genericKey": {"descriptorValue": "g", "descriptorKey": "k"}}), value.clone()]);
    let made = shown(actions.descriptor(headers, &Destination::OfProxy, &host));
    let expected = expected.map(|entry| if entry.is_empty() { "k=g".into() } else { format!("k=g, {entry}") });
    assert_eq!(made, expected, "{value}");
    assert_eq!(*host.asked.borrow(), [""; 0], "{value}");
}
