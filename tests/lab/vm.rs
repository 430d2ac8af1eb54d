//! A virtual machine with one of the lab's kernels, a busybox root file system and a script to run: booted by emulation
//! (no KVM needed), ended by the script, its result read from a serial line of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::error::{LabError, Result};
use super::initramfs::Initramfs;
use super::kernels::Kernel;
use super::place::Place;
use super::tool;

/// How the result line that ends a scenario begins.
const END: &str = "@@pinhole-vm-exit ";
/// How long a machine may run. Booting takes 2 to 5 seconds on an idle machine.
const RUNS: Duration = Duration::from_secs(900);

/// Everything that the emulator has, but for cmpxchg16b: QEMU 7.2 corrupts the flags register on it now and then, and the
/// kernel's allocator uses it from 6.4 on where it is offered.
const CPU: &str = "max,-cx16";

/// The virtual clock advances by 2^0 ns with each instruction, and leaps over idle time.
const COUNTING: &[&str] = &["-icount", "shift=0,sleep=off"];

/// What init does before and after the scenario. It is the first process: if it ended, the kernel would panic.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
# As everywhere; what the kernel calls a program that is executed by its descriptor begins with it.
ln -s /proc/self/fd /dev/fd
mount -t securityfs securityfs /sys/kernel/security
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs tmpfs /run
echo pinhole-vm >/etc/hostname
hostname pinhole-vm
ip link set lo up
case " $(cat /proc/cmdline) " in
*" lab.cgroup=1 "*)
    mount -t tmpfs cgroup /sys/fs/cgroup
    for controller in cpu memory pids; do
        mkdir /sys/fs/cgroup/$controller
        mount -t cgroup -o $controller cgroup /sys/fs/cgroup/$controller
    done ;;
*) mount -t cgroup2 cgroup2 /sys/fs/cgroup ;;
esac
# Raw: a result is bytes, not lines for a person at a terminal.
stty -F /dev/ttyS1 raw -echo
(cd /tmp; sh /scenario) >/dev/ttyS1 2>&1 </dev/null
echo "@@pinhole-vm-exit $?" >/dev/ttyS1
sync
poweroff -f
"#;

/// A machine to be booted.
pub(crate) struct Machine {
    kernel: Kernel,
    parameters: Vec<String>,
    programs: Vec<(String, PathBuf)>,
    files: Vec<(String, PathBuf)>,
    libraries: BTreeSet<PathBuf>,
    links: Vec<(String, PathBuf)>,
    module: bool,
    counting: bool,
    memory: u32,
    within: Duration,
}

/// What a machine left.
#[derive(Debug)]
pub(crate) struct Finished {
    /// What the scenario printed, on standard output and standard error.
    pub(crate) output: String,
    /// The scenario's exit code.
    pub(crate) code: i32,
    /// What the kernel printed on its console.
    pub(crate) console: String,
}

