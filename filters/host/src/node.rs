//! Which proxy this is: what Envoy's bootstrap says of its node.

use std::collections::BTreeMap;

/// What kind of proxy Istio's pilot-agent says this is, in the node id `KIND~IP~NAME.NAMESPACE~DOMAIN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// An Envoy without an Istio.
    #[default]
    Plain,
    /// A sidecar.
    Sidecar,
    /// A gateway, or a waypoint.
    Router,
}

/// Envoy's node, in Istio's terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What kind of proxy.
    pub proxy: Proxy,
    /// The proxy's own namespace: the metadata's NAMESPACE. Empty without an Istio.
    pub namespace: String,
    /// Such as `cluster.local`. Empty without an Istio.
    pub domain: String,
    /// The workload's labels: the metadata's LABELS.
    pub labels: BTreeMap<String, String>,
    /// What the plugin that we are is called, `NAME/ROOT_ID`: in one VM there may be several, each with a configuration of
    /// its own. Nothing keeps two from having the same name.
    pub plugin: String,
}

impl Node {
    /// Reads what a node id in Istio's form says; any other id is a plain Envoy's.
    pub fn from_id(id: &str) -> Self {
        let mut parts = id.split('~');
        let (Some(kind), Some(_ip), Some(name), Some(domain), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Self::default();
        };
        let proxy = match kind {
            "sidecar" => Proxy::Sidecar,
            "router" | "waypoint" => Proxy::Router,
            _ => return Self::default(),
        };
        let namespace = name.split_once('.').map_or("default", |(_, namespace)| namespace);
        // The domain is NAMESPACE.svc.SUFFIX.
        let domain = domain.split_once(".svc.").map_or("cluster.local", |(_, suffix)| suffix);
        Self { proxy, namespace: namespace.into(), domain: domain.into(), ..Self::default() }
    }

    /// Whether an Istio runs this proxy.
    pub fn is_istio(&self) -> bool {
        self.proxy != Proxy::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn ids() {
        let of = |id| {
            let node = Node::from_id(id);
            (node.proxy, node.namespace, node.domain)
        };
        let expected = |proxy, namespace: &str, domain: &str| (proxy, namespace.into(), domain.into());
        assert_eq!(
            of("sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local"),
            expected(Proxy::Sidecar, "shop", "cluster.local")
        );
        assert_eq!(of("router~10.0.0.1~gw.edge~edge.svc.my.org"), expected(Proxy::Router, "edge", "my.org"));
        for id in ["", "edge", "a~b~c~d", "sidecar~1~2", "sidecar~1~2~3~4"] {
            assert_eq!(of(id), expected(Proxy::Plain, "", ""), "{id}");
        }
    }
}
