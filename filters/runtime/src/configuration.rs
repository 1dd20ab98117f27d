//! From the plugin's configuration bytes to filters.

use std::cell::RefCell;
use std::collections::BTreeMap;

use pointsman_host::{Host, Node};
use pointsman_http::HeaderMap;
use pointsman_routes::config::missing_filter;
use pointsman_wire::{Cursor, Object, Path, Report, Value, json, proto};

use crate::chain::Chain;

/// Which slim module has a section's filter; `None`: no module of this version. For "this module does not have it".
const SECTIONS: [(&str, Option<&str>); 11] = [
    ("gateway", Some("pointsman-routing")),
    ("virtualServices", Some("pointsman-routing")),
    ("destinations", Some("pointsman-routing")),
    ("trustClientRouterHeaders", Some("pointsman-routing")),
    ("debug", Some("pointsman-routing")),
    ("authorizationPolicies", None),
    ("destinationRules", None),
    ("rateLimits", Some("pointsman-rate-limit")),
    ("faults", Some("pointsman-fault-injection")),
    ("faultInjection", Some("pointsman-fault-injection")),
    ("telemetry", None),
];

/// The bytes as a tree: JSON text, or a serialized `google.protobuf.Struct`; nothing at all: an empty configuration.
///
/// The error says what is wrong with them.
pub fn parse(bytes: &[u8]) -> Result<Value<'_>, String> {
    let text = std::str::from_utf8(bytes).map(|text| text.strip_prefix('\u{feff}').unwrap_or(text));
    let why = match text {
        Ok(text) if text.trim().is_empty() => return Ok(Value::Object(Object::default())),
        Ok(text) => match json::parse(text) {
            Ok(value) => return Ok(value),
            Err(why) => format!("not JSON: {why}"),
        },
        Err(why) => format!("not UTF-8: {why}: save the file in that encoding"),
    };
    // A Struct begins with a line feed, with which JSON text may begin as well; but no Struct is JSON.
    if bytes.first() == Some(&b'\n')
        && let Some(value) = proto::parse(bytes)
    {
        return Ok(value);
    }
    match text {
        Ok(text) if !text.trim_start().starts_with(['{', '[']) => {
            Err("neither JSON text nor a google.protobuf.Struct; YAML goes into Envoy's configuration as a Struct, \
                 not as text"
                .into())
        }
        _ => Err(why),
    }
}

/// Builds the filters of a module from its configuration. They are there exactly if the report has no errors.
pub fn build<'a, C: Chain>(configuration: impl Into<Value<'a>>, node: &Node) -> (Option<C>, Report) {
    let configuration = &configuration.into();
    let report = RefCell::new(Report::default());
    let at = Cursor::new(configuration, &Path::ROOT, &report);
    let filters = match configuration.as_object().is_some() {
        true => {
            let sections = C::sections();
            check_sections(at, &sections);
            let reads_rules = sections.contains(&"virtualServices");
            C::configure(at, pointsman_routes::read(at, node, reads_rules))
        }
        false => at.mismatch("an object"),
    };
    let report = report.into_inner();
    (filters.filter(|_| report.errors().is_empty()), report)
}

fn check_sections(at: Cursor<'_>, own: &[&'static str]) {
    let empty = |value: &Value<'_>| match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        other => other.is_null(),
    };
    at.entries(|name, section| {
        if own.contains(&name) || empty(section.value()) && SECTIONS.iter().any(|(known, _)| *known == name) {
            return;
        }
        match SECTIONS.iter().find(|(known, _)| *known == name) {
            Some((_, Some(module))) => section.error::<()>(missing_filter(module)),
            Some((_, None)) => section.error("not in this version yet: leave it out"),
            None => pointsman_wire::unknown(section, name, own.iter().copied()),
        };
    });
}

