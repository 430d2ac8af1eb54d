//! Walks over recorded runtimes that break in each of the ways in which runtimes break.

use std::path::Path;
use std::time::Duration;

use k8s_cri::v1;
use prost::Message;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;

use super::facts::{Facts, Live};
use super::report::{DecidedBy, Step, StepOutcome};
use super::*;
use crate::config::Settings;
use crate::container::testing::{Answer, Behaviour, Fake, TERSE, fixture, settings};
use crate::control::api::HeldContainer;
use crate::doctor::render::Look;

const FOLDER: &str = "containerd-1.6.20";
const CONTAINER_STATUS: &str = "/runtime.v1.RuntimeService/ContainerStatus";
const SANDBOX_STATUS: &str = "/runtime.v1.RuntimeService/PodSandboxStatus";
const UNKNOWN: &str = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

const PLAIN: Look = Look {
    color: false,
    unicode: false,
    width: 100,
};

struct Lab {
    dir: TempDir,
    fake: Fake,
}

/// A runtime with the recorded pod `shop/web` and everything listed that was recorded with it.
fn lab() -> Lab {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    for (method, file) in [
        ("ListContainers", "ListContainers.bin"),
        ("ListPodSandbox", "ListPodSandbox.bin"),
    ] {
        let method = format!("/runtime.v1.RuntimeService/{method}");
        fake.default(&method, Answer::Message(fixture(FOLDER, file)));
    }
    fake.sandbox(FOLDER, "web");
    Lab { dir, fake }
}

fn facts(socket: &Path, target: &str) -> Result<Facts, Error> {
    let settings = Settings {
        runtime: settings(&[socket]),
        control: crate::config::settings::Control {
            socket: std::path::PathBuf::new(),
        },
        ..Settings::default()
    };
    gather(&Input {
        target: Target::parse(target).unwrap(),
        settings,
        socket_source: "flag --runtime-socket".to_owned(),
        prefix_source: "built-in default".to_owned(),
        problem: None,
    })
}

fn explained(socket: &Path, target: &str) -> Explanation {
    let explanation = explain(&facts(socket, target).unwrap());
    // However it ended, both renderings can be had, and no environment is in either.
    let page = text(&explanation, PLAIN);
    assert!(page.is_ascii(), "{page}");
    for printed in [page, serde_json::to_string(&explanation).unwrap()] {
        assert!(
            !printed.contains("not-a-real-password") && !printed.contains("DB_PASSWORD"),
            "{printed}"
        );
    }
    explanation
}

fn named<'a>(steps: &'a [Step], name: &str) -> &'a Step {
    steps.iter().find(|step| step.step == name).unwrap()
}

fn of<'a>(explanation: &'a Explanation, name: &str) -> &'a Step {
    named(&explanation.containers[0].steps, name)
}

fn evidence(step: &Step) -> String {
    step.evidence
        .iter()
        .map(|one| one.text.as_str())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The steps that broke, the verdict's own left out.
fn broke(explanation: &Explanation) -> Vec<&'static str> {
    let steps = explanation.containers.iter().flat_map(|container| &container.steps);
    let broke = explanation
        .steps
        .iter()
        .chain(steps)
        .filter(|step| step.outcome == StepOutcome::Broke);
    broke
        .map(|step| step.step)
        .filter(|step| !["fields", "metadata"].contains(step))
        .collect()
}

fn metadata(explanation: &Explanation) -> Value {
    let mut value = serde_json::to_value(explanation.containers[0].event.metadata).unwrap();
    value.as_object_mut().unwrap().remove("lookup_us");
    value
}

