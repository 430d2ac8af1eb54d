//! Delivers made-up alerts by settings from a file, and says how fast that went and what became of them:
//! `deliver SETTINGS.toml COUNT`. The settings are those of `[delivery]`, without that heading.
//!
//! Sensor and courier are two threads here, where the agent has two processes.

use std::env;
use std::error::Error;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use pinhole_delivery::config::Delivery;
use pinhole_delivery::{Alert, Courier, Handed, Priority, Sender};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(path), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: deliver SETTINGS.toml COUNT".into());
    };
    let settings: Delivery = toml::from_str(&fs::read_to_string(path)?)?;
    let count: u64 = count.parse()?;
    let courier = Courier::new(&settings, "node", env!("CARGO_PKG_VERSION"))?;
    let (mut sender, other) = Sender::pair(&settings)?;
    let delivering = thread::spawn(move || courier.run(other));
    let begun = Instant::now();
    let over = (0..count)
        .filter(|number| sender.send(alert(*number)) == Handed::Over)
        .count();
    let handed = begun.elapsed();
    let lost = sender.finish(settings.grace + Duration::from_secs(2)).lost;
    let delivered = begun.elapsed();
    let ended = delivering.join().map_err(|_| "the courier broke down")?;
    eprintln!("{over} handed over in {handed:?}, {lost} lost, all ended after {delivered:?}");
    eprintln!("{:#?}", ended.report);
    match ended.error {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// An alert of the usual size.
fn alert(number: u64) -> Alert {
    let output = format!(
        "Read sensitive file untrusted | file=/etc/shadow gparent=containerd-shim evt_type=openat user=root user_uid=0 \
         process=cat proc_exepath=/bin/cat parent=sh command=cat /etc/shadow terminal=34816 number={number}"
    );
    let json = format!(
        "{{\"hostname\":\"node\",\"output\":\"{output}\",\"output_fields\":{{\"container.id\":\"0123456789ab\",\"evt.num\":{number},\
         \"evt.type\":\"openat\",\"fd.name\":\"/etc/shadow\",\"proc.cmdline\":\"cat /etc/shadow\",\"proc.exepath\":\"/bin/cat\",\
         \"proc.name\":\"cat\",\"proc.pname\":\"sh\",\"proc.tty\":34816,\"user.name\":\"root\",\"user.uid\":0}},\
         \"priority\":\"Warning\",\"rule\":\"Read sensitive file untrusted\",\"source\":\"syscall\",\
         \"tags\":[\"container\",\"filesystem\"],\"time\":\"2023-11-14T22:13:20.123456789Z\"}}"
    );
    Alert {
        priority: Priority::Warning,
        rule: "Read sensitive file untrusted".to_owned(),
        time: 1_700_000_000_123_456_789,
        container: Some("0123456789ab".to_owned()),
        json,
        text: format!("22:13:20.123456789: Warning {output}"),
    }
}
