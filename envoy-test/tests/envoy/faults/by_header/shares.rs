//! A client's percentage is one of the configured denominator, and never more than the configured numerator.

use anyhow::Result;
use envoy_test::{Envoy, Listener, Test, bounds, tests};
use serde_json::{Value, json};

use super::{ABORT, ABORT_SHARE, DELAY, GRPC, SLIM, WHOLE, fault, listener};

pub fn tests() -> Vec<Test> {
    tests![a_share_is_capped, the_longest_delay]
}

const REQUESTS: u32 = 600;

async fn aborted(listener: &Listener, header: &str, share: Option<&str>, http2: bool) -> Result<u32> {
    let mut connection = if http2 { listener.connect_http2().await? } else { listener.connect().await? };
    let mut hits = 0;
    for _ in 0..REQUESTS {
        let request = listener.get("/").header(header, if header == ABORT { "503" } else { "14" });
        let request = share.into_iter().fold(request, |request, share| request.header(ABORT_SHARE, share));
        hits += u32::from(connection.send(request).await?.text() == "fault filter abort");
    }
    Ok(hits)
}

async fn a_share_is_capped(envoy: &Envoy) -> Result<()> {
    let (hundred, istio) = (json!({"numerator": 50}), json!({"value": 50}));
    let million = json!({"numerator": 1_000_000, "denominator": "MILLION"});
    let ten_thousand = json!({"numerator": 5_000, "denominator": "TEN_THOUSAND"});
    let rows: [(&Value, Option<&str>, f64); 11] = [
        (&hundred, None, 0.5),
        (&hundred, Some("100"), 0.5),
        (&hundred, Some("4294967295"), 0.5),
        (&hundred, Some("abc"), 0.5),
        (&hundred, Some("20"), 0.2),
        // Istio's own counts a client's in hundredths, too.
        (&istio, Some("100"), 0.5),
        (&istio, Some("20"), 0.2),
        (&million, Some("100"), 0.0001),
        (&million, Some("500000"), 0.5),
        (&ten_thousand, Some("10000"), 0.5),
        (&ten_thousand, Some("2000"), 0.2),
    ];
    for (number, (percentage, share, chance)) in rows.into_iter().enumerate() {
        let name = if number % 2 == 0 { WHOLE } else { SLIM };
        let listener = listener(envoy, name, json!([{"fault": fault(&["abort"], percentage)}])).await?;
        let hits = aborted(&listener, if number % 3 == 0 { GRPC } else { ABORT }, share, number % 4 < 2).await?;
        let (low, high) = bounds(REQUESTS, chance, 1e-6);
        assert!((low..=high).contains(&hits), "{percentage} {share:?}: {hits} of {REQUESTS}, not {low} to {high}");
    }
    Ok(())
}

/// One that never ends, as far as anybody will see: it goes when its client does.
async fn the_longest_delay(envoy: &Envoy) -> Result<()> {
    for name in [WHOLE, SLIM] {
        for delay in ["86400000", "4294967296", "9223372036854", "9223372036854775807"] {
            let label = format!("{name} {delay}");
            let faults = json!([{"name": label, "fault": fault(&["delay"], &json!({"value": 100}))}]);
            let listener = listener(envoy, name, faults).await?;
            let waiting = tokio::spawn(listener.get("/").header(DELAY, delay).send());
            let gauge = format!("wasmcustom.rule=.={label};.;pointsman_fault_active_faults");
            for expected in [1, 0] {
                let has_come = async || Ok((envoy.admin().stat(&gauge).await? == expected).then_some(()));
                envoy.admin().until(&format!("{label} is active: {expected}"), has_come).await?;
                waiting.abort();
            }
            assert!(waiting.await.is_err_and(|error| error.is_cancelled()), "{label}: it was answered");
            // Another request's wait ends.
            assert_eq!(listener.get("/").header(DELAY, "1").send().await?.status, 200);
        }
    }
    Ok(())
}
