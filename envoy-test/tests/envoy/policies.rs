//! How a policy reaches a module and is replaced, with a module whose configuration is a line of text.

use anyhow::Result;
use envoy_test::{Envoy, ListenerConfig, Policy, Test, test_module, tests};
use serde_json::json;

pub fn tests() -> Vec<Test> {
    tests![
        a_policy_takes_effect_and_is_replaced,
        a_policy_that_is_refused_is_no_listener,
        a_policy_may_be_bytes_or_absent,
        modules_of_one_vm_share_its_fate,
        the_stripped_module_sees_requests,
    ]
}

fn writes(cluster: &str) -> String {
    format!("reads=1 writes=1 cluster={cluster}")
}

async fn a_policy_takes_effect_and_is_replaced(envoy: &Envoy) -> Result<()> {
    let (one, two) = (envoy.upstream("one").await?, envoy.upstream("two").await?);
    let config = ListenerConfig::new().module(test_module("bare")?).policy(writes(one.name()).as_str());
    let listener = envoy.add_listener(config).await?;
    assert_eq!(listener.get("/").send().await?.service(), one.name());

    listener.update_policy(writes(two.name()).as_str()).await?.accepted();
    assert_eq!(listener.get("/").send().await?.service(), two.name());

    let why = listener.update_policy("nonsense").await?.rejected();
    assert!(why.contains(r#"not a configuration: "nonsense""#), "{why}");
    assert_eq!(listener.get("/").send().await?.service(), two.name());
    // The same policy again changes nothing, and is no error.
    listener.update_policy(writes(two.name()).as_str()).await?.accepted();
    Ok(())
}

async fn a_policy_that_is_refused_is_no_listener(envoy: &Envoy) -> Result<()> {
    let config = ListenerConfig::new().module(test_module("bare")?).policy("reads=many");
    let why = envoy.add_listener(config).await.expect_err("the module cannot like it").to_string();
    assert!(why.contains(r#"not a configuration: "reads=many""#), "{why}");
    Ok(())
}

async fn a_policy_may_be_bytes_or_absent(envoy: &Envoy) -> Result<()> {
    let upstream = envoy.upstream("bytes").await?;
    let listener = envoy.add_listener(ListenerConfig::new().module(test_module("bare-responses")?)).await?;
    assert_eq!(listener.get("/").send().await?.service(), "default");
    listener.update_policy(Policy::Bytes(writes(upstream.name()).into())).await?.accepted();
    assert_eq!(listener.get("/").send().await?.service(), upstream.name());
    // A Struct arrives as protobuf, which is no text of ours.
    listener.update_policy(json!({"reads": 1})).await?.rejected();
    Ok(())
}

async fn modules_of_one_vm_share_its_fate(envoy: &Envoy) -> Result<()> {
    let config = ListenerConfig::new().module(test_module("no-op")?).vm_id("shared");
    for _ in 0..2 {
        let listener = envoy.add_listener(config.clone()).await?;
        assert_eq!(listener.get("/").send().await?.service(), "default");
    }
    Ok(())
}

async fn the_stripped_module_sees_requests(envoy: &Envoy) -> Result<()> {
    let config = ListenerConfig::new().module(test_module("no-op-stripped")?);
    let listener = envoy.add_listener(config).await?;
    assert_eq!(listener.get("/").send().await?.service(), "default");
    Ok(())
}
