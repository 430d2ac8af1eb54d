//! What is to be explained: understanding the words, and finding the containers in what runtimes list. Pure.
//!
//! Runtimes answer for the beginning of an id too, each by its own rules; here only a list decides what a beginning means.

use std::fmt;

use crate::container::cgroup::is_container_id;
use crate::container::listed::Listed;
use crate::control::containers::SHORTEST_PREFIX;

/// The longest word that is looked for, in bytes: longer than names in Kubernetes.
const LONGEST: usize = 253;
/// How `kubectl` prints whose id it is.
const SCHEMES: [&str; 4] = ["containerd://", "cri-o://", "docker://", "podman://"];

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A full id.
    Id(String),
    /// The beginning of an id, or a container's name that looks like one.
    Prefix(String),
    /// The containers and the sandbox of a pod, or one container of it.
    Pod {
        /// The namespace.
        namespace: String,
        /// The pod's name.
        pod: String,
        /// The container's name.
        container: Option<String>,
    },
    /// A container's name.
    Name(String),
}

/// Why the words mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Improper {
    /// Nothing, or more than a name can have.
    #[error("must have 1 to {LONGEST} characters without blanks in each of its parts")]
    Word,
    /// A runtime's name and then no id.
    #[error("must be a container's id, or at least the first {SHORTEST_PREFIX} digits of one, after `://`")]
    Id,
    /// Neither one word nor two nor three.
    #[error("must be an id, NAMESPACE/POD, NAMESPACE/POD/CONTAINER, or a container's name")]
    Parts,
}

/// Several containers fit, and only one was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ambiguous {
    /// Those that do.
    pub candidates: Vec<Listed>,
}

impl Target {
    /// Understands the words of the command line.
    ///
    /// # Errors
    /// [`Improper`].
    pub fn parse(text: &str) -> Result<Self, Improper> {
        if let Some(id) = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme)) {
            return match Self::of_word(id)? {
                Self::Name(_) => Err(Improper::Id),
                target => Ok(target),
            };
        }
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| !is_word(part)) {
            return Err(Improper::Word);
        }
        match *parts.as_slice() {
            [word] => Self::of_word(word),
            [namespace, pod] => Ok(Self::pod(namespace, pod, None)),
            [namespace, pod, container] => Ok(Self::pod(namespace, pod, Some(container))),
            _ => Err(Improper::Parts),
        }
    }

    fn of_word(word: &str) -> Result<Self, Improper> {
        if !is_word(word) {
            return Err(Improper::Word);
        }
        let digits = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        Ok(if is_container_id(word) {
            Self::Id(word.to_owned())
        } else if digits && (SHORTEST_PREFIX..64).contains(&word.len()) {
            Self::Prefix(word.to_owned())
        } else {
            Self::Name(word.to_owned())
        })
    }

    fn pod(namespace: &str, pod: &str, container: Option<&str>) -> Self {
        Self::Pod {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: container.map(str::to_owned),
        }
    }

    /// Those of the listed that are meant, each once, a sandbox first. None: nothing fits.
    ///
    /// # Errors
    /// [`Ambiguous`] when one container is meant and several fit.
    pub fn choose(&self, listed: impl Iterator<Item = Listed>) -> Result<Vec<Listed>, Ambiguous> {
        let mut all: Vec<Listed> = Vec::new();
        for one in listed {
            if !all.iter().any(|other| other.id == one.id) {
                all.push(one);
            }
        }
        let fitting =
            |fits: &dyn Fn(&Listed) -> bool| running_first(all.iter().filter(|one| fits(one)).cloned().collect());
        match self {
            Self::Id(id) => Ok(all.into_iter().filter(|one| one.id == *id).collect()),
            Self::Prefix(prefix) => {
                let begins: Vec<Listed> = all.iter().filter(|one| one.id.starts_with(prefix)).cloned().collect();
                if begins.is_empty() {
                    one(fitting(&|one| one.name.as_ref() == Some(prefix)))
                } else {
                    one(begins)
                }
            }
            Self::Name(name) => one(fitting(&|one| one.name.as_ref() == Some(name) || one.id == *name)),
            Self::Pod {
                namespace,
                pod,
                container,
            } => {
                let mut fitting = fitting(&|one| {
                    one.namespace.as_ref() == Some(namespace)
                        && one.pod.as_ref() == Some(pod)
                        && container.as_ref().is_none_or(|name| one.name.as_ref() == Some(name))
                });
                fitting.sort_by_key(|one| !one.sandbox);
                Ok(fitting)
            }
        }
    }
}

/// A container that was started anew leaves what it was behind: those that run are meant, if any does.
fn running_first(fitting: Vec<Listed>) -> Vec<Listed> {
    if fitting.iter().any(|one| one.may_run) {
        fitting.into_iter().filter(|one| one.may_run).collect()
    } else {
        fitting
    }
}

