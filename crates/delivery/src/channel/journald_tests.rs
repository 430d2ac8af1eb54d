use std::collections::BTreeMap;
use std::io::{IoSliceMut, Read, Seek};
use std::os::fd::{FromRawFd, RawFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::socket::{ControlMessageOwned, recvmsg};
use tempfile::TempDir;

use super::*;
use crate::alert::tests::alert;

/// Reads fields as journald does.
fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|byte| *byte == b'\n').unwrap();
        let name = std::str::from_utf8(&entry[..end]).unwrap().to_owned();
        let length = u64::from_le_bytes(entry[end + 1..end + 9].try_into().unwrap());
        let value = &entry[end + 9..][..usize::try_from(length).unwrap()];
        fields.insert(name, String::from_utf8(value.to_vec()).unwrap());
        assert_eq!(entry[end + 9 + value.len()], b'\n');
        entry = &entry[end + 10 + value.len()..];
    }
    fields
}

#[tokio::test]
async fn an_alert_becomes_fields_and_a_restart_is_survived() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("socket");
    let mut journald = Journald::new(path.clone());
    let alerts = [Arc::new(alert(1))];
    assert!(journald.deliver(&alerts).await.unwrap_err().error.contains("socket"));
    for _ in 0..2 {
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        journald.deliver(&alerts).await.unwrap();
        let mut buffer = [0; 8192];
        let read = socket.recv(&mut buffer).unwrap();
        let fields = fields(&buffer[..read]);
        assert_eq!(fields["MESSAGE"], alerts[0].text);
        assert_eq!(fields["PRIORITY"], "4");
        assert_eq!(fields["RULE"], "Rule 1");
        assert_eq!(fields["ALERT"], alerts[0].json);
        assert_eq!(fields["CONTAINER_ID_FULL"], "0123456789ab");
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
#[expect(unsafe_code)]
async fn what_is_too_large_goes_as_a_sealed_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("socket");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let mut large = alert(1);
    large.text = "x".repeat(1 << 20);
    Journald::new(path).deliver(&[Arc::new(large)]).await.unwrap();
    let mut buffer = [0; 16];
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let mut space = nix::cmsg_space!(RawFd);
    let flags = MsgFlags::empty();
    let message = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags).unwrap();
    let Some(ControlMessageOwned::ScmRights(rights)) = message.cmsgs().unwrap().next() else {
        panic!("no descriptor");
    };
    // SAFETY: the kernel made this descriptor for us just now, and nothing else owns it.
    let mut file = unsafe { std::fs::File::from_raw_fd(rights[0]) };
    let mut entry = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut entry).unwrap();
    assert_eq!(fields(&entry)["MESSAGE"].len(), 1 << 20);
    assert!(file.write_all(b"x").is_err(), "it is sealed");
}

/// A real journald, if the machine has one that can be started beside whatever runs.
struct Real(Child);

impl Real {
    fn start() -> Option<Self> {
        let program = Path::new("/lib/systemd/systemd-journald");
        if !program.exists() || Path::new("/run/systemd/journal/socket").exists() {
            return None;
        }
        std::fs::create_dir_all("/run/systemd/journal").ok()?;
        let child = Command::new(program)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let real = Self(child.ok()?);
        for _ in 0..100 {
            if Path::new("/run/systemd/journal/socket").exists() {
                return Some(real);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        for name in ["socket", "stdout", "dev-log"] {
            let _ = std::fs::remove_file(Path::new("/run/systemd/journal").join(name));
        }
    }
}

#[tokio::test]
#[ignore = "starts the machine's own journald, which needs root and that none runs"]
async fn a_real_journald_stores_it() {
    let _real = Real::start().expect("a journald that can be started");
    let mut large = alert(2);
    large.text = "y".repeat(400_000);
    large.rule = format!("Rule of {}", std::process::id());
    let mut small = alert(3);
    small.rule.clone_from(&large.rule);
    let rule = large.rule.clone();
    let alerts = [Arc::new(small), Arc::new(large)];
    Journald::new("/run/systemd/journal/socket".into())
        .deliver(&alerts)
        .await
        .unwrap();
    let mut text = String::new();
    for _ in 0..50 {
        let output = Command::new("journalctl")
            .args(["-o", "json", "--all", &format!("RULE={rule}")])
            .output()
            .unwrap();
        text = String::from_utf8(output.stdout).unwrap();
        if text.lines().count() == 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let stored: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(stored.len(), 2, "{text:.500}");
    assert_eq!(stored[0]["PRIORITY"], "4");
    assert_eq!(stored[0]["ALERT"], alerts[0].json);
    assert_eq!(stored[0]["SYSLOG_IDENTIFIER"], IDENTIFIER);
    assert_eq!(stored[1]["MESSAGE"].as_str().unwrap().len(), 400_000);
}
