//! The line around a message.

use std::process;

use jiff::Timestamp;
use jiff::fmt::strtime;

use crate::alert::Alert;

/// What the process is called in the log.
pub(super) const NAME: &str = "pinhole-alert";

/// RFC 5424, section 6: with the moment of the alert to the microsecond, the most that it allows, in UTC. There is no structured
/// data: its names need a number that is registered for an enterprise, and the JSON form has all of it.
pub(super) fn rfc5424(alert: &Alert, facility: u8, hostname: &str, message: &str) -> String {
    let time = moment(alert);
    let hostname = if hostname.is_empty() { "-" } else { hostname };
    format!(
        "<{}>1 {time:.6} {} {NAME} {} alert - {message}",
        priority(alert, facility),
        printable(hostname, 255),
        process::id()
    )
}

/// RFC 3164, with a host name for another machine, without for a socket of this one (as syslog(3) of the C library writes it).
pub(super) fn rfc3164(alert: &Alert, facility: u8, hostname: Option<&str>, message: &str) -> String {
    let time = strtime::format("%b %e %H:%M:%S", moment(alert)).unwrap_or_default();
    let host = hostname.map(|name| printable(name, 255) + " ").unwrap_or_default();
    let priority = priority(alert, facility);
    format!("<{priority}>{time} {host}{NAME}[{}]: {message}", process::id())
}

fn priority(alert: &Alert, facility: u8) -> u32 {
    u32::from(facility) * 8 + u32::from(alert.priority.severity())
}

fn moment(alert: &Alert) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(alert.time)).unwrap_or_default()
}

/// What both protocols allow in a name: visible ASCII, so many characters.
fn printable(text: &str, limit: usize) -> String {
    let letters = text.chars().take(limit);
    letters
        .map(|letter| if letter.is_ascii_graphic() { letter } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::tests::alert;

    #[test]
    fn both_protocols() {
        let pid = process::id();
        let alert = alert(1);
        assert_eq!(
            rfc5424(&alert, 16, "no de\n", "hello"),
            format!("<132>1 2023-11-14T22:13:20.123456Z no_de_ pinhole-alert {pid} alert - hello")
        );
        assert!(rfc5424(&alert, 16, "", "").contains("Z - pinhole-alert"));
        assert_eq!(
            rfc3164(&alert, 1, None, "hello"),
            format!("<12>Nov 14 22:13:20 pinhole-alert[{pid}]: hello")
        );
        assert_eq!(
            rfc3164(&alert, 1, Some("node"), "hello"),
            format!("<12>Nov 14 22:13:20 node pinhole-alert[{pid}]: hello")
        );
    }
}
