//! Sockets behind descriptors.

use super::run::{Run, socket};
use crate::capture::call::{Peer, Socket, What};

const HERE: Option<&str> = Some("10.0.0.1:4000");
const THERE: Option<&str> = Some("192.0.2.1:443");

/// `struct sockaddr_in` of 192.0.2.1:443.
const ADDRESS: What<'static> = What::Bytes(&[2, 0, 1, 187, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);

#[test]
fn who_connects_is_the_client() {
    Run::of("connect", -115, &[3, 1, 16])
        .read(0, socket(1, 2, HERE, THERE))
        .read(1, ADDRESS)
        .check(&[
            ("fd.num", "3"),
            ("fd.type", "'ipv4'"),
            ("fd.typechar", "'4'"),
            ("fd.name", "'10.0.0.1:4000->192.0.2.1:443'"),
            ("fd.nameraw", "absent"),
            ("fd.l4proto", "'tcp'"),
            ("fd.sockfamily", "'ip'"),
            ("fd.cip", "10.0.0.1"),
            ("fd.sip", "192.0.2.1"),
            ("fd.lip", "10.0.0.1"),
            ("fd.rip", "192.0.2.1"),
            ("fd.snet", "192.0.2.1"),
            ("fd.ip", "10.0.0.1 192.0.2.1"),
            ("fd.port", "4000 443"),
            ("fd.sport", "443"),
            ("fd.lport", "4000"),
            ("fd.rproto", "'443'"),
            ("fd.is_server", "false"),
            ("fd.connected", "false"),
            ("fd.name_changed", "true"),
            ("evt.res", "'EINPROGRESS'"),
            ("evt.arg.tuple", "'10.0.0.1:4000->192.0.2.1:443'"),
            ("evt.arg.addr", "'192.0.2.1:443'"),
            ("evt.category", "'net'"),
        ]);
}

#[test]
fn who_accepts_is_the_server() {
    Run::of("accept4", 5, &[3, 1, 1, 0])
        .behind(socket(1, 1, HERE, THERE))
        .check(&[
            ("fd.num", "5"),
            ("fd.name", "'192.0.2.1:443->10.0.0.1:4000'"),
            ("fd.cip", "192.0.2.1"),
            ("fd.sport", "4000"),
            ("fd.rip", "192.0.2.1"),
            ("fd.is_server", "true"),
            ("fd.connected", "true"),
        ]);
    Run::of("accept4", -11, &[3, 1, 1, 0]).check(&[("fd.num", "-1"), ("fd.sip", "absent"), ("fd.type", "absent")]);
}

#[test]
fn a_server_waits_at_its_own_address() {
    Run::of("listen", 0, &[3, 128])
        .read(0, socket(1, 10, Some("0.0.0.0:80"), None))
        .check(&[
            ("fd.type", "'ipv4'"),
            ("fd.typechar", "'2'"),
            ("fd.name", "'0.0.0.0:80'"),
            ("fd.sip", "0.0.0.0"),
            ("fd.sport", "80"),
            ("fd.cip", "absent"),
            ("fd.rip", "absent"),
            ("fd.is_server", "true"),
            ("evt.arg.backlog", "'128'"),
        ]);
}

#[test]
fn a_connection_that_is_duplicated_has_lost_its_roles() {
    Run::of("dup2", 0, &[7, 0]).read(0, socket(1, 1, HERE, THERE)).check(&[
        ("fd.num", "0"),
        ("fd.type", "'ipv4'"),
        ("fd.name", "'10.0.0.1:4000->192.0.2.1:443'"),
        ("fd.sip", "unknown: role_unknown"),
        ("fd.rip", "192.0.2.1"),
        ("fd.lport", "4000"),
        ("fd.ip", "10.0.0.1 192.0.2.1"),
        ("fd.is_server", "unknown: role_unknown"),
        ("fd.name_changed", "false"),
        ("evt.category", "'net'"),
    ]);
}

#[test]
fn datagrams_go_to_the_server() {
    Run::of("sendto", 5, &[3, 1, 5, 0, 1, 16])
        .read(0, socket(2, 7, HERE, None))
        .read(4, ADDRESS)
        .check(&[
            ("fd.l4proto", "'udp'"),
            ("fd.sip", "192.0.2.1"),
            ("fd.cport", "4000"),
            ("fd.connected", "false"),
            ("fd.name_changed", "true"),
            ("evt.is_io_write", "true"),
            ("evt.io_dir", "'write'"),
            ("evt.is_syslog", "false"),
            ("evt.arg.data", "unknown: argument_not_read"),
        ]);
}

#[test]
fn what_could_not_be_read_leaves_what_was_asked_for() {
    Run::of("connect", 0, &[3, 1, 16])
        .read(0, What::Unreadable)
        .read(1, ADDRESS)
        .check(&[
            ("fd.typechar", "'4'"),
            ("fd.sip", "192.0.2.1"),
            ("fd.lip", "unknown: descriptor_unreadable"),
            ("fd.ip", "192.0.2.1, then unknown: descriptor_unreadable"),
            ("fd.l4proto", "unknown: descriptor_unreadable"),
            ("fd.name", "unknown: descriptor_unreadable"),
        ]);
}

#[test]
fn names_come_from_a_table() {
    let mut run = Run::of("connect", 0, &[3, 1, 16]).read(0, socket(1, 1, HERE, THERE));
    run.check(&[("fd.sip.name", "unknown: names_not_resolved")]);
    run.scene().host.names = vec![
        ("kubernetes".to_owned(), "192.0.2.1".parse().unwrap()),
        ("other".to_owned(), "192.0.2.2".parse().unwrap()),
        ("kubernetes.default".to_owned(), "192.0.2.1".parse().unwrap()),
    ];
    run.check(&[
        ("fd.sip.name", "'kubernetes' 'kubernetes.default'"),
        ("fd.cip.name", "absent"),
    ]);
}

#[test]
fn other_families_have_no_addresses() {
    let unix = |destination: &'static str| {
        What::Socket(Box::new(Socket {
            family: 1,
            kind: 2,
            protocol: 0,
            state: 7,
            inode: 5,
            source: None,
            destination: Some(Peer::Unix(destination.into())),
        }))
    };
    Run::of("sendto", 5, &[3, 1, 5, 0, 0, 0])
        .read(0, unix("/dev/log"))
        .check(&[
            ("fd.type", "'unix'"),
            ("fd.typechar", "'u'"),
            ("fd.name", "'/dev/log'"),
            ("fd.sockfamily", "'unix'"),
            ("fd.sip", "absent"),
            ("fd.l4proto", "absent"),
            ("fd.is_server", "false"),
            ("evt.is_syslog", "true"),
        ]);
}
