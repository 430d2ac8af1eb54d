//! The password that was planted in the environment of a recorded container stays where it is.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::scenario::{FOLDERS, Served};
use super::*;

fn planted(text: &str) -> bool {
    text.contains("not-a-real-password") || text.contains("DB_PASSWORD")
}

/// A log that is kept in memory.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Kept {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn it_is_in_no_parsed_answer_and_in_no_outcome() {
    for folder in FOLDERS {
        let name = folder.name;
        let bytes = fixture(name, "ContainerStatus.web.app.bin");
        let answer = ContainerStatusResponse::decode(bytes.as_slice()).unwrap();
        assert!(planted(&answer.info[INFO]), "{name}: the recording no longer holds it");
        let info = Info::parse(answer.info.get(INFO)).unwrap();
        assert!(!planted(&format!("{info:?}")), "{name}");
        let served = Served::new(folder);
        let found = served.found("web.app");
        assert!(!planted(&format!("{found:?}")), "{name}");

        let settings = crate::container::testing::settings(&[served.fake.socket()]);
        let everything = settings::Metadata {
            labels: vec!["*".to_owned()],
            annotations: vec!["*".to_owned()],
            mounts: true,
        };
        let mut resolver = crate::container::Resolver::new(&settings, &everything).unwrap();
        let outcome = resolver.lookup_id(&found.container.id);
        assert_ne!(outcome.metadata.status, Status::Missing, "{name}");
        assert!(!planted(&format!("{outcome:?}")), "{name}");
        assert!(!planted(&serde_json::to_string(&*outcome).unwrap()), "{name}");
    }
}

/// Whatever anybody logs on the way, the libraries below included.
#[test]
fn it_is_in_no_line_of_the_log() {
    let log = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let was_logged = || {
        let log = log.0.lock().unwrap();
        let text = String::from_utf8_lossy(&log);
        text.contains("as it would be told") && text.contains("TRACE")
    };
    tracing::subscriber::with_default(subscriber, || {
        // Tests beside this one, which log to nobody, may turn a line off for all while this one turns it on: again then.
        let rounds = FOLDERS.iter().cycle().take(10 * FOLDERS.len()).enumerate();
        for (turn, folder) in rounds {
            if turn >= FOLDERS.len() && was_logged() {
                break;
            }
            tracing::callsite::rebuild_interest_cache();
            let served = Served::new(*folder);
            served.found("web.app");
            // An answer that cannot be read as what it should be is complained about.
            let id = served.container("web.app");
            let bytes = fixture(folder.name, "ContainerStatus.web.app.bin");
            let mut answer = ContainerStatusResponse::decode(bytes.as_slice()).unwrap();
            answer.status.as_mut().unwrap().id = "another".to_owned();
            let method = served.method("RuntimeService/ContainerStatus");
            served.fake.on(&method, &id, Answer::Message(answer.encode_to_vec()));
            let error = served.ask(&id).unwrap_err();
            tracing::warn!(%error, ?error, "as it would be told");
            let half = bytes[..bytes.len() / 2].to_vec();
            served.fake.on(&method, &id, Answer::Message(half));
            let error = served.ask(&id).unwrap_err();
            tracing::warn!(%error, ?error, "as it would be told");
        }
    });
    assert!(was_logged(), "nothing was logged");
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let leak = text.lines().find(|line| planted(line));
    assert_eq!(leak.map(|line| &line[..line.len().min(300)]), None);
}
