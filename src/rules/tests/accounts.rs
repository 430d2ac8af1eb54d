//! Account files.

use crate::rules::accounts::{Accounts, LARGEST};

#[test]
fn lines_that_are_not_understood_are_passed_over() {
    let passwd = "root:x:0:0:root:/root:/bin/bash\r\n\
        # nobody:x:1:1::/:/bin/false\n\
        +@admins::::::\n\
        short:x:2\n\
        text:x:two:2::/:/bin/sh\n\
        :x:3:3::/:/bin/sh\n\
        me:x:1000:100:Me:/home/me:/bin/zsh\n\
        again:x:1000:100::/:/bin/sh";
    let accounts = Accounts::parse(passwd, "root:x:0:\nusers:x:100:me,you\n\nwheel:x\n");
    let me = accounts.user(1000).unwrap();
    assert_eq!((&*me.name, &*me.home, &*me.shell), ("me", "/home/me", "/bin/zsh"));
    assert_eq!(&*accounts.user(0).unwrap().shell, "/bin/bash");
    for uid in [1, 2, 3] {
        assert_eq!(accounts.user(uid), None, "{uid}");
    }
    assert_eq!(accounts.group(100), Some("users"));
    assert_eq!(accounts.group(1000), None);
}

#[test]
fn what_is_too_long_is_left_out() {
    let long = "x".repeat(5000);
    let accounts = Accounts::parse(&format!("{long}:x:1:1::/:/\na:x:2:2::/{long}:/\nb:x:3:3::/:/\n"), "");
    assert_eq!((accounts.user(1), accounts.user(2)), (None, None));
    assert!(accounts.user(3).is_some());
    let rest = format!("{}\nlate:x:4:4::/:/\n", "\n".repeat(LARGEST));
    assert_eq!(Accounts::parse(&rest, "").user(4), None);
}
