//! Kubernetes resources as somebody pastes them: whole, as a `kind: List`, or the bare spec.

use crate::decode::Cursor;
use crate::message::{Fields, Message, Others};
use crate::scalars::{optional, text};
use crate::value::Value;
use crate::{Class, Field};

/// A resource's spec.
pub trait Kind: Message {
    /// Such as `VirtualService`.
    const KIND: &'static str;
    /// Such as `networking.istio.io`.
    const GROUP: &'static str;
}

/// A resource: its spec, and what of its metadata has a meaning here.
#[derive(Clone, Debug)]
pub struct Resource<T> {
    /// `metadata.name`, or the spec's own `name`, or where it stands in the configuration.
    pub name: String,
    /// `metadata.namespace`, or the spec's own `namespace`.
    pub namespace: Option<String>,
    /// `metadata.creationTimestamp`, RFC 3339 in UTC, so that text order is time order.
    pub created: Option<String>,
    /// Where the spec stands, for errors that are found after decoding.
    pub path: String,
    /// What it says.
    pub spec: T,
}

/// Reads a section of resources: a list, or a `kind: List` as `kubectl get -o yaml` prints it.
///
/// `None` when something in it is wrong.
pub fn resources<T: Kind>(at: Cursor<'_>) -> Option<Vec<Resource<T>>> {
    let mut all = Vec::new();
    let before = at.errors();
    match at.value() {
        Value::Null => {}
        Value::Object(_) => collect(at, &mut all),
        Value::Array(_) => at.each(|element| collect(element, &mut all)),
        _ => return at.mismatch("a list of resources"),
    }
    (at.errors() == before).then_some(all)
}

fn collect<T: Kind>(at: Cursor<'_>, all: &mut Vec<Resource<T>>) {
    match at.value().get("kind").and_then(Value::as_str) {
        Some(kind) if kind == "List" || kind.strip_suffix("List") == Some(T::KIND) => {
            Fields::open(at, LIST, Others::default(), &mut [None; LIST.len()]);
            at.field("items", |items| match items.value() {
                Value::Array(_) => items.each(|item| collect(item, all)),
                Value::Null => drop(items.error::<()>("is missing")),
                _ => drop(items.mismatch::<()>("a list of resources")),
            });
        }
        _ if is_whole(at.value()) => all.extend(whole(at)),
        _ => all.extend(bare(at)),
    }
}

fn is_whole(value: &Value<'_>) -> bool {
    ["kind", "apiVersion", "metadata", "spec"].iter().any(|name| value.get(name).is_some())
}

const WHOLE: &[Field] = &[
    Field { name: "apiVersion", class: Class::Honoured },
    Field { name: "kind", class: Class::Honoured },
    Field { name: "metadata", class: Class::Honoured },
    Field { name: "spec", class: Class::Honoured },
    Field { name: "status", class: Class::Honoured },
];

const LIST: &[Field] = &[
    Field { name: "apiVersion", class: Class::Honoured },
    Field { name: "kind", class: Class::Honoured },
    Field { name: "metadata", class: Class::Honoured },
    Field { name: "items", class: Class::Honoured },
];

/// What of `metadata` has a meaning here. The rest is the API server's bookkeeping, of any name, and inert.
const METADATA: [&str; 3] = ["name", "namespace", "creationTimestamp"];

fn whole<T: Kind>(at: Cursor<'_>) -> Option<Resource<T>> {
    at.field("kind", |kind| match kind.value() {
        Value::String(name) if name == T::KIND => Some(()),
        // What it says is not for us to read.
        Value::String(name) => {
            kind.error(format_args!("`{name}` is another kind of resource, expected `{}`: take it out", T::KIND))
        }
        // Somebody has left it out, and the rest is to be read.
        Value::Null => kind.error::<()>(format_args!("is missing, expected `{}`", T::KIND)).or(Some(())),
        _ => kind.mismatch(&format!("`{}`", T::KIND)),
    })?;
    let mut found = [None; WHOLE.len()];
    let fields = Fields::open(at, WHOLE, Others::default(), &mut found)?;
    at.field("apiVersion", |version| {
        let group = version.value().as_str().and_then(|text| text.split_once('/')).map(|(group, _)| group);
        if group != Some(T::GROUP) {
            let missing = if version.value().is_null() { "is missing, " } else { "" };
            version.error::<()>(format_args!("{missing}expected {0}/v1, {0}/v1beta1 or the like", T::GROUP));
        }
    });
    let [name, namespace, created] = at.field("metadata", |metadata| {
        if !metadata.value().is_null() && metadata.value().as_object().is_none() {
            metadata.mismatch::<()>("an object");
        }
        METADATA.map(|name| metadata.field(name, name_of))
    });
    inert_parts(at);
    let spec = at.field("spec", |spec| match spec.value() {
        Value::Null => spec.error("is missing"),
        _ => T::decode(spec).map(|decoded| (decoded, spec.path().to_string())),
    });
    fields.close()?;
    let (spec, path) = spec?;
    let (name, namespace, created) = (name?, namespace?, created?);
    Some(Resource { name: name.unwrap_or_else(|| at.path().to_string()), namespace, created, path, spec })
}

/// Names stand in the details of an answer, which end with the line.
fn name_of(at: Cursor<'_>) -> Option<Option<String>> {
    optional(at, |at| text(at, "a name"))
}

