//! Conditions on the claims of a JSON Web Token, which Envoy's jwt_authn leaves in metadata: a text, or any element of a
//! list that is one. (Every row was seen with the routes that istiod makes.)

use anyhow::Result;
use envoy_test::{Envoy, Listener, ListenerConfig, Test, module, tests};
use serde_json::{Value, json};

pub fn tests() -> Vec<Test> {
    tests![texts_and_lists_of_texts, all_conditions_of_an_entry_count, without_a_token]
}

/// What stands in for jwt_authn, which would have checked a signature.
fn token(payload: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.set_metadata",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
            "metadata": [{"metadata_namespace": "envoy.filters.http.jwt_authn", "value": {"payload": payload}}],
        },
    })
}

fn to(host: &str) -> Value {
    json!([{"destination": {"host": host}}])
}

/// Each row is a condition. Behind the paths `/0`, `/1`, … it is asked as it is, behind `/-0`, … turned around.
async fn listener(envoy: &Envoy, payload: Option<Value>, rows: &[(&str, Value)]) -> Result<Listener> {
    envoy.echoes(["yes", "no"]).await?;
    let mut rules = Vec::new();
    for (number, (claim, condition)) in rows.iter().enumerate() {
        for (path, field) in [(format!("/{number}"), "headers"), (format!("/-{number}"), "withoutHeaders")] {
            let claim = format!("@request.auth.claims{claim}");
            let entry = json!({"uri": {"exact": path}, field: {claim: condition}});
            rules.push(json!({"match": [entry], "route": to("yes")}));
        }
    }
    rules.push(json!({"route": to("no")}));
    let policy = json!({"virtualServices": [{"hosts": ["*"], "http": rules}]});
    let mut config = ListenerConfig::new().module(module("pointsman-routing")?).policy(policy);
    if let Some(payload) = payload {
        config = config.filter_before(token(&payload));
    }
    envoy.add_listener(config).await
}

async fn check(listener: &Listener, rows: &[(&str, Value)], expected: &[bool]) -> Result<()> {
    for (number, ((claim, condition), holds)) in rows.iter().zip(expected).enumerate() {
        for (path, holds) in [(format!("/{number}"), *holds), (format!("/-{number}"), !*holds)] {
            let service = listener.get(&path).send().await?.service();
            assert_eq!(service, if holds { "yes" } else { "no" }, "{path}: {claim} {condition}");
        }
    }
    Ok(())
}

async fn texts_and_lists_of_texts(envoy: &Envoy) -> Result<()> {
    let payload = json!({
        "text": "admin", "empty": "", "one": "1", "eight": "operator", "é": "é", "Case": "x", "a.b": {"c.d": "dotted"},
        "list": ["user", "admin"], "none": [], "numbers": [1, 2.5, 0.1], "mixed": [1, "admin", true, "operator", ["x"]],
        "digits": ["0", "1"], "number": 1, "fraction": 0.1, "big": 1_700_000_000, "yes": true, "no": false,
        "object": {"admin": 1, "name": "admin"}, "blank": {"admin": ""}, "nested": {"deep": {"role": ["admin", "12345678"]}},
    });
    let any = || json!({"regex": "(?s).*"});
    let rows = [
        (".text", json!({"exact": "admin"}), true),
        (".text", json!({"prefix": "ad"}), true),
        (".text", json!({"regex": "a.*"}), true),
        (".text", json!({"exact": "user"}), false),
        ("[text]", json!({"exact": "admin"}), true),
        (".empty", json!({"exact": ""}), true),
        (".one", json!({"exact": "1"}), true),
        (".eight", json!({"exact": "operator"}), true),
        (".case", any(), false),
        (".Case", any(), true),
        ("[a.b][c.d]", json!({"exact": "dotted"}), true),
        (".list", json!({"exact": "admin"}), true),
        (".list", json!({"exact": "user"}), true),
        (".list", json!({"exact": "useradmin"}), false),
        (".list.1", any(), false),
        (".none", any(), false),
        (".numbers", any(), false),
        (".mixed", json!({"exact": "admin"}), true),
        (".mixed", json!({"exact": "operator"}), true),
        (".mixed", json!({"exact": "x"}), false),
        (".digits", json!({"exact": "1"}), true),
        (".number", any(), false),
        (".number", json!({"exact": "1"}), false),
        (".fraction", any(), false),
        (".big", any(), false),
        (".yes", any(), false),
        (".yes", json!({"exact": "true"}), false),
        (".no", any(), false),
        (".object", any(), false),
        (".object.name", json!({"exact": "admin"}), true),
        (".object.admin", any(), false),
        (".blank", any(), false),
        (".nested.deep.role", json!({"exact": "admin"}), true),
        ("[nested][deep][role]", json!({"exact": "12345678"}), true),
        (".nested.deep", any(), false),
        (".text.x", any(), false),
        (".missing", any(), false),
    ];
    let expected = rows.clone().map(|(.., holds)| holds);
    let rows = rows.map(|(claim, condition, _)| (claim, condition));
    check(&listener(envoy, Some(payload), &rows).await?, &rows, &expected).await
}

async fn all_conditions_of_an_entry_count(envoy: &Envoy) -> Result<()> {
    let (group, team, user) = ("@request.auth.claims.group", "@request.auth.claims[nested][team]", "x-user");
    let is = |text: &str| json!({"exact": text});
    let config = |group_is: &str, team_is_not: &str| -> Result<ListenerConfig> {
        let entry =
            json!({"headers": {group: is(group_is), user: is("jason")}, "withoutHeaders": {team: is(team_is_not)}});
        let rules = json!([{"match": [entry], "route": to("yes")}, {"route": to("no")}]);
        let policy = json!({"virtualServices": [{"hosts": ["*"], "http": rules}]});
        let payload = json!({"group": "dev", "nested": {"team": ["red", "blue"]}});
        Ok(ListenerConfig::new().module(module("pointsman-routing")?).policy(policy).filter_before(token(&payload)))
    };
    envoy.echoes(["yes", "no"]).await?;
    for (group, team, user, expected) in [
        ("dev", "green", "jason", "yes"),
        ("ops", "green", "jason", "no"),
        ("dev", "blue", "jason", "no"),
        ("dev", "green", "other", "no"),
    ] {
        let listener = envoy.add_listener(config(group, team)?).await?;
        for request in [listener.get("/"), listener.get("/").http2()] {
            let answer = request.header("x-user", user).send().await?;
            assert_eq!(answer.service(), expected, "{group} {team} {user}");
        }
    }
    Ok(())
}

async fn without_a_token(envoy: &Envoy) -> Result<()> {
    let rows = [(".a", json!({"regex": ".*"})), (".a", json!({"exact": ""}))];
    let listener = listener(envoy, None, &rows).await?;
    check(&listener, &rows, &[false, false]).await?;
    // A header is no claim.
    let answer = listener.get("/0").header("request.auth.claims.a", "x").send().await?;
    assert_eq!(answer.service(), "no");
    Ok(())
}