#[test]
fn a_whole_answer_breaks_nowhere_and_shows_what_was_weighed() {
    let lab = lab();
    let id = lab.fake.container(FOLDER, "web.app");
    let explanation = explained(lab.fake.socket(), &format!("containerd://{id}"));
    assert_eq!(explanation.verdict, Verdict::Complete);
    assert_eq!(broke(&explanation), Vec::<&str>::new());
    assert_eq!(metadata(&explanation), json!({ "status": "complete", "source": "cri" }));
    assert_eq!(named(&explanation.steps, "search").outcome, StepOutcome::Skipped);
    let sockets = evidence(named(&explanation.steps, "sockets"));
    assert!(sockets.contains("answers; containerd"), "{sockets}");
    let calls = of(&explanation, "calls");
    assert!(evidence(calls).contains(CONTAINER_STATUS) && evidence(calls).contains("PodSandboxStatus"));
    assert!(calls.took_us.unwrap() > 0);
    let size = fixture(FOLDER, "ContainerStatus.web.app.bin").len();
    assert_eq!(calls.evidence[0].values["bytes"], size);
    let image = of(&explanation, "image");
    assert_eq!(image.said, "registry.example/shop/web:2.7.1");
    let taken = image.evidence.iter().filter(|one| one.values["taken"] == true);
    assert_eq!(taken.count(), 1, "{image:?}");
    assert!(evidence(of(&explanation, "pod")).contains("the container's labels: namespace shop"));
    assert!(of(&explanation, "cgroup").said.contains(&id));
    assert_eq!(of(&explanation, "agent").said, "the admin socket is disabled");
}

#[test]
fn a_pod_is_its_sandbox_and_its_running_containers_and_a_prefix_is_one_of_them() {
    let lab = lab();
    let id = lab.fake.container(FOLDER, "web.app");
    lab.fake.container(FOLDER, "web.sidecar");
    let pod = explained(lab.fake.socket(), "shop/web");
    let names: Vec<&str> = pod.containers.iter().map(|container| container.name.as_str()).collect();
    assert!(names[0].ends_with("/(sandbox)"), "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("/app")), "{names:?}");
    assert_eq!(pod.verdict, Verdict::Complete, "{}", text(&pod, PLAIN));
    let one = explained(lab.fake.socket(), &id[..12]);
    assert_eq!(one.containers.len(), 1);
    assert_eq!(one.containers[0].id, id);
    // The runtime was never asked what a beginning means.
    assert!(
        lab.fake
            .all_calls()
            .iter()
            .all(|(_, key)| key.is_empty() || key.len() >= 64)
    );
}

#[test]
fn what_fits_several_is_told_with_all_of_them() {
    let lab = lab();
    let prefix = "abcdef";
    let containers = (0..2).map(|last| v1::Container {
        id: format!("{prefix}{last}{}", "0".repeat(57)),
        state: v1::ContainerState::ContainerRunning.into(),
        labels: [("io.kubernetes.pod.name".to_owned(), "evil\u{1b}[2J".to_owned())].into(),
        ..v1::Container::default()
    });
    let list = v1::ListContainersResponse {
        containers: containers.collect(),
    };
    let method = "/runtime.v1.RuntimeService/ListContainers";
    lab.fake.default(method, Answer::Message(list.encode_to_vec()));
    let error = facts(lab.fake.socket(), prefix).unwrap_err();
    assert!(matches!(&error, Error::Ambiguous { candidates, .. } if candidates.len() == 2));
    let said = error.to_string();
    assert!(said.contains("abcdef0") && said.contains("evil?[2J"), "{said}");
    // Enough of it decides.
    assert_eq!(explained(lab.fake.socket(), "abcdef1").verdict, Verdict::Missing);
}

#[test]
fn an_absent_socket_leaves_nobody_to_ask() {
    let lab = lab();
    let absent = lab.dir.path().join("absent");
    let explanation = explained(&absent, UNKNOWN);
    assert_eq!(explanation.verdict, Verdict::Undetermined);
    assert_eq!(broke(&explanation), ["sockets", "order", "answers", "fallbacks"]);
    assert_eq!(metadata(&explanation)["reason"], "no_runtime_socket");
    assert!(evidence(named(&explanation.steps, "sockets")).contains("absent; ENOENT"));
    let pod = explained(&absent, "shop/web");
    assert_eq!(pod.verdict, Verdict::Undetermined);
    assert!(pod.containers.is_empty());
    assert_eq!(broke(&pod), ["sockets", "search"]);
}

#[test]
fn a_socket_that_may_not_be_used_is_told_with_its_mode() {
    let lab = lab();
    let socket = lab.fake.socket().to_owned();
    std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::set_permissions(lab.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let walk = move || {
        if nix::unistd::geteuid().is_root() {
            // Of this thread only; root's right to pass by modes goes with it.
            nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65532));
        } else {
            std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        }
        explained(&socket, UNKNOWN)
    };
    let explanation = std::thread::spawn(walk).join().unwrap();
    assert_eq!(explanation.verdict, Verdict::Undetermined);
    assert_eq!(metadata(&explanation)["reason"], "socket_permission");
    let sockets = named(&explanation.steps, "sockets");
    assert_eq!(sockets.outcome, StepOutcome::Broke);
    assert_eq!(sockets.evidence[0].values["state"], "permission");
    assert!(sockets.evidence[0].values.contains_key("mode"), "{sockets:?}");
}