/// One warning a resource for all that came along from the API server, so that a paste does not flood the log.
fn inert_parts(at: Cursor<'_>) {
    let mut inert = Vec::new();
    if let Some(version) = at.value().get("apiVersion").and_then(Value::as_str) {
        inert.push(format!("apiVersion ({version}: all versions mean the same)"));
    }
    if let Some(metadata) = at.value().get("metadata").and_then(Value::as_object) {
        let names = metadata.iter().map(|(name, _)| name).filter(|name| !METADATA.contains(name));
        inert.extend(names.map(|name| format!("metadata.{name}")));
    }
    if at.value().get("status").is_some() {
        inert.push("status".into());
    }
    if !inert.is_empty() {
        at.warning(format_args!("no effect here: {}", inert.join(", ")));
    }
}

/// A spec that stands alone may carry `name` and `namespace` itself.
fn bare<T: Kind>(at: Cursor<'_>) -> Option<Resource<T>> {
    if at.value().as_object().is_none() {
        return at.mismatch(T::NAME);
    }
    let name = at.field("name", name_of);
    let namespace = at.field("namespace", name_of);
    let spec = T::decode_beside(at, Others::names(&["name", "namespace"]))?;
    let path = at.path().to_string();
    Some(Resource { name: name?.unwrap_or_else(|| path.clone()), namespace: namespace?, created: None, path, spec })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Path, Report, message};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    message! {
        /// A spec with one field.
        #[allow(dead_code)]
        pub struct Spec = "Spec" { hosts: Vec<String> = "hosts", }
    }

    impl Kind for Spec {
        const KIND: &'static str = "Thing";
        const GROUP: &'static str = "things.example";
    }

    fn read(value: Value) -> (Vec<String>, Report) {
        let report = Default::default();
        let path = Path::ROOT.field("things");
        let all = resources::<Spec>(Cursor::new(&(&value).into(), &path, &report)).unwrap_or_default();
        let all = all.iter().map(|r| format!("{}/{}@{}", r.namespace.as_deref().unwrap_or("-"), r.name, r.path));
        (all.collect(), report.into_inner())
    }

    #[test]
    fn whole_list_and_bare() {
        let whole = json!({
            "apiVersion": "things.example/v1beta1", "kind": "Thing",
            "metadata": {"name": "a", "namespace": "n", "uid": "1", "annotations": {}},
            "spec": {"hosts": []}, "status": {},
        });
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [whole, whole], "metadata": {}});
        let (all, report) = read(json!([whole, list, {"hosts": ["x"]}, {"hosts": [], "name": "b"}]));
        assert_eq!(report.errors(), []);
        assert_eq!(
            all,
            [
                "n/a@things[0].spec",
                "n/a@things[1].items[0].spec",
                "n/a@things[1].items[1].spec",
                "-/things[2]@things[2]",
                "-/b@things[3]"
            ]
        );
        assert_eq!(
            report.warnings()[0].to_string(),
            "things[0]: no effect here: apiVersion (things.example/v1beta1: all versions mean the same), \
             metadata.annotations, metadata.uid, status"
        );
        assert_eq!(read(list).0.len(), 2);
        assert_eq!(read(Value::Null).0.len(), 0);
    }

    #[test]
    fn each_error_with_its_path() {
        let (_, report) = read(json!([
            {"kind": "Gateway", "apiVersion": "v1", "spec": {"hosts": [1]}},
            {"kind": "Thing", "apiVersion": "things.example/v1", "metadata": {"name": 3, "namespace": true}},
            {"host": []},
            7,
            {"name": "a\n", "banana": 1, "nmae": "b"},
            {"metadata": 5, "spec": {"hosts": [1]}},
            {"kind": 7},
        ]));
        let errors: Vec<String> = report.errors().iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "things[0].kind: `Gateway` is another kind of resource, expected `Thing`: take it out",
                "things[1].metadata.name: 3 is a number, expected a string: put it in quotes",
                "things[1].metadata.namespace: true is a boolean, expected a string: put it in quotes",
                "things[1].spec: is missing",
                "things[2].host: unknown field; did you mean `hosts`?",
                "things[3]: 7 is a number, expected Spec",
                "things[4].name: '\\n' cannot stand in a name",
                "things[4].banana: unknown field; known here: hosts, name, namespace",
                "things[4].nmae: unknown field; did you mean `name`?",
                "things[5].kind: is missing, expected `Thing`",
                "things[5].apiVersion: is missing, expected things.example/v1, things.example/v1beta1 or the like",
                "things[5].metadata: 5 is a number, expected an object",
                "things[5].spec.hosts[0]: 1 is a number, expected a string: put it in quotes",
                "things[6].kind: 7 is a number, expected `Thing`",
            ]
        );
        let (_, report) = read(json!([
            {"kind": "List", "item": [1]},
            {"kind": "ThingList", "items": 5},
            {"kind": "List", "items": [5]},
        ]));
        let errors: Vec<String> = report.errors().iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "things[0].item: unknown field; did you mean `items`?",
                "things[0].items: is missing",
                "things[1].items: 5 is a number, expected a list of resources",
                "things[2].items[0]: 5 is a number, expected Spec",
            ]
        );
        let (_, report) = read(json!("x"));
        assert_eq!(report.errors()[0].to_string(), "things: \"x\" is a string, expected a list of resources");
    }
}
