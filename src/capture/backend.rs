//! How system calls are hooked: two backends behind one choice, made by trying.

use aya::programs::{BtfTracePoint, FExit, ProgramError};
use aya::{Btf, Ebpf};

use super::error::{Error, Failure};
use super::hook::{HookSet, Syscall};
use crate::config::settings::BackendChoice;

/// How system calls are hooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// fexit on the entry function of each watched system call: the others cost nothing.
    Trampoline,
    /// One program on the exit of every system call, a bitmap test first.
    Dispatcher,
}

impl Backend {
    /// The name in the configuration and in summaries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trampoline => "trampoline",
            Self::Dispatcher => "dispatcher",
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
}

/// Attaches the watched system calls by the backend asked for, or by the better one that the kernel allows.
pub(crate) fn attach(object: &mut Ebpf, btf: &Btf, hooks: HookSet, wanted: BackendChoice) -> Result<Choice, Error> {
    let refused = |backend: Backend| {
        move |failure| Error::Backend {
            backend: backend.as_str(),
            failure,
        }
    };
    match wanted {
        BackendChoice::Trampoline => {
            attach_trampolines(object, btf, hooks)?.map_err(refused(Backend::Trampoline))?;
            Ok(Choice {
                backend: Backend::Trampoline,
                why: "set by configuration".to_owned(),
            })
        }
        BackendChoice::Dispatcher => {
            attach_dispatcher(object, btf, hooks)?.map_err(refused(Backend::Dispatcher))?;
            Ok(Choice {
                backend: Backend::Dispatcher,
                why: "set by configuration".to_owned(),
            })
        }
        BackendChoice::Auto if hooks.syscalls().next().is_none() => Ok(Choice {
            backend: Backend::Trampoline,
            why: "no system call is watched, so nothing was tried".to_owned(),
        }),
        BackendChoice::Auto => match attach_trampolines(object, btf, hooks)? {
            Ok(()) => Ok(Choice {
                backend: Backend::Trampoline,
                why: "the kernel allows it; unwatched system calls cost nothing".to_owned(),
            }),
            Err(failure) => {
                if let Some(log) = &failure.verifier {
                    tracing::debug!(log, "what the verifier said to trampolines");
                }
                attach_dispatcher(object, btf, hooks)?.map_err(Error::Program)?;
                let why = format!("the kernel refuses trampolines ({failure})");
                Ok(Choice {
                    backend: Backend::Dispatcher,
                    why,
                })
            }
        },
    }
}

/// The outer error is a broken build, the inner one the kernel's refusal; after a refusal nothing stays attached.
type Attempt = Result<Result<(), Failure>, Error>;

fn attach_trampolines(object: &mut Ebpf, btf: &Btf, hooks: HookSet) -> Attempt {
    for syscall in hooks.syscalls() {
        if let Err(failure) = attach_trampoline(object, btf, syscall)? {
            for syscall in hooks.syscalls() {
                // Not loaded is the only way in which this fails, and then there is nothing to take back.
                let _ = trampoline(object, syscall)?.unload();
            }
            return Ok(Err(failure));
        }
    }
    Ok(Ok(()))
}

fn trampoline(object: &mut Ebpf, syscall: Syscall) -> Result<&mut FExit, Error> {
    object
        .program_mut(syscall.trampoline)
        .and_then(|program| program.try_into().ok())
        .ok_or(Error::Missing(syscall.trampoline))
}

fn attach_trampoline(object: &mut Ebpf, btf: &Btf, syscall: Syscall) -> Attempt {
    let function = syscall.kernel_function();
    let program = trampoline(object, syscall)?;
    let failed = |verb: &str, error: &ProgramError| {
        Ok(Err(Failure::of_program(
            format!("{verb} an fexit program on {function}"),
            error,
        )))
    };
    if let Err(error) = program.load(&function, btf) {
        return failed("load", &error);
    }
    match program.attach() {
        Ok(_) => Ok(Ok(())),
        Err(error) => failed("attach", &error),
    }
}

fn attach_dispatcher(object: &mut Ebpf, btf: &Btf, hooks: HookSet) -> Attempt {
    if hooks.syscalls().next().is_none() {
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
