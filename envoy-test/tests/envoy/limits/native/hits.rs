//! How much a request counts for.

use anyhow::Result;
use envoy_test::{Envoy, Request, Test, tests};
use serde_json::{Value, json};

use super::super::{SLIM, WHOLE, bucket, descriptor, header, listener, told};
use super::{Case, Judged, request};

pub fn tests() -> Vec<Test> {
    tests![a_number, what_the_request_says, where_we_are_stricter]
}

fn case(size: u32, hits: Value, requests: Vec<Request>) -> Case {
    let descriptors = json!([descriptor("a", "1", &bucket(size)), descriptor("a", "", &bucket(size))]);
    let local = json!({"tokenBucket": bucket(8000), "descriptors": descriptors});
    Case::new(local, json!([header("a")]), requests).hits(hits)
}

async fn a_number(envoy: &Envoy) -> Result<()> {
    let requests = || ["1", "1", "2", "1", "1", "2", "2"].map(|value| request("/", &[("a", value)])).into();
    let cases = [1, 2, 3, 5, 9, 10, 11, 1_000_000_000].map(|number| case(10, json!({"number": number}), requests()));
    Judged::new(envoy, cases.into()).await?.same().await
}

/// Envoy says it in a format string, and so it is asked; we say the header.
async fn what_the_request_says(envoy: &Envoy) -> Result<()> {
    let hits = ["2", "1", "4", "9", "3", "1", "1000000000", "1", "007", "1"];
    let requests: Vec<Request> = hits.iter().map(|hits| request("/", &[("a", "1"), ("hits", hits)])).collect();
    let theirs = Judged::native_alone(envoy, &case(20, json!({"format": "%REQ(hits)%"}), Vec::new())).await?;
    let ours = case(20, json!({"requestHeader": "hits"}), Vec::new()).limits(0);
    let ours = [listener(envoy, WHOLE, json!(ours)).await?, listener(envoy, SLIM, json!(ours)).await?];
    let mut all = Vec::new();
    for listener in [&theirs, &ours[0], &ours[1]] {
        let mut connection = listener.connect().await?;
        let mut answers = Vec::new();
        for request in &requests {
            let answer = connection.send(request.clone().header("case", "0")).await?;
            let [limit, remaining, _] = told(&answer);
            answers.push((answer.status, limit, remaining));
        }
        all.push(answers);
    }
    assert_eq!(all[0].iter().filter(|answer| answer.0 == 200).count(), 6, "{all:#?}");
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    Ok(())
}

/// What is no number counts as one; no hits cost nothing and always pass.
async fn where_we_are_stricter(envoy: &Envoy) -> Result<()> {
    let limit = |size: u32| {
        json!([{
            "local": {"tokenBucket": bucket(size)}, "hitsAddend": {"requestHeader": "hits"},
            "response": {"rateLimitHeaders": "DRAFT_VERSION_03"},
        }])
    };
    let listener = listener(envoy, WHOLE, limit(20)).await?;
    let mut connection = listener.connect().await?;
    for (hits, expected) in [
        (&[][..], 19),
        (&["abc"], 18),
        (&[""], 17),
        (&["-3"], 16),
        (&["1.5"], 15),
        (&["0x5"], 14),
        (&["+2"], 13),
        (&["2 3"], 12),
        // Its first line.
        (&["2", "5"], 10),
        (&["0"], 10),
        (&[" 3 "], 7),
    ] {
        let request = hits.iter().fold(listener.get("/"), |request, hits| request.header("hits", hits));
        let answer = connection.send(request).await?;
        assert_eq!((answer.status, told(&answer)[1].as_deref()), (200, Some(&*expected.to_string())), "{hits:?}");
    }
    // More than anybody has, and more than a number holds.
    for hits in ["8", "1000000001", "4294967297", "18446744073709551617", "99999999999999999999999999"] {
        let answer = connection.send(listener.get("/").header("hits", hits)).await?;
        assert_eq!((answer.status, told(&answer)[1].as_deref()), (429, Some("7")), "{hits}");
    }
    assert_eq!(connection.send(listener.get("/").header("hits", "7")).await?.status, 200);
    let answer = connection.send(listener.get("/").header("hits", "0")).await?;
    assert_eq!((answer.status, told(&answer)[1].as_deref()), (200, Some("0")));
    assert_eq!(connection.send(listener.get("/").header("hits", "1")).await?.status, 429);
    Ok(())
}
