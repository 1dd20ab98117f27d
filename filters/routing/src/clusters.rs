//! How a destination becomes one of Envoy's clusters, or a host that Envoy's own routes know.

use std::rc::Rc;

use hashbrown::HashMap;
use pointsman_host::Node;
use pointsman_routes::ServiceNames;
use pointsman_routes::config::bracketed;

use crate::config::{By, ClusterOverride, Destination, Destinations, Part, Template};
use crate::target::Told;

/// The header that the example's routes name after `cluster_header`.
const CLUSTER_HEADER: &[u8] = b"x-pointsman-cluster";

/// Names clusters, as `destinations` says.
pub(crate) struct Clusters {
    /// The request header that names the cluster.
    pub header: Rc<[u8]>,
    by_authority: bool,
    template: Option<Template>,
    default_port: Option<u32>,
    /// By their hosts.
    overrides: HashMap<String, Vec<ClusterOverride>>,
    names: ServiceNames,
}

impl Clusters {
    pub fn new(config: Option<Destinations>, node: &Node) -> Self {
        let (mut header, mut template, mut default_port, mut overrides, mut by) = (None, None, None, Vec::new(), None);
        if let Some(config) = config {
            (header, template, default_port) = (config.header, config.cluster_name, config.default_port);
            (overrides, by) = (config.clusters, config.by);
        }
        let mut by_host: HashMap<String, Vec<ClusterOverride>> = HashMap::new();
        for known in overrides {
            by_host.entry(known.host.clone()).or_default().push(known);
        }
        Self {
            header: header.map_or_else(|| CLUSTER_HEADER.into(), |header| header.0),
            by_authority: by == Some(By::Authority),
            template: template.or_else(|| node.is_istio().then(Template::istio)),
            default_port,
            overrides: by_host,
            names: ServiceNames::new(node),
        }
    }

    /// Whether Envoy is told by `:authority`.
    pub fn by_authority(&self) -> bool {
        self.by_authority
    }

    /// What Envoy is told about that destination of a VirtualService in that namespace. `rewritten`: whether the rule
    /// rewrites the host itself.
    pub fn told(
        &self,
        destination: &Destination,
        namespace: Option<&str>,
        rewritten: bool,
    ) -> Result<Told, &'static str> {
        let name = self.name(destination, namespace)?.into_bytes().into();
        match self.by_authority {
            true if rewritten => Err("rewrites the host, by which Envoy is to choose: use `destinations.header` \
                                      instead of `by: authority`"),
            true => Ok(Told::Authority(name)),
            false => Ok(Told::Header(self.header.clone(), name)),
        }
    }

    /// The name of its cluster.
    pub fn name(&self, destination: &Destination, namespace: Option<&str>) -> Result<String, &'static str> {
        let port = destination.port.as_ref().map(|port| port.number);
        let is_it = |known: &&ClusterOverride| {
            known.subset == destination.subset && (known.port.is_none() || known.port == port)
        };
        if let Some(known) = self.overrides.get(&destination.host).into_iter().flatten().find(is_it) {
            return Ok(known.cluster.clone());
        }
        let host = self.names.qualified(&destination.host, namespace);
        let port = port.or(self.default_port);
        if self.by_authority {
            if !destination.subset.is_empty() {
                return Err(
                    "has a subset, which no host can tell: use `destinations.header` instead of `by: authority`",
                );
            }
            let host = bracketed(host);
            return Ok(match port {
                Some(port) => format!("{host}:{port}"),
                None => host,
            });
        }
        let Some(template) = &self.template else {
            let dash = if destination.subset.is_empty() { "" } else { "-" };
            return Ok(format!("{host}{dash}{}", destination.subset));
        };
        let mut name = String::new();
        for part in &template.0 {
            match part {
                Part::Literal(text) => name.push_str(text),
                Part::Host => name.push_str(&host),
                Part::Subset => name.push_str(&destination.subset),
                Part::Port => match port {
                    Some(port) => name.push_str(&port.to_string()),
                    None => {
                        return Err(
                            "has no port, and the cluster's name needs one, which Istio alone would know: add \
                                    `port: {number: …}` here, or `destinations.defaultPort`, or an entry in \
                                    `destinations.clusters`",
                        );
                    }
                },
            }
        }
        Ok(name)
    }
}
