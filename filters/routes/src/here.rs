//! Who and where we are: what decides, before any request, which rules are ours.

use pointsman_host::Node;

use crate::config::HttpMatchRequest;
use crate::gateways::Gateway;

/// The gateway that we are, in that proxy.
#[derive(Clone, Debug, Default)]
pub struct Here {
    /// `gateway` of the configuration.
    pub gateway: Gateway,
    /// Envoy's node.
    pub node: Node,
}

impl Here {
    /// What is known of a match entry before any request. As in istiod, an entry that names gateways is not asked for
    /// labels and namespace.
    pub(crate) fn is_for_us(&self, entry: &HttpMatchRequest, namespace: Option<&str>) -> bool {
        if !entry.gateways.is_empty() {
            return self.gateway.is_among(&entry.gateways, namespace, "mesh");
        }
        let labels_fit = entry.source_labels.iter().all(|(name, value)| self.node.labels.get(name) == Some(value));
        labels_fit && (entry.source_namespace.is_empty() || entry.source_namespace == self.node.namespace)
    }
}
