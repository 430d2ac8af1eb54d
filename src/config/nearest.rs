//! The known name that a mistyped one was probably meant to be.

/// The nearest candidate, when it is near enough to be worth a suggestion: at most a third of the letters differ.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein's distance: how many letters must be inserted, removed or replaced.
fn distance(left: &str, right: &str) -> usize {
    // Names are short; nobody waits for the distance to a megabyte.
    let left: Vec<char> = left.chars().take(256).collect();
    let mut row: Vec<usize> = (0..=left.len()).collect();
    for (i, right) in right.chars().take(256).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, left) in left.iter().enumerate() {
            let replaced = diagonal + usize::from(*left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[left.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (left, right, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0)] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn far_names_are_not_suggested() {
        let known = ["capture.ring_size", "runtime.socket"];
        assert_eq!(nearest("capture.ringsize", known), Some("capture.ring_size"));
        assert_eq!(nearest("kitchen.sink", known), None);
    }
}
