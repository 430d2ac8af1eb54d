//! The journal and syslog of this machine.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use super::{Node, mark, printed, until};
use crate::event::agent;
use crate::lab::agent::{AGENT_ID, Installed};
use crate::lab::journal::Journal;
use crate::lab::turn::Turn;

#[test]
fn a_real_journal_has_the_alert_with_its_fields() {
    let _turn = Turn::take().unwrap();
    let journal = Journal::start().unwrap();
    let installed = Installed::new(agent()).unwrap().behind(journal.entry().unwrap());
    let node = Node::of(installed, "[delivery.journald]\nenabled = true\n");
    let agent = node.start();
    mark("journal");
    let alert = printed(&agent, "journal");
    let entry = until("the entry", &agent, || {
        let entries = journal.entries_of(AGENT_ID).ok()?;
        let is_alert = |entry: &serde_json::Value| entry["SYSLOG_IDENTIFIER"] == "pinhole-alert";
        entries.into_iter().find(is_alert)
    });
    assert_eq!(entry["PRIORITY"], "4", "{entry}");
    assert_eq!(entry["RULE"], "Marked", "{entry}");
    assert_eq!(entry["MESSAGE"], alert["output"], "{entry}");
    let json: serde_json::Value = serde_json::from_str(entry["ALERT"].as_str().unwrap()).unwrap();
    assert_eq!(json, alert);
    assert_eq!(entry["_COMM"], "agent-delivery", "{entry}");
    assert!(agent.stop().unwrap().status.success());
}

#[test]
fn a_syslog_socket_gets_what_daemons_read() {
    let _turn = Turn::take().unwrap();
    let node = Node::new(
        "[delivery.syslog]\nenabled = true\ntarget = \"unix://RUN/log\"\nfacility = 16\npriority = \"error\"\n\
         [delivery.file]\nenabled = true\npath = \"RUN/alerts.log\"\n",
    );
    let socket = UnixDatagram::bind(node.run("log")).unwrap();
    std::fs::set_permissions(node.run("log"), std::fs::Permissions::from_mode(0o777)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let running = node.start();
    mark("below");
    node.account(&running, "syslog", |syslog| syslog.below == 1);
    drop(running.stop().unwrap());

    let text = std::fs::read_to_string(&node.config).unwrap();
    std::fs::write(&node.config, text.replace("\"error\"", "\"warning\"")).unwrap();
    let running = node.start();
    mark("syslog");
    let alert = printed(&running, "syslog");
    let line = until("the line", &running, || {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    });
    // local0 and warning: 16 * 8 + 4 (RFC 5424, section 6.2.1).
    assert!(line.starts_with("<132>"), "{line}");
    assert!(line.contains(alert["output"].as_str().unwrap()), "{line}");
    assert!(running.stop().unwrap().status.success());
}
