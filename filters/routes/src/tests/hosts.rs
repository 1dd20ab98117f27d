//! Hosts, held against a look at each.
#![cfg(not(target_arch = "wasm32"))]

use proptest::prelude::*;

use crate::hosts::Hosts;

proptest! {
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
}
