//! The configuration: from the plugin's bytes to filters.

use crate::Filters;
use pointsman_host::{Node, Proxy};
use pointsman_runtime::configuration::{build, parse};
use pointsman_wire::{Report, Value};
use prost::Message as _;
use prost_types::value::Kind;
use serde_json::Value as Json;

/// No more errors, and no more warnings, are kept than these.
const MOST: usize = 100;

/// So deep everything is read. Nothing that is deeper has a meaning, and each reader has a limit of its own.
const DEEPEST: usize = 30;

/// Any bytes are read as serde_json and prost read them, and give filters or say why not; and what can be said both as
/// JSON and as a Struct means the same.
pub fn configuration(bytes: &[u8]) {
    let read = parse(bytes);
    if let Err(why) = &read {
        // What is wrong is said without repeating the bytes.
        assert!(!why.is_empty() && why.len() < 500, "{why}");
    }
    let expected = reference(bytes);
    match (&read, &expected) {
        (Ok(value), Some(expected)) if expected.is_plain => {
            assert!(is_same(value, &expected.json), "{value} {expected:?}")
        }
        (Ok(value), None) => assert!(nesting(bytes) > DEEPEST, "{value} was read from {}", bytes.escape_ascii()),
        (Err(why), Some(expected)) => {
            let is_odd = !expected.is_plain || depth(&expected.json) > DEEPEST || why.contains("is there twice");
            assert!(is_odd, "{why}: {expected:?}");
        }
        _ => {}
    }
    if let Ok(value) = &read {
        [Node::default(), sidecar()].iter().for_each(|node| drop(outcome(value, node)));
    }
    if let Some(expected) = expected {
        same_as_struct(&expected.json);
    }
}

/// What others read from the bytes.
#[derive(Debug)]
struct Reference {
    json: Json,
    /// Whether nothing is in them twice and nothing is unknown: of a Struct that Envoy makes. What is read of another is
    /// nobody's concern.
    is_plain: bool,
}

fn reference(bytes: &[u8]) -> Option<Reference> {
    let bytes_of_text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if std::str::from_utf8(bytes_of_text).is_ok_and(|text| text.trim().is_empty()) {
        return Some(Reference { json: Json::Object(serde_json::Map::new()), is_plain: true });
    }
    if let Ok(json) = serde_json::from_slice(bytes_of_text) {
        return Some(Reference { json, is_plain: true });
    }
    let message = prost_types::Struct::decode(bytes).ok().filter(|_| bytes[0] == b'\n')?;
    let is_plain = message.encoded_len() == bytes.len();
    Some(Reference { json: object(message), is_plain })
}

fn object(message: prost_types::Struct) -> Json {
    Json::Object(message.fields.into_iter().map(|(name, field)| (name, of_struct(field))).collect())
}

fn of_struct(value: prost_types::Value) -> Json {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(boolean)) => boolean.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::StructValue(message)) => object(message),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(of_struct).collect(),
        Some(Kind::NumberValue(number)) => number.into(),
    }
}

/// At most so deep can anything be nested in the bytes.
fn nesting(bytes: &[u8]) -> usize {
    let openings = bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    // A list's or a Struct's field in a Value.
    openings.max(bytes.iter().filter(|byte| matches!(byte, 0x2a | 0x32)).count())
}

/// Whether they differ at most in how a number is said.
fn is_same(value: &Value<'_>, json: &Json) -> bool {
    match (value, json) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(a), Json::Bool(b)) => a == b,
        (Value::String(a), Json::String(b)) => a == b,
        (Value::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Json::Object(b)) => {
            let entries = a.iter().zip(b);
            a.iter().count() == b.len() && entries.into_iter().all(|(a, b)| a.0 == b.0 && is_same(a.1, b.1))
        }
        (Value::Number(_), Json::Number(b)) => {
            let (a, b) = (value.as_f64().unwrap(), b.as_f64().unwrap());
            a == b
        }
        // JSON has no word for it.
        (Value::Number(_), Json::Null) => !value.as_f64().unwrap().is_finite(),
        _ => false,
    }
}

/// A proxy of Istio's.
pub fn sidecar() -> Node {
    Node { proxy: Proxy::Sidecar, namespace: "shop".into(), domain: "cluster.local".into(), ..Node::default() }
}

/// The filters, if there are any, and what was said.
pub fn outcome(value: &Value<'_>, node: &Node) -> (Option<Filters>, Vec<String>) {
    let (filters, report) = build::<Filters>(value, node);
    assert_eq!(filters.is_some(), report.errors().is_empty());
    let is_full = report.errors().len() == MOST || report.warnings().len() == MOST;
    assert!(report.errors().len() <= MOST && report.warnings().len() <= MOST && (report.dropped() == 0 || is_full));
    for problem in report.errors().iter().chain(report.warnings()) {
        assert!(!problem.message.is_empty());
        assert!(!problem.path.is_empty() || value.as_object().is_none(), "{problem}");
    }
    let said = texts(&report);
    let (again, report) = build::<Filters>(value, node);
    assert_eq!((again.is_some(), texts(&report)), (filters.is_some(), said.clone()));
    (filters, said)
}

fn texts(report: &Report) -> Vec<String> {
    report.errors().iter().chain(report.warnings()).map(ToString::to_string).collect()
}

/// As JSON text and as a Struct it means the same.
pub fn same_as_struct(json: &Json) {
    if !json.is_object() || depth(json) > DEEPEST {
        return;
    }
    // Only what a Struct can say: its numbers are doubles. That of a whole number too big for one has other digits.
    let bytes = struct_of(json).encode_to_vec();
    let of_struct = parse(&bytes).unwrap();
    assert!(is_same(&of_struct, json), "{of_struct} {json}");
    let text = of_struct.to_string();
    let Ok(of_text) = parse(text.as_bytes()) else {
        assert!(has_odd_numbers(json), "{text}");
        return;
    };
    if of_text == of_struct {
        assert_eq!(outcome(&of_struct, &Node::default()).1, outcome(&of_text, &Node::default()).1);
    } else {
        assert!(has_odd_numbers(json), "{of_struct} {of_text}");
    }
}

/// Numbers whose last digits need not survive being written and read.
fn has_odd_numbers(json: &Json) -> bool {
    match json {
        Json::Array(list) => list.iter().any(has_odd_numbers),
        Json::Object(map) => map.values().any(has_odd_numbers),
        Json::Number(number) => number.as_i64().is_none_or(|number| number.unsigned_abs() >= 1 << 53),
        _ => false,
    }
}

fn depth(json: &Json) -> usize {
    match json {
        Json::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Json::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn struct_of(json: &Json) -> prost_types::Struct {
    match to_struct(json).kind {
        Some(Kind::StructValue(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn to_struct(json: &Json) -> prost_types::Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(boolean) => Kind::BoolValue(*boolean),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(list) => Kind::ListValue(prost_types::ListValue { values: list.iter().map(to_struct).collect() }),
        Json::Object(map) => Kind::StructValue(prost_types::Struct {
            fields: map.iter().map(|(name, json)| (name.clone(), to_struct(json))).collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
