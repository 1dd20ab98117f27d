//! Addresses as Envoy writes them: `10.0.0.1:80`, `[2001:db8::1]:80`, or a pipe's path.

/// The IP address and the port; the whole text and no port, if it is no IP address (a pipe's).
pub(crate) fn split(address: &[u8]) -> (&[u8], &[u8]) {
    let colon = address.iter().rposition(|byte| *byte == b':');
    let Some((ip, port)) = colon.and_then(|at| address.split_at_checked(at)) else {
        return (address, b"");
    };
    let port = port.strip_prefix(b":").unwrap_or(port);
    if port.is_empty() || !port.iter().all(u8::is_ascii_digit) || ip.contains(&b'/') {
        return (address, b"");
    }
    let bare = ip.strip_prefix(b"[").and_then(|ip| ip.strip_suffix(b"]"));
    (bare.unwrap_or(ip), port)
}

#[cfg(test)]
mod tests {
    use super::split;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn addresses() {
        for (address, ip, port) in [
            ("10.0.0.1:80", "10.0.0.1", "80"),
            ("10.0.0.1:0", "10.0.0.1", "0"),
            ("[2001:db8::1]:65535", "2001:db8::1", "65535"),
            ("[::1%eth0]:1", "::1%eth0", "1"),
            ("/run/socket", "/run/socket", ""),
            ("/run/socket:1", "/run/socket:1", ""),
            ("@abstract", "@abstract", ""),
            ("[::1]", "[::1]", ""),
            ("10.0.0.1:", "10.0.0.1:", ""),
            ("", "", ""),
        ] {
            assert_eq!(split(address.as_bytes()), (ip.as_bytes(), port.as_bytes()), "{address}");
        }
    }
}
