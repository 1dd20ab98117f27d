//! Policies that are replaced while requests run at full speed: none is lost, and each is answered by one policy alone.

mod client;

use anyhow::{Result, ensure};
use envoy_test::{Envoy, EnvoyConfig, Listener, ListenerConfig, Reply, Test, module, tests};
use serde_json::{Value, json};

use self::client::Client;

pub fn tests() -> Vec<Test> {
    tests![
        each_update_reaches_every_connection,
        updates_with_many_rules_and_without_a_pause,
        every_other_update_is_a_bad_one,
        a_request_ends_under_the_policy_that_it_began_under,
    ]
}

/// How often the policy changes in a test.
const UPDATES: u32 = 20;

/// How often each connection is answered by a policy before the next one comes.
const ANSWERS: u32 = 25;

/// How many connections there are for each protocol; Envoy's two workers share them equally.
const CONNECTIONS: usize = 4;

/// The policy of that number, behind so many other rules. It can be told by where a request goes, by its path, by a
/// header of the request, and by one of the response.
fn policy(number: u32, others: u32) -> Value {
    let other = |index: u32| {
        json!({
            "match": [{"uri": {"prefix": format!("/other/{index}/")}, "headers": {"x-other": {"exact": "yes"}}}],
            "route": [{"destination": {"host": "wrong"}}],
        })
    };
    let mut rules: Vec<Value> = (0..others).map(other).collect();
    let marked = json!({"x-policy": number.to_string()});
    rules.push(json!({
        "match": [{"uri": {"prefix": "/from/"}}],
        "rewrite": {"uri": format!("/to-{number}/")},
        "headers": {"request": {"set": marked}, "response": {"set": marked}},
        "route": [{"destination": {"host": host(number)}}],
    }));
    json!({"virtualServices": [{"name": "shop", "hosts": ["*"], "http": rules}]})
}

fn host(number: u32) -> &'static str {
    if number.is_multiple_of(2) { "even" } else { "odd" }
}

/// An Envoy of its own, with two workers, and clients on both of them that ask without a pause.
struct Load {
    clients: Vec<Client>,
    listener: Listener,
    envoy: Envoy,
}

impl Load {
    async fn start(others: u32) -> Result<Self> {
        let envoy = EnvoyConfig::new().concurrency(2).start().await?;
        envoy.echoes(["even", "odd"]).await?;
        let config = ListenerConfig::new().module(module("pointsman")?).policy(policy(0, others));
        // Otherwise chance decides which worker gets a connection.
        let balanced = json!({"stat_prefix": "reloads", "connection_balance_config": {"exact_balance": {}}});
        let listener = envoy.add_listener(config.listener(balanced)).await?;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Client::start(listener.connect().await?, listener.get("/from/x")));
            clients.push(Client::start(listener.connect_http2().await?, listener.get("/from/x")));
        }
        let mut load = Self { clients, listener, envoy };
        load.reached(0).await?;
        for worker in 0..2 {
            let name = format!("listener.reloads.worker_{worker}.downstream_cx_active");
            let connections = load.envoy.admin().stat(&name).await?;
            ensure!(connections == CONNECTIONS as u64, "{connections} connections on worker {worker}");
        }
        Ok(load)
    }

    /// Waits until each connection was answered by that policy, again and again.
    async fn reached(&mut self, number: u32) -> Result<()> {
        for client in &mut self.clients {
            client.reached(number, ANSWERS).await?;
        }
        Ok(())
    }

    /// Stops the clients. Envoy has counted as many good answers as they have, and nothing else.
    async fn end(self) -> Result<()> {
        let mut answers = 0;
        for client in self.clients {
            answers += client.end().await?;
        }
        let stats = self.envoy.admin().stats(&format!("http.{}.downstream_rq_", self.listener.name())).await?;
        let stat = |name: &str| stats.get(&format!("http.{}.downstream_rq_{name}", self.listener.name())).copied();
        assert_eq!((stat("total"), stat("2xx")), (Some(answers), Some(answers)));
        Ok(())
    }
}

async fn each_update_reaches_every_connection(_: &Envoy) -> Result<()> {
    let mut load = Load::start(0).await?;
    for number in 1..=UPDATES {
        load.listener.update_policy(policy(number, 0)).await?.accepted();
        load.reached(number).await?;
    }
    load.end().await
}

/// A large policy takes its time to load, on each worker by itself.
async fn updates_with_many_rules_and_without_a_pause(_: &Envoy) -> Result<()> {
    const OTHERS: u32 = 2000;
    let mut load = Load::start(OTHERS).await?;
    for number in 1..=UPDATES {
        load.listener.update_policy(policy(number, OTHERS)).await?.accepted();
    }
    load.reached(UPDATES).await?;
    load.end().await
}

async fn every_other_update_is_a_bad_one(_: &Envoy) -> Result<()> {
    let mut load = Load::start(0).await?;
    for number in 1..=UPDATES {
        let mut bad = policy(1000, 0);
        bad["virtualServices"][0]["http"][0]["timeout"] = json!(5);
        load.listener.update_policy(bad).await?.rejected();
        load.listener.update_policy(policy(number, 0)).await?.accepted();
        load.reached(number).await?;
    }
    load.end().await
}

/// The answer comes when the policy has long been another.
async fn a_request_ends_under_the_policy_that_it_began_under(envoy: &Envoy) -> Result<()> {
    let slow = envoy.upstream("slow").await?;
    let to_slow = |number: u32| {
        let mut policy = policy(number, 0);
        policy["virtualServices"][0]["http"][0]["route"][0]["destination"]["host"] = slow.name().into();
        policy
    };
    slow.script([Reply::status(200).held().times(2)]);
    let listener = envoy.add_listener(ListenerConfig::new().module(module("pointsman")?).policy(to_slow(1))).await?;
    let waiting =
        [listener.get("/from/x"), listener.get("/from/x").http2()].map(|request| tokio::spawn(request.send()));
    slow.arrived(2).await;
    for number in 2..=4 {
        listener.update_policy(to_slow(number)).await?.accepted();
    }
    let later = listener.get("/from/x").send().await?;
    slow.release(2);
    let mut answers = vec![(later, "4")];
    for request in waiting {
        answers.push((request.await??, "1"));
    }
    for (answer, number) in answers {
        let echo = answer.echo();
        assert_eq!((answer.header("x-policy").as_deref(), echo.header("x-policy")), (Some(number), Some(number)));
    }
    Ok(())
}
