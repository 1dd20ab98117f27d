//! `sticky`: a client stays with its destination, on every worker, whoever answers.

use std::collections::BTreeSet;

use anyhow::Result;
use envoy_test::{Answer, Envoy, EnvoyConfig, Listener, ListenerConfig, Reply, Request, Test, bounds, module, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![
        a_key_stays,
        every_worker_of_every_envoy_agrees,
        weights_hold_and_few_keys_move,
        an_address_is_the_clients,
        a_cookie_is_issued_once,
        a_cookie_is_issued_beside_others,
        local_replies_issue_it_too,
        no_key_is_chance,
    ]
}

async fn listener(envoy: &Envoy, sticky: Value, hosts: [&str; 2]) -> Result<Listener> {
    envoy.echoes(["one", "two", "three"]).await?;
    let policy = policy(&sticky, &hosts.map(|host| (host, 50)));
    envoy.add_listener(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy)).await
}

fn policy(sticky: &Value, shares: &[(&str, u32)]) -> Value {
    let destination = |(host, weight): &(&str, u32)| json!({"destination": {"host": host}, "weight": weight});
    let route: Vec<Value> = shares.iter().map(destination).collect();
    json!({"virtualServices": [{"hosts": ["*"], "http": [{"route": route, "sticky": sticky}]}]})
}

/// Connections enough for both workers of the shared Envoy to have had some.
async fn services(request: &Request) -> Result<BTreeSet<String>> {
    let mut services = BTreeSet::new();
    for number in 0..12 {
        let request = request.clone();
        services.insert(if number % 2 == 0 { request } else { request.http2() }.send().await?.service());
    }
    Ok(services)
}

async fn a_key_stays(envoy: &Envoy) -> Result<()> {
    type Keyed = fn(&Listener, usize) -> Request;
    let keys: [(Value, Keyed); 3] = [
        (json!({"httpHeaderName": "X-User"}), |listener, user| listener.get("/").header("x-user", user.to_string())),
        (json!({"httpCookie": {"name": "u"}}), |listener, user| {
            listener.get("/").header("cookie", format!("a=b; u={user}"))
        }),
        (json!({"httpQueryParameterName": "u"}), |listener, user| listener.get(&format!("/?a&u={user}"))),
    ];
    for (sticky, keyed) in keys {
        let listener = listener(envoy, sticky.clone(), ["one", "two"]).await?;
        let mut chosen = BTreeSet::new();
        for user in 0..8 {
            let services = services(&keyed(&listener, user)).await?;
            assert_eq!(services.len(), 1, "{sticky}: user {user} was sent to {services:?}");
            chosen.extend(services);
        }
        assert_eq!(chosen.len(), 2, "{sticky}: eight users, and all went the same way");
    }
    Ok(())
}

/// Also one that has just started, and whichever of its workers has the connection.
async fn every_worker_of_every_envoy_agrees(envoy: &Envoy) -> Result<()> {
    let another = EnvoyConfig::new().concurrency(2).start().await?;
    let sticky = json!({"httpHeaderName": "x-user"});
    let here = listener(envoy, sticky.clone(), ["one", "two"]).await?;
    let there = listener(&another, sticky, ["one", "two"]).await?;
    let mut chosen = BTreeSet::new();
    for user in 0..10 {
        let mut request = [&here, &there].map(|listener| listener.get("/").header("x-user", format!("user-{user}")));
        let [here, there] = [services(&request[0]).await?, services(&request[1]).await?];
        assert_eq!((here.len(), &here), (1, &there), "user {user}");
        // Nothing else of the request counts.
        request[1] = request[1].clone().header("x-other", user.to_string()).header("cookie", "a=b");
        assert_eq!(services(&request[1]).await?, there);
        chosen.extend(there);
    }
    assert_eq!(chosen.len(), 2, "ten users, and all went the same way");
    // Envoy names a listener's counters by what its configuration says, and there the port is 0.
    let prefix = "listener.127.0.0.1_0.";
    let connections = another.admin().stats(prefix).await?;
    for worker in 0..2 {
        let name = format!("{prefix}worker_{worker}.downstream_cx_total");
        assert!(connections.get(&name).is_some_and(|connections| *connections > 0), "{name} in {connections:?}");
    }
    Ok(())
}

const KEYS: usize = 600;

/// The destination of each key.
async fn assignment(listener: &Listener) -> Result<Vec<String>> {
    let mut connection = listener.connect_http2().await?;
    let mut services = Vec::new();
    for user in 0..KEYS {
        services.push(connection.send(listener.get("/").header("x-user", format!("user-{user}"))).await?.service());
    }
    Ok(services)
}

