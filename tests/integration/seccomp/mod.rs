//! Every rule of `seccomp/` is needed: taken away, something that the agent does fails, and with it nothing does.
//!
//! [`kept`] takes the rules of the running agent from a copy of the real binary, which carries its policy as text, and
//! makes the agent do its work until the kernel kills it. [`rare`] does the same with what cannot be asked of a healthy
//! agent (to panic, to abort, to lack the vDSO), each in a process of its own. [`setup`] takes the rules of the pod's
//! policy from a container of the real runc and crun.

mod delivering;
mod kept;
mod policy;
mod rare;
mod setup;