/// What Envoy's bootstrap says of the node.
pub(crate) fn node(host: &dyn Host) -> Node {
    let text = |path: &[&str]| host.property(path).and_then(|value| String::from_utf8(value).ok());
    let mut node = Node::from_id(&text(&["xds", "node", "id"]).unwrap_or_default());
    if let Some(namespace) = text(&["xds", "node", "metadata", "NAMESPACE"]).filter(|name| !name.is_empty()) {
        node.namespace = namespace;
    }
    let names = ["plugin_name", "plugin_root_id"].into_iter().filter_map(|name| text(&[name]));
    node.plugin = names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/");
    let labels = host.property(&["xds", "node", "metadata", "LABELS"]);
    node.labels = pairs(labels.unwrap_or_default());
    node
}

/// Envoy gives an object of the metadata in the form of a header map; what was text in it is text.
fn pairs(bytes: Vec<u8>) -> BTreeMap<String, String> {
    let map = HeaderMap::parse(bytes).unwrap_or_default();
    let text = |part: &[u8]| String::from_utf8(part.to_vec()).ok();
    map.iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect()
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests {
    use pointsman_filter::{Filter, Request, Step, Uses, Wake};
    use pointsman_host::{FakeHost, Proxy};
    use pointsman_routes::Policy;
    use prost::Message;
    use serde_json::{Value, json};

    use super::*;

    fn to_struct(value: &Value) -> prost_types::Value {
        use prost_types::value::Kind;
        let kind = match value {
            Value::Null => Kind::NullValue(0),
            Value::Bool(boolean) => Kind::BoolValue(*boolean),
            Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
            Value::String(text) => Kind::StringValue(text.clone()),
            Value::Array(list) => {
                Kind::ListValue(prost_types::ListValue { values: list.iter().map(to_struct).collect() })
            }
            Value::Object(map) => Kind::StructValue(prost_types::Struct {
                fields: map.iter().map(|(name, value)| (name.clone(), to_struct(value))).collect(),
            }),
        };
        prost_types::Value { kind: Some(kind) }
    }

    pub(super) fn serialized(value: &Value) -> Vec<u8> {
        match to_struct(value).kind {
            Some(prost_types::value::Kind::StructValue(message)) => message.encode_to_vec(),
            _ => panic!("not an object"),
        }
    }

    #[test]
    fn json_and_struct_are_the_same() {
        let configuration = json!({
            "a": [1, -2, 0.5, "x", true, null, {"b": []}], "empty": {}, "big": 4294967295u32,
        });
        assert_eq!(parse(serde_json::to_string_pretty(&configuration).unwrap().as_bytes()).unwrap(), configuration);
        assert_eq!(parse(&serialized(&configuration)).unwrap(), configuration);
        assert_eq!(parse(b"\n\n {\"a\": 1}").unwrap(), json!({"a": 1}));
        assert_eq!(parse(b"").unwrap(), json!({}));
    }

    #[test]
    fn the_node_is_read_as_envoy_gives_it() {
        let mut host = FakeHost::default();
        let labels: [(&str, &[u8]); 3] = [("app", b"edge"), ("empty", b""), ("number", b"\0\0\0\0\0\0\xf0?")];
        for (path, value) in [
            ("id", b"sidecar~1.2.3.4~web.shop~shop.svc.my.org".to_vec()),
            ("metadata.NAMESPACE", b"other".to_vec()),
            ("metadata.LABELS", HeaderMap::serialize(&labels)),
        ] {
            host.properties.insert(format!("xds.node.{path}"), value);
        }
        let found = node(&host);
        assert_eq!((found.proxy, found.namespace.as_str(), found.domain.as_str()), (Proxy::Sidecar, "other", "my.org"));
        let labels: Vec<_> = found.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(labels, [("app", "edge"), ("empty", "")]);

        host.properties.insert("xds.node.metadata.LABELS".into(), b"no map".to_vec());
        host.properties.remove("xds.node.metadata.NAMESPACE");
        let found = node(&host);
        assert_eq!((found.namespace.as_str(), found.labels.len()), ("shop", 0));
        assert_eq!(node(&FakeHost::default()), Node::default());
    }

    /// A Struct whose second byte, a length, is `{`.
    #[test]
    fn a_struct_that_looks_like_json() {
        let configuration = json!({"a": "x".repeat(116)});
        let bytes = serialized(&configuration);
        assert_eq!(&bytes[..2], b"\n{");
        assert_eq!(parse(&bytes).unwrap(), configuration);
    }

    #[test]
    fn what_editors_leave_is_no_error() {
        for text in ["", " \n", "\u{feff}", "{}", "\u{feff}{}"] {
            assert_eq!(parse(text.as_bytes()).unwrap(), json!({}), "{text:?}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_a_reason() {
        for (bytes, reason) in [
            (&b"{\"a\": }"[..], "not JSON: expected value at line 1 column 7"),
            (b"virtualServices:\n- hosts: [a]", "neither JSON text nor a google.protobuf.Struct; YAML goes into"),
            (b"\n\xff\xff\xff", "not UTF-8: "),
            (b"\xff\xfe{\0}\0", "not UTF-8: "),
        ] {
            let error = parse(bytes).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    /// A module with another filter than routing.
    struct Other;

    impl Filter for Other {
        const NAME: &'static str = "other";
        const SECTIONS: &'static [&'static str] = &["other"];
        const USES: Uses = Uses::NONE;
        type Rule = ();
        type Stream = ();

        fn configure(at: Cursor<'_>, _: Policy<()>) -> Option<Self> {
            at.field("other", |at| if at.value().is_null() { Some(Self) } else { at.error("other's own") })
        }

        fn on_request(&self, _: &mut (), _: Wake, _: &mut Request, _: &mut dyn Host) -> Step {
            Step::Continue
        }
    }

    #[test]
    fn each_section_has_its_filter_or_is_an_error() {
        let service = json!([{"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]}]);
        let later = "not in this version yet: leave it out";
        let fault_injection =
            "this module has no filter for it; pointsman.wasm and pointsman-fault-injection.wasm have";
        let rate_limit = "this module has no filter for it; pointsman.wasm and pointsman-rate-limit.wasm have";
        let elsewhere = "this module has no filter for it; pointsman.wasm and pointsman-routing.wasm have";
        for (configuration, of_routing, of_other) in [
            (json!({}), vec![], vec![]),
            (json!([]), vec!["a list, expected an object".into()], vec!["a list, expected an object".into()]),
            (json!({"virtualServices": service}), vec![], vec![format!("virtualServices: {elsewhere}")]),
            (json!({"virtualServices": []}), vec![], vec![]),
            (json!({"gateway": "mesh"}), vec![], vec![format!("gateway: {elsewhere}")]),
            (json!({"debug": {}}), vec!["debug.header: is missing".into()], vec![]),
            (
                json!({"rateLimits": [{}], "telemetry": {"x": 1}, "faults": 1}),
                vec![
                    format!("faults: {fault_injection}"),
                    format!("rateLimits: {rate_limit}"),
                    format!("telemetry: {later}"),
                ],
                vec![
                    format!("faults: {fault_injection}"),
                    format!("rateLimits: {rate_limit}"),
                    format!("telemetry: {later}"),
                ],
            ),
            (json!({"authorizationPolicies": [], "destinationRules": null, "rateLimits": {}}), vec![], vec![]),
            (
                json!({"virtualService": [], "other": 1}),
                vec![
                    "other: unknown field; known here: gateway, virtualServices, destinations, \
                     trustClientRouterHeaders, debug"
                        .into(),
                    "virtualService: unknown field; did you mean `virtualServices`?".into(),
                ],
                vec!["virtualService: unknown field; known here: other".into(), "other: other's own".into()],
            ),
        ] {
            let of = |report: Report| report.errors().iter().map(ToString::to_string).collect::<Vec<_>>();
            let (filters, report) = build::<(routing::Routing,)>(&configuration, &Node::default());
            assert_eq!(filters.is_some(), of_routing.is_empty());
            assert_eq!(of(report), of_routing, "{configuration}");
            let (_, report) = build::<(Other,)>(&configuration, &Node::default());
            assert_eq!(of(report), of_other, "{configuration}");
            // Each filter of a module says what is wrong with its own.
            let (filters, _) = build::<(Other, routing::Routing)>(&configuration, &Node::default());
            assert!(filters.is_none() || of_routing.is_empty());
        }
    }
}
