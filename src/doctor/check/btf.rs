//! The kernel's type information.

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::registry::{Definition, Need, Weight};
use super::{errno_name, mebibytes};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-BTF-001",
    area: "kernel",
    title: "The kernel's type information is readable",
    weight: Weight::Blocks,
    needs: &[Need::Kernel],
    depends_on: &[],
    judge: Some(btf),
    offline: None,
    page: include_str!("../pages/PIN-BTF-001.md"),
}];

/// PIN-BTF-001.
fn btf(facts: &Facts) -> Finding {
    const FILE: &str = "/sys/kernel/btf/vmlinux";
    let kernel = match &facts.kernel.value {
        Ok(kernel) => kernel,
        Err(gap) => return Finding::gap(gap),
    };
    let finding = match &kernel.btf {
        Ok(0) => Finding::fail("the kernel's type information is empty").observed(0),
        Ok(size) => {
            return Finding::ok(format!("{:.1} MiB of type information", mebibytes(*size)))
                .observed(*size)
                .expected("> 0 bytes")
                .evidence(&facts.kernel, FILE, *size);
        }
        Err(error) => Finding::fail(format!(
            "the kernel's type information cannot be read: {}",
            error.message
        ))
        .observed(errno_name(error.errno)),
    };
    let value = match &kernel.btf {
        Ok(size) => size.to_string(),
        Err(error) => error.message.clone(),
    };
    finding
        .expected("> 0 bytes")
        .evidence(&facts.kernel, FILE, value)
        .impact("Programs cannot be fitted to this kernel; the agent captures nothing.", &["capture"], &[])
        .remedy(
            "The kernel must be built with CONFIG_DEBUG_INFO_BTF=y, and /sys must be visible to the container (it is by \
             default). Choose a node image whose kernel has it.",
            &[&format!("ls -l {FILE}")],
        )
}
