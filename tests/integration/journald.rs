//! With journald's socket there, the agent's log goes to journald, and standard output stays events only.

use std::time::Duration;

use crate::event::{agent, is_exec};
use crate::lab::agent::{AGENT_ID, Installed};
use crate::lab::journal::Journal;
use crate::lab::tool;
use crate::lab::turn::Turn;

#[test]
fn the_log_reaches_a_real_journal() {
    let _turn = Turn::take().unwrap();
    let journal = Journal::start().unwrap();
    let installed = Installed::new(agent()).unwrap().behind(journal.entry().unwrap());
    // No terminal and a socket: `auto` finds it.
    let agent = installed.run(["--events", "process", "--log-target", "auto"]).unwrap();
    assert!(
        std::process::Command::new("/bin/true")
            .arg("journal-marker")
            .status()
            .unwrap()
            .success()
    );
    agent
        .wait_for("an event", |event| is_exec(event, &["/bin/true", "journal-marker"]))
        .unwrap();
    let pid = agent.pid().to_string();
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}", stopped.stderr);
    assert_eq!(stopped.stderr, "", "the log went elsewhere");

    let entries = tool::poll("an entry in the journal", Duration::from_secs(20), String::new, || {
        let entries = journal.entries_of(AGENT_ID)?;
        Ok((!entries.is_empty()).then_some(entries))
    })
    .unwrap();
    for entry in &entries {
        assert_eq!(entry["_PID"], *pid, "{entry}");
        assert!(
            entry["MESSAGE"].as_str().is_some_and(|message| !message.is_empty()),
            "{entry}"
        );
        assert!(entry["PRIORITY"].is_string(), "{entry}");
    }
}
