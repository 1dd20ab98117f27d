//! What a service is called: in full, and by its clients.

use pointsman_host::{Node, Proxy};

/// The names of services, as the proxy's place gives them.
pub struct ServiceNames {
    /// Inside Istio, what a short host is completed with: the proxy's namespace, and the domain.
    qualify: Option<(String, String)>,
    /// In a sidecar: the namespace of its workload.
    namespace_of_clients: Option<String>,
}

impl ServiceNames {
    /// As they are in that proxy.
    pub fn new(node: &Node) -> Self {
        Self {
            qualify: node.is_istio().then(|| (node.namespace.clone(), node.domain.clone())),
            namespace_of_clients: (node.proxy == Proxy::Sidecar).then(|| node.namespace.clone()),
        }
    }

    /// Inside Istio a host without a dot is a service of the VirtualService's namespace.
    pub fn qualified(&self, host: &str, namespace: Option<&str>) -> String {
        match &self.qualify {
            Some((own, domain)) if !host.contains(['.', '*', ':']) => {
                format!("{host}.{}.svc.{domain}", namespace.unwrap_or(own))
            }
            _ => host.to_owned(),
        }
    }

    /// What clients call a host. Those of a sidecar are pods, whose DNS lets them shorten a service's name.
    pub fn of(&self, host: &str, namespace: Option<&str>) -> Vec<String> {
        let full = self.qualified(host, namespace);
        let mut names = vec![full.clone()];
        if let (Some(own), Some((service, _))) = (&self.namespace_of_clients, full.split_once(".svc."))
            && !full.contains('*')
        {
            names.extend([service.to_owned(), format!("{service}.svc"), format!("{full}.")]);
            names.extend(service.strip_suffix(own).and_then(|name| name.strip_suffix('.')).map(str::to_owned));
        }
        names
    }
}
