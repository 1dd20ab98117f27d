//! `gateway`, who we are, and the `gateways` that a VirtualService or a match entry is for.

use std::fmt;

use pointsman_wire::{Cursor, Decode};

/// Who we are: `NAME`, `NAMESPACE/NAME`, `mesh` for a sidecar, or unknown; then every gateway's rules are ours.
#[derive(Clone, Debug, Default)]
pub struct Gateway(Option<String>);

impl Gateway {
    /// Whether we are the mesh's sidecars.
    pub fn is_mesh(&self) -> bool {
        self.0.as_deref() == Some("mesh")
    }

    /// Whether we are among those gateways, as a resource of that namespace names them. An empty list means `default`.
    pub fn is_among(&self, gateways: &[String], namespace: Option<&str>, default: &str) -> bool {
        let Some(own) = &self.0 else { return true };
        if gateways.is_empty() {
            return own == default;
        }
        gateways.iter().any(|gateway| {
            let (their_namespace, name) = parse(gateway);
            let (own_namespace, own_name) = parse(own);
            let their_namespace = their_namespace.filter(|namespace| *namespace != ".").or(namespace);
            // Without a namespace on either side, the name has to do.
            let same_namespace = match (own_namespace, their_namespace) {
                (Some(own), Some(their)) => own == their,
                _ => true,
            };
            name == own_name && (same_namespace || name == "mesh")
        })
    }
}

/// Namespace and name of `NAMESPACE/NAME`, of `NAME.NAMESPACE.svc…` as older policies have it, or of `NAME`.
fn parse(gateway: &str) -> (Option<&str>, &str) {
    if let Some((namespace, name)) = gateway.split_once('/') {
        return (Some(namespace), name);
    }
    match gateway.split_once('.') {
        Some((name, rest)) => (rest.split('.').next(), name),
        None => (None, gateway),
    }
}

impl Decode for Gateway {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let name = String::decode(at)?;
        match name.is_empty() || name.chars().any(char::is_whitespace) {
            true => at.error("is no gateway's name; leave it out if the rules of every gateway are ours"),
            false => Some(Self(Some(name))),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self(None))
    }
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "the gateway `{name}`"),
            None => f.write_str("any gateway"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn who_is_among_whom() {
        for (own, gateways, namespace, expected) in [
            (None, &["x"] as &[&str], None, true),
            (None, &[], None, true),
            (Some("edge"), &[], None, false),
            (Some("mesh"), &[], None, true),
            (Some("mesh"), &["mesh", "edge"], Some("n"), true),
            (Some("edge"), &["mesh"], None, false),
            (Some("edge"), &["n/edge"], None, true),
            (Some("n/edge"), &["edge"], Some("n"), true),
            (Some("n/edge"), &["edge"], Some("m"), false),
            (Some("n/edge"), &["./edge"], Some("n"), true),
            (Some("n/edge"), &["m/edge"], Some("n"), false),
            (Some("n/edge"), &["edge.n.svc.cluster.local"], Some("m"), true),
            (Some("edge"), &["edges"], None, false),
        ] {
            let gateways: Vec<String> = gateways.iter().map(|name| name.to_string()).collect();
            let own_gateway = Gateway(own.map(str::to_owned));
            assert_eq!(
                own_gateway.is_among(&gateways, namespace, "mesh"),
                expected,
                "{own:?} {gateways:?} {namespace:?}"
            );
        }
    }
}
