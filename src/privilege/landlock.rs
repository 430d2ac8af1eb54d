//! Closing off the files that the agent will never need again, by Landlock, where the kernel has it.
//!
//! The seccomp filter knows no paths: it keeps the agent from writing and lets it open any file to read. Landlock knows
//! them. [`restrict`] handles every right that this build knows and gives back five things only: reading about the own
//! process, reading the own binary (the names in a panic's stack), reading below the configured directories of bundles,
//! reading below those of rule files, and, where the kernel controls that, connecting to sockets near those of the runtimes
//! and of the journal. What is open stays open: the ring, the counters, the sockets, standard output.
//!
//! It is the second lock on doors that missing capabilities, file modes and the filter keep shut already, so a kernel without
//! it is no reason not to start: [`Landlocked`] says what is in force and why not more. Facts: `Documentation/userspace-api/landlock.rst`.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::errno::Errno;

/// The newest version of Landlock's interface of which every right is handled. A newer kernel's further rights are left alone
/// until somebody has seen what they do to the agent.
pub const NEWEST: u32 = 9;

/// From this version on connecting to a unix socket by its path is controlled (Linux 7.1).
const SOCKETS: u32 = 9;

/// From this version on ports of TCP are controlled (Linux 6.7).
const TCP: u32 = 4;

/// What each version adds for the agent, as far as it is missing on older kernels.
const ADDED: [(u32, &str); 6] = [
    (2, "moving files between directories"),
    (3, "truncating"),
    (TCP, "TCP"),
    (5, "ioctl on devices"),
    (6, "abstract unix sockets and signals"),
    (SOCKETS, "unix sockets by path"),
];

/// How much is closed off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restricted {
    /// All that [`NEWEST`] can.
    Full,
    /// Files at least; the kernel can do less than [`NEWEST`].
    Partial,
    /// Nothing.
    None,
}

impl Restricted {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::None => "none",
        }
    }
}

/// What Landlock keeps from this process, for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landlocked {
    /// The version of the kernel's interface, 0 where there is none.
    pub abi: u32,
    /// How much of it is in force.
    pub restricted: Restricted,
    /// Whether it was there to be had and was refused: then there is something to mend.
    pub refused: bool,
    /// What is left open or what stood in the way, in words.
    pub why: String,
}

/// What the agent goes on opening.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Directories below which files are read: OCI bundles, rule files that are read again when they change.
    pub read: Vec<PathBuf>,
    /// Unix sockets that are connected to, there already or not.
    pub sockets: Vec<PathBuf>,
}

/// Where the journal listens (systemd-journald.service(8)); the log connects anew after a restart of it.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// What the delivery process goes on opening.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryNeeds {
    /// Files that are read, and directories below which they are.
    pub read: Vec<PathBuf>,
    /// Directories in which files are made, renamed and removed.
    pub write: Vec<PathBuf>,
    /// Unix sockets that are connected to, there already or not.
    pub sockets: Vec<PathBuf>,
    /// Ports that are connected to by TCP.
    pub ports: Vec<u16>,
    /// Programs are started, which inherit all of this. What they read, execute and connect to is theirs then; only writing is
    /// closed off.
    pub programs: bool,
}

/// Where programs may write as well.
const FOR_PROGRAMS: [&str; 3] = ["/dev", "/proc/self", "/tmp"];

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("cannot open {}: {source}", path.display())]
    Open {
        path: PathBuf,
        source: landlock::PathFdError,
    },
    #[error(transparent)]
    Ruleset(#[from] RulesetError),
    #[error("the rules were not enforced, and the kernel gave no reason")]
    NotEnforced,
}

/// Restricts this thread and all that it will spawn, as far as the kernel can. It must be the only thread, with no_new_privs set.
#[must_use]
pub fn restrict(needs: &Needs) -> Landlocked {
    restricted(|abi| enforce(needs, abi))
}

/// Restricts the delivery process, before it starts any thread.
#[must_use]
pub fn restrict_delivery(needs: &DeliveryNeeds) -> Landlocked {
    restricted(|abi| enforce_delivery(needs, abi))
}

