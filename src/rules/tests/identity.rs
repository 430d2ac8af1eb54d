//! `user.*` and `group.*`.

use std::sync::Arc;

use super::scene::Scene;
use crate::container::Outcome;
use crate::rules::accounts::Accounts;

fn scene() -> Scene {
    let mut scene = Scene::plain();
    scene.host.accounts = Accounts::parse(
        "root:x:0:0:root:/root:/bin/bash\nme:x:1000:100:Me:/home/me:/bin/zsh\n",
        "root:x:0:\nusers:x:100:\n",
    );
    scene
}

fn change(scene: &mut Scene, change: impl FnOnce(&mut crate::capture::record::Credentials)) {
    change(&mut Arc::make_mut(scene.process.as_mut().unwrap()).credentials);
}

#[test]
fn a_process_of_the_host_has_the_hosts_names() {
    let mut scene = scene();
    scene.check(&[
        ("user.uid", "1000"),
        ("user.name", "'me'"),
        ("user.homedir", "'/home/me'"),
        ("user.shell", "'/bin/zsh'"),
        ("user.loginuid", "1000"),
        ("user.loginname", "'me'"),
        ("group.gid", "100"),
        ("group.name", "'users'"),
    ]);
    // The effective ones count.
    change(&mut scene, |credentials| credentials.euid = 0);
    scene.check(&[
        ("user.uid", "0"),
        ("user.name", "'root'"),
        ("user.shell", "'/bin/bash'"),
    ]);
    change(&mut scene, |credentials| {
        credentials.euid = 77;
        credentials.egid = 77;
        credentials.loginuid = None;
    });
    scene.check(&[
        ("user.name", "unknown: account_unknown"),
        ("group.name", "unknown: account_unknown"),
        ("user.loginuid", "-1"),
        ("user.loginname", "'<NA>'"),
    ]);
}

#[test]
fn elsewhere_only_root_has_a_name() {
    let mut nested = scene();
    change(&mut nested, |credentials| credentials.user_ns_level = 1);
    let mut contained = scene();
    contained.outcome = Outcome::cgroup_unknown(7);
    for mut scene in [nested, contained] {
        scene.check(&[
            ("user.uid", "1000"),
            ("user.name", "unknown: account_unknown"),
            ("user.homedir", "unknown: account_unknown"),
            ("user.loginname", "unknown: account_unknown"),
            ("group.name", "unknown: account_unknown"),
        ]);
        change(&mut scene, |credentials| {
            credentials.euid = 0;
            credentials.egid = 0;
        });
        scene.check(&[
            ("user.name", "'root'"),
            ("group.name", "'root'"),
            ("user.shell", "unknown: account_unknown"),
        ]);
    }
}
