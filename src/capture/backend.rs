//! How system calls are hooked: two backends behind one choice, made by trying.

use aya::maps::ProgramArray;
use aya::programs::{BtfTracePoint, FExit, ProgramError};
use aya::{Btf, Ebpf};

use super::error::{Error, Failure};
use super::functions::Function;
use super::hook::Hook;
use super::object::Programs;
use crate::config::settings::BackendChoice;

/// How system calls are hooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// fexit on the entry function of each watched system call: the others cost nothing.
    Trampoline,
    /// One program on the exit of every system call, a bitmap test first.
    Dispatcher,
    /// Not at all: only reduced programs load, and those for system calls do not.
    None,
}

impl Backend {
    /// The name in the configuration and in summaries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trampoline => "trampoline",
            Self::Dispatcher => "dispatcher",
            Self::None => "none",
        }
    }
}

/// The backend in use and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The backend in use.
    pub backend: Backend,
    /// Why not the other one.
    pub why: String,
    /// Why the programs are the reduced ones, where they are.
    pub reduced: Option<String>,
}

impl Choice {
    pub(super) fn new(backend: Backend, why: impl Into<String>) -> Self {
        Self {
            backend,
            why: why.into(),
            reduced: None,
        }
    }

    /// Which programs run.
    #[must_use]
    pub const fn programs(&self) -> Programs {
        if self.reduced.is_some() {
            Programs::Reduced
        } else {
            Programs::Full
        }
    }
}

/// Attaches the watched system calls by the backend asked for, or by the better one that the kernel allows.
pub(crate) fn attach(
    object: &mut Ebpf,
    btf: &Btf,
    functions: &[Function],
    wanted: BackendChoice,
) -> Result<(Choice, Vec<Attached>), Error> {
    let refused = |backend: Backend| {
        move |failure| Error::Backend {
            backend: backend.as_str(),
            failure,
        }
    };
    let chosen = |backend, why: &str, programs| Ok((Choice::new(backend, why), programs));
    match wanted {
        BackendChoice::Trampoline => {
            let programs = attach_trampolines(object, btf, functions)?.map_err(refused(Backend::Trampoline))?;
            chosen(Backend::Trampoline, "set by configuration", programs)
        }
        BackendChoice::Dispatcher => {
            attach_dispatcher(object, btf, functions)?.map_err(refused(Backend::Dispatcher))?;
            chosen(Backend::Dispatcher, "set by configuration", dispatcher_alone())
        }
        BackendChoice::Auto if functions.is_empty() => chosen(
            Backend::Trampoline,
            "no system call is watched, so nothing was tried",
            Vec::new(),
        ),
        BackendChoice::Auto => match attach_trampolines(object, btf, functions)? {
            Ok(programs) => chosen(
                Backend::Trampoline,
                "the kernel allows it; unwatched system calls cost nothing",
                programs,
            ),
            Err(failure) => {
                attach_dispatcher(object, btf, functions)?.map_err(Error::Program)?;
                chosen(
                    Backend::Dispatcher,
                    &format!("the kernel refuses trampolines ({failure})"),
                    dispatcher_alone(),
                )
            }
        },
    }
}

/// The outer error is a broken build, the inner one the kernel's refusal; after a refusal nothing stays attached.
type Attempt<T = ()> = Result<Result<T, Failure>, Error>;

/// A program in place, and whose runs are its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attached {
    /// Its name in the object.
    pub(super) program: String,
    /// Absent where it speaks for several hooks.
    pub(super) hook: Option<Hook>,
}

pub(super) fn dispatcher_alone() -> Vec<Attached> {
    vec![Attached {
        program: "dispatcher".to_owned(),
        hook: None,
    }]
}

/// Groups of programs for functions of one type each, and how many programs a group has.
const GROUPS: [(&str, &str, usize); 2] = [("trampoline_a", "common_a", 192), ("trampoline_b", "common_b", 128)];

fn attach_trampolines(object: &mut Ebpf, btf: &Btf, functions: &[Function]) -> Attempt<Vec<Attached>> {
    let attempt = try_trampolines(object, btf, functions)?;
    if attempt.is_err() {
        for (common, _, programs) in GROUPS {
            let numbered = (0..programs).map(|number| numbered(common, number));
            for name in numbered.chain([common.to_owned()]) {
                // Not loaded is the only way in which this fails, and then there is nothing to take back.
                let _ = trampoline(object, &name)?.unload();
            }
        }
    }
    Ok(attempt)
}