#[test]
fn a_runtime_that_hangs_is_undetermined_from_the_start_and_missing_later() {
    let lab = lab();
    let silent = Fake::start(&lab.dir.path().join("silent"), Behaviour::Silent);
    let explanation = explained(silent.socket(), UNKNOWN);
    assert_eq!(explanation.verdict, Verdict::Undetermined);
    assert_eq!(metadata(&explanation)["reason"], "runtime_timeout");

    lab.fake.default(CONTAINER_STATUS, Answer::Never);
    let explanation = explained(lab.fake.socket(), UNKNOWN);
    assert_eq!(explanation.verdict, Verdict::Missing);
    assert_eq!(broke(&explanation)[..2], ["calls", "answers"]);
    let calls = of(&explanation, "calls");
    assert!(evidence(calls).contains("runtime_timeout"), "{calls:?}");
    assert!(calls.took_us.unwrap() >= 500_000, "{calls:?}");
}

#[test]
fn an_id_that_nobody_knows_was_asked_for_again_and_everywhere() {
    let lab = lab();
    let explanation = explained(lab.fake.socket(), UNKNOWN);
    assert_eq!(explanation.verdict, Verdict::Missing);
    assert_eq!(metadata(&explanation)["reason"], "container_unknown");
    assert_eq!(broke(&explanation), ["answers", "fallbacks"]);
    assert_eq!(
        of(&explanation, "calls").outcome,
        StepOutcome::Ok,
        "not found is an answer"
    );
    assert!(evidence(of(&explanation, "fallbacks")).contains("containerd's own API"));
    // containerd writes a container down before it makes it; CRI-O does not.
    let once = &of(&explanation, "order").said;
    assert!(!once.contains("times"), "{once}");
    let crio = Fake::recorded(&lab.dir.path().join("crio"), "cri-o-1.36.3");
    let explanation = explained(crio.socket(), UNKNOWN);
    let again = &of(&explanation, "order").said;
    assert!(again.contains("times, because the container might still"), "{again}");
    let calls = of(&explanation, "calls");
    assert!(
        evidence(calls).contains("not found") && calls.evidence[0].values["times"].as_u64() > Some(1),
        "{calls:?}"
    );
}

/// As of a sandbox that is being made or removed.
#[test]
fn a_specification_of_null_costs_the_cgroup() {
    let lab = lab();
    let bytes = fixture(FOLDER, "ContainerStatus.web.app.bin");
    let mut answer = v1::ContainerStatusResponse::decode(bytes.as_slice()).unwrap();
    let id = answer.status.as_ref().unwrap().id.clone();
    let info = answer.info.get_mut("info").unwrap();
    let mut parsed: Value = serde_json::from_str(info).unwrap();
    parsed["runtimeSpec"] = Value::Null;
    *info = parsed.to_string();
    lab.fake
        .on(CONTAINER_STATUS, &id, Answer::Message(answer.encode_to_vec()));
    let explanation = explained(lab.fake.socket(), &id);
    assert_eq!(broke(&explanation), ["verbose"]);
    assert_eq!(
        of(&explanation, "verbose").evidence[0].values["verbose"],
        "without_spec"
    );
    assert_eq!(of(&explanation, "cgroup").outcome, StepOutcome::Skipped);
}

