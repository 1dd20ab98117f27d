//! Which VirtualService a host belongs to: Envoy's choice of a virtual host.

use std::collections::BTreeMap;

use hashbrown::HashMap;

/// Values by host: exact, then the longest suffix, then `*`. Letter case and port of a request's host are ignored.
pub(crate) struct Hosts<T> {
    exact: HashMap<Box<[u8]>, T>,
    /// By the suffix's length, the longest last.
    suffixes: BTreeMap<usize, HashMap<Box<[u8]>, T>>,
}

impl<T> Default for Hosts<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), suffixes: BTreeMap::new() }
    }
}

impl<T> Hosts<T> {
    /// Adds a host (in lower case), `*.suffix` or `*`. The first value of a host stays.
    pub fn insert(&mut self, host: &str, value: T) {
        let (map, key) = match host.strip_prefix('*') {
            Some(suffix) => (self.suffixes.entry(suffix.len()).or_default(), suffix),
            None => (&mut self.exact, host),
        };
        map.entry(key.as_bytes().into()).or_insert(value);
    }

    /// The value for a request's host.
    pub fn find(&self, authority: &[u8]) -> Option<&T> {
        let host = without_port(authority);
        // As it is, for hardly any client sends another letter case.
        if let Some(value) = self.exact.get(host) {
            return Some(value);
        }
        let lower: Vec<u8>;
        let mut host = host;
        if host.iter().any(u8::is_ascii_uppercase) {
            lower = host.to_ascii_lowercase();
            host = &lower;
            if let Some(value) = self.exact.get(host) {
                return Some(value);
            }
        }
        // A suffix matches only a host that is longer; `*` any.
        let shorter = self.suffixes.range(..host.len().max(1)).rev();
        let mut candidates = shorter.filter_map(|(length, map)| {
            let start = host.len().checked_sub(*length)?;
            map.get(host.get(start..)?)
        });
        candidates.next()
    }
}

/// Envoy's `ignore_port_in_host_matching`: what follows the last colon goes, unless that stands in an IPv6 address.
fn without_port(authority: &[u8]) -> &[u8] {
    match memchr::memrchr2(b':', b']', authority) {
        Some(last) if authority.get(last) == Some(&b':') => authority.get(..last).unwrap_or_default(),
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_most_specific_host_is_found() {
        let mut hosts = Hosts::default();
        for host in ["*", "a.com", "*.a.com", "*.x.a.com", "[::1]", "*-y.a.com"] {
            hosts.insert(host, host);
        }
        for (authority, expected) in [
            ("a.com", "a.com"),
            ("A.Com:8080", "a.com"),
            ("b.a.com", "*.a.com"),
            ("b.x.a.com", "*.x.a.com"),
            ("b-y.a.com", "*-y.a.com"),
            (".a.com", "*"),
            ("x.a.com", "*.a.com"),
            ("a.com.", "*"),
            ("", "*"),
            ("other:1", "*"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(hosts.find(authority.as_bytes()), Some(&expected), "{authority}");
        }
        let mut hosts = Hosts::default();
        hosts.insert("*.a.com", 1);
        hosts.insert("*.a.com", 2);
        for (authority, expected) in [("a.com", None), (".a.com", None), ("b.a.com", Some(&1)), ("", None)] {
            assert_eq!(hosts.find(authority.as_bytes()), expected, "{authority}");
        }
    }
}
