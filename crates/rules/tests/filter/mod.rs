//! What a filter in a kernel could test, as a table: for the types of events of the bench's catalogue.

use pinhole_rules::catalogue::{Catalogue, EventType};
use pinhole_rules::engine::necessary::{Axis, Means, Part, Patterns, Values, Vocabulary, Word};
use pinhole_rules::field::Field;

const fn axis(name: &'static str, classes: &'static [&'static str], certain: bool) -> Axis {
    Axis { name, classes, certain }
}

const fn yes_or_no(name: &'static str) -> Axis {
    axis(name, &["no", "yes"], true)
}

static PATH: Axis = axis("path", &[], false);
static REQUESTED: Axis = axis("requested path", &[], false);
static TARGET: Axis = axis("target", &[], false);
static READS: Axis = yes_or_no("reads");
static WRITES: Axis = yes_or_no("writes");
static TRUNCATES: Axis = yes_or_no("truncates");
static RESULT: Axis = axis("result", &["failed", "in progress", "0 to 2", "more"], true);
static DESCRIPTOR: Axis = axis("descriptor", &["file", "IPv4", "IPv6", "others"], false);
static PROTOCOL: Axis = axis("protocol", &["TCP", "others"], true);
static CONTAINER: Axis = axis("where", &["host", "container"], false);
static USER: Axis = axis("user", &["root", "others"], true);
static PACKET: Axis = yes_or_no("packet socket");
static SYS_ADMIN: Axis = yes_or_no("CAP_SYS_ADMIN");
static DAC_OVERRIDE: Axis = yes_or_no("CAP_DAC_OVERRIDE");
static SYS_MODULE: Axis = yes_or_no("CAP_SYS_MODULE");
static TRACES: Axis = yes_or_no("attaches");

const fn word(text: &'static str, axis: Option<&'static Axis>) -> Word {
    Word { text, axis }
}

static FLAGS: [Word; 5] = [
    word("O_TRUNC", Some(&TRUNCATES)),
    word("O_RDONLY", None),
    word("O_WRONLY", None),
    word("O_RDWR", None),
    word("O_CREAT", None),
];
static CAPABILITIES: [Word; 4] = [
    word("CAP_SYS_ADMIN", Some(&SYS_ADMIN)),
    word("CAP_DAC_OVERRIDE", Some(&DAC_OVERRIDE)),
    word("CAP_SYS_MODULE", Some(&SYS_MODULE)),
    word("CAP_CHOWN", None),
];
static DOMAINS: [Word; 3] = [
    word("AF_PACKET", Some(&PACKET)),
    word("AF_INET", None),
    word("AF_INET6", None),
];
static REQUESTS: [Word; 6] = [
    word("PTRACE_POKETEXT", Some(&TRACES)),
    word("PTRACE_POKEDATA", Some(&TRACES)),
    word("PTRACE_ATTACH", Some(&TRACES)),
    word("PTRACE_SEIZE", Some(&TRACES)),
    word("PTRACE_SETREGS", Some(&TRACES)),
    word("PTRACE_TRACEME", Some(&TRACES)),
];

/// What a filter can test of paths, beside all that the table has.
pub(crate) struct Filter<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) path: Patterns,
    pub(crate) requested: Patterns,
}

impl Vocabulary for Filter<'_> {
    fn means(&self, event: EventType, field: &Field) -> Option<Means> {
        let kind = self.catalogue.events().find(|(it, _)| *it == event)?.1.name;
        let opens = kind.starts_with("open");
        let classes = |axis, values| Some(Means::Classes { axis, values });
        let words = |separator, words| Some(Means::Words { separator, words });
        let text = |axis, part, patterns| {
            Some(Means::Text {
                axis,
                part,
                patterns,
                clean: true,
            })
        };
        const TRUTHS: &[Values] = &[Values::Truth(false), Values::Truth(true)];
        const NUMBERS: &[Values] = &[
            Values::Numbers(&[i64::MIN..=-116, -114..=-1]),
            Values::Numbers(&[-115..=-115]),
            Values::Numbers(&[0..=2]),
            Values::Numbers(&[3..=i64::MAX]),
        ];
        match self.catalogue.name(field).as_str() {
            "fd.name" if opens => text(&PATH, Part::Whole, self.path),
            "fd.directory" if opens => text(&PATH, Part::Directory, self.path),
            "fd.filename" if opens => text(&PATH, Part::Name, self.path),
            "fd.nameraw" if opens => text(&REQUESTED, Part::Whole, self.requested),
            "evt.arg.target" | "evt.arg.oldpath" => text(&TARGET, Part::Whole, Patterns::PREFIXES),
            "evt.is_open_read" if opens => classes(&READS, TRUTHS),
            "evt.is_open_write" if opens => classes(&WRITES, TRUTHS),
            "evt.rawres" => classes(&RESULT, NUMBERS),
            "fd.num" if opens => classes(&RESULT, NUMBERS),
            "evt.res" => classes(
                &RESULT,
                &[
                    Values::Others,
                    Values::Texts(&["EINPROGRESS"]),
                    Values::Texts(&["SUCCESS"]),
                    Values::Texts(&["SUCCESS"]),
                ],
            ),
            "fd.typechar" => classes(
                &DESCRIPTOR,
                &[
                    Values::Texts(&["f"]),
                    Values::Texts(&["4"]),
                    Values::Texts(&["6"]),
                    Values::Others,
                ],
            ),
            "fd.type" => classes(
                &DESCRIPTOR,
                &[
                    Values::Texts(&["file"]),
                    Values::Texts(&["ipv4"]),
                    Values::Texts(&["ipv6"]),
                    Values::Others,
                ],
            ),
            "fd.l4proto" => classes(&PROTOCOL, &[Values::Texts(&["tcp"]), Values::Others]),
            "container.id" => classes(&CONTAINER, &[Values::Texts(&["host"]), Values::Others]),
            "user.uid" => classes(&USER, &[Values::Numbers(&[0..=0]), Values::Others]),
            "evt.arg.flags" if opens => words(b'|', &FLAGS),
            "evt.arg.domain" => words(b'|', &DOMAINS),
            "evt.arg.request" => words(b'|', &REQUESTS),
            "thread.cap_effective" => words(b' ', &CAPABILITIES),
            _ => None,
        }
    }
}
