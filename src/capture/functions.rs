//! The kernel's functions behind the watched system calls: what trampolines are attached to.

use std::collections::{HashMap, HashSet};

use super::error::Error;
use super::hook::{Hook, HookSet};
use super::object;
use super::steps::socketcalls;
use super::types::{self, Section};

#[cfg(target_arch = "x86_64")]
const NATIVE: &str = "__x64_sys_";
#[cfg(target_arch = "aarch64")]
const NATIVE: &str = "__arm64_sys_";

/// One kernel function that a watched system call goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name in the kernel's types.
    pub(super) name: String,
    /// Whose calls come through it; absent where that depends on the arguments.
    pub(super) hook: Option<Hook>,
    /// Id of its type, by which functions of the same type are known.
    pub(super) signature: u32,
}

/// The functions behind the watched calls (`arch/x86/include/asm/syscall_wrapper.h`), whether this kernel has them or
/// not. 32-bit programs come through a function of the same name, of the compat layer, or of the calls with 16-bit ids.
fn candidates(hooks: HookSet) -> Vec<Function> {
    let mut functions = Vec::new();
    let mut add = |name: String, hook: Option<Hook>| {
        functions.push(Function {
            name,
            hook,
            signature: 0,
        });
    };
    for (hook, call) in hooks.calls() {
        let hook = Some(hook);
        // umount2 has kept the name that it had before there was a second one.
        let name = if call.name == "umount2" { "umount" } else { call.name };
        if call.number.is_some() {
            add(format!("{NATIVE}{name}"), hook);
        }
        if cfg!(target_arch = "x86_64") && !call.i386.is_empty() {
            add(format!("__ia32_sys_{name}"), hook);
            add(format!("__ia32_compat_sys_{name}"), hook);
            if call.i386.len() > 1 {
                add(format!("__ia32_sys_{name}16"), hook);
            }
        }
    }
    let sockets = hooks.calls().any(|(_, call)| socketcalls(call.name).next().is_some());
    if cfg!(target_arch = "x86_64") && sockets {
        add("__ia32_compat_sys_socketcall".to_owned(), None);
    }
    functions
}

/// The functions behind the watched calls that the running kernel has. Reads its types only where a call is watched.
///
/// # Errors
/// The kernel's types cannot be read.
pub(crate) fn here(hooks: HookSet) -> Result<Vec<Function>, Error> {
    let candidates = candidates(hooks);
    if candidates.is_empty() {
        return Ok(candidates);
    }
    Ok(existing(candidates, &object::kernel_type_bytes()?))
}

/// Those of them that this kernel has, each with the type that it has there.
fn existing(candidates: Vec<Function>, kernel_types: &[u8]) -> Vec<Function> {
    let wanted: HashSet<&[u8]> = candidates.iter().map(|function| function.name.as_bytes()).collect();
    let types = function_types(kernel_types, |name| wanted.contains(name));
    candidates
        .into_iter()
        .filter_map(|function| {
            let signature = *types.get(function.name.as_bytes())?;
            Some(Function { signature, ..function })
        })
        .collect()
}

/// The id of the type of each function whose name is wanted.
fn function_types(kernel_types: &[u8], wanted: impl Fn(&[u8]) -> bool) -> HashMap<&[u8], u32> {
    let Some(section) = Section::parse(kernel_types) else {
        return HashMap::new();
    };
    let prefixes: [&[u8]; 2] = [NATIVE.as_bytes(), b"__ia32_"];
    let mut found = HashMap::new();
    for function in section.iter().filter(|it| it.kind == types::FUNC) {
        if function.named_with(&prefixes) && wanted(function.name()) {
            // Some kernels (6.1 for execveat) name a function twice, with different types; the loader takes the first.
            found.entry(function.name()).or_insert(function.of);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_kernel_has_gets_a_program() {
        let hooks = HookSet::BASE.with_calls(|_| true);
        let types = std::fs::read("/sys/kernel/btf/vmlinux").unwrap();
        let functions = existing(candidates(hooks), &types);
        let has = |name: &str| {
            functions
                .iter()
                .any(|function| function.name == format!("{NATIVE}{name}"))
        };
        assert!(has("openat") && has("connect") && has("umount"));
        assert!(
            functions.len() < 192,
            "more than there are programs: {}",
            functions.len()
        );
        assert!(existing(candidates(hooks), b"no types at all").is_empty());
        assert!(candidates(HookSet::BASE).is_empty());
    }
}