fn restricted(enforce: impl FnOnce(u32) -> Result<(), Error>) -> Landlocked {
    let abi = match os::abi() {
        Ok(abi) => abi,
        Err(errno) => return absent(errno),
    };
    match enforce(abi) {
        Ok(()) => enforced(abi),
        Err(error) => Landlocked {
            abi,
            restricted: Restricted::None,
            refused: true,
            why: format!("the kernel has version {abi} of it: {error}"),
        },
    }
}

fn enforced(abi: u32) -> Landlocked {
    let open: Vec<&str> = ADDED
        .into_iter()
        .filter(|(since, _)| *since > abi)
        .map(|(_, what)| what)
        .collect();
    Landlocked {
        abi,
        restricted: if open.is_empty() {
            Restricted::Full
        } else {
            Restricted::Partial
        },
        refused: false,
        why: if open.is_empty() {
            "it closes off all that it controls, but for what the agent needs and unix sockets near those of the runtimes".to_owned()
        } else {
            format!("version {abi} of it controls files, not yet: {}", open.join(", "))
        },
    }
}

fn absent(errno: Errno) -> Landlocked {
    let (refused, why) = match errno {
        Errno::ENOSYS => (
            false,
            "the kernel has none (it is older than 5.13 or built without), or a seccomp profile of before hides it (ENOSYS)".to_owned(),
        ),
        Errno::EOPNOTSUPP => (
            false,
            "the kernel has it and it is off: landlock is not among lsm= at boot (EOPNOTSUPP)".to_owned(),
        ),
        Errno::EPERM => (
            true,
            "the container's seccomp profile refuses landlock_create_ruleset (EPERM)".to_owned(),
        ),
        other => (true, format!("landlock_create_ruleset: {other}")),
    };
    Landlocked {
        abi: 0,
        restricted: Restricted::None,
        refused,
        why,
    }
}

fn enforce(needs: &Needs, abi: u32) -> Result<(), Error> {
    // Whatever the crate learns later is not handled before it was tried: the version is named.
    let handled = ABI::V9;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(handled))?
        .handle_access(AccessNet::from_all(handled))?
        .scope(Scope::from_all(handled))?
        .create()?
        // Set already, and the setting of it is `drop`'s to prove.
        .no_new_privs(false);

    let process = open(Path::new("/proc/self"))?;
    rules = rules.add_rule(PathBeneath::new(process.as_fd(), read))?;
    // The kernel frees the inode of a process's directory when memory is short and makes another one when it is named again,
    // to which the rule would not hold. While the directory is open it stays.
    pin(process);
    rules = allow(rules, open(Path::new("/proc/self/exe"))?, AccessFs::ReadFile)?;
    for directory in &needs.read {
        // What is not there now is not read later either: bundles are opened at the start.
        if let Ok(directory) = PathFd::new(directory) {
            rules = allow(rules, directory, read)?;
        }
    }
    if abi >= SOCKETS {
        for directory in socket_directories(&whereabouts(&needs.sockets), Path::is_dir) {
            rules = allow(rules, open(&directory)?, AccessFs::ResolveUnix)?;
        }
    }
    in_force(rules)
}

fn in_force(rules: RulesetCreated) -> Result<(), Error> {
    match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(Error::NotEnforced),
    }
}

