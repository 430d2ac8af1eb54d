//! Patterns of the shell as fnmatch(3) reads them without a flag: `*` crosses slashes, and bytes are compared, as in the C
//! locale that the upstream engine runs in.

/// A pattern, read.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    tokens: Box<[Token]>,
    fold: bool,
}

/// What stands in every text that fits a pattern; empty where nothing does.
#[derive(Debug)]
pub(super) struct Literals {
    /// All of it, where only one text fits.
    pub(super) whole: Option<Vec<u8>>,
    /// At its beginning.
    pub(super) start: Vec<u8>,
    /// At its end.
    pub(super) end: Vec<u8>,
    /// Anywhere.
    pub(super) longest: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// `*`.
    Many,
    /// `?`.
    One,
    /// A byte.
    Byte(u8),
    /// `[...]`: a bit per byte that may stand here.
    Set(Box<[bool; 256]>),
}

impl Glob {
    /// Reads a pattern. None is wrong: a bracket that is not closed stands for itself.
    pub(super) fn new(pattern: &[u8], fold: bool) -> Self {
        let mut tokens = Vec::new();
        let mut rest = pattern;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                // Several in a row say no more than one.
                b'*' if tokens.last() == Some(&Token::Many) => {}
                b'*' => tokens.push(Token::Many),
                b'?' => tokens.push(Token::One),
                b'[' => match set(after, fold) {
                    Some((set, after)) => {
                        tokens.push(Token::Set(set));
                        rest = after;
                    }
                    None => tokens.push(Token::Byte(b'[')),
                },
                b'\\' => match after.split_first() {
                    Some((&escaped, after)) => {
                        tokens.push(Token::Byte(folded(escaped, fold)));
                        rest = after;
                    }
                    // A backslash at the end: fnmatch of glibc never matches, and neither does a byte behind the end.
                    None => tokens.extend([Token::Byte(b'\\'), Token::Set(Box::new([false; 256]))]),
                },
                _ => tokens.push(Token::Byte(folded(byte, fold))),
            }
        }
        Self {
            tokens: tokens.into(),
            fold,
        }
    }

    /// What stands in every text that fits, byte by byte; nothing is told of one that takes both cases of letters.
    pub(super) fn literals(&self) -> Option<Literals> {
        if self.fold {
            return None;
        }
        let byte = |token: &Token| match token {
            Token::Byte(byte) => Some(*byte),
            Token::Many | Token::One | Token::Set(_) => None,
        };
        let runs = || self.tokens.split(|token| byte(token).is_none());
        let bytes = |run: &[Token]| run.iter().filter_map(byte).collect::<Vec<_>>();
        let longest = runs().max_by_key(|run| run.len()).map(bytes).unwrap_or_default();
        Some(Literals {
            whole: (longest.len() == self.tokens.len()).then(|| longest.clone()),
            start: runs().next().map(bytes).unwrap_or_default(),
            end: runs().next_back().map(bytes).unwrap_or_default(),
            longest,
        })
    }

    /// Whether the whole text fits. Takes at most (length of text) × (length of pattern) steps: only the last star is tried
    /// again, because what an earlier one could take more of, it can take too.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let (mut token, mut at) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            let fits = match self.tokens.get(token) {
                Some(Token::Many) => {
                    star = Some((token, at));
                    token += 1;
                    continue;
                }
                Some(Token::One) => true,
                Some(Token::Byte(byte)) => folded(text[at], self.fold) == *byte,
                Some(Token::Set(set)) => set[usize::from(text[at])],
                None => false,
            };
            if fits {
                token += 1;
                at += 1;
            } else if let Some((many, from)) = star {
                star = Some((many, from + 1));
                token = many + 1;
                at = from + 1;
            } else {
                return false;
            }
        }
        self.tokens[token.min(self.tokens.len())..]
            .iter()
            .all(|token| *token == Token::Many)
    }
}

fn folded(byte: u8, fold: bool) -> u8 {
    if fold { byte.to_ascii_lowercase() } else { byte }
}

