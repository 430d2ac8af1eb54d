use proptest::prelude::*;

use super::*;

/// A record of a cgroup as the kernel side would write it, with these bytes for its tail.
fn cgroup_record(hook: Hook, flags: u32, path_size: usize, tail: &[u8]) -> Vec<u8> {
    let size = size_of::<wire::CgroupRecord>();
    let mut bytes = vec![0; size];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    let header = |field: usize| std::mem::offset_of!(wire::CgroupRecord, header) + field;
    put(
        header(std::mem::offset_of!(wire::RecordHeader, hook)),
        &u16::from(hook.wire()).to_ne_bytes(),
    );
    put(
        header(std::mem::offset_of!(wire::RecordHeader, flags)),
        &flags.to_ne_bytes(),
    );
    put(
        header(std::mem::offset_of!(wire::RecordHeader, cgroup_id)),
        &4711_u64.to_ne_bytes(),
    );
    put(
        std::mem::offset_of!(wire::CgroupRecord, path_size),
        &u32::try_from(path_size).unwrap().to_ne_bytes(),
    );
    bytes.extend_from_slice(tail);
    bytes
}

fn cgroup(bytes: &[u8]) -> Cgroup<'_> {
    match Record::decode(bytes).unwrap().content {
        Content::Cgroup(cgroup) => cgroup,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cgroup_is_told_by_its_id_and_its_path() {
    for hook in [Hook::CGROUP_MKDIR, Hook::CGROUP_RMDIR] {
        // The ring keeps records at multiples of eight.
        let bytes = cgroup_record(hook, 0, 13, b"/kubepods/ab\0\0\0\0");
        assert_eq!(Record::decode(&bytes).unwrap().header.hook, hook);
        let told = cgroup(&bytes);
        assert_eq!((told.id, told.path.as_deref()), (4711, Some("/kubepods/ab")));
    }
}

/// What is cut at its end names a cgroup that was neither made nor removed.
#[test]
fn a_cgroup_whose_path_is_not_whole_is_told_by_its_id_alone() {
    for flag in [record_flag::CGROUP_TRUNCATED, record_flag::CGROUP_UNREADABLE] {
        let bytes = cgroup_record(Hook::CGROUP_RMDIR, flag, 10, b"/kubepods\0");
        assert_eq!(cgroup(&bytes), Cgroup { id: 4711, path: None });
    }
    let bytes = cgroup_record(Hook::CGROUP_MKDIR, 0, 64, b"/kubepods\0");
    assert!(matches!(Record::decode(&bytes), Err(DecodeError::Short(_))));
}

#[test]
fn names_are_turned_round() {
    assert_eq!(join_reversed(b"hostname\0etc\0", true), "/etc/hostname");
    assert_eq!(join_reversed(b"", true), "/");
    assert_eq!(join_reversed(b"memfd:x\0", false), "memfd:x");
    assert_eq!(join_reversed(b"c\0b\0", false), "b/c");
}

#[test]
fn arguments_keep_empty_ones() {
    assert_eq!(split_args(b"sh\0-c\0\0x\0"), ["sh", "-c", "", "x"]);
    assert_eq!(split_args(b"cut off he"), ["cut off he"]);
    assert!(split_args(b"").is_empty());
}

proptest! {
    /// Whatever stands in the ring, the reader survives it.
    #[test]
    fn any_bytes_decode_or_fail(mut bytes in prop::collection::vec(any::<u8>(), 0..2048), hook in 0_u16..100) {
        if bytes.len() >= 6 {
            bytes[4..6].copy_from_slice(&hook.to_ne_bytes());
        }
        let _ = Record::decode(&bytes);
    }
}

#[test]
fn a_canary_is_its_header_and_nothing_more() {
    let bytes = cgroup_record(Hook::CANARY, 0, 0, &[]);
    let record = Record::decode(&bytes[..size_of::<wire::RecordHeader>()]).unwrap();
    assert!(matches!(record.content, Content::Canary), "{record:?}");
    assert_eq!((record.header.hook, record.header.cgroup_id), (Hook::CANARY, 4711));
    let short = &bytes[..size_of::<wire::RecordHeader>() - 1];
    assert_eq!(Record::decode(short).unwrap_err(), DecodeError::Short(short.len()));
}

#[test]
fn times_beyond_what_nanoseconds_hold_are_their_end() {
    assert_eq!(nanoseconds(1_700_000_000, 5), 1_700_000_000_000_000_005);
    assert_eq!(nanoseconds(-1, 999_999_999), -1);
    assert_eq!(nanoseconds(i64::MAX, 5), i64::MAX);
    assert_eq!(nanoseconds(1 << 34, 0), i64::MAX);
}
