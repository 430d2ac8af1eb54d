use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tempfile::TempDir;

use super::*;

fn watched(sockets: &[&Path]) -> Watch {
    Watch::new(sockets.iter().map(|path| path.to_path_buf()), Instant::now())
}

fn blind(sockets: &[&Path], now: Instant) -> Watch {
    Watch::with(None, sockets.iter().map(|path| path.to_path_buf()), now)
}

/// Without the passing of time: only what inotify tells.
fn told(watch: &mut Watch) -> Vec<usize> {
    let before = watch.look_at - LOOK;
    watch.changed(before)
}

fn readable(watch: &Watch) -> bool {
    let mut fds = [PollFd::new(watch.fd().unwrap(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() > 0
}

#[test]
fn a_socket_that_appears_is_told_once() {
    let dir = TempDir::new().unwrap();
    let (first, second) = (dir.path().join("a.sock"), dir.path().join("b.sock"));
    let mut watch = watched(&[&first, &second]);
    assert!(!readable(&watch));
    assert_eq!(told(&mut watch), [0; 0]);
    let _listener = UnixListener::bind(&second).unwrap();
    assert!(readable(&watch));
    assert_eq!(told(&mut watch), [1]);
    assert!(!readable(&watch));
    assert_eq!(told(&mut watch), [0; 0]);
    // Another file is nobody's.
    fs::write(dir.path().join("c"), "").unwrap();
    assert_eq!(told(&mut watch), [0; 0]);
}

#[test]
fn a_replaced_a_moved_and_a_changed_socket_are_told() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("a.sock");
    let _old = UnixListener::bind(&socket).unwrap();
    let mut watch = watched(&[&socket]);
    fs::remove_file(&socket).unwrap();
    assert_eq!(told(&mut watch), [0; 0], "that it is gone the next connection tells");
    let _new = UnixListener::bind(&socket).unwrap();
    assert_eq!(told(&mut watch), [0]);
    let other = dir.path().join("other");
    let _other = UnixListener::bind(&other).unwrap();
    assert_eq!(told(&mut watch), [0; 0]);
    fs::rename(&other, &socket).unwrap();
    assert_eq!(told(&mut watch), [0]);
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(told(&mut watch), [0]);
}

#[test]
fn directories_are_followed_as_they_come_and_go() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("run/k3s/containerd/containerd.sock");
    let near = dir.path().join("run/other.sock");
    let mut watch = watched(&[&socket, &near]);
    for part in ["run", "run/k3s", "run/k3s/containerd"] {
        fs::create_dir(dir.path().join(part)).unwrap();
        assert_eq!(told(&mut watch), [0; 0], "{part}");
    }
    let listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(told(&mut watch), [0]);
    // All at once: the watches are too late for the events, not for the file. Who listens keeps the directory alive.
    drop(listener);
    fs::remove_dir_all(dir.path().join("run")).unwrap();
    assert_eq!(told(&mut watch), [0; 0]);
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let _two = UnixListener::bind(&socket).unwrap();
    let _near = UnixListener::bind(&near).unwrap();
    assert_eq!(told(&mut watch), [0, 1]);
    // A directory that is moved away is not the socket's any more; the one that comes in its place is.
    fs::rename(socket.parent().unwrap(), dir.path().join("away")).unwrap();
    assert_eq!(told(&mut watch), [0; 0]);
    fs::remove_file(dir.path().join("away/containerd.sock")).unwrap();
    let _stray = UnixListener::bind(dir.path().join("away/containerd.sock")).unwrap();
    assert_eq!(told(&mut watch), [0; 0]);
    fs::rename(dir.path().join("away"), socket.parent().unwrap()).unwrap();
    assert_eq!(told(&mut watch), [0]);
}

#[test]
fn a_file_in_the_place_of_a_directory_does_no_harm() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("run"), "").unwrap();
    let socket = dir.path().join("run/a.sock");
    let mut watch = watched(&[&socket]);
    assert_eq!(told(&mut watch), [0; 0]);
    fs::remove_file(dir.path().join("run")).unwrap();
    fs::create_dir(dir.path().join("run")).unwrap();
    assert_eq!(told(&mut watch), [0; 0]);
    let _listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(told(&mut watch), [0]);
    assert_eq!(watched(&[Path::new("/")]).changed(Instant::now()), [0; 0]);
}

#[test]
fn without_inotify_the_inode_tells() {
    let dir = TempDir::new().unwrap();
    let socket = dir.path().join("a.sock");
    let start = Instant::now();
    let mut watch = blind(&[&socket], start);
    assert!(watch.fd().is_none());
    let _old = UnixListener::bind(&socket).unwrap();
    assert_eq!(watch.changed(start), [0; 0], "not at every call");
    assert_eq!(watch.changed(start + LOOK), [0]);
    assert_eq!(watch.changed(start + 2 * LOOK), [0; 0]);
    fs::remove_file(&socket).unwrap();
    let _new = UnixListener::bind(&socket).unwrap();
    assert_eq!(watch.changed(start + 3 * LOOK), [0]);
    fs::remove_file(&socket).unwrap();
    assert_eq!(watch.changed(start + 4 * LOOK), [0; 0]);
}

/// As the agent meets containerd's own directory: it may go through it and may not read it.
#[test]
fn a_directory_that_may_only_be_searched_is_no_obstacle() {
    let dir = TempDir::new().unwrap();
    let closed = dir.path().join("containerd");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).unwrap();
    if !nix::unistd::geteuid().is_root() {
        // The owner is kept out by the mode itself.
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o311)).unwrap();
    }
    let socket = closed.join("a.sock");
    let path = socket.clone();
    let changed = std::thread::spawn(move || {
        // The file system identity of this thread alone: it takes its right to override modes.
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65532));
        nix::unistd::setfsgid(nix::unistd::Gid::from_raw(65532));
        let start = Instant::now();
        let mut watch = Watch::new([path.clone()], start);
        assert!(matches!(watch.targets[0].by, By::Inode(None)), "{watch:?}");
        assert!(watch.fd().is_some());
        let before = watch.changed(start + LOOK);
        nix::unistd::setfsuid(nix::unistd::geteuid());
        let _listener = UnixListener::bind(&path).unwrap();
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65532));
        (before, watch.changed(start + 2 * LOOK))
    })
    .join()
    .unwrap();
    assert_eq!(changed, (vec![], vec![0]));
}