/// Reads a set behind its opening bracket; gives what is behind the closing one.
fn set(pattern: &[u8], fold: bool) -> Option<(Box<[bool; 256]>, &[u8])> {
    let mut bits = Box::new([false; 256]);
    let (negated, mut rest) = match pattern.first() {
        Some(b'!' | b'^') => (true, &pattern[1..]),
        _ => (false, pattern),
    };
    let mut first = true;
    loop {
        let (&byte, after) = rest.split_first()?;
        if byte == b']' && !first {
            rest = after;
            break;
        }
        first = false;
        if let Some((class, after)) = class(rest) {
            for other in 0..=u8::MAX {
                bits[usize::from(other)] |= class(other);
            }
            rest = after;
            continue;
        }
        let (low, after) = member(rest)?;
        let (high, after) = match after {
            [b'-', end, ..] if *end != b']' => member(&after[1..])?,
            _ => (low, after),
        };
        rest = after;
        for other in low..=high {
            bits[usize::from(other)] = true;
        }
    }
    if fold {
        for byte in 0..=u8::MAX {
            if bits[usize::from(byte)] {
                bits[usize::from(byte.to_ascii_lowercase())] = true;
                bits[usize::from(byte.to_ascii_uppercase())] = true;
            }
        }
    }
    if negated {
        for bit in bits.iter_mut() {
            *bit = !*bit;
        }
    }
    Some((bits, rest))
}

/// A byte in a set, escaped or not.
fn member(pattern: &[u8]) -> Option<(u8, &[u8])> {
    match pattern {
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

type Class = fn(u8) -> bool;

/// `[:alpha:]` and its like.
fn class(pattern: &[u8]) -> Option<(Class, &[u8])> {
    let rest = pattern.strip_prefix(b"[:")?;
    let end = rest.windows(2).position(|pair| pair == b":]")?;
    let class: Class = match &rest[..end] {
        b"alpha" => |byte| byte.is_ascii_alphabetic(),
        b"digit" => |byte| byte.is_ascii_digit(),
        b"alnum" => |byte| byte.is_ascii_alphanumeric(),
        b"upper" => |byte| byte.is_ascii_uppercase(),
        b"lower" => |byte| byte.is_ascii_lowercase(),
        b"space" => |byte| byte.is_ascii_whitespace() || byte == 0x0b,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"punct" => |byte| byte.is_ascii_punctuation(),
        b"print" => |byte| byte.is_ascii_graphic() || byte == b' ',
        b"graph" => |byte| byte.is_ascii_graphic(),
        b"cntrl" => |byte| byte.is_ascii_control(),
        b"xdigit" => |byte| byte.is_ascii_hexdigit(),
        _ => return None,
    };
    Some((class, &rest[end + 2..]))
}

#[cfg(test)]
mod tests {
    use super::Glob;

    /// Answers of fnmatch(3) of glibc 2.39 in the C locale.
    #[test]
    fn as_fnmatch() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("*", "", true),
            ("*", "/a/b", true),
            ("a*b", "a/x/b", true),
            ("/home/*/.ssh/*", "/home/me/.ssh/id_rsa", true),
            ("/home/*/.ssh/*", "/home/me/.ss/id_rsa", false),
            ("*../*../*", "/a/../../etc/passwd", true),
            ("*../*../*", "../etc/passwd", false),
            ("?", "", false),
            ("a?c", "abc", true),
            ("[abc]", "b", true),
            ("[!abc]", "b", false),
            ("[^abc]", "d", true),
            ("[a-c]x", "bx", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[[:digit:]]", "7", true),
            ("[[:digit:]]", "a", false),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", false),
            ("A", "a", false),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(
                Glob::new(pattern.as_bytes(), false).matches(text.as_bytes()),
                fits,
                "{pattern:?} {text:?}"
            );
        }
    }

    #[test]
    fn folds_ascii() {
        assert!(Glob::new(b"A[B-C]*", true).matches(b"acD"));
        assert!(!Glob::new(b"A", true).matches(b"b"));
    }

    #[test]
    fn many_stars_take_their_time_and_no_more() {
        let pattern = b"*a".repeat(500);
        let text = [b"a".repeat(20_000), vec![b'b']].concat();
        let begun = std::time::Instant::now();
        assert!(!Glob::new(&pattern, false).matches(&text));
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }
}
