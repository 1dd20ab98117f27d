//! Which VirtualService a host belongs to: Envoy's choice of a virtual host.

use std::collections::BTreeMap;

/// Values by host: exact, then the longest suffix, then `*`. Letter case and port of a request's host are ignored.
pub(crate) struct Hosts<T> {
    exact: Names<T>,
    /// By the suffix's length, the longest first.
    suffixes: Vec<(usize, Names<T>)>,
}

/// Values by name, in the order of the names. A binary search among ten thousand costs what a hash does, and among few
/// next to nothing.
type Names<T> = Box<[(Box<[u8]>, T)]>;

impl<T> Hosts<T> {
    /// Takes hosts (in lower case), `*.suffix` and `*`. The first value of a host stays.
    pub fn new<'a>(hosts: impl IntoIterator<Item = (&'a str, T)>) -> Self {
        let mut exact = Vec::new();
        let mut suffixes: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        for (host, value) in hosts {
            let (names, name) = match host.strip_prefix('*') {
                Some(suffix) => (suffixes.entry(suffix.len()).or_default(), suffix),
                None => (&mut exact, host),
            };
            names.push((name.as_bytes().into(), value));
        }
        let suffixes = suffixes.into_iter().rev().map(|(length, names)| (length, sorted(names)));
        Self { exact: sorted(exact), suffixes: suffixes.collect() }
    }

    /// The value for a request's host.
    pub fn find(&self, authority: &[u8]) -> Option<&T> {
        let host = without_port(authority);
        // As it is, for hardly any client sends another letter case.
        if let Some(value) = find(&self.exact, host) {
            return Some(value);
        }
        let lower: Vec<u8>;
        let mut host = host;
        if host.iter().any(u8::is_ascii_uppercase) {
            lower = host.to_ascii_lowercase();
            host = &lower;
            if let Some(value) = find(&self.exact, host) {
                return Some(value);
            }
        }
        self.suffixes.iter().find_map(|(length, names)| {
            // A suffix matches only a host that is longer; `*` any.
            let start = host.len().checked_sub(*length).filter(|start| *start > 0 || *length == 0)?;
            find(names, host.get(start..)?)
        })
    }
}

fn sorted<T>(mut names: Vec<(Box<[u8]>, T)>) -> Names<T> {
    names.sort_by(|(a, _), (b, _)| a.cmp(b)); // stable
    names.dedup_by(|(later, _), (first, _)| later == first);
    names.into()
}

fn find<'a, T>(names: &'a Names<T>, name: &[u8]) -> Option<&'a T> {
    let place = names.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
    names.get(place).map(|(_, value)| value)
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
        let hosts = Hosts::new(["*", "a.com", "*.a.com", "*.x.a.com", "[::1]", "*-y.a.com"].map(|host| (host, host)));
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
        let hosts = Hosts::new([("*.a.com", 1), ("*.a.com", 2)]);
        for (authority, expected) in [("a.com", None), (".a.com", None), ("b.a.com", Some(&1)), ("", None)] {
            assert_eq!(hosts.find(authority.as_bytes()), expected, "{authority}");
        }
    }
}
