//! examples/grpc, with its own envoy.yaml and policy.yaml: calls over one connection, each balanced by itself.

mod dns;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result};
use envoy_test::{
    Answer, Connection, Echo, Envoy, Example, Reply, Request, RunningExample, Test, Upstream, UpstreamConfig, bounds,
    tests,
};
use serde_json::json;

use dns::Dns;

pub fn tests() -> Vec<Test> {
    tests![
        calls_of_one_connection_go_to_every_replica,
        a_headless_service_grows_and_shrinks,
        metadata_and_weights_choose_the_version,
        statuses_and_trailers_arrive,
    ]
}

const REPLICAS: usize = 3;
const CALLS: u32 = 300;
/// A fair balancer fails one of the checks below in about so many runs.
const ONE_RUN_IN: f64 = 1e6;

/// The example, running, with services of ours behind it.
struct Grpc {
    running: RunningExample,
    greeter: Upstream,
    _others: Vec<Upstream>,
    dns: Dns,
}

impl Grpc {
    /// The services are upstreams of the tests' Envoy, which has nothing to do with them otherwise.
    async fn start(envoy: &Envoy) -> Result<Self> {
        let dns = Dns::start().await?;
        let mut example = Example::read("grpc")?;
        example.take_free_ports()?;
        let (mut greeter, mut others) = (None, Vec::new());
        for cluster in example.clusters()? {
            let replicas = if cluster == "greeter" { REPLICAS } else { 1 };
            let config = UpstreamConfig::new(&cluster).http2().endpoints(replicas).own_addresses();
            let upstream = envoy.add_upstream(config).await?;
            upstream.script([Reply::grpc(0)]);
            dns.set(&cluster, addresses(&upstream));
            example.endpoint(&cluster)?["port_value"] = json!(upstream.addresses()[0].port());
            let config = example.cluster(&cluster)?;
            // As often as the tests like it, and from our server instead of the system's.
            config["dns_refresh_rate"] = json!("0.1s");
            config["typed_dns_resolver_config"] = json!({
                "name": "envoy.network.dns_resolver.cares",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                    "resolvers": [{"socket_address": {"address": "127.0.0.1", "port_value": dns.address.port()}}],
                    "dns_resolver_options": {"no_default_search_domain": true},
                },
            });
            match cluster.as_str() {
                "greeter" => greeter = Some(upstream),
                _ => others.push(upstream),
            }
        }
        Ok(Self {
            running: example.start().await?,
            greeter: greeter.context("the example has no greeter")?,
            _others: others,
            dns,
        })
    }

    async fn connect(&self) -> Result<Connection> {
        Connection::open(self.running.address, true).await
    }

    fn call(&self, method: &str) -> Request {
        let request = Request::new(self.running.address, "POST", method);
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        request.body(vec![0; 5]) // an empty message
    }

    /// How many calls, one after the other over one connection, each service and replica has answered.
    async fn tally(&self, call: Request) -> Result<BTreeMap<String, u32>> {
        let (mut connection, mut tally) = (self.connect().await?, BTreeMap::new());
        for _ in 0..CALLS {
            let answer = connection.send(call.clone()).await?;
            assert_eq!(grpc_status(&answer).as_deref(), Some("0"), "{answer}");
            *tally.entry(who(&answer)?).or_default() += 1;
        }
        Ok(tally)
    }

    /// Waits until Envoy knows so many replicas of the greeter.
    async fn has_replicas(&self, replicas: u64) -> Result<()> {
        let admin = self.running.envoy.admin();
        let known = async || {
            let known = admin.stat("cluster.greeter.membership_healthy").await?;
            Ok((known == replicas).then_some(()))
        };
        admin.until(&format!("Envoy knows {replicas} replicas"), known).await
    }
}

fn addresses(upstream: &Upstream) -> Vec<Ipv4Addr> {
    let addresses = upstream.addresses().iter().map(|address| address.ip());
    addresses.filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }).collect()
}

/// The status, which stands in the trailers, or in the headers of an answer that has nothing else.
fn grpc_status(answer: &Answer) -> Option<String> {
    let trailer = answer.trailers.get("grpc-status");
    trailer.and_then(|status| status.to_str().ok()).map(str::to_owned).or_else(|| answer.header("grpc-status"))
}

