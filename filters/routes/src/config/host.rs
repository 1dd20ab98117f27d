//! Host names, as Istio's validation takes them.

use std::collections::BTreeMap;
use std::fmt;

use pointsman_wire::{Cursor, Decode};

/// A host that a VirtualService is for: a DNS name, `*.suffix`, `*`, or an IP address. In lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether some request's host belongs to both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    fn covers(&self, other: &Self) -> bool {
        match self.0.strip_prefix('*') {
            Some(suffix) => other.0.strip_prefix('*').unwrap_or(&other.0).ends_with(suffix),
            None => self.0 == other.0,
        }
    }
}

/// Whether any two of them overlap. Written backwards and in order, all that a wildcard covers follow it.
pub(super) fn any_overlap<'a>(mut hosts: impl Iterator<Item = &'a HostName>) -> bool {
    let mut backwards = BTreeMap::new();
    let repeats = hosts.any(|host| {
        let plain = host.0.strip_prefix('*');
        let text: Vec<u8> = plain.unwrap_or(&host.0).bytes().rev().collect();
        backwards.insert(text, plain.is_some()).is_some()
    });
    let followed = backwards.iter().zip(backwards.keys().skip(1));
    repeats || followed.into_iter().any(|((text, is_wildcard), next)| *is_wildcard && next.starts_with(text))
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Decode for HostName {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let host = String::decode(at)?;
        match check(&host, true) {
            // As it stands in a request.
            Ok(()) => Some(Self(bracketed(host.to_ascii_lowercase()))),
            Err(why) => at.error(format_args!("`{host}` {why}")),
        }
    }
}

/// An IPv6 address stands in brackets where a port may follow.
pub fn bracketed(host: String) -> String {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(_) => format!("[{host}]"),
        Err(_) => host,
    }
}

/// Whether it is a DNS name (of letters, digits and `-`), an IP address, or, where a wildcard may stand, one that
/// begins with `*`: a request's host, and not a destination's.
pub fn check(host: &str, wildcard: bool) -> Result<(), String> {
    if host.parse::<std::net::IpAddr>().is_ok() || (wildcard && host == "*") {
        return Ok(());
    }
    let suffixes = ["*.", "*-", "*"].iter().find_map(|start| host.strip_prefix(start).filter(|_| wildcard));
    let plain = suffixes.unwrap_or(host);
    // One dot at the end is a name's full form.
    let name = plain.strip_suffix('.').unwrap_or(plain);
    let is_number = name.split('.').next_back().is_some_and(|top| top.bytes().all(|byte| byte.is_ascii_digit()));
    if host.len() <= 255 && !is_number && name.split('.').all(is_label) {
        return Ok(());
    }
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok());
    let why = match (host.split_once("://"), port) {
        _ if host.is_empty() => "it is empty",
        _ if host.len() > 255 => "it has more than 255 characters",
        (Some((scheme, _)), _) if is_label(scheme) => return Err(format!("is no host: leave `{scheme}://` out")),
        _ if host.contains('/') && wildcard => "leave the path out, it belongs into a match",
        _ if host.contains('/') => "leave the path out",
        (_, Some(_)) if wildcard => "leave the port out, it is ignored in a request's host too",
        (_, Some(port)) => {
            return Err(format!("is no host: the port has a field of its own, `port: {{number: {port}}}`"));
        }
        _ if host.contains('*') && !wildcard => "a wildcard cannot stand here",
        _ if host.contains('*') => "a wildcard is `*` alone or the first label, as in `*.example.com`",
        _ if is_number => "its last label is a number",
        _ => "its labels are of letters, digits and `-` (not first or last), at most 63 of them",
    };
    Err(format!("is no host: {why}"))
}

/// A DNS label: also a subset's name.
pub fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names() {
        for host in ["a", "a.b", "A-1.example.com", "example.com.", "*", "*.example.com", "*-x.com", "10.0.0.1", "::1"]
        {
            assert_eq!(check(host, true), Ok(()), "{host}");
        }
        for host in ["", ".", "a..b", "-a", "a_b", "a.*", "**", "*.", "a:80", "a b", "1.2", "é.com", &"a".repeat(64)] {
            assert!(check(host, true).is_err(), "{host}");
        }
        assert!(check("*.a", false).is_err());
    }

    #[test]
    fn overlaps() {
        let host = |name: &str| HostName(name.into());
        for (a, b, overlap) in [
            ("a", "a", true),
            ("a", "b", false),
            ("*", "a", true),
            ("*.a", "x.a", true),
            ("*.a", "a", false),
            ("*.a", "*.b.a", true),
            ("*.a", "*.b", false),
        ] {
            assert_eq!(host(a).overlaps(&host(b)), overlap, "{a} {b}");
            assert_eq!(host(b).overlaps(&host(a)), overlap, "{b} {a}");
            for others in [["x.b", "c"], ["zz.a", "0.a.c"], ["*.c", "b.b.b"]] {
                let [first, last] = others.map(host);
                let hosts = [first, host(a), last, host(b)];
                let expected = (1..4).any(|index| hosts[..index].iter().any(|other| other.overlaps(&hosts[index])));
                assert_eq!(any_overlap(hosts.iter()), expected, "{hosts:?}");
            }
        }
    }
}
