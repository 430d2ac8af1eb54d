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
    let outcome = resolver.resolve(6, Some(&path(&id)));
    assert_eq!(
        outcome.metadata.status,
        Status::Complete,
        "{outcome:?} {:?}",
        resolver.runtimes()
    );
}

/// What happens to the file while the runtime is looked at is looked at too: the answer may be of the one before.
#[test]
fn a_change_during_a_look_is_not_lost() {
    let dir = TempDir::new().unwrap();
    let fake = Fake::recorded(&dir.path().join("socket"), FOLDER);
    let mut resolver = resolver(&[fake.socket()]);
    let touch = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(fake.socket(), mode).unwrap();
    };
    let looks = fake.calls("Version");
    let version = Answer::Late(Duration::from_millis(200), fixture(FOLDER, "Version.bin"));
    fake.default("/runtime.v1.RuntimeService/Version", version);
    touch(0o600);
    settle_until(&mut resolver, |_| fake.calls("Version") > looks);
    touch(0o660);
    settle_until(&mut resolver, |_| fake.calls("Version") > looks + 1);
}

/// A runtime makes its socket and listens a moment later, which nothing tells. Nobody asks meanwhile.
#[test]
fn a_runtime_that_listens_later_is_met_without_an_event() {
    use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("socket");
    let mut resolver = resolver(&[&path]);
    let state = |resolver: &Resolver| resolver.runtimes()[0].state.as_str();
    let made = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(std::os::fd::AsRawFd::as_raw_fd(&made), &UnixAddr::new(&path).unwrap()).unwrap();
    settle_until(&mut resolver, |resolver| state(resolver) == "refused");
    listen(&made, Backlog::new(8).unwrap()).unwrap();
    // Nobody accepts, so it is silent: but somebody is there.
    settle_until(&mut resolver, |resolver| state(resolver) == "timeout");
}