fn try_trampolines(object: &mut Ebpf, btf: &Btf, functions: &[Function]) -> Attempt<Vec<Attached>> {
    let mut rest = functions.to_vec();
    let mut attached = Vec::with_capacity(functions.len());
    for (index, (common, map, _)) in GROUPS.into_iter().enumerate() {
        let Some(first) = rest.first().cloned() else { break };
        // The common program is not attached; what it is loaded for only gives it its type.
        if let Err(failure) = load(object, btf, common, &first.name)? {
            return Ok(Err(failure));
        }
        install_common(object, common, map)?;
        let (group, others): (Vec<Function>, Vec<Function>) = rest
            .into_iter()
            // Old kernels have more types than two, and allow tail calls between them.
            .partition(|function| function.signature == first.signature || index + 1 == GROUPS.len());
        rest = others;
        for (number, function) in group.iter().enumerate() {
            let program = numbered(common, number);
            if let Err(failure) = attach_trampoline(object, btf, &program, function)? {
                return Ok(Err(failure));
            }
            attached.push(Attached {
                program,
                hook: function.hook,
            });
        }
    }
    Ok(Ok(attached))
}

/// The programs of a group are numbered by eights.
fn numbered(common: &str, number: usize) -> String {
    format!("{common}_{}{}", number / 8, number % 8)
}

fn attach_trampoline(object: &mut Ebpf, btf: &Btf, program: &str, function: &Function) -> Attempt {
    if let Err(failure) = load(object, btf, program, &function.name)? {
        return Ok(Err(failure));
    }
    match trampoline(object, program)?.attach() {
        Ok(_) => Ok(Ok(())),
        Err(error) => Ok(Err(Failure::of_program(
            format!("attach an fexit program on {}", function.name),
            &error,
        ))),
    }
}

/// Makes the common program of a group the target of its tail calls.
fn install_common(object: &mut Ebpf, common: &str, map: &'static str) -> Result<(), Error> {
    let failed = |source: std::io::Error| Error::Map { map, source };
    let program = trampoline(object, common)?
        .fd()
        .and_then(|fd| fd.try_clone().map_err(ProgramError::from))
        .map_err(|error| failed(std::io::Error::other(error)))?;
    let programs = object.map_mut(map).ok_or(Error::Missing(map))?;
    ProgramArray::try_from(programs)
        .and_then(|mut programs| programs.set(0, &program, 0))
        .map_err(|error| failed(std::io::Error::other(error)))
}

fn trampoline<'a>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut FExit, Error> {
    object
        .program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or(Error::Missing("trampoline program"))
}

fn load(object: &mut Ebpf, btf: &Btf, name: &str, function: &str) -> Attempt {
    match trampoline(object, name)?.load(function, btf) {
        Ok(()) => Ok(Ok(())),
        Err(error) => Ok(Err(Failure::of_program(
            format!("load an fexit program on {function}"),
            &error,
        ))),
    }
}

fn attach_dispatcher(object: &mut Ebpf, btf: &Btf, functions: &[Function]) -> Attempt {
    if functions.is_empty() {
        return Ok(Ok(()));
    }
    attach_tracepoint(object, btf, "dispatcher", "sys_exit")
}

/// Loads a program and attaches it to a BTF tracepoint.
pub(crate) fn attach_tracepoint(object: &mut Ebpf, btf: &Btf, name: &'static str, tracepoint: &str) -> Attempt {
    let program: &mut BtfTracePoint = object
        .program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or(Error::Missing(name))?;
    let failed = |verb: &str, error: &ProgramError| {
        Ok(Err(Failure::of_program(
            format!("{verb} a tp_btf program on {tracepoint}"),
            error,
        )))
    };
    if let Err(error) = program.load(tracepoint, btf) {
        return failed("load", &error);
    }
    match program.attach() {
        Ok(_) => Ok(Ok(())),
        Err(error) => failed("attach", &error),
    }
}
