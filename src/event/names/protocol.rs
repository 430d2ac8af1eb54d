//! `IPPROTO_*` and its counterparts of other families: what a protocol's number means depends on the family.

use std::borrow::Cow;

use super::set::{Names, name_of};

/// Names of the protocols of a family, where they are known: `include/uapi/linux/in.h`, `netlink.h`, `if_ether.h`.
#[must_use]
pub fn protocols(family: i32) -> Option<Names> {
    match family {
        libc::AF_INET | libc::AF_INET6 => Some(INTERNET),
        libc::AF_NETLINK => Some(NETLINK),
        _ => None,
    }
}

/// A socket's protocol in lower case, as `network.protocol` tells it. Absent where a socket has none.
#[must_use]
pub fn protocol_word(family: u16, protocol: u16) -> Option<Cow<'static, str>> {
    let words = match i32::from(family) {
        libc::AF_INET | libc::AF_INET6 if protocol != 0 => INTERNET_WORDS,
        libc::AF_NETLINK => NETLINK_WORDS,
        _ if protocol == 0 => return None,
        _ => &[],
    };
    Some(name_of(words, u64::from(protocol)).map_or_else(|| Cow::Owned(protocol.to_string()), Cow::Borrowed))
}

/// Declares names and their lower case together.
macro_rules! protocols {
    ($names:ident, $words:ident: $($name:literal $word:literal $number:literal,)*) => {
        pub(super) const $names: Names = &[$(($name, $number),)*];
        pub(super) const $words: Names = &[$(($word, $number),)*];
    };
}

protocols! { INTERNET, INTERNET_WORDS:
    "IPPROTO_IP" "ip" 0,
    "IPPROTO_ICMP" "icmp" 1,
    "IPPROTO_IGMP" "igmp" 2,
    "IPPROTO_IPIP" "ipip" 4,
    "IPPROTO_TCP" "tcp" 6,
    "IPPROTO_EGP" "egp" 8,
    "IPPROTO_PUP" "pup" 12,
    "IPPROTO_UDP" "udp" 17,
    "IPPROTO_IDP" "idp" 22,
    "IPPROTO_TP" "tp" 29,
    "IPPROTO_DCCP" "dccp" 33,
    "IPPROTO_IPV6" "ipv6" 41,
    "IPPROTO_RSVP" "rsvp" 46,
    "IPPROTO_GRE" "gre" 47,
    "IPPROTO_ESP" "esp" 50,
    "IPPROTO_AH" "ah" 51,
    "IPPROTO_ICMPV6" "icmpv6" 58,
    "IPPROTO_MTP" "mtp" 92,
    "IPPROTO_BEETPH" "beetph" 94,
    "IPPROTO_ENCAP" "encap" 98,
    "IPPROTO_PIM" "pim" 103,
    "IPPROTO_COMP" "comp" 108,
    "IPPROTO_L2TP" "l2tp" 115,
    "IPPROTO_SCTP" "sctp" 132,
    "IPPROTO_UDPLITE" "udplite" 136,
    "IPPROTO_MPLS" "mpls" 137,
    "IPPROTO_ETHERNET" "ethernet" 143,
    "IPPROTO_RAW" "raw" 255,
    "IPPROTO_MPTCP" "mptcp" 262,
}

protocols! { NETLINK, NETLINK_WORDS:
    "NETLINK_ROUTE" "route" 0,
    "NETLINK_USERSOCK" "usersock" 2,
    "NETLINK_FIREWALL" "firewall" 3,
    "NETLINK_SOCK_DIAG" "sock_diag" 4,
    "NETLINK_NFLOG" "nflog" 5,
    "NETLINK_XFRM" "xfrm" 6,
    "NETLINK_SELINUX" "selinux" 7,
    "NETLINK_ISCSI" "iscsi" 8,
    "NETLINK_AUDIT" "audit" 9,
    "NETLINK_FIB_LOOKUP" "fib_lookup" 10,
    "NETLINK_CONNECTOR" "connector" 11,
    "NETLINK_NETFILTER" "netfilter" 12,
    "NETLINK_IP6_FW" "ip6_fw" 13,
    "NETLINK_DNRTMSG" "dnrtmsg" 14,
    "NETLINK_KOBJECT_UEVENT" "kobject_uevent" 15,
    "NETLINK_GENERIC" "generic" 16,
    "NETLINK_SCSITRANSPORT" "scsitransport" 18,
    "NETLINK_ECRYPTFS" "ecryptfs" 19,
    "NETLINK_RDMA" "rdma" 20,
    "NETLINK_CRYPTO" "crypto" 21,
    "NETLINK_SMC" "smc" 22,
}

/// What packet sockets listen for (`include/uapi/linux/if_ether.h`), as far as it is common.
pub const ETHERNET: Names = &[
    ("ETH_P_LOOP", 0x0060),
    ("ETH_P_IP", 0x0800),
    ("ETH_P_ARP", 0x0806),
    ("ETH_P_RARP", 0x8035),
    ("ETH_P_8021Q", 0x8100),
    ("ETH_P_IPV6", 0x86dd),
    ("ETH_P_PPP_DISC", 0x8863),
    ("ETH_P_PPP_SES", 0x8864),
    ("ETH_P_PAE", 0x888e),
    ("ETH_P_LLDP", 0x88cc),
    ("ETH_P_1588", 0x88f7),
    ("ETH_P_802_3", 0x0001),
    ("ETH_P_ALL", 0x0003),
    ("ETH_P_802_2", 0x0004),
    ("ETH_P_CAN", 0x000c),
];
