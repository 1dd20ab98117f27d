//! What holds for any weights and any requests.
#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;
use serde_json::json;

use super::{Fixture, rules};

proptest! {
    /// Over a full cycle of random numbers, wherever it begins, each destination gets exactly its weight.
    #[test]
    fn shares_are_exact(weights in prop::collection::vec(0u32..40, 2..6), start in any::<u64>()) {
        let sum: u64 = weights.iter().copied().map(u64::from).sum();
        prop_assume!(sum > 0);
        let destinations = weights.iter().enumerate();
        let destinations: Vec<_> = destinations
            .map(|(index, weight)| json!({"destination": {"host": format!("d{index}")}, "weight": weight}))
            .collect();
        let mut fixture = Fixture::new(&rules(json!([{"route": destinations}])));
        let start = start.min(u64::MAX - sum);
        fixture.host.random = (start..start + sum).collect();
        let mut counts = vec![0; weights.len()];
        for _ in 0..sum {
            let chosen = fixture.ask("b/");
            counts[chosen[1..].parse::<usize>().unwrap()] += 1;
        }
        prop_assert_eq!(counts, weights);
    }

    /// Whatever bytes a request has, it is decided about.
    #[test]
    fn any_request_is_decided(lines in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..6)) {
        use pointsman_filter::{Filter as _, Request, Wake};
        let policy = super::yes_or_no(json!({
            "uri": {"regex": "/a.*|\\w+"}, "authority": {"prefix": "b"}, "headers": {"x": {"regex": "(a|b)*c"}},
            "queryParams": {"q": {}}, "ignoreUriCase": true,
        }));
        let mut fixture = Fixture::new(&policy);
        let known = [":authority", ":path", "x"].map(str::as_bytes);
        let lines: Vec<_> = lines
            .into_iter()
            .enumerate()
            .map(|(index, (name, value))| (known.get(index).map_or(name, |known| known.to_vec()), value))
            .collect();
        let map = pointsman_http::HeaderMap::parse(pointsman_http::HeaderMap::serialize(&lines)).unwrap();
        let mut request = Request::new(map);
        request.hide(|name, headers| fixture.routing.steers(name, headers));
        let mut stream = Default::default();
        fixture.routing.on_request(&mut stream, Wake::Arrived, &mut request, &mut fixture.host);
        prop_assert!(stream.decided.is_some() || request.answer.is_some());
    }
}
