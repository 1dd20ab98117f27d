//! After the tour: it goes on serving, and says what becomes of each edit of the policy.

use std::time::Duration;

use anyhow::Result;

use crate::asks::{Ask, GET};
use crate::front_proxy::{FrontProxy, reason};

/// How often to look whether there was an edit.
const LOOK: Duration = Duration::from_millis(300);

const TRY: Ask = Ask { host: "microservice-b", headers: &[("microservice-b-router", "dev2")], ..GET };

/// Never ends by itself.
pub async fn run(front_proxy: &FrontProxy) -> Result<()> {
    front_proxy.restore_policy().await?;
    println!("\nStill serving, until Ctrl-C. Try:\n\n  {}\n", TRY.curl(front_proxy.address.port()));
    println!("and change the policy, with an editor that renames (as vim does) or like this:\n");
    println!(
        "  sed -i 's/host: microservice-b-dev2/host: microservice-b-dev3/' {}\n",
        front_proxy.policy_path().display()
    );
    println!("Envoy's log: {}", front_proxy.envoy.log().path().display());
    let (mut before, mut mark) = (front_proxy.outcomes().await?, front_proxy.envoy.log().mark());
    loop {
        tokio::time::sleep(LOOK).await;
        let now = front_proxy.outcomes().await?;
        if now == before {
            continue;
        }
        if now.refused > before.refused {
            let log = front_proxy.envoy.log().since(mark).join("\n");
            println!("Envoy refused the new policy, and keeps the old one:\n{}", reason(&log));
        } else {
            println!("Envoy took the new policy.");
        }
        (before, mark) = (now, front_proxy.envoy.log().mark());
    }
}
