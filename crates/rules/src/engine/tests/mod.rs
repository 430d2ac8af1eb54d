//! What comparisons mean.

mod compile;
pub(super) mod property;
mod slow;
mod unknown;

use std::net::IpAddr;

use crate::host::{Event, truth};
use crate::value::{Answer, Truth, Value};

/// An event of which something is known of each kind.
fn event() -> Event {
    let address = |text: &str| Value::Address(text.parse::<IpAddr>().expect("an address"));
    Event::of("openat")
        .text("proc.name", "nginx")
        .text("proc.pname", "Nginx")
        .text("proc.exe", "/usr/sbin/nginx")
        .text("proc.cmdline", "nginx -c L2V0Yy9wYXNzd2Q")
        .text("fd.name", "/home/me/.ssh/id_rsa")
        .text("evt.arg.flags", "O_RDONLY|O_CLOEXEC")
        .text("evt.arg.data", "aGVsbG8=")
        .text("k8s.pod.label[app]", "shop")
        .text("proc.env[HOME]", "/root")
        .number("fd.num", 3)
        .number("evt.rawres", -2)
        .with("evt.is_open_read", Answer::Known(Value::Boolean(true)))
        .with("fd.sip", Answer::Known(address("10.1.2.3")))
        .with(
            "fd.ip",
            Answer::Known(Value::List(vec![address("10.1.2.3"), address("192.168.0.7")])),
        )
        .list("proc.aname", &["bash", "sshd", "systemd"])
        .text("proc.aname[1]", "bash")
        .list("proc.args", &["-n", "-tvalue", "rest"])
}

fn check(cases: &[(&str, bool)]) {
    let event = event();
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(condition, wanted)| truth(condition, &event) != Truth::from(*wanted))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn texts() {
    check(&[
        ("proc.name = nginx", true),
        ("proc.name == nginx", true),
        ("proc.name = Nginx", false),
        ("proc.name != nginx", false),
        ("proc.name != httpd", true),
        ("proc.name in (httpd, nginx)", true),
        ("proc.name in (httpd)", false),
        ("proc.name in ()", false),
        ("not proc.name in ()", true),
        // One value: the same as `in`.
        ("proc.name intersects (httpd, nginx)", true),
        ("proc.name contains gin", true),
        ("proc.name contains GIN", false),
        ("proc.name contains \"\"", true),
        ("proc.name icontains GIN", true),
        ("proc.pname icontains nginx", true),
        ("proc.name icontains nginxx", false),
        ("proc.name startswith ngi", true),
        ("proc.name startswith gin", false),
        ("proc.name endswith inx", true),
        ("proc.name endswith ngi", false),
        ("proc.name bcontains 67696e", true),
        ("proc.name bcontains 6769ff", false),
        ("proc.name bstartswith 6E67", true),
        ("proc.name bstartswith 67", false),
    ]);
}

#[test]
fn patterns() {
    check(&[
        ("fd.name glob '/home/*/.ssh/*'", true),
        ("fd.name glob '/home/*'", true),
        ("fd.name glob '/HOME/*'", false),
        ("fd.name iglob '/HOME/*'", true),
        ("fd.name glob 'home*'", false),
        // The whole value.
        ("fd.name regex '/home/[a-z]+/.*'", true),
        ("fd.name regex '/home/[a-z]+'", false),
        ("fd.name regex 'x|/home/.*'", true),
        ("fd.name pmatch (/home, /etc)", true),
        ("fd.name pmatch (/hom)", false),
        ("fd.name pmatch ('/home/*/.ssh')", true),
        ("fd.name pmatch (/home/me/.ssh/id_rsa/x)", false),
    ]);
}

#[test]
fn texts_that_are_no_utf8() {
    let event = Event::of("openat").with(
        "fd.name",
        Answer::Known(Value::Text(b"/tmp/\xff\xfe.x".to_vec().into())),
    );
    for condition in [
        "fd.name startswith /tmp/",
        "fd.name endswith .x",
        "fd.name bcontains fffe",
        // A dot stands for what is replaced.
        "fd.name regex '/tmp/..[.]x'",
        "fd.name glob '/tmp/??.x'",
    ] {
        assert_eq!(truth(condition, &event), Truth::True, "{condition}");
    }
}

