//! What was rendered before: the text of values that many events share, by the value's identity.
//!
//! Owns the memory of those texts, bounded in entries and in bytes. It refuses to know what they say.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Weak};

use lru::LruCache;

/// Texts of values of type `T`, found by a key of the caller's and believed only for the very value that they were
/// rendered from.
#[derive(Debug)]
pub(super) struct Pieces<K: Hash + Eq, T> {
    known: LruCache<K, Piece<T>>,
    /// Of all texts together.
    bytes: usize,
    most: usize,
}

#[derive(Debug)]
struct Piece<T> {
    /// Keeps the address from being used again, and nothing that the value owns from being freed.
    of: Weak<T>,
    text: Box<[u8]>,
}

impl<K: Hash + Eq, T> Pieces<K, T> {
    /// Room for so many entries and so many bytes of text.
    pub(super) fn new(entries: NonZeroUsize, bytes: usize) -> Self {
        Self {
            known: LruCache::new(entries),
            bytes: 0,
            most: bytes,
        }
    }

    /// Appends the text of `of`, rendered anew if `of` is not the value that was last seen under this key. Values are
    /// immutable: what belongs to the text besides has to be in the key.
    pub(super) fn append<E>(
        &mut self,
        out: &mut Vec<u8>,
        key: K,
        of: &Arc<T>,
        render: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(piece) = self.known.get(&key)
            && std::ptr::eq(piece.of.as_ptr(), Arc::as_ptr(of))
        {
            out.extend_from_slice(&piece.text);
            return Ok(());
        }
        let start = out.len();
        render(out)?;
        self.remember(key, of, &out[start..]);
        Ok(())
    }

    fn remember(&mut self, key: K, of: &Arc<T>, text: &[u8]) {
        // One giant would push out everything else.
        if text.len() > self.most / 8 {
            return;
        }
        self.bytes += text.len();
        let piece = Piece {
            of: Arc::downgrade(of),
            text: text.into(),
        };
        if let Some((_, old)) = self.known.push(key, piece) {
            self.bytes -= old.text.len();
        }
        while self.bytes > self.most
            && let Some((_, oldest)) = self.known.pop_lru()
        {
            self.bytes -= oldest.text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn pieces(entries: usize, bytes: usize) -> Pieces<u32, String> {
        Pieces::new(NonZeroUsize::new(entries).unwrap(), bytes)
    }

    /// Appends, and says whether that took rendering.
    fn append(pieces: &mut Pieces<u32, String>, key: u32, of: &Arc<String>) -> (String, bool) {
        let (mut out, mut rendered) = (b"<".to_vec(), false);
        let result: Result<(), Infallible> = pieces.append(&mut out, key, of, |out| {
            rendered = true;
            out.extend_from_slice(of.as_bytes());
            Ok(())
        });
        result.unwrap();
        (String::from_utf8(out).unwrap(), rendered)
    }

    #[test]
    fn a_text_is_rendered_once_and_belongs_to_one_value() {
        let mut pieces = pieces(4, 1024);
        let first = Arc::new("first".to_owned());
        assert_eq!(append(&mut pieces, 1, &first), ("<first".to_owned(), true));
        assert_eq!(append(&mut pieces, 1, &first), ("<first".to_owned(), false));
        // An equal value at another address may differ in what is not compared; the same key may come again.
        let second = Arc::new("second".to_owned());
        assert_eq!(append(&mut pieces, 1, &second), ("<second".to_owned(), true));
        assert_eq!(append(&mut pieces, 1, &first), ("<first".to_owned(), true));
        assert_eq!(pieces.bytes, 5);
    }

    #[test]
    fn the_address_of_a_value_that_is_gone_is_nobody_elses() {
        let mut pieces = pieces(4, 1024);
        for round in 0..1000 {
            let text = format!("{round}");
            let value = Arc::new(text.clone());
            assert_eq!(append(&mut pieces, 1, &value), (format!("<{text}"), true));
        }
    }

    #[test]
    fn entries_and_bytes_are_bounded() {
        let mut pieces = pieces(8, 160);
        let value = Arc::new("x".repeat(20));
        let giant = Arc::new("x".repeat(21));
        for key in 0..100 {
            append(&mut pieces, key, &value);
            append(&mut pieces, 1000, &giant);
            assert!(pieces.known.len() <= 8 && pieces.bytes <= 160);
            assert_eq!(
                pieces.bytes,
                pieces.known.iter().map(|(_, piece)| piece.text.len()).sum::<usize>()
            );
        }
        assert!(append(&mut pieces, 1000, &giant).1, "a giant is not kept");
        assert!(!append(&mut pieces, 99, &value).1);
        assert!(append(&mut pieces, 0, &value).1, "the oldest made room");
    }
}
