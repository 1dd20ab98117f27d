//! Which requests a limit is for: those of its matches, those of a rule, or all.

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Reply, Request, Test, module, tests};
use serde_json::{Value, json};

use super::{SLIM, WHOLE, bucket, by_header, counted, listener, statuses, then_refused, with};

pub fn tests() -> Vec<Test> {
    tests![
        of_its_matches,
        all_that_hold,
        one_that_refuses_ends_it,
        of_a_rule,
        of_rules_of_one_name,
        of_a_rule_by_its_host_and_gateway,
        a_rule_that_is_not_there,
        answers_of_rules,
        beside_faults,
        retries_count_once,
        nothing_is_for_nobody,
    ]
}

fn limit(name: &str, size: u32, fields: Value) -> Value {
    with(json!({"name": name, "local": {"tokenBucket": bucket(size)}}), fields)
}

async fn of_its_matches(envoy: &Envoy) -> Result<()> {
    let matches = [
        (json!([{"uri": {"exact": "/exact"}}]), vec![("GET", "/exact", ""), ("POST", "/exact?q", "")]),
        (json!([{"uri": {"prefix": "/prefix"}}]), vec![("GET", "/prefix", ""), ("GET", "/prefix/more", "")]),
        (json!([{"uri": {"regex": "/re[0-9]+"}}]), vec![("GET", "/re1", ""), ("GET", "/re22", "")]),
        (json!([{"method": {"exact": "PUT"}}]), vec![("PUT", "/", ""), ("PUT", "/any", "")]),
        (json!([{"headers": {"k": {"exact": "v"}}}]), vec![("GET", "/", "v"), ("DELETE", "/x", "v")]),
        (json!([{"headers": {"k": {"prefix": "w"}}, "uri": {"exact": "/both"}}]), vec![("GET", "/both", "ww")]),
        (
            json!([{"uri": {"exact": "/one"}}, {"uri": {"exact": "/other"}}, {"queryParams": {"q": {"exact": "1"}}}]),
            vec![("GET", "/one", ""), ("GET", "/other", ""), ("GET", "/x?q=1", "")],
        ),
        // Two of its entries hold, and it is taken from once.
        (
            json!([{"uri": {"prefix": "/twice"}}, {"uri": {"exact": "/twice"}}, {"uri": {"regex": "/tw.*"}}]),
            vec![("GET", "/twice", "")],
        ),
    ];
    let limits: Value = matches
        .iter()
        .enumerate()
        .map(|(place, (matches, _))| limit(&format!("match {place}"), 3, json!({"match": matches})))
        .collect();
    for module in [WHOLE, SLIM] {
        let listener = listener(envoy, module, limits.clone()).await?;
        let send = async |(method, path, value): &(&str, &str, &str)| {
            let request = listener.request(method, path);
            anyhow::Ok(if value.is_empty() { request } else { request.header("k", value) }.send().await?.status)
        };
        for (matches, requests) in &matches {
            let mut statuses = Vec::new();
            for number in 0..5 {
                statuses.push(send(&requests[number % requests.len()]).await?);
            }
            assert_eq!(statuses, then_refused(3, 2), "{matches}");
        }
        // None of these is one of those.
        for request in
            [("GET", "/exactly", ""), ("GET", "/pre", ""), ("GET", "/re", ""), ("GET", "/both", ""), ("GET", "/", "x")]
        {
            for _ in 0..5 {
                assert_eq!(send(&request).await?, 200, "{request:?}");
            }
        }
    }
    Ok(())
}

/// A request has to do with each of them.
async fn all_that_hold(envoy: &Envoy) -> Result<()> {
    let of = |path: &str| json!({"match": [{"uri": {"prefix": path}}]});
    for module in [WHOLE, SLIM] {
        let limits = json!([
            limit("all", 12, json!({})),
            limit("a", 6, of("/a")),
            limit("ab", 3, of("/a/b")),
            limit("c", 4, of("/c")),
            with(by_header("k", &bucket(2)), json!({"name": "k"})),
        ]);
        let listener = listener(envoy, module, limits).await?;
        let passes = async |path: &str, value: Option<&str>, times: usize| {
            let request = value.into_iter().fold(listener.get(path), |request, value| request.header("k", value));
            let statuses = statuses(&request, times).await?;
            anyhow::Ok(statuses.iter().filter(|status| **status == 200).count())
        };
        // What is the slowest is asked first, so here they come in their order; each takes one before the next refuses.
        assert_eq!(passes("/a/b", None, 3).await?, 3);
        assert_eq!(passes("/a/x", Some("1"), 2).await?, 2);
        assert_eq!(passes("/c", Some("1"), 3).await?, 0, "each is refused by its value, before all others");
        assert_eq!(passes("/c", None, 5).await?, 4);
        assert_eq!(passes("/a", None, 1).await?, 1);
        assert_eq!(passes("/a", None, 3).await?, 0);
        assert_eq!(
            passes("/d", None, 9).await?,
            0,
            "all have taken from that for all, those that were refused as well"
        );
    }
    Ok(())
}

