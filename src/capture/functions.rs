//! The kernel's functions behind the watched system calls: what trampolines are attached to.

use std::collections::HashSet;

use super::hook::{Hook, HookSet};
use super::steps::socketcalls;

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
}

/// The functions behind the watched calls (`arch/x86/include/asm/syscall_wrapper.h`), whether this kernel has them or
/// not. 32-bit programs come through a function of the same name, of the compat layer, or of the calls with 16-bit ids.
pub(crate) fn candidates(hooks: HookSet) -> Vec<Function> {
    let mut functions = Vec::new();
    let mut add = |name: String, hook: Option<Hook>| functions.push(Function { name, hook });
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

/// Those of them that this kernel has.
pub(crate) fn existing(candidates: Vec<Function>, kernel_types: &[u8]) -> Vec<Function> {
    let wanted: HashSet<&[u8]> = candidates.iter().map(|function| function.name.as_bytes()).collect();
    let found: HashSet<&[u8]> = strings(kernel_types)
        .split(|byte| *byte == 0)
        .filter(|word| wanted.contains(word))
        .collect();
    let keep: Vec<bool> = candidates
        .iter()
        .map(|function| found.contains(function.name.as_bytes()))
        .collect();
    candidates
        .into_iter()
        .zip(keep)
        .filter_map(|(function, keep)| keep.then_some(function))
        .collect()
}

/// The names in the kernel's types (`Documentation/bpf/btf.rst`: header, then types, then strings). Empty where the
/// bytes are none.
fn strings(kernel_types: &[u8]) -> &[u8] {
    let word = |at: usize| {
        let bytes = kernel_types.get(at..at + 4)?;
        usize::try_from(u32::from_ne_bytes(bytes.try_into().ok()?)).ok()
    };
    let found = || {
        let start = word(4)?.checked_add(word(16)?)?;
        kernel_types.get(start..start.checked_add(word(20)?)?)
    };
    found().unwrap_or_default()
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