fn one(fitting: Vec<Listed>) -> Result<Vec<Listed>, Ambiguous> {
    if fitting.len() > 1 {
        Err(Ambiguous { candidates: fitting })
    } else {
        Ok(fitting)
    }
}

fn is_word(word: &str) -> bool {
    (1..=LONGEST).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(word) | Self::Prefix(word) | Self::Name(word) => out.write_str(word),
            Self::Pod {
                namespace,
                pod,
                container,
            } => {
                write!(out, "{namespace}/{pod}")?;
                container.iter().try_for_each(|name| write!(out, "/{name}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char, last: char) -> String {
        format!("{}{last}", digit.to_string().repeat(63))
    }

    fn listed(id: &str, name: &str, pod: &str) -> Listed {
        Listed {
            id: id.to_owned(),
            name: Some(name.to_owned()),
            namespace: Some("shop".to_owned()),
            pod: Some(pod.to_owned()),
            may_run: true,
            ..Listed::default()
        }
    }

    #[test]
    fn words_are_told_apart() {
        let full = id('a', 'b');
        for (text, target) in [
            (full.clone(), Target::Id(full.clone())),
            (format!("containerd://{full}"), Target::Id(full.clone())),
            (format!("cri-o://{full}"), Target::Id(full.clone())),
            (
                format!("docker://{}", &full[..12]),
                Target::Prefix(full[..12].to_owned()),
            ),
            (full[..6].to_owned(), Target::Prefix(full[..6].to_owned())),
            (full[..5].to_owned(), Target::Name(full[..5].to_owned())),
            ("web".to_owned(), Target::Name("web".to_owned())),
            ("shop/web".to_owned(), Target::pod("shop", "web", None)),
            ("shop/web/app".to_owned(), Target::pod("shop", "web", Some("app"))),
        ] {
            assert_eq!(Target::parse(&text), Ok(target.clone()), "{text}");
            let plain = text.split("://").last().unwrap_or_default();
            assert_eq!(target.to_string(), plain);
        }
        for (text, error) in [
            ("", Improper::Word),
            ("/", Improper::Word),
            ("shop/", Improper::Word),
            ("a b", Improper::Word),
            ("shop/web/app/more", Improper::Parts),
            ("containerd://", Improper::Word),
            ("containerd://abc", Improper::Id),
            ("docker://web", Improper::Id),
        ] {
            assert_eq!(Target::parse(text), Err(error), "{text}");
        }
        assert_eq!(Target::parse(&"a".repeat(300)), Err(Improper::Word));
    }

    #[test]
    fn the_beginning_of_an_id_must_fit_one() {
        let all = [
            listed(&id('a', '0'), "app", "web"),
            listed(&id('a', '1'), "side", "web"),
            listed(&id('b', '0'), "app", "db"),
        ];
        let choose = |text: &str| Target::parse(text).unwrap().choose(all.iter().cloned());
        assert_eq!(choose("bbbbbb").unwrap()[0].id, id('b', '0'));
        let ambiguous = choose("aaaaaaaa").unwrap_err();
        assert_eq!(ambiguous.candidates.len(), 2);
        assert_eq!(choose("cccccc").unwrap(), []);
        // The same container in two lists is one.
        let twice = all.iter().chain(&all).cloned();
        assert_eq!(Target::parse("bbbbbb").unwrap().choose(twice).unwrap().len(), 1);
    }

    #[test]
    fn a_name_must_fit_one_too_and_may_look_like_an_id() {
        let mut all = vec![
            listed(&id('a', '0'), "app", "web"),
            listed(&id('b', '0'), "app", "db"),
            listed(&id('c', '0'), "decade", "db"),
        ];
        let choose = |all: &[Listed], text: &str| Target::parse(text).unwrap().choose(all.iter().cloned());
        assert_eq!(choose(&all, "decade").unwrap()[0].id, id('c', '0'));
        assert_eq!(choose(&all, "app").unwrap_err().candidates.len(), 2);
        // What has ended is not meant while one runs.
        all[0].may_run = false;
        assert_eq!(choose(&all, "app").unwrap()[0].id, id('b', '0'));
    }

    #[test]
    fn a_pod_is_its_sandbox_and_all_its_containers() {
        let mut sandbox = listed(&id('c', '0'), "", "web");
        sandbox.sandbox = true;
        let all = [
            listed(&id('a', '0'), "app", "web"),
            listed(&id('b', '0'), "app", "db"),
            sandbox,
        ];
        let choose = |text: &str| {
            let chosen = Target::parse(text).unwrap().choose(all.iter().cloned()).unwrap();
            chosen.into_iter().map(|one| one.id).collect::<Vec<_>>()
        };
        assert_eq!(choose("shop/web"), [id('c', '0'), id('a', '0')]);
        assert_eq!(choose("shop/web/app"), [id('a', '0')]);
        assert_eq!(choose("other/web"), Vec::<String>::new());
    }
}
