use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::alert::tests::alert;
use crate::courier::hanging::Gate;
use crate::logged::Logged;
use crate::queue::{Disk, Memory, Store};

/// A channel that answers as it was told, then takes everything.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    answers: VecDeque<Result<(), Failure>>,
    always: Option<Failure>,
    /// An alert of this rule is always refused, together with whatever comes along.
    poison: Option<String>,
    attempts: Vec<(Instant, Vec<String>)>,
    batch: usize,
    reopened: usize,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Result<(), Failure>>) -> Self {
        let scripted = Self::default();
        scripted.script().answers.extend(answers);
        scripted.script().batch = 4;
        scripted
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    fn start(&self, give_up: u64) -> Lane {
        self.start_with(Queue::Memory(Memory::new(100 * alert(10).size() as u64)), give_up)
    }

    fn start_with(&self, queue: Queue, give_up: u64) -> Lane {
        let retry = Retry {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            give_up: Duration::from_secs(give_up),
        };
        Lane::start("test", Priority::Warning, queue, &retry, self.clone())
    }

    /// The rules of all attempts, one after the other.
    fn rules(&self) -> Vec<String> {
        let script = self.script();
        script.attempts.iter().flat_map(|(_, rules)| rules.clone()).collect()
    }
}

impl Channel for Scripted {
    fn batch(&self) -> usize {
        self.script().batch
    }

    async fn deliver(&mut self, alerts: &[Arc<Alert>]) -> Result<(), Failure> {
        let rules: Vec<String> = alerts.iter().map(|alert| alert.rule.clone()).collect();
        let mut script = self.script();
        script.attempts.push((Instant::now(), rules.clone()));
        if script.poison.as_ref().is_some_and(|poison| rules.contains(poison)) {
            return Err(Failure {
                taken: 0,
                kind: Kind::RefusedTogether,
                error: "no".to_owned(),
            });
        }
        if let Some(always) = &script.always {
            return Err(always.clone());
        }
        script.answers.pop_front().unwrap_or(Ok(()))
    }

    async fn reopen(&mut self) -> Result<(), String> {
        self.script().reopened += 1;
        Err("told and gone on".to_owned())
    }
}

fn refused(kind: Kind) -> Failure {
    Failure {
        taken: 0,
        kind,
        error: "refused".to_owned(),
    }
}

async fn finish(lane: Lane, seconds: u64) -> Account {
    lane.close();
    lane.end(Instant::now() + Duration::from_secs(seconds)).await;
    lane.account()
}

