use std::io::Write;
use std::thread;

use bytesize::ByteSize;
use tempfile::TempDir;

use super::hanging::Gate;
use super::*;
use crate::alert::tests::alert;
use crate::channel::Http;
use crate::config::{Delivery, Retry};
use crate::frame::VERSION;
use crate::{End, Handed, Priority, Sender};

fn settings(directory: &TempDir) -> Delivery {
    let mut settings = Delivery::default();
    settings.file.enabled = true;
    settings.file.path = directory.path().join("alerts");
    settings.grace = Duration::from_millis(500);
    settings
}

fn courier(settings: &Delivery) -> Courier {
    Courier::new(settings, "node", "1").unwrap()
}

/// A port where nobody listens.
fn nobody() -> String {
    "http://127.0.0.1:1/".to_owned()
}

#[test]
fn alerts_go_from_end_to_end_and_both_ends_know() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let (mut sender, other) = Sender::pair(&settings).unwrap();
    let courier = courier(&settings);
    assert_eq!(courier.channels(), 1);
    let working = thread::spawn(move || courier.run(other));
    for number in 0..1000 {
        assert_eq!(sender.send(alert(number)), Handed::Over);
    }
    assert_eq!(sender.reopen(), Handed::Over);
    let End { report, lost, .. } = sender.finish(Duration::from_secs(10));
    let ended = working.join().unwrap();
    assert!(ended.error.is_none());
    assert_eq!((lost, report.received), (0, 1000));
    assert_eq!(report.channels["file"].delivered, 1000);
    assert_eq!(report, ended.report);
    let text = std::fs::read_to_string(&settings.file.path).unwrap();
    assert_eq!(text.lines().count(), 1000);
}

#[test]
fn a_channel_that_fails_holds_up_no_other_and_the_end_is_bounded() {
    let directory = TempDir::new().unwrap();
    let mut settings = settings(&directory);
    settings.http.enabled = true;
    settings.http.url = nobody();
    settings.http.queue.memory = ByteSize::kib(64);
    settings.http.retry.first = Duration::from_millis(10);
    let (mut sender, other) = Sender::pair(&settings).unwrap();
    let courier = courier(&settings);
    let working = thread::spawn(move || courier.run(other));
    for number in 0..500 {
        assert_eq!(sender.send(alert(number)), Handed::Over);
    }
    let begun = std::time::Instant::now();
    let report = sender.finish(Duration::from_secs(10)).report;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    working.join().unwrap();
    assert_eq!(report.channels["file"].delivered, 500);
    let http = &report.channels["http"];
    assert_eq!((http.delivered, http.dropped, http.waiting), (0, 500, 0));
    assert!(http.failing && http.retried > 0, "{http:?}");
    assert!(http.last_error.as_ref().unwrap().contains("cannot connect"), "{http:?}");
}

