use super::*;
use proptest::prelude::*;

proptest! {
    /// Whatever stands in a request: no panic, and nothing longer than it may be.
    #[test]
    fn any_request_has_a_bounded_descriptor(
        path: Vec<u8>,
        header in proptest::collection::vec(any::<u8>(), 0..3000),
        address: Vec<u8>,
    ) {
        let headers = map(&[(":path", path), ("x", header)]);
        let host = FakeHost { properties: [("source.address".to_owned(), address)].into(), ..FakeHost::default() };
        let all = actions(&[
            json!({"requestHeaders": {"headerName": "x", "descriptorKey": "x"}}),
            json!({"queryParameters": {"queryParameterName": "a", "descriptorKey": "q", "skipIfAbsent": true}}),
            json!({"path": {"template": "/{a}/{**}", "variable": "a", "descriptorKey": "p", "skipIfAbsent": true}}),
        ]);
        let descriptor = all.descriptor(&headers, &Destination::OfProxy, &host).unwrap();
        prop_assert!(descriptor.entries().all(|(_, value)| value.len() <= LONGEST));
        actions(&[json!({"maskedRemoteAddress": {}})]).descriptor(&headers, &Destination::OfProxy, &host);
        actions(&[json!({"remoteAddress": {}})]).descriptor(&headers, &Destination::OfProxy, &host);
    }

    /// An address is found again in what it is written as, whatever is kept of it.
    #[test]
    fn networks_have_their_addresses(bits: u128, v4 in 0..=32u8, v6 in 0..=128u8) {
        let v6_address = std::net::Ipv6Addr::from_bits(bits);
        let v4_address = std::net::Ipv4Addr::from_bits(bits as u32);
        for (address, length, of) in [
            (std::net::IpAddr::from(v6_address), v6, 128u32),
            (v4_address.into(), v4, 32),
        ] {
            let source = std::net::SocketAddr::new(address, 80).to_string().into_bytes();
            let host = FakeHost { properties: [("source.address".to_owned(), source)].into(), ..FakeHost::default() };
            let network = String::from_utf8(address::network_of_client(v4, v6, &host).unwrap()).unwrap();
            let (start, written) = network.split_once('/').unwrap();
            prop_assert_eq!(written, length.to_string());
            let number = |address: std::net::IpAddr| match address {
                std::net::IpAddr::V4(address) => u128::from(address.to_bits()),
                std::net::IpAddr::V6(address) => address.to_bits(),
            };
            let cut = of - u32::from(length);
            let start = number(start.parse().unwrap());
            let kept = |number: u128| number.checked_shr(cut).unwrap_or(0);
            prop_assert_eq!(kept(start), kept(number(address)));
            prop_assert!(start.trailing_zeros() >= cut);
        }
    }
}