#[test]
fn a_verbose_answer_that_is_too_large_is_asked_for_again_without() {
    let lab = lab();
    let bytes = fixture(FOLDER, "ContainerStatus-terse.web.app.bin");
    let id = v1::ContainerStatusResponse::decode(bytes.as_slice())
        .unwrap()
        .status
        .unwrap()
        .id;
    let refusal = Answer::Status(Code::ResourceExhausted, "trying to send message larger than max");
    lab.fake.on(CONTAINER_STATUS, &id, refusal);
    lab.fake
        .on(CONTAINER_STATUS, &format!("{id}{TERSE}"), Answer::Message(bytes));
    let explanation = explained(lab.fake.socket(), &id);
    assert_eq!(explanation.verdict, Verdict::Partial);
    assert_eq!(metadata(&explanation)["reason"], "answer_unusable");
    assert_eq!(of(&explanation, "verbose").evidence[0].values["too_large"], true);
    let privileged = evidence(of(&explanation, "fields"));
    assert!(privileged.contains("container.privileged: absent"), "{privileged}");
}

#[test]
fn an_image_without_a_name_shows_every_place_that_was_looked_at() {
    let folder = "containerd-1.4.13";
    let lab = lab();
    let id = lab.fake.container(folder, "edge.gone-after-image-removed");
    lab.fake.sandbox(folder, "edge");
    lab.fake
        .default("/runtime.v1.ImageService/ImageStatus", Answer::Message(Vec::new()));
    let explanation = explained(lab.fake.socket(), &id);
    assert_eq!(explanation.verdict, Verdict::Partial);
    assert_eq!(metadata(&explanation)["reason"], "image_name_unknown");
    assert_eq!(broke(&explanation), ["image"]);
    let image = of(&explanation, "image");
    assert!(
        image.evidence.iter().all(|one| one.values["taken"] == false),
        "{image:?}"
    );
    assert!(evidence(image).contains("image_ref of the status"), "{image:?}");
    assert!(evidence(of(&explanation, "calls")).contains("ImageStatus"));
    assert!(evidence(of(&explanation, "fields")).contains("container.image: missing, image_name_unknown"));
}

#[test]
fn a_sandbox_that_is_not_known_breaks_there() {
    let lab = lab();
    let id = lab.fake.container(FOLDER, "web.app");
    lab.fake.sandbox(FOLDER, "web");
    let sandbox = v1::PodSandboxStatusResponse::decode(fixture(FOLDER, "PodSandboxStatus.web.bin").as_slice());
    let sandbox = sandbox.unwrap().status.unwrap().id;
    lab.fake
        .on(SANDBOX_STATUS, &sandbox, Answer::Status(Code::NotFound, "not found"));
    let explanation = explained(lab.fake.socket(), &id);
    assert_eq!(explanation.verdict, Verdict::Partial);
    assert_eq!(metadata(&explanation)["reason"], "sandbox_unknown");
    assert_eq!(broke(&explanation), ["sandbox"]);
    assert!(evidence(of(&explanation, "sandbox")).contains(&sandbox));
}

#[test]
fn an_answer_about_another_container_is_not_used() {
    let lab = lab();
    lab.fake.default(
        CONTAINER_STATUS,
        Answer::Message(fixture(FOLDER, "ContainerStatus.web.app.bin")),
    );
    let explanation = explained(lab.fake.socket(), UNKNOWN);
    assert_eq!(explanation.verdict, Verdict::Missing);
    assert_eq!(broke(&explanation)[..2], ["answers", "id"]);
}

