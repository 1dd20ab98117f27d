//! The client's address: the one that Envoy trusts, which may come from `x-forwarded-for`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pointsman_host::Host;

/// The address, without its port, as Envoy writes it; `None`: it is none of IP's.
pub fn of_client(host: &dyn Host) -> Option<Vec<u8>> {
    let mut address = host.property(&["source", "address"])?;
    let (start, end) = place(&address)?;
    read(address.get(start..end)?)?;
    address.truncate(end);
    address.drain(..start);
    Some(address)
}

/// So many bits of it, as in `10.1.0.0/16`.
pub fn network_of_client(v4: u8, v6: u8, host: &dyn Host) -> Option<Vec<u8>> {
    let address = host.property(&["source", "address"])?;
    let (start, end) = place(&address)?;
    let network = match read(address.get(start..end)?)? {
        IpAddr::V4(address) => {
            format!("{}/{v4}", Ipv4Addr::from_bits(address.to_bits() & leading(v4.into(), 32) as u32))
        }
        IpAddr::V6(address) => {
            format!("{}/{v6}", written(Ipv6Addr::from_bits(address.to_bits() & leading(v6.into(), 128))))
        }
    };
    Some(network.into_bytes())
}

/// That many bits of so many.
fn leading(kept: u32, of: u32) -> u128 {
    u128::MAX.checked_shl(of.saturating_sub(kept)).unwrap_or(0)
}

/// Where the address stands: `1.2.3.4:80`, `[::1]:80`.
fn place(address: &[u8]) -> Option<(usize, usize)> {
    let colon = address.iter().rposition(|byte| *byte == b':')?;
    let port = address.get(colon.checked_add(1)?..)?;
    if port.is_empty() || !port.iter().all(u8::is_ascii_digit) {
        return None;
    }
    match address.get(..colon)? {
        [b'[', .., b']'] => Some((1, colon.checked_sub(1)?)),
        _ => Some((0, colon)),
    }
}

/// Reads it; an IPv6 address may name its link.
fn read(address: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(address).ok()?;
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse().ok()
}

/// As the C library writes it, and so Envoy. Rust differs in one thing: `::1.2.3.4`.
fn written(address: Ipv6Addr) -> String {
    match (address.to_bits() >> 32, address.segments()) {
        (0, [.., high, _]) if high != 0 => format!("::{}", Ipv4Addr::from_bits(address.to_bits() as u32)),
        _ => address.to_string(),
    }
}