#[test]
fn numbers_and_booleans() {
    check(&[
        ("fd.num = 3", true),
        ("fd.num != 3", false),
        ("fd.num >= 3", true),
        ("fd.num > 3", false),
        ("fd.num <= 3", true),
        ("fd.num < 3", false),
        ("fd.num in (1, 2, 3)", true),
        ("fd.num in (1, 2)", false),
        ("evt.rawres < 0", true),
        ("evt.rawres = -2", true),
        ("evt.rawres >= -2", true),
        ("evt.is_open_read = true", true),
        ("evt.is_open_read = false", false),
        ("evt.is_open_read != false", true),
        ("evt.is_open_read in (true, false)", true),
    ]);
}

#[test]
fn addresses() {
    check(&[
        ("fd.sip = 10.1.2.3", true),
        ("fd.sip = \"10.0.0.0/8\"", true),
        ("fd.sip != \"10.0.0.0/8\"", false),
        ("fd.sip in (\"172.16.0.0/12\", \"10.0.0.0/8\")", true),
        ("fd.sip in (\"172.16.0.0/12\", 192.168.0.0/16)", false),
        // The other family is never equal, and so always different.
        ("fd.sip = \"::1\"", false),
        ("fd.sip != \"::1\"", true),
        // Either end may be equal; none may be for them to be different.
        ("fd.ip = 192.168.0.7", true),
        ("fd.ip != 192.168.0.7", false),
        ("fd.ip != 1.2.3.4", true),
        ("fd.ip in (\"192.168.0.0/16\")", true),
    ]);
}

#[test]
fn several_values() {
    check(&[
        // Any ancestor, whatever the operator.
        ("proc.aname = sshd", true),
        ("proc.aname = cron", false),
        ("proc.aname != sshd", true),
        ("proc.aname in (cron, systemd)", true),
        ("proc.aname startswith sys", true),
        ("proc.aname[1] = bash", true),
        ("proc.aname[1] != bash", false),
        ("proc.aname[2] = sshd", false),
        ("proc.aname exists", true),
        // A list as a whole.
        ("proc.args in (\"-n\", \"-tvalue\", rest, more)", true),
        ("proc.args in (\"-n\", rest)", false),
        ("proc.args intersects (rest, more)", true),
        ("proc.args intersects (more)", false),
        ("proc.args exists", true),
    ]);
    // Of no values all are in.
    let empty = Event::of("openat").list("proc.args", &[]);
    assert_eq!(truth("proc.args in (a)", &empty), Truth::True);
    assert_eq!(truth("proc.args intersects (a)", &empty), Truth::False);
}

#[test]
fn quantifiers_count_the_members_on_the_right() {
    check(&[
        ("proc.name startswith anyof (x, ng)", true),
        ("proc.name startswith anyof (x, y)", false),
        ("proc.name contains allof (n, gin, x)", true),
        ("proc.name contains allof (n, gin, y)", false),
        ("proc.name startswith oneof (n, y)", true),
        ("proc.name startswith oneof (n, ng)", false),
        ("proc.name startswith oneof (x, y)", false),
        ("proc.name = anyof (nginx, httpd)", true),
        ("proc.name != allof (httpd, sshd)", true),
        ("proc.name != allof (httpd, nginx)", false),
    ]);
}

#[test]
fn functions() {
    check(&[
        ("toupper(proc.name) = NGINX", true),
        ("tolower(proc.pname) = nginx", true),
        ("b64(evt.arg.data) = hello", true),
        // No base64, so nothing that could be compared.
        ("b64(fd.name) != x", false),
        ("basename(fd.name) = id_rsa", true),
        ("basename(proc.name) = nginx", true),
        ("len(proc.name) = 5", true),
        ("len(proc.name) > 5", false),
        ("len(proc.args) = 3", true),
        ("join(\",\", proc.args) = '-n,-tvalue,rest'", true),
        ("join(\"-\", (proc.name, proc.pname)) = nginx-Nginx", true),
        ("concat(proc.name, \"/\", proc.pname) = nginx/Nginx", true),
        ("toupper(basename(fd.name)) = ID_RSA", true),
        ("getopt(proc.args, \"nt:\") intersects (value)", true),
        ("getopt(proc.args, \"nt:\") in (n, t, value)", true),
        ("getopt(proc.args, \"n\") intersects (\"?\")", true),
    ]);
}

