//! Instructions, counted by a virtual machine: figures that do not depend on the load of this machine, for both backends,
//! trampolines too where this kernel refuses them.

use crate::lab::kernels::Kernel;
use crate::lab::vm::Machine;
use crate::table::{Form, Table};
use crate::{Bench, Result, guest};

const SUITES: [&str; 2] = ["bookworm", "bookworm-backports"];

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    for suite in SUITES {
        let kernel = match Kernel::of(suite) {
            Ok(kernel) => kernel,
            Err(error) => {
                table.remark(suite, &error.to_string());
                continue;
            }
        };
        let release = kernel.release.clone();
        let finished = Machine::new(kernel)
            .counting_instructions()
            .program("agent", &bench.binary)
            .program("bench", &std::env::current_exe()?)
            .run(&format!("exec bench {}", guest::COMMAND))?;
        if finished.code != 0 {
            return Err(format!("in the virtual machine: {}\n{}", finished.output, finished.console).into());
        }
        tell(&release, &finished.output, table)?;
    }
    Ok(())
}

/// The guest's lines are `what TAB unit TAB goal or - TAB values`.
fn tell(release: &str, output: &str, table: &mut Table) -> Result<()> {
    for line in output.lines() {
        let mut parts = line.trim().split('\t');
        let (Some(what), Some(unit), Some(goal), Some(values)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            table.remark(release, line);
            continue;
        };
        let form = if unit == "x" {
            Form::of("x", 4)
        } else {
            Form::of("instr.", 0)
        };
        let form = goal.parse().map_or(form, |goal| form.at_most(goal));
        let values: Vec<f64> = values
            .split(' ')
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?;
        let (version, _) = release.split_once('-').unwrap_or((release, ""));
        table.figure(&format!("Linux {version}: {what}"), form, &values);
    }
    Ok(())
}
