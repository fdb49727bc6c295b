//! The origin of a client, as far as its share of our resources is concerned.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::extract::Request;

/// An IPv4 address, or the network of 64 bits that an IPv6 client has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin(IpAddr);

/// The origin of a request, as the server has noted it.
pub(super) fn of(request: &Request) -> Origin {
    request.extensions().get().copied().unwrap_or(Origin(Ipv4Addr::UNSPECIFIED.into()))
}

// === impl Origin ===

impl Origin {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.into()),
            IpAddr::V6(v6) => Self(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into()),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_has_one_origin_however_many_addresses_it_uses() {
        let of = |address: &str| Origin::of(address.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
