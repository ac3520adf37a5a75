//! Where the hub does not call, whatever the address of a connection says.
//!
//! The machines of a cloud are told their own credentials at an address of the link that they are on.
//! No shop, provider or books are there, so that no name which resolves to such an address, and no
//! other way of writing it, is dialled: it is looked at after the name was resolved, for the call that
//! is about to be made. Private addresses are dialled, as books are often in the same network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Where clouds keep the same that are not on the link: Alibaba's, Oracle's, and Amazon's of IPv6.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether nobody whom we want to talk to can be at an address.
fn is_refused(address: IpAddr) -> bool {
    let address = address.to_canonical();
    METADATA.contains(&address)
        || match address {
            IpAddr::V4(v4) => {
                v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast()
            }
            IpAddr::V6(v6) => {
                let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = v6.segments() else {
                    return v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast();
                };
                // An address of IPv4 behind a translator.
                is_refused(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into())
            }
        }
}

/// The address that a URL names by number, where nobody is to be called.
pub(crate) fn refused(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let number = host.trim_start_matches('[').trim_end_matches(']');
    number.parse().ok().filter(|address| is_refused(*address))
}

/// Resolves names as the system does, and leaves out where nobody is to be called.
pub(crate) struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let dialled = dialled(name.as_str(), found)?;
            let addresses: Addrs = Box::new(dialled.into_iter());
            Ok(addresses)
        })
    }
}

fn dialled(
    name: &str,
    found: impl Iterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, std::io::Error> {
    let (refused, dialled): (Vec<_>, Vec<_>) = found.partition(|it| is_refused(it.ip()));
    match refused.first() {
        Some(address) if dialled.is_empty() => {
            let why = format!("{name} resolves to {}, where nothing is called", address.ip());
            Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why))
        }
        _ => Ok(dialled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(addresses: &[&str]) -> Vec<SocketAddr> {
        let one = |address: &&str| SocketAddr::new(address.parse().expect("an address"), 443);
        addresses.iter().map(one).collect()
    }

    /// However a name got there: it is looked at each time that it is resolved.
    #[test]
    fn h10_a_name_that_leads_to_the_link_leads_nowhere() {
        let dialled = |found: &[&str]| dialled("books.example", at(found).into_iter());
        for refused in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "0.0.0.0",
            "::",
            "224.0.0.1",
        ] {
            let error = dialled(&[refused]).expect_err(refused).to_string();
            assert!(error.starts_with("books.example resolves to "), "{error}");
            assert_eq!(dialled(&[refused, "10.0.0.7"]).expect("the other"), at(&["10.0.0.7"]));
        }
        let usual = ["203.0.113.9", "10.1.2.3", "192.168.1.4", "127.0.0.1", "fd12::1", "::1"];
        assert_eq!(dialled(&usual).expect("all"), at(&usual));
        assert_eq!(dialled(&[]).expect("none, which is somebody else's to tell"), []);
    }
}
