//! Sockets that appear or are replaced while the agent runs.

use super::*;

/// Its directory too appears later, and the longest pause has begun: the change of the file ends it.
#[test]
fn a_runtime_whose_socket_appears_is_asked_at_once() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("run/containerd/socket");
    let mut resolver = resolver(&[&socket]);
    for number in 1..9 {
        resolver.resolve(number as u64, Some(&numbered(number)));
        skip(Duration::from_secs(5));
    }
    resolver.resolve(9, Some(&numbered(9)));
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let fake = Fake::recorded(&socket, FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    assert_eq!(resolver.resolve(10, Some(&path(&id))).metadata.status, Status::Complete);
}

/// The breaker of the one that hung is not the next one's.
#[test]
fn a_runtime_that_takes_the_place_of_a_hung_one_is_asked_at_once() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("socket");
    let hung = Fake::start(&socket, Behaviour::Silent);
    let mut resolver = resolver(&[&socket]);
    for number in 1..5 {
        resolver.resolve(number as u64, Some(&numbered(number)));
        skip(Duration::from_secs(30));
    }
    assert_eq!(
        missing(&resolver.resolve(5, Some(&numbered(5)))),
        Some(Reason::RuntimeTimeout)
    );
    drop(hung);
    std::fs::remove_file(&socket).unwrap();
    let fake = Fake::recorded(&socket, FOLDER);
    let id = fake.container(FOLDER, "web.app");
    fake.sandbox(FOLDER, "web");
    assert_eq!(resolver.resolve(6, Some(&path(&id))).metadata.status, Status::Complete);
}