/// Such as `greeter/2`: the service without the number that its name has in the tests, and the replica.
fn who(answer: &Answer) -> Result<String> {
    let echo: Echo = serde_json::from_slice(&answer.grpc_message().context("no gRPC message")?)?;
    let (service, _) = echo.service.rsplit_once('-').context("no name of a test's upstream")?;
    Ok(format!("{service}/{}", echo.endpoint))
}

/// The balancer takes the less busy of two replicas that it draws, and with one call at a time none is busy: each call is
/// a draw of one in three.
async fn calls_of_one_connection_go_to_every_replica(envoy: &Envoy) -> Result<()> {
    let grpc = Grpc::start(envoy).await?;
    let tally = grpc.tally(grpc.call("/demo.Greeter/Hello")).await?;
    let (low, high) = bounds(CALLS, 1.0 / REPLICAS as f64, 1.0 / ONE_RUN_IN);
    assert!(tally.keys().eq(["greeter/0", "greeter/1", "greeter/2"]), "{tally:?}");
    assert!(tally.values().all(|calls| (low..=high).contains(calls)), "not each {low} to {high}: {tally:?}");
    let connections = grpc.running.envoy.admin().stat("http.grpc.downstream_cx_total").await?;
    assert_eq!(connections, 1, "of the client");
    assert!(grpc.greeter.connections() >= REPLICAS, "at least one to each replica");
    Ok(())
}

async fn a_headless_service_grows_and_shrinks(envoy: &Envoy) -> Result<()> {
    let grpc = Grpc::start(envoy).await?;
    let all = addresses(&grpc.greeter);
    for replicas in [REPLICAS, 2, 1, REPLICAS] {
        grpc.dns.set("greeter", all[..replicas].to_vec());
        grpc.has_replicas(replicas as u64).await?;
        let tally = grpc.tally(grpc.call("/demo.Greeter/Hello")).await?;
        assert_eq!(tally.len(), replicas, "{tally:?}");
    }
    Ok(())
}

async fn metadata_and_weights_choose_the_version(envoy: &Envoy) -> Result<()> {
    let grpc = Grpc::start(envoy).await?;
    let canary = grpc.call("/demo.Greeter/Hello").header("x-canary", "yes");
    assert_eq!(grpc.tally(canary).await?, BTreeMap::from([("greeter-canary/0".to_owned(), CALLS)]));
    let other = grpc.call("/demo.Greeter/Hello").header("x-canary", "no").http2();
    assert!(who(&other.send().await?)?.starts_with("greeter/"));

    let tally = grpc.tally(grpc.call("/demo.Prices/Get")).await?;
    let (low, high) = bounds(CALLS, 0.2, 1.0 / ONE_RUN_IN);
    assert!(tally.keys().eq(["prices-v1/0", "prices-v2/0"]), "{tally:?}");
    assert!((low..=high).contains(&tally["prices-v2/0"]), "v2 not {low} to {high}: {tally:?}");
    Ok(())
}

async fn statuses_and_trailers_arrive(envoy: &Envoy) -> Result<()> {
    let grpc = Grpc::start(envoy).await?;
    let mut connection = grpc.connect().await?;
    let call = grpc.call("/demo.Greeter/Hello");

    grpc.greeter.script([Reply::grpc(5).trailer("grpc-message", "no such name").trailer("details-bin", "AAE")]);
    let answer = connection.send(call.clone()).await?;
    assert_eq!((answer.status, answer.header("content-type").as_deref()), (200, Some("application/grpc")));
    for (trailer, value) in [("grpc-status", "5"), ("grpc-message", "no such name"), ("details-bin", "AAE")] {
        assert_eq!(answer.trailers[trailer], value, "{trailer}");
    }
    assert!(answer.grpc_message().is_some());

    // A replica that cannot take the call says so in the headers; another one is asked.
    let asked = grpc.greeter.requests();
    let unavailable = Reply::status(200).header("content-type", "application/grpc").header("grpc-status", "14");
    grpc.greeter.script([unavailable.body("").times(1), Reply::grpc(0)]);
    let answer = connection.send(call).await?;
    assert_eq!(grpc_status(&answer).as_deref(), Some("0"), "{answer}");
    assert_eq!(grpc.greeter.requests() - asked, 2);

    // No rule, so a 404, which Envoy says to a gRPC client in gRPC's words: 12 is UNIMPLEMENTED.
    let answer = connection.send(grpc.call("/demo.Secrets/Get")).await?;
    assert_eq!((answer.status, answer.header("grpc-status").as_deref()), (200, Some("12")));
    Ok(())
}
