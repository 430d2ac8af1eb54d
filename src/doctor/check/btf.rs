//! The kernel's type information.

use serde_json::json;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, errno_name, grant, mebibytes};
use crate::capture::types::Fit;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[BTF_001, BTF_002];

const BTF_001: Definition = Definition {
    id: "PIN-BTF-001",
    area: "kernel",
    title: "The kernel's type information is readable",
    weight: Weight::Blocks,
    needs: &[Need::Kernel],
    depends_on: &[Edge::Needs("PIN-KRN-003")],
    judge: Some(btf),
    offline: None,
    page: include_str!("../pages/PIN-BTF-001.md"),
};

const BTF_002: Definition = Definition {
    id: "PIN-BTF-002",
    area: "kernel",
    title: "The kernel's types are unambiguous",
    weight: Weight::Major,
    needs: &[Need::Kernel, Need::Capture, Need::Agent],
    depends_on: &[Edge::Needs("PIN-BTF-001")],
    judge: Some(unambiguous),
    offline: None,
    page: include_str!("../pages/PIN-BTF-002.md"),
};

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
        .change(grant::node_image("a kernel with CONFIG_DEBUG_INFO_BTF=y"))
}

/// PIN-BTF-002.
fn unambiguous(facts: &Facts) -> Finding {
    let kernel = match &facts.kernel.value {
        Ok(kernel) => kernel,
        Err(gap) => return Finding::gap(gap),
    };
    let fit = match &kernel.types {
        Ok(fit) => fit,
        Err(why) => return Finding::unknown(why.clone()),
    };
    // Fitting fails in the loader, before the kernel is asked: there is no errno then.
    let unfitted = agent(facts).is_none()
        && matches!(&facts.capture.value, Ok(capture) if matches!(&capture.base, Err(failure) if failure.errno.is_none()));
    let impact = "Programs that are fitted to the wrong structure do not load, or load and read something else than they should.";
    let finding = if !fit.ambiguous.is_empty() {
        Finding::fail(format!(
            "the kernel has several types of one name with the fields in different places: {}",
            fit.ambiguous.join(", ")
        ))
    } else if unfitted && !fit.missing.is_empty() {
        Finding::fail(format!(
            "the kernel lacks types that the programs read: {}",
            fit.missing.join(", ")
        ))
    } else {
        return told(
            facts,
            Finding::ok(format!("each of {} types is there once", fit.roots)),
            fit,
        );
    };
    let finding = finding
        .impact(
            impact,
            &["capture", "metadata"],
            &["process", "container", "kubernetes"],
        )
        .remedy(
            "Choose a node image with another kernel, and report this one with its release.",
            &[
                "uname -r",
                "bpftool btf dump file /sys/kernel/btf/vmlinux | grep -w STRUCT",
            ],
        )
        .change(grant::node_image("a kernel with each type once"));
    told(facts, finding, fit)
}

fn told(facts: &Facts, finding: Finding, fit: &Fit) -> Finding {
    let observed = json!({ "types": fit.roots, "missing": fit.missing, "ambiguous": fit.ambiguous });
    finding
        .observed(observed.clone())
        .expected(json!({ "ambiguous": [] }))
        .evidence(&facts.kernel, "/sys/kernel/btf/vmlinux", observed)
}
