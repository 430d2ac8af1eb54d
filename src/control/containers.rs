//! What the agent holds of containers: which questions are accepted, and how one reaches whoever can answer.
//!
//! The metadata belongs to the pipeline's thread. A question lies here until that thread's next turn, which answers it; nobody
//! else ever looks at the metadata, and the pipeline pays one load while nobody asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::api::{GetContainersReply, GetContainersRequest};

/// Ids in one question.
const MOST_IDS: usize = 64;
/// The shortest beginning of an id.
pub const SHORTEST_PREFIX: usize = 6;
/// The longest word in a question: longer than ids, and than names in Kubernetes.
const LONGEST_WORD: usize = 256;
/// Questions that may wait for the pipeline, which answers all of them at every turn.
const MOST_WAITING: usize = 16;

/// Why a question is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Improper {
    /// It asks for nothing.
    #[error("name ids, the beginning of an id, a pod, or a container's name")]
    Empty,
    /// Too many ids.
    #[error("at most {MOST_IDS} ids")]
    Ids,
    /// A short beginning fits everything.
    #[error("the beginning of an id must have at least {SHORTEST_PREFIX} characters")]
    Prefix,
    /// Half a pod.
    #[error("a pod is named by its namespace and its name")]
    Pod,
    /// A word that nothing can be called.
    #[error("a word has more than {LONGEST_WORD} bytes")]
    Word,
}

/// Too many questions wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_WAITING} questions wait for the agent already")]
pub struct Busy;

/// Whether a question can be put.
///
/// # Errors
/// What is wrong with it.
pub fn check(question: &GetContainersRequest) -> Result<(), Improper> {
    let GetContainersRequest {
        ids,
        id_prefix,
        namespace,
        pod,
        name,
    } = question;
    let words = [id_prefix, namespace, pod, name];
    if ids.is_empty() && words.iter().all(|word| word.is_empty()) {
        Err(Improper::Empty)
    } else if ids.len() > MOST_IDS {
        Err(Improper::Ids)
    } else if words.into_iter().chain(ids).any(|word| word.len() > LONGEST_WORD) {
        Err(Improper::Word)
    } else if !id_prefix.is_empty() && id_prefix.len() < SHORTEST_PREFIX {
        Err(Improper::Prefix)
    } else if namespace.is_empty() != pod.is_empty() {
        Err(Improper::Pod)
    } else {
        Ok(())
    }
}

/// Questions that wait for an answer, shared between the control thread and the pipeline.
#[derive(Debug, Default)]
pub struct Questions {
    asked: AtomicBool,
    waiting: Mutex<Vec<Question>>,
}

#[derive(Debug)]
struct Question {
    question: GetContainersRequest,
    answer: oneshot::Sender<GetContainersReply>,
}

impl Questions {
    /// Puts a question.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn ask(&self, question: GetContainersRequest) -> Result<oneshot::Receiver<GetContainersReply>, Busy> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.lock();
        // Who went away waits no more.
        waiting.retain(|question| !question.answer.is_closed());
        if waiting.len() >= MOST_WAITING {
            return Err(Busy);
        }
        waiting.push(Question { question, answer });
        self.asked.store(true, Ordering::Release);
        Ok(answered)
    }

    /// Answers all that wait. One load where none does.
    pub fn answer(&self, mut by: impl FnMut(&GetContainersRequest) -> GetContainersReply) {
        if !self.asked.swap(false, Ordering::AcqRel) {
            return;
        }
        let waiting = std::mem::take(&mut *self.lock());
        for Question { question, answer } in waiting {
            if !answer.is_closed() {
                // Who asked may have gone in this moment.
                let _ = answer.send(by(&question));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Question>> {
        // A list, changed at once: a poisoned lock guards a whole one.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> GetContainersRequest {
        GetContainersRequest {
            id_prefix: text.to_owned(),
            ..GetContainersRequest::default()
        }
    }

    #[test]
    fn what_fits_everything_or_nothing_is_no_question() {
        let pod = |namespace: &str, pod: &str| GetContainersRequest {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            ..GetContainersRequest::default()
        };
        let ids = |count: usize| GetContainersRequest {
            ids: vec!["id".to_owned(); count],
            ..GetContainersRequest::default()
        };
        for (question, verdict) in [
            (GetContainersRequest::default(), Err(Improper::Empty)),
            (prefix("abcde"), Err(Improper::Prefix)),
            (prefix("abcdef"), Ok(())),
            (prefix(&"a".repeat(257)), Err(Improper::Word)),
            (pod("shop", ""), Err(Improper::Pod)),
            (pod("", "web"), Err(Improper::Pod)),
            (pod("shop", "web"), Ok(())),
            (ids(64), Ok(())),
            (ids(65), Err(Improper::Ids)),
        ] {
            assert_eq!(check(&question), verdict, "{question:?}");
        }
    }

    #[test]
    fn questions_are_answered_in_one_go_and_do_not_pile_up() {
        let questions = Questions::default();
        questions.answer(|_| panic!("nobody asked"));
        let mut waiting: Vec<_> = (0..MOST_WAITING)
            .map(|_| questions.ask(prefix("abcdef")).unwrap())
            .collect();
        assert_eq!(questions.ask(prefix("abcdef")).unwrap_err(), Busy);
        // One gives up, and makes room.
        drop(waiting.pop());
        waiting.push(questions.ask(prefix("bcdefa")).unwrap());
        let mut count = 0;
        questions.answer(|_| {
            count += 1;
            GetContainersReply::default()
        });
        assert_eq!(count, MOST_WAITING);
        for mut answer in waiting {
            assert_eq!(answer.try_recv(), Ok(GetContainersReply::default()));
        }
        questions.answer(|_| panic!("answered twice"));
    }
}
