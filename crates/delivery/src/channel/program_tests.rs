use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::alert::tests::alert;

struct Shell {
    directory: TempDir,
    program: Program,
}

impl Shell {
    /// A shell script with `$OUT` as the file that it may write.
    fn new(script: &str, keep_alive: bool) -> Self {
        let directory = TempDir::new().unwrap();
        let out = directory.path().join("out");
        let script = script.replace("$OUT", out.to_str().unwrap());
        let program = Program::new(&config::Program {
            enabled: true,
            command: ["/bin/sh", "-c", &script].map(str::to_owned).to_vec(),
            keep_alive,
            timeout: Duration::from_secs(1),
            ..config::Program::default()
        });
        Self { directory, program }
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    /// What it wrote, when it has so many lines.
    async fn lines(&self, count: usize) -> Vec<String> {
        for _ in 0..200 {
            let text = std::fs::read_to_string(self.out()).unwrap_or_default();
            if text.lines().count() >= count {
                return text.lines().map(str::to_owned).collect();
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("{:?}", std::fs::read_to_string(self.out()));
    }
}

/// Waits until a process has ended. Whoever inherits it may not have waited for it yet.
async fn ended(process: &str) {
    for _ in 0..200 {
        match std::fs::read_to_string(format!("/proc/{process}/stat")) {
            Ok(stat) if !stat.contains(") Z") => sleep(Duration::from_millis(20)).await,
            _ => return,
        }
    }
    panic!("process {process} lives on");
}

fn alerts(numbers: std::ops::Range<usize>) -> Vec<Arc<Alert>> {
    numbers.map(|number| Arc::new(alert(number))).collect()
}

#[tokio::test]
async fn one_that_goes_on_reads_a_line_for_each() {
    let mut shell = Shell::new("echo started >> $OUT; exec cat >> $OUT", true);
    shell.program.deliver(&alerts(1..3)).await.unwrap();
    shell.program.deliver(&alerts(3..4)).await.unwrap();
    let mut expected = vec!["started".to_owned()];
    expected.extend(alerts(1..4).iter().map(|alert| alert.json.clone()));
    assert_eq!(shell.lines(4).await, expected);
}

#[tokio::test]
async fn one_that_dies_is_started_again_later() {
    let mut shell = Shell::new("read line; echo \"$line\" >> $OUT; exit 3", true);
    shell.program.deliver(&alerts(1..2)).await.unwrap();
    shell.lines(1).await;
    // It may take a moment to die.
    let failure = loop {
        match shell.program.deliver(&alerts(2..3)).await {
            Ok(()) => sleep(Duration::from_millis(20)).await,
            Err(failure) => break failure,
        }
    };
    let Kind::Later(Some(first)) = failure.kind else {
        panic!("{failure:?}");
    };
    assert!(failure.error.contains("exit status: 3"), "{}", failure.error);
    shell.program.deliver(&alerts(3..4)).await.unwrap();
    assert!(shell.lines(2).await.last().unwrap().contains("\"o 3\""));
    let second = loop {
        match shell.program.deliver(&alerts(4..5)).await {
            Ok(()) => sleep(Duration::from_millis(20)).await,
            Err(failure) => break failure.kind,
        }
    };
    assert!(
        matches!(second, Kind::Later(Some(second)) if second >= first),
        "{first:?} {second:?}"
    );
}

#[tokio::test]
async fn one_that_reads_nothing_is_stopped() {
    let mut shell = Shell::new("exec sleep 1000", true);
    let many = alerts(0..1000);
    let failure = shell.program.deliver(&many).await.unwrap_err();
    assert!(
        failure.taken > 10 && failure.taken < 1000,
        "what the pipe holds: {}",
        failure.taken
    );
    assert!(failure.error.contains("reads nothing"), "{}", failure.error);
    assert!(shell.program.running.is_none());
}

#[tokio::test]
async fn one_for_each_alert_reads_one_and_its_end_counts() {
    let mut shell = Shell::new("cat >> $OUT; echo end >> $OUT", false);
    assert_eq!(shell.program.batch(), 1);
    shell.program.deliver(&alerts(1..2)).await.unwrap();
    shell.program.deliver(&alerts(2..3)).await.unwrap();
    let lines = shell.lines(4).await;
    assert_eq!((lines[1].as_str(), lines[3].as_str()), ("end", "end"));

    let failure = Shell::new("exit 4", false)
        .program
        .deliver(&alerts(1..2))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    assert!(failure.error.contains("exit status: 4"));

    let begun = Instant::now();
    let failure = Shell::new("exec sleep 1000", false)
        .program
        .deliver(&alerts(1..2))
        .await
        .unwrap_err();
    assert!(failure.error.contains("stopped after 1s"), "{}", failure.error);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_it_started_is_stopped_with_it() {
    let mut shell = Shell::new("sleep 1000 & echo $! > $OUT; wait", false);
    let failure = shell.program.deliver(&alerts(1..2)).await.unwrap_err();
    assert!(failure.error.contains("stopped after 1s"), "{}", failure.error);
    ended(&shell.lines(1).await[0]).await;
}

#[tokio::test]
async fn whoever_does_not_wait_for_its_end_leaves_nothing_behind() {
    for is_finishing in [true, false] {
        let mut shell = Shell::new("sleep 1000 & echo $! >> $OUT; echo $$ >> $OUT; wait", true);
        shell.program.deliver(&alerts(1..2)).await.unwrap();
        let started = shell.lines(2).await;
        if is_finishing {
            // As at the end of `grace`.
            tokio::select! {
                biased;
                () = shell.program.finish() => panic!("it does not end by itself"),
                () = std::future::ready(()) => {}
            }
        }
        drop(shell);
        for process in started {
            ended(&process).await;
        }
    }
}

#[tokio::test]
async fn one_for_an_alert_that_is_not_waited_for_is_stopped_too() {
    let mut shell = Shell::new("echo $$ >> $OUT; exec sleep 1000", false);
    let out = shell.out();
    let begun = async {
        while std::fs::read_to_string(&out).unwrap_or_default().lines().count() < 1 {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let one = alerts(1..2);
    tokio::select! {
        ended = shell.program.deliver(&one) => panic!("{ended:?}"),
        () = begun => {}
    }
    ended(&shell.lines(1).await[0]).await;
}

#[tokio::test]
async fn one_that_is_not_there_is_tried_again() {
    for keep_alive in [true, false] {
        let mut program = Program::new(&config::Program {
            command: vec!["/no/such/program".to_owned()],
            keep_alive,
            ..config::Program::default()
        });
        let failure = program.deliver(&alerts(1..2)).await.unwrap_err();
        assert!(matches!(failure.kind, Kind::Later(Some(_))));
        assert!(failure.error.contains("/no/such/program"));
    }
}

#[tokio::test]
async fn one_that_goes_on_has_time_to_end() {
    let mut shell = Shell::new("cat > /dev/null; sleep 0.2; echo bye > $OUT", true);
    shell.program.deliver(&alerts(1..2)).await.unwrap();
    shell.program.finish().await;
    assert_eq!(std::fs::read_to_string(shell.out()).unwrap(), "bye\n");

    let begun = Instant::now();
    let mut shell = Shell::new("exec sleep 1000", true);
    shell.program.deliver(&alerts(1..2)).await.unwrap();
    shell.program.finish().await;
    assert!(begun.elapsed() < Duration::from_secs(5));
}