/// What comes behind it is not taken from.
async fn one_that_refuses_ends_it(envoy: &Envoy) -> Result<()> {
    let slow = json!({"local": {"tokenBucket": {"fillInterval": "36000s"}}});
    let limits = json!([limit("behind", 5, json!({})), limit("first of two", 2, slow)]);
    let listener = listener(envoy, WHOLE, limits).await?;
    assert_eq!(statuses(&listener.get("/"), 20).await?, then_refused(2, 18));
    assert_eq!(counted(envoy, "rate_limited", "first of two", "local").await?, 18);
    assert_eq!(counted(envoy, "rate_limited", "behind", "local").await?, 0);
    // Three are left for when the first is gone.
    let policy = json!({"rateLimits": [limit("behind", 5, json!({}))]});
    listener.update_policy(policy).await?.accepted();
    assert_eq!(statuses(&listener.get("/"), 5).await?, then_refused(3, 2));
    Ok(())
}

fn rule(name: &str, path: &str) -> Value {
    let route = json!([{"destination": {"host": "default"}}]);
    json!({"name": name, "match": [{"uri": {"prefix": path}}], "route": route})
}

fn service(hosts: &[&str], rules: &[Value]) -> Value {
    json!({"hosts": hosts, "http": rules})
}

async fn with_rules(envoy: &Envoy, name: &str, policy: Value) -> Result<Listener> {
    envoy.add_listener(ListenerConfig::new().module(module(name)?).policy(policy)).await
}

async fn of_a_rule(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let rules = [rule("search", "/search"), rule("shop", "/shop"), rule("", "/s")];
        let policy = json!({
            "virtualServices": [service(&["*"], &rules)],
            "rateLimits": [
                limit("of search", 3, json!({"route": "search"})),
                limit("of all", 10, json!({})),
            ],
        });
        let listener = with_rules(envoy, module, policy).await?;
        assert_eq!(statuses(&listener.get("/search?q"), 4).await?, then_refused(3, 1));
        // Not by the path, but by the rule, of which the first counts that matches.
        assert_eq!(statuses(&listener.get("/shop/search"), 2).await?, [200; 2]);
        assert_eq!(statuses(&listener.get("/sea"), 2).await?, [200; 2]);
        assert_eq!(statuses(&listener.get("/shop"), 4).await?, then_refused(3, 1));
    }
    Ok(())
}

/// It is one limit for both.
async fn of_rules_of_one_name(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let one = service(&["one.example"], &[rule("login", "/login"), rule("rest", "/")]);
        let other = service(&["other.example"], &[rule("login", "/signin"), rule("rest", "/")]);
        let policy = json!({
            "virtualServices": [one, other],
            "rateLimits": [limit("of login", 3, json!({"route": "login"}))],
        });
        let listener = with_rules(envoy, module, policy).await?;
        let request = |host: &str, path: &str| listener.get(path).host(host);
        for (host, path, expected) in [
            ("one.example", "/login", 200),
            ("other.example", "/signin", 200),
            ("other.example", "/login", 200),
            ("one.example", "/login", 200),
            ("other.example", "/signin", 429),
            ("one.example", "/login", 429),
            ("one.example", "/signin", 200),
            // No VirtualService is for that host.
            ("third.example", "/login", 200),
        ] {
            assert_eq!(request(host, path).send().await?.status, expected, "{host}{path}");
        }
    }
    Ok(())
}

/// A rule that is not in force here is none.
async fn of_a_rule_by_its_host_and_gateway(envoy: &Envoy) -> Result<()> {
    let elsewhere = with(service(&["*"], &[rule("edge", "/")]), json!({"gateways": ["other"]}));
    let here = with(service(&["a.example"], &[rule("here", "/")]), json!({"gateways": ["edge"]}));
    let policy = |route: &str| {
        json!({
            "gateway": "edge", "virtualServices": [elsewhere, here],
            "rateLimits": [limit("of the gateway", 1, json!({"route": route}))],
        })
    };
    let listener = with_rules(envoy, SLIM, policy("here")).await?;
    assert_eq!(statuses(&listener.get("/").host("a.example"), 2).await?, [200, 429]);
    assert_eq!(statuses(&listener.get("/").host("b.example"), 2).await?, [200, 200]);
    let why = listener.update_policy(policy("edge")).await?.rejected();
    assert!(
        why.contains("rateLimits[0].route: no rule of virtualServices that is in force here has the name `edge`"),
        "{why}"
    );
    Ok(())
}