fn push(lane: &Lane, numbers: std::ops::Range<usize>) {
    for number in numbers {
        lane.push(&Arc::new(alert(number)));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_with_longer_and_longer_pauses() {
    let channel = Scripted::new((0..5).map(|_| Err(Failure::later("away"))));
    let lane = channel.start(0);
    push(&lane, 0..2);
    tokio::time::sleep(Duration::from_secs(100)).await;
    let account = finish(lane, 3600).await;
    assert_eq!(
        (account.delivered, account.retried, account.failed, account.dropped),
        (2, 5, 0, 0)
    );
    assert!(!account.failing);
    assert_eq!(account.last_error.as_deref(), Some("away"));
    let attempts = &channel.script().attempts;
    assert_eq!(attempts.len(), 6);
    for (step, pair) in attempts.windows(2).enumerate() {
        let (pause, whole) = (pair[1].0 - pair[0].0, Duration::from_secs(1 << step));
        assert!(
            pause >= whole / 2 && pause <= whole + Duration::from_millis(2),
            "{pause:?} at {step}"
        );
        assert_eq!(pair[0].1, pair[1].1, "the same alerts");
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_time_gets_it() {
    let kind = Kind::Later(Some(Duration::from_secs(30)));
    let channel = Scripted::new([Err(refused(kind))]);
    let lane = channel.start(0);
    push(&lane, 0..1);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(finish(lane, 3600).await.delivered, 1);
    let attempts = &channel.script().attempts;
    assert!(attempts[1].0 - attempts[0].0 >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_run_shortens_pauses() {
    let kind = || Err(refused(Kind::Later(Some(Duration::from_secs(600)))));
    let channel = Scripted::new([kind(), kind(), kind()]);
    let lane = channel.start(0);
    push(&lane, 0..1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let closed = Instant::now();
    assert_eq!(finish(lane, 5).await.delivered, 1);
    let script = channel.script();
    assert_eq!(script.attempts.len(), 4);
    assert_eq!(script.attempts[1].0, closed, "one attempt at once");
    for pair in script.attempts[1..].windows(2) {
        let pause = pair[1].0 - pair[0].0;
        assert!(
            pause >= Duration::from_millis(500) && pause <= Duration::from_millis(1002),
            "{pause:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_to_open_anew_ends_a_pause_and_a_new_alert_does_not() {
    let channel = Scripted::new([Err(refused(Kind::Later(Some(Duration::from_secs(600)))))]);
    let lane = channel.start(0);
    push(&lane, 0..1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    push(&lane, 1..2);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(channel.script().attempts.len(), 1);
    lane.reopen();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(lane.account().delivered, 2);
    assert_eq!(channel.script().reopened, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_is_not_sent_again() {
    let channel = Scripted::new([Err(Failure::later_than(3, "half")), Err(refused(Kind::Refused))]);
    let lane = channel.start(0);
    push(&lane, 0..4);
    let account = finish(lane, 3600).await;
    assert_eq!((account.delivered, account.failed), (3, 1));
    assert_eq!(channel.script().attempts[1].1, ["Rule 3"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_costs_only_itself() {
    let channel = Scripted::new([]);
    channel.script().poison = Some("Rule 2".to_owned());
    let lane = channel.start(0);
    push(&lane, 0..8);
    let account = finish(lane, 3600).await;
    assert_eq!((account.delivered, account.failed), (7, 1));
    let script = channel.script();
    let sizes: Vec<usize> = script.attempts.iter().map(|(_, rules)| rules.len()).collect();
    assert_eq!(sizes, [4, 1, 1, 1, 1, 4]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_delivered_for_too_long_is_given_up_one_at_a_time() {
    let channel = Scripted::new([]);
    channel.script().always = Some(Failure::later("stuck"));
    let lane = channel.start(600);
    push(&lane, 0..4);
    tokio::time::sleep(Duration::from_secs(1500)).await;
    assert_eq!(lane.account().failed, 1 + 1);
    channel.script().always = None;
    let account = finish(lane, 3600).await;
    assert_eq!((account.delivered, account.failed), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_newest_and_the_end_is_bounded() {
    let channel = Scripted::new([]);
    channel.script().always = Some(Failure::later("away"));
    let lane = channel.start(0);
    push(&lane, 10..99);
    push(&lane, 10..99);
    let account = lane.account();
    assert!(account.waiting >= 99 && account.waiting <= 101, "{account:?}");
    assert_eq!(account.dropped, 178 - account.waiting);
    let begun = Instant::now();
    let account = finish(lane, 5).await;
    assert!(begun.elapsed() <= Duration::from_secs(6));
    assert_eq!((account.dropped, account.waiting, account.delivered), (178, 0, 0));
    assert!(account.failing);
}

#[tokio::test(start_paused = true)]
async fn thresholds_and_reopening() {
    let channel = Scripted::new([]);
    let lane = channel.start(0);
    let mut low = alert(1);
    low.priority = Priority::Notice;
    lane.push(&Arc::new(low));
    push(&lane, 2..3);
    lane.reopen();
    let account = finish(lane, 1).await;
    assert_eq!((account.below, account.delivered), (1, 1));
    assert_eq!(channel.script().reopened, 1);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_bounded_in_bytes_too() {
    let channel = Scripted::new([]);
    let retry = Retry::default();
    let queue = Queue::Memory(Memory::new(1 << 30));
    let lane = Lane::start("test", Priority::Debug, queue, &retry, channel.clone());
    for size in [400_000, 400_000, 400_000, 2_000_000, 10] {
        let mut large = alert(1);
        large.text = "x".repeat(size);
        lane.push(&Arc::new(large));
    }
    assert_eq!(finish(lane, 1).await.delivered, 5);
    let script = channel.script();
    let sizes: Vec<usize> = script.attempts.iter().map(|(_, rules)| rules.len()).collect();
    assert_eq!(sizes, [2, 1, 1, 1]);
}

fn rules(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| alert(number).rule).collect()
}

/// Lets the lane work until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn alerts_for_a_disk_that_hangs_wait_in_memory_up_to_a_bound_and_in_order() {
    let directory = TempDir::new().unwrap();
    let (gate, queue) = Gate::closed(directory.path(), 1 << 20, 10 * alert(10).size());
    let channel = Scripted::new([]);
    let lane = channel.start_with(queue, 0);
    push(&lane, 10..99);
    let account = lane.account();
    assert_eq!((account.waiting, account.dropped, account.delivered), (10, 79, 0));
    assert!(account.last_error.unwrap().contains("hangs"));
    gate.open();
    until(|| lane.account().waiting == 0).await;
    push(&lane, 30..35);
    let account = finish(lane, 10).await;
    assert_eq!((account.waiting, account.dropped, account.delivered), (0, 79, 15));
    assert_eq!(channel.rules(), rules((10..20).chain(30..35)));
}

#[tokio::test(start_paused = true)]
async fn the_end_is_bounded_while_a_disk_hangs_and_what_it_has_is_kept() {
    let directory = TempDir::new().unwrap();
    let mut disk = Disk::open(directory.path(), 1 << 20).unwrap();
    for number in 0..5 {
        disk.push(&Arc::new(alert(number))).unwrap();
    }
    drop(disk);
    let (gate, queue) = Gate::closed(directory.path(), 1 << 20, 1 << 20);
    let lane = Scripted::new([]).start_with(queue, 0);
    push(&lane, 5..15);
    assert_eq!(lane.account().waiting, 15);
    gate.hangs();
    let begun = Instant::now();
    let account = finish(lane, 5).await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!((account.waiting, account.dropped, account.delivered), (5, 10, 0));
    gate.open();
    gate.is_gone();
    let mut disk = Disk::open(directory.path(), 1 << 20).unwrap();
    let left: Vec<String> = disk.front(99).iter().map(|alert| alert.rule.clone()).collect();
    assert_eq!(left, rules(0..6), "and the one that was being written");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_is_told() {
    let directory = TempDir::new().unwrap();
    let (gate, queue) = Gate::closed(directory.path(), 1 << 20, 1 << 20);
    let channel = Scripted::new([]);
    let lane = channel.start_with(queue, 0);
    tokio::time::sleep(HANGS_AFTER + Duration::from_secs(1)).await;
    let account = lane.account();
    assert!(account.failing && account.last_error.unwrap().contains("does not answer"));
    gate.open();
    until(|| !lane.account().failing).await;
}

#[tokio::test]
async fn what_the_disk_refuses_later_is_dropped_and_what_came_last_is_written_before_the_end() {
    let directory = TempDir::new().unwrap();
    let (gate, queue) = Gate::closed(directory.path(), 64 << 10, 1 << 20);
    let channel = Scripted::new([]);
    channel.script().always = Some(Failure::later("away"));
    let lane = channel.start_with(queue, 0);
    push(&lane, 0..500);
    assert_eq!(lane.account().waiting, 500);
    gate.open();
    // The grace is over at once.
    let account = finish(lane, 0).await;
    let left = Disk::open(directory.path(), 64 << 10).unwrap().len();
    assert!(left > 0 && left < 500, "{left}");
    assert_eq!((account.waiting, account.dropped), (left, 500 - left));
}

#[tokio::test]
async fn what_comes_last_while_the_disk_hangs_is_delivered_before_the_end() {
    let directory = TempDir::new().unwrap();
    let (gate, queue) = Gate::closed(directory.path(), 1 << 20, 1 << 20);
    let lane = Scripted::new([]).start_with(queue, 0);
    // The worker asks for what there is.
    tokio::task::yield_now().await;
    gate.hangs();
    push(&lane, 0..1);
    lane.close();
    gate.open();
    assert_eq!(finish(lane, 10).await.delivered, 1);
}

/// A channel that takes an alert each 100 ms.
struct Slow;

impl Channel for Slow {
    fn batch(&self) -> usize {
        1
    }

    async fn deliver(&mut self, _: &[Arc<Alert>]) -> Result<(), Failure> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn under_steady_overload_there_is_a_line_a_minute_and_one_when_it_is_over() {
    let logged = Logged::begin();
    let queue = Queue::Memory(Memory::new(3 * alert(10).size() as u64));
    let lane = Lane::start("test", Priority::Debug, queue, &Retry::default(), Slow);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(200) {
        push(&lane, 10..11);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    let account = lane.account();
    assert!(account.delivered > 1900 && account.dropped > 1900, "{account:?}");
    let lines = logged.lines();
    let (over, dropped) = lines.split_last().unwrap();
    assert_eq!(over, "no more alerts are dropped");
    assert_eq!(dropped.len(), 5, "at once and after each of four minutes: {lines:?}");
    let counts = dropped.iter().map(|line| {
        let count = line.strip_prefix("alerts are dropped, ").unwrap();
        count.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    assert_eq!(counts.sum::<u64>(), account.dropped);
    assert!(
        dropped[1].ends_with("since this was last said: the queue is full"),
        "{lines:?}"
    );
}
