//! The process and its ancestors as fields ask for them: one shape for who is in the table and for who is only remembered.

use std::cell::OnceCell;

use super::reasons;
use super::subject::Subject;
use crate::capture::record::{KernelPath, ProcessKey};
use crate::capture::wire::path_flag;
use crate::process::{Ancestor, Process, ProcessTable};

/// What was looked for: it is there, or certainly not there, or it could not be found out, for the reason that is told.
pub(super) type Looked<T> = Result<Option<T>, &'static str>;

/// A program that a process runs or an ancestor ran.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image<'a> {
    /// Its identity.
    pub(super) key: ProcessKey,
    /// The task's name.
    pub(super) name: &'a str,
    /// The path of the executable.
    pub(super) exe: Result<&'a str, &'static str>,
    /// argv.
    args: Result<&'a [String], &'static str>,
    /// argv was longer than what is kept.
    truncated: bool,
}

/// A path of the kernel, or why it is not known; `none` is why there is none.
pub(super) fn known_path<'a>(path: Option<&'a KernelPath>, none: &'static str) -> Result<&'a str, &'static str> {
    let path = path.ok_or(none)?;
    if path.flags & path_flag::UNREADABLE != 0 {
        Err(reasons::PATH_UNREADABLE)
    } else if path.flags & path_flag::TRUNCATED != 0 {
        Err(reasons::PATH_TRUNCATED)
    } else {
        Ok(&path.text)
    }
}

impl<'a> Image<'a> {
    /// What a process runs.
    pub(super) fn of(process: &'a Process) -> Self {
        Self {
            key: process.key,
            name: &process.name,
            exe: known_path(process.exe.as_ref(), reasons::EXECUTABLE_UNKNOWN),
            args: if process.args_unreadable {
                Err(reasons::ARGUMENTS_UNREADABLE)
            } else {
                Ok(&process.args)
            },
            truncated: process.args_truncated,
        }
    }

    /// What an ancestor ran. The table knows more of one that it still has.
    pub(super) fn of_ancestor(ancestor: &'a Ancestor, table: &'a ProcessTable) -> Self {
        if let Some(process) = table.peek(&ancestor.key) {
            return Self {
                name: &ancestor.name,
                ..Self::of(process)
            };
        }
        // Of a path that is cut the front is missing, so it does not begin as a whole one does. A memfd's has no front.
        let whole = |path: &str| path.starts_with('/') || path.starts_with("memfd:");
        Self {
            key: ancestor.key,
            name: &ancestor.name,
            exe: match ancestor.exe.as_deref() {
                Some(path) if whole(path) => Ok(path),
                Some(_) => Err(reasons::PATH_TRUNCATED),
                None => Err(reasons::EXECUTABLE_UNKNOWN),
            },
            args: ancestor.args.as_deref().ok_or(reasons::ARGUMENTS_UNREADABLE),
            truncated: ancestor.args_truncated,
        }
    }

    /// One of argv, counted from 0. The last of what is kept of a longer argv may be cut itself.
    pub(super) fn argument(&self, index: usize) -> Looked<&'a str> {
        let args = self.args?;
        match args.get(index) {
            Some(argument) if !self.truncated || index + 1 < args.len() => Ok(Some(argument)),
            None if !self.truncated => Ok(None),
            _ => Err(reasons::ARGUMENTS_TRUNCATED),
        }
    }

    /// argv[0]; of an empty argv an empty text.
    pub(super) fn first(&self) -> Result<&'a str, &'static str> {
        Ok(self.argument(0)?.unwrap_or_default())
    }

    /// All of argv but its first.
    pub(super) fn arguments(&self) -> Result<&'a [String], &'static str> {
        let args = self.args?;
        if self.truncated {
            return Err(reasons::ARGUMENTS_TRUNCATED);
        }
        Ok(args.get(1..).unwrap_or_default())
    }

    /// A text and the arguments behind it, with blanks between them.
    pub(super) fn line(&self, first: &str) -> Result<String, &'static str> {
        let arguments = self.arguments()?;
        let length = arguments.iter().map(|argument| argument.len() + 1).sum::<usize>();
        let mut line = String::with_capacity(first.len() + length);
        line.push_str(first);
        for argument in arguments {
            line.push(' ');
            line.push_str(argument);
        }
        Ok(line)
    }

    /// The task's name and the arguments.
    pub(super) fn command(&self) -> Result<String, &'static str> {
        self.line(self.name)
    }
}

impl<'e> Subject<'e> {
    /// The process (0), its parent (1), and so on upwards.
    pub(super) fn image(&self, level: u32) -> Looked<Image<'e>> {
        let (process, table) = (self.process.ok_or(reasons::PROCESS_UNKNOWN)?, self.table);
        let Some(above) = level.checked_sub(1) else {
            return Ok(Some(Image::of(process)));
        };
        match process.ancestors.iter().nth(above as usize) {
            Some(ancestor) => Ok(Some(Image::of_ancestor(ancestor, table))),
            None if process.ancestors.is_cut() => Err(reasons::ANCESTORS_UNKNOWN),
            None => Ok(None),
        }
    }

    /// The process itself, as the table knows it.
    pub(super) fn known_process(&self) -> Result<&'e Process, &'static str> {
        self.process.ok_or(reasons::PROCESS_UNKNOWN)
    }

    /// What it runs.
    pub(super) fn own_image(&self) -> Result<Image<'e>, &'static str> {
        self.process.map(Image::of).ok_or(reasons::PROCESS_UNKNOWN)
    }
}

/// The command lines that many rules ask for, put together once.
#[derive(Debug, Default)]
pub(super) struct Commands {
    arguments: OnceCell<Result<String, &'static str>>,
    own: OnceCell<Result<String, &'static str>>,
    parent: OnceCell<Looked<String>>,
}

impl Commands {
    /// The process's arguments without the first, with blanks between them.
    pub(super) fn arguments(&self, subject: &Subject<'_>) -> Result<&str, &'static str> {
        let joined = self
            .arguments
            .get_or_init(|| Ok(subject.own_image()?.arguments()?.join(" ")));
        joined.as_deref().map_err(|why| *why)
    }

    /// The process's command line.
    pub(super) fn own(&self, subject: &Subject<'_>) -> Result<&str, &'static str> {
        let line = self.own.get_or_init(|| subject.own_image()?.command());
        line.as_deref().map_err(|why| *why)
    }

    /// Its parent's.
    pub(super) fn parent(&self, subject: &Subject<'_>) -> Looked<&str> {
        let line = self
            .parent
            .get_or_init(|| subject.image(1)?.map(|parent| parent.command()).transpose());
        line.as_ref().map(Option::as_deref).map_err(|why| *why)
    }
}
