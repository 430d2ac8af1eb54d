//! The number of a terminal's device, from the name that the kernel gives the terminal.

/// Names of terminals, with their major number and the minor number of the one with the number 0
/// (`Documentation/admin-guide/devices.txt`).
const TERMINALS: &[(&str, i64, i64)] = &[
    // The pseudo terminals have the majors 136 to 143, which count on.
    ("pts", 136, 0),
    ("tty", 4, 0),
    ("ttyS", 4, 64),
    ("hvc", 229, 0),
    ("ttyUSB", 188, 0),
    ("ttyACM", 166, 0),
    ("ttyAMA", 204, 64),
];
/// `/dev/console`, which has no number in its name.
const CONSOLE: i64 = 5 * MINORS + 1;
/// Minor numbers of a major number, in the old notation.
const MINORS: i64 = 256;
/// The most digits of a terminal's number: the kernel makes a million pseudo terminals at most.
const DIGITS: usize = 7;

/// The number of the device as upstream tells it: that of the first of its kind (major times 256 plus minor), and the
/// terminal's own number added to it. Absent where the name does not say.
pub(super) fn device(name: &str) -> Option<i64> {
    if name == "console" {
        return Some(CONSOLE);
    }
    let kind = name.trim_end_matches(|character: char| character.is_ascii_digit());
    let digits = &name[kind.len()..];
    let number: i64 = (digits.len() <= DIGITS).then(|| digits.parse().ok())??;
    TERMINALS
        .iter()
        .find(|(known, ..)| *known == kind)
        .map(|(_, major, minor)| major * MINORS + minor + number)
}
