use tempfile::TempDir;

use super::*;
use crate::alert::tests::alert;
use crate::logged::logged;

const LIMIT: u64 = 1 << 20;

fn push(disk: &mut Disk, numbers: std::ops::Range<usize>) {
    for number in numbers {
        disk.push(&Arc::new(alert(number))).unwrap();
    }
}

/// Delivers all, so many at a time.
fn drain(disk: &mut Disk, batch: usize) -> Vec<String> {
    let mut rules = Vec::new();
    loop {
        let front = disk.front(batch);
        if front.is_empty() {
            return rules;
        }
        rules.extend(front.iter().map(|alert| alert.rule.clone()));
        disk.pop(front.len());
    }
}

fn rules(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| alert(number).rule).collect()
}

fn segments(directory: &TempDir) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some())
        .collect();
    paths.sort();
    paths
}

#[test]
fn what_was_not_delivered_survives_a_restart() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 0..1000);
    assert!(segments(&directory).len() > 2, "several segments");
    assert_eq!(disk.front(300).len(), 300.min(disk.front(300).len()));
    let front = disk.front(7);
    assert_eq!(front.len(), 7);
    disk.pop(5);
    drop(disk);
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    assert_eq!(disk.len(), 995);
    push(&mut disk, 1000..1010);
    assert_eq!(drain(&mut disk, 64), rules(5..1010));
    assert_eq!(disk.len(), 0);
    assert_eq!(segments(&directory).len(), 1, "what is delivered is removed");
    drop(disk);
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    assert_eq!((disk.len(), disk.front(1).len()), (0, 0));
    push(&mut disk, 1..2);
    assert_eq!(drain(&mut disk, 1), rules(1..2));
}

#[test]
fn the_disk_is_bounded() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    let taken = (0..100_000)
        .take_while(|number| disk.push(&Arc::new(alert(*number))).is_ok())
        .count();
    let used: u64 = segments(&directory)
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert!(used <= LIMIT && used > LIMIT * 9 / 10, "{used}");
    assert!(matches!(disk.push(&Arc::new(alert(0))), Err(PushError::Full)));
    // Room comes back with each segment that is delivered.
    for _ in 0..taken / 4 {
        assert_eq!(disk.front(1).len(), 1);
        disk.pop(1);
    }
    push(&mut disk, taken..taken + 1);
    assert_eq!(drain(&mut disk, 100), rules(taken / 4..taken + 1));
}

#[test]
fn a_torn_record_is_cut_off() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 0..3);
    drop(disk);
    let path = segments(&directory).pop().unwrap();
    let length = fs::metadata(&path).unwrap().len();
    segment::open(&path, false).unwrap().set_len(length - 1).unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    assert_eq!(disk.len(), 2);
    push(&mut disk, 7..8);
    assert_eq!(drain(&mut disk, 10), ["Rule 0", "Rule 1", "Rule 7"]);
}

#[test]
fn zeros_at_the_end_are_no_alerts_and_are_told() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 0..3);
    drop(disk);
    let path = segments(&directory).pop().unwrap();
    let length = fs::metadata(&path).unwrap().len();
    segment::open(&path, false).unwrap().set_len(length + 8000).unwrap();
    let log = logged(|| {
        let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
        assert_eq!(disk.len(), 3);
        push(&mut disk, 3..4);
        assert_eq!(drain(&mut disk, 10), rules(0..4));
        assert_eq!(disk.take_damaged(), 0);
    });
    let expected = format!("{}: the last 8000 bytes", path.display());
    assert!(log.contains(&expected), "{log}");
}

#[test]
fn an_older_segment_is_not_cut_but_skipped_and_that_is_told() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 0..1000);
    let first = usize::try_from(disk.segments[0].records).unwrap();
    drop(disk);
    let path = segments(&directory).remove(0);
    let file = segment::open(&path, false).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length + 100).unwrap();
    let log = logged(|| {
        let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
        assert_eq!(file.metadata().unwrap().len(), length + 100);
        assert_eq!(disk.len(), 1000);
        assert_eq!(drain(&mut disk, first), rules(0..1000));
        assert_eq!((disk.take_damaged(), disk.len()), (0, 0));
    });
    let expected = format!("{}: 100 bytes from {length} on", path.display());
    assert!(log.contains(&expected), "{log}");
}

