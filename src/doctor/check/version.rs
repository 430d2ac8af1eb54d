//! Versions: whether the doctor and the running agent are the same program.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::{Facts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::super::report::Status;
use super::{agent, commands, no_agent};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-VER-001",
        area: "version",
        title: "Agent and doctor are of one version",
        weight: Weight::Minor,
        needs: &[Need::Agent],
        depends_on: &[Edge::Through("PIN-LIVE-001")],
        judge: Some(same),
        offline: None,
        page: include_str!("../pages/PIN-VER-001.md"),
    },
    Definition {
        id: REPLACED,
        area: "version",
        title: "The running binary is the installed one",
        weight: Weight::Minor,
        needs: &[Need::Agent, Need::Process],
        depends_on: &[Edge::Through("PIN-LIVE-001")],
        judge: Some(installed),
        offline: None,
        page: include_str!("../pages/PIN-VER-002.md"),
    },
];

const REPLACED: &str = "PIN-VER-002";
const OWN: &str = env!("CARGO_PKG_VERSION");

/// PIN-VER-001.
fn same(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let running = &agent.second.version;
    if running.is_empty() {
        return Finding::unknown("the agent does not say its version");
    }
    let values = json!({ "agent": running, "doctor": OWN });
    let finding = if running == OWN {
        Finding::ok(format!("both are {OWN}"))
    } else if installed(facts).status() == Status::Warn {
        return Finding::skipped("the binary was replaced while the agent ran")
            .blocked_by(REPLACED)
            .observed(values);
    } else {
        Finding::warn(format!("the agent is {running}, and the doctor {OWN}"))
            .impact(
                "The doctor does not understand what a newer agent tells, and an older one does not tell what the doctor asks for: checks \
                 are skipped, and limits and remedies may be those of another version.",
                &["doctor"],
                &[],
            )
            .remedy(
                "Use the doctor of the agent's version, which is in its image, or bring the agent to the doctor's.",
                &[commands::doctor_beside(facts.place), "agent --version"],
            )
            .change(Change::node("doctor", format!("version {running}")))
    };
    finding
        .observed(values.clone())
        .expected(json!({ "agent": OWN, "doctor": OWN }))
        .evidence(&facts.live, "GetStatus version", values)
}

/// PIN-VER-002.
fn installed(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let binary = match (&agent.binary, agent.seen_as) {
        (Some(Ok(binary)), Some(_)) => binary,
        (Some(Err(error)), _) => {
            return Finding::skipped(format!(
                "the kernel does not show this process the agent's binary: {}",
                error.message
            ));
        }
        _ => return Finding::skipped("the agent's process is not in sight of this one"),
    };
    let path = binary.path.display();
    let observed = json!({
        "path": binary.path, "replaced": binary.replaced, "same_file_as_doctor": binary.own,
    });
    let finding = if binary.replaced {
        Finding::warn(format!("{path} was replaced or removed since the agent was started from it"))
            .impact(
                "The old version runs on: what the new one mends is not mended, and the next restart brings a version that nobody has \
                 seen run here.",
                &["doctor"],
                &[],
            )
            .remedy(
                "Start the agent anew.",
                &[
                    match facts.place {
                        Place::Kubernetes => "kubectl -n pinhole delete pod POD",
                        place => commands::restart(place),
                    },
                    "ls -l /proc/$(pidof agent)/exe",
                ],
            )
            .change(Change::node("agent", "restarted"))
    } else if binary.own {
        Finding::ok(format!("{path}, which the doctor is made of too"))
    } else {
        Finding::ok(format!(
            "{path} is what the agent was started from; the doctor is another file"
        ))
    };
    let link = format!("/proc/{}/exe", agent.seen_as.unwrap_or_default());
    finding
        .observed(observed.clone())
        .expected(json!({ "replaced": false }))
        .evidence(&facts.live, link, observed)
}