/// Each line is what the weights become, and who may lose keys to whom. The counts are as far from the weights as chance
/// puts one case in a million.
async fn weights_hold_and_few_keys_move(envoy: &Envoy) -> Result<()> {
    let sticky = json!({"httpHeaderName": "x-user"});
    let listener = listener(envoy, sticky.clone(), ["one", "two"]).await?;
    let mut before: Option<Vec<String>> = None;
    for (shares, moves) in [
        (&[("one", 90), ("two", 10)][..], &[][..]),
        (&[("one", 50), ("two", 50)], &[("one", "two")]),
        // It is the proportion that counts, and not the order.
        (&[("two", 7), ("one", 7)], &[]),
        (&[("one", 7), ("two", 7), ("three", 6)], &[("one", "three"), ("two", "three")]),
        (&[("one", 7), ("two", 0), ("three", 6)], &[("two", "one"), ("two", "three")]),
    ] {
        listener.update_policy(policy(&sticky, shares)).await?.accepted();
        let now = assignment(&listener).await?;
        let total: u32 = shares.iter().map(|(_, weight)| weight).sum();
        for (service, weight) in shares {
            let count = now.iter().filter(|chosen| chosen == service).count();
            let (least, most) = match weight {
                0 => (0, 0),
                _ => bounds(u32::try_from(KEYS)?, f64::from(*weight) / f64::from(total), 1e-6),
            };
            assert!((least..=most).contains(&u32::try_from(count)?), "{shares:?}: {count} for {service}");
        }
        let pairs = before.iter().flatten().zip(&now).filter(|(old, new)| old != new);
        let moved: BTreeSet<(&str, &str)> = pairs.map(|(old, new)| (old.as_str(), new.as_str())).collect();
        if before.is_some() {
            assert_eq!(moved, moves.iter().copied().collect(), "{shares:?}");
        }
        before = Some(now);
    }
    Ok(())
}

/// What Envoy holds for it: here what a proxy before it says, whatever the connection's port.
async fn an_address_is_the_clients(envoy: &Envoy) -> Result<()> {
    let listener = listener(envoy, json!({"useSourceIp": true}), ["one", "two"]).await?;
    let mut chosen = BTreeSet::new();
    for client in 1..=8 {
        for address in [format!("192.0.2.{client}"), format!("2001:db8::{client}")] {
            let services = services(&listener.get("/").header("x-forwarded-for", &address)).await?;
            assert_eq!(services.len(), 1, "{address} was sent to {services:?}");
            chosen.extend(services);
        }
    }
    assert_eq!(chosen.len(), 2, "sixteen addresses, and all went the same way");
    Ok(())
}

fn cookie(answer: &Answer) -> String {
    let lines = answer.header_lines("set-cookie");
    let [line] = lines.as_slice() else { panic!("not one cookie: {lines:?}") };
    let cookie = line.strip_suffix("; Max-Age=60; Path=/p; HttpOnly").unwrap_or_else(|| panic!("{line}"));
    let value =
        cookie.strip_prefix("u=\"").and_then(|value| value.strip_suffix('"')).unwrap_or_else(|| panic!("{line}"));
    assert!(value.len() == 16 && value.bytes().all(|digit| digit.is_ascii_hexdigit()), "{line}");
    cookie.to_owned()
}

async fn a_cookie_is_issued_once(envoy: &Envoy) -> Result<()> {
    let sticky = json!({"httpCookie": {"name": "u", "path": "/p", "ttl": "60s"}});
    let listener = listener(envoy, sticky, ["one", "two"]).await?;
    let mut chosen = BTreeSet::new();
    for _ in 0..12 {
        let first = listener.get("/").header("cookie", "other=1").send().await?;
        let request = listener.get("/").header("cookie", cookie(&first));
        assert_eq!(services(&request).await?, BTreeSet::from([first.service()]));
        assert_eq!(request.send().await?.header("set-cookie"), None);
        chosen.insert(first.service());
    }
    assert_eq!(chosen.len(), 2, "twelve clients, and all went the same way");
    Ok(())
}

async fn a_cookie_is_issued_beside_others(envoy: &Envoy) -> Result<()> {
    let (one, two) = (envoy.upstream("one").await?, envoy.upstream("two").await?);
    for upstream in [&one, &two] {
        upstream.script([Reply::status(200).header("set-cookie", "a=1").header("set-cookie", "b=2")]);
    }
    // A session's, for whatever path.
    let sticky = json!({"httpCookie": {"name": "u", "ttl": "0s"}});
    let listener = listener(envoy, sticky, [one.name(), two.name()]).await?;
    for request in [listener.get("/"), listener.get("/").http2(), listener.get("/").header("cookie", "u=")] {
        let lines = request.send().await?.header_lines("set-cookie");
        assert_eq!((lines.len(), &lines[..2]), (3, &["a=1".to_owned(), "b=2".to_owned()][..]), "{lines:?}");
        assert!(lines[2].starts_with("u=\"") && lines[2].ends_with("\"; HttpOnly"), "{lines:?}");
    }
    let lines = listener.get("/").header("cookie", "u=mine").send().await?.header_lines("set-cookie");
    assert_eq!(lines, ["a=1", "b=2"]);
    Ok(())
}

/// Else a client that met a destination which is down would be dealt out anew at each try.
async fn local_replies_issue_it_too(envoy: &Envoy) -> Result<()> {
    let sticky = json!({"httpCookie": {"name": "u", "path": "/p", "ttl": "60s"}});
    let listener = listener(envoy, sticky, ["nobody", "no-one"]).await?;
    let answer = listener.get("/").send().await?;
    assert_eq!(answer.status, 503);
    let again = listener.get("/").header("cookie", cookie(&answer)).send().await?;
    assert_eq!((again.status, again.header("set-cookie")), (503, None));
    Ok(())
}

async fn no_key_is_chance(envoy: &Envoy) -> Result<()> {
    for sticky in [json!({"httpHeaderName": "x-user"}), json!({"httpCookie": {"name": "u"}})] {
        let listener = listener(envoy, sticky, ["one", "two"]).await?;
        let mut chosen = BTreeSet::new();
        for _ in 0..40 {
            let answer = listener.get("/").send().await?;
            assert_eq!(answer.header("set-cookie"), None);
            chosen.insert(answer.service());
        }
        assert_eq!(chosen.len(), 2);
    }
    Ok(())
}
