use proptest::prelude::*;

use super::*;

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