async fn a_rule_that_is_not_there(envoy: &Envoy) -> Result<()> {
    for module in [WHOLE, SLIM] {
        let listener = with_rules(envoy, module, json!({"rateLimits": [limit("fine", 1, json!({}))]})).await?;
        let policy = json!({
            "virtualServices": [service(&["*"], &[rule("search", "/")])],
            "rateLimits": [limit("one", 1, json!({"route": "search"})), limit("two", 1, json!({"route": "serach"}))],
        });
        let why = listener.update_policy(policy).await?.rejected();
        assert!(why.contains("rateLimits[1].route: no rule of virtualServices"), "{why}");
        assert!(!why.contains("rateLimits[0]"), "{why}");
        assert_eq!(statuses(&listener.get("/"), 2).await?, [200, 429], "the old policy serves");
    }
    Ok(())
}

/// What a rule answers by itself counts as all else does, and so does what no rule is for.
async fn answers_of_rules(envoy: &Envoy) -> Result<()> {
    let rules = [
        json!({"match": [{"uri": {"exact": "/moved"}}], "redirect": {"uri": "/to"}}),
        json!({"match": [{"uri": {"exact": "/said"}}], "directResponse": {"status": 418}}),
        rule("sent", "/sent"),
    ];
    for (path, status) in [("/moved", 301), ("/said", 418), ("/sent", 200), ("/no-rule", 404)] {
        let policy = json!({
            "virtualServices": [service(&["*"], &rules)], "rateLimits": [limit("of all", 3, json!({}))],
        });
        let listener = with_rules(envoy, WHOLE, policy).await?;
        assert_eq!(statuses(&listener.get(path), 5).await?, [status, status, status, 429, 429], "{path}");
    }
    Ok(())
}

/// A request that is refused has no fault, and one that has a fault was counted.
async fn beside_faults(envoy: &Envoy) -> Result<()> {
    let abort = json!({"httpStatus": 503, "percentage": {"value": 100}});
    let policy = json!({
        "faults": [{"name": "beside a limit", "match": [{"uri": {"exact": "/fault"}}], "fault": {"abort": abort}}],
        "rateLimits": [limit("beside a fault", 4, json!({}))],
    });
    let listener = with_rules(envoy, WHOLE, policy).await?;
    assert_eq!(statuses(&listener.get("/fault"), 3).await?, [503; 3]);
    assert_eq!(statuses(&listener.get("/"), 2).await?, [200, 429]);
    assert_eq!(statuses(&listener.get("/fault"), 2).await?, [429; 2]);
    let aborted = "wasmcustom.rule=.=beside a limit;.;pointsman_fault_aborts_injected";
    assert_eq!(envoy.admin().stat(aborted).await?, 3);
    Ok(())
}

/// However often Envoy tries, it is one request.
async fn retries_count_once(envoy: &Envoy) -> Result<()> {
    let flaky = envoy.upstream("flaky").await?;
    flaky.script([Reply::status(503).times(2), Reply::status(200).times(1), Reply::status(503).times(2)]);
    let route = json!({"cluster": flaky.name(), "retry_policy": {"retry_on": "5xx", "num_retries": 2}});
    let config = ListenerConfig::new().routes([json!({"match": {"prefix": "/"}, "route": route})]);
    let limits = json!([limit("once", 2, json!({"concurrency": 1}))]);
    let listener = super::listener_like(envoy, config, SLIM, limits).await?;
    let mut connection = listener.connect().await?;
    for expected in [200, 200, 429] {
        assert_eq!(connection.send(listener.get("/")).await?.status, expected);
    }
    assert_eq!(flaky.requests(), 6);
    Ok(())
}

/// Neither a match that never holds nor a descriptor that is never made keeps anybody off.
async fn nothing_is_for_nobody(envoy: &Envoy) -> Result<()> {
    let never = json!({"match": [{"uri": {"exact": "/never"}, "headers": {"x": {"exact": "y"}}}]});
    let limits = json!([limit("never", 1, never), by_header("absent", &bucket(1))]);
    let listener = listener(envoy, WHOLE, limits).await?;
    let requests: [Request; 3] =
        [listener.get("/never"), listener.get("/").header("x", "y"), listener.get("/").http2()];
    for request in requests {
        assert_eq!(statuses(&request, 5).await?, [200; 5]);
    }
    Ok(())
}