impl Machine {
    /// A machine with this kernel, cgroup v2, and nothing but busybox.
    pub(crate) fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            parameters: Vec::new(),
            programs: Vec::new(),
            files: Vec::new(),
            libraries: BTreeSet::new(),
            links: Vec::new(),
            module: false,
            counting: false,
            memory: 512,
            within: RUNS,
        }
    }

    /// Gives it so much memory, in MiB, and so much time: for more than an agent.
    pub(crate) fn roomy(mut self, memory: u32, within: Duration) -> Self {
        (self.memory, self.within) = (memory, within);
        self
    }

    /// Makes a program of its own `/bin` appear at this path too.
    pub(crate) fn linked(mut self, name: &str, path: &Path) -> Self {
        self.links.push((name.to_owned(), path.to_owned()));
        self
    }

    /// Adds a kernel parameter, e.g. `lockdown=integrity`; `lab.cgroup=1` makes init mount cgroup version 1.
    pub(crate) fn parameter(mut self, parameter: &str) -> Self {
        self.parameters.push(parameter.to_owned());
        self
    }

    /// Makes its clock count instructions: one is a nanosecond, and idle time takes none of this machine's.
    pub(crate) fn counting_instructions(mut self) -> Self {
        self.counting = true;
        self
    }

    /// Puts a static program of this machine into `/bin` of the other.
    pub(crate) fn program(mut self, name: &str, source: &Path) -> Self {
        self.programs.push((name.to_owned(), source.to_owned()));
        self
    }

    /// Puts a file of this machine into the root directory of the other, as it is.
    pub(crate) fn file(mut self, name: &str, source: &Path) -> Self {
        self.files.push((name.to_owned(), source.to_owned()));
        self
    }

    /// The same with a program that is not static: its loader and libraries go where it looks for them.
    pub(crate) fn dynamic_program(mut self, name: &str, source: &Path) -> Result<Self> {
        self.libraries.extend(libraries(source)?);
        Ok(self.program(name, source))
    }

    /// Puts a module of the kernel at `/lib/dummy.ko`.
    pub(crate) fn with_module(mut self) -> Self {
        self.module = true;
        self
    }

    /// Boots, runs the shell script as root, and gives back what it printed.
    pub(crate) fn run(&self, scenario: &str) -> Result<Finished> {
        let qemu = tool::find("qemu-system-x86_64", "qemu-system-x86")?;
        let place = Place::new()?;
        let initramfs = place.path().join("initramfs");
        self.write_initramfs(&place, &initramfs, scenario)?;
        let (console, result) = (place.path().join("console"), place.path().join("result"));
        // The emulated timer may be late on a busy machine, which is no reason to give up (`no_timer_check`).
        // `panic=-1` restarts at once, which `-no-reboot` turns into an end.
        let parameters = format!(
            "console=ttyS0 quiet panic=-1 no_timer_check {}",
            self.parameters.join(" ")
        );
        let mut child = Command::new(tool::find("setpriv", "util-linux")?)
            // The thread that waits below is the parent, so the machine cannot outlive a killed test.
            .args(["--pdeathsig", "KILL"])
            .arg(qemu)
            .args([
                "-accel",
                "tcg",
                "-cpu",
                CPU,
                "-m",
                &self.memory.to_string(),
                "-nodefaults",
                "-display",
                "none",
                "-no-reboot",
            ])
            .args(if self.counting { COUNTING } else { &[] })
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .arg("-serial")
            .arg(format!("file:{}", result.display()))
            .arg("-kernel")
            .arg(&self.kernel.image)
            .arg("-initrd")
            .arg(&initramfs)
            .args(["-append", &parameters])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| LabError::Start {
                program: "qemu-system-x86_64".to_owned(),
                source,
            })?;
        let read = |path: &Path| {
            fs::read(path)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default()
        };
        let shown = || format!("console:\n{}\nresult:\n{}", read(&console), read(&result));
        let what = format!("the end of the virtual machine with Linux {}", self.kernel.release);
        let ended = tool::poll(&what, self.within, shown, || {
            child
                .try_wait()
                .map_err(LabError::file("wait for", Path::new("qemu-system-x86_64")))
        });
        if ended.is_err() {
            // Ended meanwhile is the only way in which these fail, and what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
        ended?;
        let (output, console) = (read(&result), read(&console));
        let exit = output.rfind(END).and_then(|at| {
            let code = output[at + END.len()..].trim().parse().ok()?;
            Some((output[..at].to_owned(), code))
        });
        match exit {
            Some((output, code)) => Ok(Finished { output, code, console }),
            None => Err(LabError::Failed {
                command: format!("the scenario on Linux {}", self.kernel.release),
                status: "no exit code: the machine ended before the scenario did".to_owned(),
                output: format!("console:\n{console}\nresult:\n{output}"),
            }),
        }
    }

    fn write_initramfs(&self, place: &Place, path: &Path, scenario: &str) -> Result<()> {
        let busybox = tool::find("busybox", "busybox-static")?;
        let mut archive = Initramfs::create(path)?;
        archive.program("init", INIT.as_bytes())?;
        archive.program("scenario", scenario.as_bytes())?;
        archive.program("bin/busybox", &read_binary(&busybox)?)?;
        for (name, source) in &self.programs {
            // Debug information would make the machine's memory and its start several times larger.
            let small = place.path().join("stripped");
            tool::run(
                Command::new(tool::find("strip", "binutils")?)
                    .arg("-o")
                    .arg(&small)
                    .arg(source),
            )?;
            archive.program(&format!("bin/{name}"), &read_binary(&small)?)?;
        }
        for (name, source) in &self.files {
            archive.program(name, &read_binary(source)?)?;
        }
        for library in &self.libraries {
            archive.copy(library)?;
        }
        for (name, path) in &self.links {
            archive.link(path, &format!("/bin/{name}"))?;
        }
        if self.module {
            archive.directory("lib")?;
            archive.program("lib/dummy.ko", &read_binary(&self.kernel.module)?)?;
        }
        archive.finish()
    }
}

/// What `ldd` names: lines like `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)`, and the loader without an arrow.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = tool::run(
        Command::new(tool::find("ldd", "libc-bin")?)
            .env("LC_ALL", "C")
            .arg(program),
    )?;
    let found = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect();
    Ok(found)
}

fn read_binary(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(LabError::file("read", path))
}
