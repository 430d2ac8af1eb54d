//! What the resolver tells of what it holds, and what its lists say.

use super::*;
use crate::container::resolver::holding::{MOST, Wanted};

fn by_id(id: &str) -> Wanted {
    Wanted {
        ids: vec![id.to_owned()],
        ..Wanted::default()
    }
}

#[test]
fn what_is_held_is_told_with_its_cause_and_age_and_nothing_is_started_for_it() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    let mut resolver = resolver(&[fake.socket()]);
    let calls = fake.all_calls().len();
    assert!(resolver.holding(&by_id(&id)).containers.is_empty());
    assert_eq!(fake.all_calls().len(), calls, "asking asks no runtime");

    resolver.prefetch(&path(&id));
    let flying = resolver.holding(&by_id(&id)).containers.remove(0);
    assert!(flying.outcome.is_none() && flying.in_flight.is_some());
    assert_eq!((flying.cause, flying.told), ("prefetch", false));

    settle(&mut resolver);
    skip(Duration::from_secs(7));
    let held = resolver.holding(&by_id(&id)).containers.remove(0);
    let outcome = held.outcome.unwrap();
    assert_eq!(outcome.metadata.status, Status::Complete);
    assert_eq!((held.cause, held.told, held.in_flight), ("prefetch", false, None));
    assert!(held.age.unwrap() >= Duration::from_secs(7) && held.expires.is_none());
    assert!(held.cgroups_path.unwrap().contains(&id));
    resolver.resolve(1, Some(&path(&id)));
    assert!(resolver.holding(&by_id(&id)).containers[0].told);

    // By its pod, its name and the beginning of its id.
    let kubernetes = outcome.kubernetes.clone().unwrap();
    let pod = kubernetes.pod.unwrap().name.unwrap();
    for wanted in [
        Wanted {
            pod: Some((kubernetes.namespace.unwrap(), pod)),
            ..Wanted::default()
        },
        Wanted {
            name: outcome.container.as_ref().unwrap().name.clone(),
            ..Wanted::default()
        },
        Wanted {
            prefix: Some(id[..8].to_owned()),
            ..Wanted::default()
        },
    ] {
        assert_eq!(resolver.holding(&wanted).containers.len(), 1, "{wanted:?}");
    }
    assert!(resolver.holding(&by_id(UNKNOWN)).containers.is_empty());
}

#[test]
fn what_is_unknown_is_held_with_the_time_it_is_good_for_and_answers_are_bounded() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let mut resolver = resolver(&[fake.socket()]);
    resolver.resolve(1, Some(&path(UNKNOWN)));
    let held = resolver.holding(&by_id(UNKNOWN)).containers.remove(0);
    assert_eq!((held.cause, held.told), ("event", true));
    assert_eq!(missing(&held.outcome.unwrap()), Some(Reason::ContainerUnknown));
    assert!(held.expires.unwrap() <= Duration::from_millis(250));
    for number in 0..=MOST {
        resolver.prefetch(&numbered(number));
    }
    let many = Wanted {
        prefix: Some("00000000".to_owned()),
        ..Wanted::default()
    };
    let holding = resolver.holding(&many);
    assert_eq!((holding.containers.len(), holding.more), (MOST, true));
}

#[test]
fn a_list_says_whose_a_container_is_and_whether_it_runs() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    for file in ["ListContainers", "ListPodSandbox"] {
        let method = format!("/runtime.v1.RuntimeService/{file}");
        fake.default(&method, Answer::Message(fixture(FOLDER, &format!("{file}.bin"))));
    }
    let id = fake.container(FOLDER, "web.app");
    let mut resolver = resolver(&[fake.socket()]);
    let lists = resolver.listed();
    assert_eq!(lists[0].socket, fake.socket());
    let listed = lists[0].listed.as_ref().unwrap();
    let app = listed.iter().find(|one| one.id == id).unwrap();
    assert_eq!(
        (app.name.as_deref(), app.namespace.as_deref()),
        (Some("app"), Some("shop"))
    );
    assert!(app.may_run && !app.sandbox);
    let sandbox = listed
        .iter()
        .find(|one| Some(&one.id) == app.pod_sandbox_id.as_ref())
        .unwrap();
    assert!(sandbox.sandbox && sandbox.pod == app.pod);
    assert!(listed.iter().any(|one| !one.may_run), "what has ended is listed too");
}