#[test]
fn a_position_beyond_the_end_hides_nothing_that_comes_later() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 0..4);
    disk.front(4);
    disk.pop(4);
    drop(disk);
    let one = segment::record(&alert(0)).unwrap().len() as u64;
    let path = segments(&directory).pop().unwrap();
    segment::open(&path, false).unwrap().set_len(one).unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 5..6);
    drop(disk);
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    assert_eq!(drain(&mut disk, 10), rules(5..6));
}

#[test]
fn a_spoiled_record_costs_its_segment_and_is_counted() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 0..1000);
    let first = disk.segments[0].records;
    let offset = segment::record(&alert(0)).unwrap().len() as u64 + 100;
    segment::open(&segments(&directory)[0], false)
        .unwrap()
        .write_all_at(b"\0\0\0", offset)
        .unwrap();
    let mut expected = rules(0..1);
    expected.extend(rules(usize::try_from(first).unwrap()..1000));
    assert_eq!(drain(&mut disk, 50), expected);
    assert_eq!(disk.take_damaged(), first - 1);
    assert_eq!((disk.take_damaged(), disk.len()), (0, 0));
}

#[test]
fn the_only_segment_may_be_spoiled_too() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 0..3);
    disk.segments[0].file.write_all_at(&[9; 30], 4).unwrap();
    assert!(disk.front(5).is_empty());
    assert_eq!(disk.take_damaged(), 3);
    push(&mut disk, 5..6);
    assert_eq!(drain(&mut disk, 5), rules(5..6));
}

#[test]
fn what_another_version_wrote_costs_itself_alone() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 0..2);
    drop(disk);
    // Two records with right checksums: one with fields too few, one with a field too many.
    let mut newer = serde_json::to_value(alert(2)).unwrap();
    newer["from_the_future"] = 1.into();
    let file = segment::open(&segments(&directory)[0], false).unwrap();
    for payload in ["{}".to_owned(), newer.to_string()] {
        let mut record = u32::try_from(payload.len()).unwrap().to_le_bytes().to_vec();
        record.extend(crc32fast::hash(payload.as_bytes()).to_le_bytes());
        record.extend(payload.as_bytes());
        file.write_all_at(&record, file.metadata().unwrap().len()).unwrap();
    }
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 3..4);
    assert_eq!(disk.len(), 5);
    assert_eq!(drain(&mut disk, 10), rules(0..4));
    assert_eq!((disk.take_damaged(), disk.len()), (1, 0));
}

#[test]
fn a_lost_position_delivers_again_rather_than_not_at_all() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 0..4);
    disk.front(2);
    disk.pop(2);
    drop(disk);
    fs::write(directory.path().join("position"), [1; 20]).unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    assert_eq!(drain(&mut disk, 10), rules(0..4));
}

#[test]
fn the_largest_alert_is_read_again_though_it_grew_when_it_was_escaped() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), 8 * LIMIT).unwrap();
    let mut large = alert(1);
    large.text = "\x7f".repeat(crate::frame::LIMIT - 1000);
    large.text = crate::alert::one_line(large.text);
    disk.push(&Arc::new(large)).unwrap();
    push(&mut disk, 2..3);
    drop(disk);
    let mut disk = Disk::open(directory.path(), 8 * LIMIT).unwrap();
    assert_eq!(drain(&mut disk, 10), rules(1..3));
}

#[test]
fn two_processes_do_not_share_a_directory_and_waiting_for_the_other_ends() {
    let directory = TempDir::new().unwrap();
    let _disk = Disk::open(directory.path(), LIMIT).unwrap();
    let mut waited = Duration::ZERO;
    let second = Disk::open_after(directory.path(), LIMIT, |pause| waited += pause);
    assert!(matches!(second, Err(OpenError::InUse(_))));
    assert_eq!(waited, PAUSE * (ATTEMPTS - 1));
}

#[test]
fn a_process_that_is_about_to_end_is_waited_for() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), LIMIT).unwrap();
    push(&mut disk, 0..3);
    let mut former = Some(disk);
    let mut pauses = 0;
    let second = Disk::open_after(directory.path(), LIMIT, |_| {
        pauses += 1;
        if pauses == 3 {
            former = None;
        }
    });
    assert_eq!(drain(&mut second.unwrap(), 10), rules(0..3));
    assert_eq!(pauses, 3);
}

#[test]
fn links_are_not_followed() {
    let directory = TempDir::new().unwrap();
    let victim = directory.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let queue = directory.path().join("queue");
    fs::create_dir(&queue).unwrap();
    std::os::unix::fs::symlink(&victim, queue.join("position")).unwrap();
    assert!(matches!(Disk::open(&queue, LIMIT), Err(OpenError::File { .. })));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}