fn held(walk: &facts::Walk, change: impl Fn(&mut Value)) -> HeldContainer {
    let mut answer = serde_json::to_value(&*walk.outcome).unwrap();
    change(&mut answer);
    HeldContainer {
        id: walk.id.clone(),
        outcome_json: Some(answer.to_string()),
        cause: "prefetch".to_owned(),
        age_us: Some(90_000_000),
        told: true,
        ..HeldContainer::default()
    }
}

fn live(containers: Vec<HeldContainer>) -> Live {
    Live::Answered {
        uid: Some(65532),
        containers,
        more: false,
        took: Duration::from_millis(40),
    }
}

#[test]
fn what_the_running_agent_holds_decides_and_is_compared() {
    let lab = lab();
    let id = lab.fake.container(FOLDER, "web.app");
    let mut facts = facts(lab.fake.socket(), &id).unwrap();
    facts.uid = 0;

    facts.live = live(vec![held(&facts.walks[0], |_| {})]);
    let same = explain(&facts);
    let step = of(&same, "agent");
    assert_eq!(step.said, "the agent holds it as complete, as this walk found it");
    let told = evidence(step);
    assert!(
        told.contains("looked up when its cgroup appeared; 90.0 s ago; kept for good"),
        "{told}"
    );
    assert!(
        told.contains("the agent runs as uid 65532 and this doctor as uid 0"),
        "{told}"
    );
    assert_eq!(same.containers[0].decided_by, DecidedBy::Agent);

    // The agent may not connect; root may.
    facts.live = live(vec![held(&facts.walks[0], |answer| {
        *answer = json!({ "metadata": { "status": "missing", "reason": "socket_permission", "source": "cgroup" } });
    })]);
    let barred = explain(&facts);
    assert_eq!(barred.verdict, Verdict::Missing);
    let step = of(&barred, "agent");
    assert_eq!(step.outcome, StepOutcome::Broke);
    assert!(
        step.said.contains("uid 0 may connect") && step.said.contains("uid 65532, may not"),
        "{}",
        step.said
    );

    // Labels change; an answer that was whole is kept for good.
    facts.live = live(vec![held(&facts.walks[0], |answer| {
        answer["kubernetes"]["pod"]["labels"]["app"] = json!("another");
    })]);
    let older = explain(&facts);
    let step = of(&older, "agent");
    assert!(step.said.contains("90.0 s old"), "{}", step.said);
    assert!(
        evidence(step).contains("kubernetes.pod.labels.app: the agent says \"another\""),
        "{step:?}"
    );

    facts.live = live(Vec::new());
    let unseen = explain(&facts);
    assert_eq!(of(&unseen, "agent").outcome, StepOutcome::Skipped);
    assert_eq!(
        (unseen.verdict, unseen.containers[0].decided_by),
        (Verdict::Complete, DecidedBy::Walk)
    );

    facts.live = live(vec![HeldContainer {
        id: id.clone(),
        cause: "event".to_owned(),
        in_flight_us: Some(1_500),
        ..HeldContainer::default()
    }]);
    let flying = explain(&facts);
    assert_eq!(of(&flying, "agent").said, "the agent is asking for it just now");
    assert!(evidence(of(&flying, "agent")).contains("under way for 1.5 ms"));

    facts.live = Live::Failed {
        socket: "/run/pinhole/agent.sock".into(),
        error: "no permission".to_owned(),
    };
    assert_eq!(of(&explain(&facts), "agent").outcome, StepOutcome::Broke);
}

#[test]
fn wrong_settings_are_told_first() {
    let lab = lab();
    let mut facts = facts(lab.fake.socket(), UNKNOWN).unwrap();
    facts.config.problem = Some("runtime.call_timeout: no time".to_owned());
    let explanation = explain(&facts);
    assert_eq!(broke(&explanation)[0], "configuration");
    let page = text(&explanation, Look { width: 60, ..PLAIN });
    assert!(page.lines().all(|line| line.chars().count() <= 60), "{page}");
    assert!(page.ends_with("exit 2: nothing is known of it\n"), "{page}");
}