#[test]
fn a_disk_that_hangs_holds_up_no_other_channel_and_the_end_is_bounded() {
    let directory = TempDir::new().unwrap();
    let mut settings = settings(&directory);
    let server = crate::channel::test_server();
    settings.http.url = server.url("/");
    let (gate, queue) = Gate::closed(&directory.path().join("queue"), 1 << 20, 10 * alert(10).size());
    let http = Http::new(&settings.http, "1").unwrap();
    let starter = Starter::new("http", Priority::Debug, queue, &Retry::default(), http);
    let mut courier = courier(&settings);
    // In front of the one that works.
    courier.starters.insert(0, starter);
    let (mut sender, other) = Sender::pair(&settings).unwrap();
    let working = thread::spawn(move || courier.run(other));
    for number in 10..60 {
        assert_eq!(sender.send(alert(number)), Handed::Over);
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let (mut file, mut http) = Default::default();
    while (file, http) != (50, 50) {
        assert!(
            std::time::Instant::now() < deadline,
            "{file} in the file, {http} accounted for"
        );
        let report = sender.report();
        file = report.channels.get("file").map_or(0, |file| file.delivered);
        http = report
            .channels
            .get("http")
            .map_or(0, |http| http.waiting + http.dropped);
        assert_eq!(http, report.received);
        thread::sleep(Duration::from_millis(20));
    }
    let begun = std::time::Instant::now();
    let report = sender.finish(Duration::from_secs(10)).report;
    let ended = working.join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(report, ended.report);
    let http = &report.channels["http"];
    assert_eq!((http.delivered, http.dropped, http.waiting), (0, 50, 0));
    gate.open();
    gate.is_gone();
    assert!(server.seen().is_empty());
}

#[test]
fn what_waits_on_disk_is_delivered_by_the_next_one() {
    let directory = TempDir::new().unwrap();
    let mut settings = Delivery {
        grace: Duration::from_millis(100),
        ..Delivery::default()
    };
    settings.http.enabled = true;
    settings.http.url = nobody();
    settings.http.queue.directory = directory.path().join("queue");
    let (mut sender, other) = Sender::pair(&settings).unwrap();
    let first = courier(&settings);
    let mut nowhere = settings.clone();
    nowhere.http.queue.directory = directory.path().join("no/queue");
    let error = Courier::new(&nowhere, "node", "1").unwrap_err();
    assert!(
        error.to_string().starts_with("delivery.http.queue.directory: "),
        "{error}"
    );
    let working = thread::spawn(move || first.run(other));
    for number in 0..100 {
        sender.send(alert(number));
    }
    drop(sender);
    let ended = working.join().unwrap();
    let account = &ended.report.channels["http"];
    assert_eq!((account.waiting, account.dropped), (100, 0));

    let server = crate::channel::test_server();
    settings.http.url = server.url("/");
    settings.grace = Duration::from_secs(10);
    let (sender, other) = Sender::pair(&settings).unwrap();
    drop(sender);
    let ended = courier(&settings).run(other);
    assert_eq!(ended.report.channels["http"].delivered, 100);
    let bodies: Vec<_> = server.seen().into_iter().map(|seen| seen.body).collect();
    let expected: Vec<_> = (0..100).map(|number| alert(number).json.into_bytes()).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn a_sensor_that_talks_nonsense_or_dies_is_told_apart_from_one_that_ends() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let good = Message::Alert(Box::new(alert(1))).encode().unwrap();
    let torn = &good[..good.len() - 1];
    let wild = [0xff, 0xff, 0xff, 0xff, VERSION, 1];
    let unknown = [0, 0, 0, 0, VERSION, 77];
    for (bytes, received, unreadable, words) in [
        (good.clone(), 1, 0, None),
        ([&good, torn].concat(), 1, 0, Some("middle")),
        ([&good[..], &wild].concat(), 1, 0, Some("bytes")),
        ([&unknown[..], &good].concat(), 1, 1, None),
    ] {
        let (mut end, other) = StdStream::pair().unwrap();
        end.write_all(&bytes).unwrap();
        end.shutdown(std::net::Shutdown::Write).unwrap();
        let ended = courier(&settings).run(other);
        let counted = (ended.report.received, ended.report.unreadable);
        assert_eq!(counted, (received, unreadable));
        assert_eq!(ended.report.channels["file"].delivered, received);
        let error = ended.error.map(|error| error.to_string());
        assert_eq!(error.is_some(), words.is_some(), "{error:?}");
        assert!(words.is_none_or(|words| error.unwrap().contains(words)));
    }
}

#[test]
fn mistakes_show_before_any_alert() {
    let directory = TempDir::new().unwrap();
    let error = |change: &dyn Fn(&mut Delivery)| {
        let mut settings = settings(&directory);
        change(&mut settings);
        Courier::new(&settings, "node", "1").unwrap_err().to_string()
    };
    let words = error(&|settings| settings.file.path = "/no/such/directory/alerts".into());
    assert!(words.starts_with("delivery.file: cannot open /no/such"), "{words}");
    let words = error(&|settings| {
        settings.http.enabled = true;
        settings.http.url = "https://h/".to_owned();
        settings.http.tls.ca_file = "/no/such/ca".into();
    });
    assert!(
        words.starts_with("delivery.http.tls: cannot read /no/such/ca"),
        "{words}"
    );
    let words = error(&|settings| settings.grace = Duration::MAX);
    assert!(words.starts_with("delivery.grace: "), "{words}");
}

#[test]
fn the_sensor_is_told_while_it_goes_on() {
    let directory = TempDir::new().unwrap();
    let settings = settings(&directory);
    let (mut sender, other) = Sender::pair(&settings).unwrap();
    let courier = courier(&settings);
    let working = thread::spawn(move || courier.run(other));
    sender.send(alert(1));
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while sender
        .report()
        .channels
        .get("file")
        .is_none_or(|file| file.delivered == 0)
    {
        assert!(std::time::Instant::now() < deadline);
        thread::sleep(Duration::from_millis(20));
    }
    drop(sender);
    working.join().unwrap();
}