fn enforce_delivery(needs: &DeliveryNeeds, abi: u32) -> Result<(), Error> {
    let handled = ABI::V9;
    let write = AccessFs::from_write(handled);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let rules = Ruleset::default();
    let rules = if needs.programs {
        rules.handle_access(write)?
    } else {
        rules
            .handle_access(AccessFs::from_all(handled))?
            .handle_access(AccessNet::from_all(handled))?
            .scope(Scope::from_all(handled))?
    };
    let mut rules = rules.create()?.no_new_privs(false);
    for directory in &needs.write {
        let files = AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile | AccessFs::Truncate;
        let access = if needs.programs { files } else { files | read };
        // They are there: what lies in them was opened before.
        rules = allow(rules, open(directory)?, access)?;
    }
    if needs.programs {
        for place in FOR_PROGRAMS {
            if let Ok(place) = PathFd::new(place) {
                rules = allow(rules, place, write)?;
            }
        }
        return in_force(rules);
    }
    let process = open(Path::new("/proc/self"))?;
    rules = rules.add_rule(PathBeneath::new(process.as_fd(), read))?;
    pin(process);
    rules = allow(rules, open(Path::new("/proc/self/exe"))?, AccessFs::ReadFile)?;
    for path in &needs.read {
        if let Ok(at) = PathFd::new(path) {
            let access = if path.is_dir() { read } else { AccessFs::ReadFile.into() };
            rules = allow(rules, at, access)?;
        }
    }
    if abi >= TCP {
        for port in &needs.ports {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    if abi >= SOCKETS {
        for directory in socket_directories(&whereabouts(&needs.sockets), Path::is_dir) {
            rules = allow(rules, open(&directory)?, AccessFs::ResolveUnix)?;
        }
    }
    in_force(rules)
}

fn allow(rules: RulesetCreated, at: PathFd, access: impl Into<BitFlags<AccessFs>>) -> Result<RulesetCreated, Error> {
    Ok(rules.add_rule(PathBeneath::new(at, access))?)
}

fn open(path: &Path) -> Result<PathFd, Error> {
    PathFd::new(path).map_err(|source| Error::Open {
        path: path.to_owned(),
        source,
    })
}

/// Leaves the descriptor open until the process ends.
fn pin(directory: PathFd) {
    std::mem::forget(directory);
}

/// The sockets as they are called and as they are: a rule holds to the real place, and `/var/run` or a socket may be a link.
fn whereabouts(sockets: &[PathBuf]) -> Vec<PathBuf> {
    let places = |socket: &PathBuf| {
        let directory = socket.parent().and_then(|directory| directory.canonicalize().ok());
        let there = directory
            .zip(socket.file_name())
            .map(|(directory, name)| directory.join(name));
        [socket.canonicalize().ok(), there, Some(socket.clone())]
    };
    let mut found: Vec<PathBuf> = Vec::new();
    for place in sockets.iter().flat_map(places).flatten() {
        if !found.contains(&place) {
            found.push(place);
        }
    }
    found
}

/// Where sockets may be connected to: for each the directory above its own, because a runtime may make its own directory anew and
/// a rule holds to the one that was there; where that is not there yet, the nearest above it. Never the root, which would open
/// everything: a socket that could only appear in a directory directly below the root is looked for in its own.
fn socket_directories(sockets: &[PathBuf], is_there: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let journal = Path::new(JOURNAL);
    for socket in sockets.iter().map(PathBuf::as_path).chain([journal]) {
        let Some(own) = socket.parent() else { continue };
        let root = Path::new("/");
        let directory = own
            .ancestors()
            .skip(1)
            .find(|path| *path != root && !path.as_os_str().is_empty() && is_there(path))
            .or_else(|| (own != root && is_there(own)).then_some(own));
        if let Some(directory) = directory.map(Path::to_owned)
            && !found.contains(&directory)
        {
            found.push(directory);
        }
    }
    found
}

/// The one question that the crate does not answer precisely.
mod os {
    use nix::errno::Errno;

    /// `LANDLOCK_CREATE_RULESET_VERSION` of `include/uapi/linux/landlock.h`.
    const VERSION: libc::c_uint = 1;

    /// The version of the kernel's interface.
    #[expect(
        unsafe_code,
        reason = "the crate tells a seccomp profile's refusal as a kernel without Landlock"
    )]
    pub(super) fn abi() -> Result<u32, Errno> {
        // SAFETY: with this flag the call takes no attributes (a null pointer of size 0) and touches no memory of this process.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                std::ptr::null::<u8>(),
                0_usize,
                VERSION,
            )
        };
        Errno::result(answer).map(|version| u32::try_from(version).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests;