#[test]
fn fields_on_the_right() {
    check(&[
        ("proc.name = val(proc.name)", true),
        ("proc.name = val(proc.pname)", false),
        ("proc.name = tolower(proc.pname)", true),
        ("proc.name != val(proc.pname)", true),
        ("proc.exe endswith val(proc.name)", true),
        ("proc.exe contains val(proc.name)", true),
        ("proc.exe glob val(proc.name)", false),
        ("proc.name = val(evt.arg.absent)", false),
        ("proc.name != val(evt.arg.absent)", false),
        ("fd.num > val(evt.rawres)", true),
        ("proc.args in val(proc.args)", true),
    ]);
}

#[test]
fn arguments() {
    check(&[
        ("evt.arg.flags contains O_RDONLY", true),
        ("k8s.pod.label[app] = shop", true),
        ("k8s.pod.label[tier] = shop", false),
        ("proc.env[HOME] = /root", true),
    ]);
}

#[test]
fn what_is_absent_fits_nothing() {
    let absent = Event::of("openat");
    for condition in [
        "proc.name = x",
        "proc.name != x",
        "proc.name in (x)",
        "proc.name exists",
        "proc.name = '<NA>'",
        "proc.name contains ''",
        "fd.num < 3",
        "fd.num != 3",
        "fd.sip != 1.2.3.4",
        "proc.aname != x",
        "proc.args in (x)",
        "toupper(proc.name) != X",
        "proc.name = val(proc.pname)",
        "proc.name != anyof (a, b)",
    ] {
        assert_eq!(truth(condition, &absent), Truth::False, "{condition}");
        assert_eq!(truth(&format!("not {condition}"), &absent), Truth::True, "{condition}");
    }
    // The word of upstream for a name that it does not know is a text like others.
    let placeholder = Event::of("openat").text("proc.name", "<NA>");
    assert_eq!(truth("proc.name in (\"<NA>\",\"N/A\")", &placeholder), Truth::True);
}

/// Comparisons with pieces of one text are made together; each still counts alone.
#[test]
fn several_pieces() {
    let event = Event::of("openat")
        .text("proc.cmdline", "run AWS_Secret -e KEX priv\u{e9}")
        .unknown("proc.exe", "why");
    let pieces = [
        "icontains kex",
        "contains \"-e K\"",
        "startswith \"run A\"",
        "endswith \"iv\u{e9}\"",
        "icontains aws_secret",
    ];
    let others = [
        "contains kex",
        "startswith un",
        "endswith privx",
        "icontains kexx",
        "contains \"\u{e9}x\"",
        "icontains xrun",
        "contains aws_secret",
        "icontains \"zz zz\"",
        "contains EXX",
        "contains ttt",
        "icontains yyy",
        "endswith \"a run AWS_Secret -e KEX priv\u{e9}\"",
    ];
    let any = |pieces: &[&str]| {
        let all: Vec<_> = pieces.iter().map(|piece| format!("proc.cmdline {piece}")).collect();
        all.join(" or ")
    };
    assert_eq!(truth(&any(&others), &event), Truth::False);
    assert_eq!(truth(&format!("not ({})", any(&others)), &event), Truth::True);
    for piece in pieces {
        let among = [&others[..], &[piece]].concat();
        assert_eq!(truth(&any(&among), &event), Truth::True, "{piece}");
        assert_eq!(
            truth(&format!("not ({})", any(&among)), &event),
            Truth::False,
            "{piece}"
        );
        let none: Vec<_> = among.iter().map(|piece| format!("not proc.cmdline {piece}")).collect();
        assert_eq!(truth(&none.join(" and "), &event), Truth::False, "{piece}");
    }
    let unknown = any(&others).replace("proc.cmdline", "proc.exe");
    assert_eq!(truth(&unknown, &event), Truth::Unknown);
    let absent = any(&others).replace("proc.cmdline", "proc.pname");
    assert_eq!(truth(&format!("not ({absent})"), &event), Truth::True);
}
