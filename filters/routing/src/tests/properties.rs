//! What holds for any weights and any hosts.
#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;
use serde_json::json;

use super::{Fixture, rules};
use crate::hosts::Hosts;

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

    /// Hosts and requests of few letters, so that they hit each other.
    #[test]
    fn hosts_are_found_as_by_looking_at_each(
        hosts in prop::collection::vec(r"\*|\*?[ab.]{1,4}", 0..8),
        authorities in prop::collection::vec(r"[abAB.]{0,5}(:[0-9]{0,2})?", 1..20),
    ) {
        let index = Hosts::new(hosts.iter().enumerate().map(|(place, host)| (host.as_str(), place)));
        for authority in authorities {
            let name = authority.split(':').next().unwrap().to_ascii_lowercase();
            let exact = hosts.iter().position(|host| *host == name);
            let matching = hosts.iter().enumerate().filter_map(|(place, host)| {
                let suffix = host.strip_prefix('*')?;
                let is_match = suffix.is_empty() || (name.len() > suffix.len() && name.ends_with(suffix));
                is_match.then_some((suffix.len(), place))
            });
            // The longest suffix; of the same one, the first.
            let longest = matching.max_by_key(|(length, place)| (*length, std::cmp::Reverse(*place)));
            let expected = exact.or(longest.map(|(_, place)| place));
            prop_assert_eq!(index.find(authority.as_bytes()).copied(), expected, "{} among {:?}", authority, hosts);
        }
    }

    /// Whatever bytes a request has, it is decided about.
    #[test]
    fn any_request_is_decided(lines in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..6)) {
        use pointsman_host::{Filter as _, Request, Wake};
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
        let step = fixture.routing.on_request(&mut stream, Wake::Arrived, &mut request, &mut fixture.host);
        prop_assert!(stream.decided.is_some() || matches!(step, pointsman_host::Step::Reply(_)));
    }
}
