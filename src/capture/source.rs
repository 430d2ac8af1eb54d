//! The running capture: programs attached, ring buffer open. The pipeline drains it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use nix::time::{ClockId, clock_gettime};

use super::backend::{self, Backend, Choice};
use super::base::{Base, lockdown};
use super::error::{Error, Failure};
use super::functions;
use super::hook::HookSet;
use super::ledger::Ledger;
use super::memory::Sizes;
use super::misses::Misses;
use super::object::{self, KEPT, LOST};
use super::prefilter::{Hosts, Prefilters, Table};
use super::record::Record;
use super::reduced::Reduced;
use super::shared::Switches;
use super::steps::Flows;
use crate::config::settings::BackendChoice;

/// How long a thread that was joined may take to leave the process on a busy machine.
const THREAD_ENDS: Duration = Duration::from_secs(2);
/// Longer than a run of a hook that is not interrupted.
const RUN: Duration = Duration::from_millis(5);
/// A run that is preempted on a busy machine gets so much time to end.
const QUIESCE: Duration = Duration::from_millis(500);

/// What to capture, and with how much room.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The backend for system calls.
    pub backend: BackendChoice,
    /// Size of the ring in bytes: rounded up to a power of two of at least 64 KiB.
    pub ring_size: u64,
    /// How many processes the kernel side remembers as introduced.
    pub processes: u32,
    /// The hooks that report.
    pub hooks: HookSet,
    /// Which messages of a socket are told.
    pub flows: Flows,
}

/// Capture in progress. Dropping it detaches every program.
pub struct Capture {
    /// Holds the programs and their links.
    _object: Ebpf,
    /// The same, where the reduced ones run.
    _reduced: Option<Reduced>,
    ring: RingBuf<MapData>,
    ring_size: u32,
    started: u64,
    switches: Switches,
    prefilters: Arc<Table>,
    ledger: Arc<Ledger>,
    choice: Choice,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capture")
            .field("choice", &self.choice)
            .field("ring_size", &self.ring_size)
            .finish_non_exhaustive()
    }
}

impl Capture {
    /// Loads and attaches. Needs CAP_BPF and CAP_PERFMON effective; afterwards neither.
    ///
    /// # Errors
    /// The kernel's types are not to be had, or it refuses the maps, a base program or the backend insisted on.
    pub fn start(options: &Options) -> Result<Self, Error> {
        let started = boottime()?;
        let cpus = cpu_ids()?;
        let btf = object::kernel_types()?;
        let ring_size = ring_bytes(options.ring_size);
        let sizes = Sizes {
            cpus,
            ring: ring_size,
            processes: options.processes,
        };
        let functions = functions::here(options.hooks)?;
        let Base {
            mut object,
            ring,
            switches,
            lines,
            produced,
            prefilters,
            optional,
            mut reduced,
            refused,
        } = Base::start(&btf, sizes, options.hooks, options.flows)?;
        let (mut choice, attached) = match &mut reduced {
            None => backend::attach(&mut object, &btf, &functions, options.backend)?,
            Some(reduced) => reduced.attach_calls(&btf, &functions, options.backend)?,
        };
        choice.reduced = refused.as_ref().map(running_reduced);
        let hooks = if choice.backend == Backend::None {
            tracing::warn!(why = choice.why, "no system call is told");
            HookSet::BASE.or(optional)
        } else {
            options.hooks.without(HookSet::OPTIONAL).or(optional)
        };
        let misses = match &reduced {
            None => Misses::of(&attached, |name| object.program(name)?.fd().ok().map(AsFd::as_fd)),
            Some(reduced) => Misses::of(&attached, |name| reduced.program(name)),
        };
        drop(btf);
        object::return_memory();

        let ledger = Arc::new(Ledger::new(lines, hooks, misses, produced));
        let capture = Self {
            _object: object,
            _reduced: reduced,
            ring,
            ring_size,
            started,
            switches,
            prefilters: Arc::new(prefilters),
            ledger,
            choice,
        };
        capture.introduce_self()?;
        Ok(capture)
    }

    /// Forks a thread, by which the kernel side learns the agent's process id in the root PID namespace, and leaves its
    /// activity out from then on. Returns once the thread is gone for the kernel too: it was born with capabilities.
    fn introduce_self(&self) -> Result<(), Error> {
        let thread = std::thread::Builder::new()
            .name("introduction".to_owned())
            .spawn(nix::unistd::gettid)
            .map_err(Error::Thread)?;
        if let Ok(tid) = thread.join() {
            // join returns when the thread lets go of its stack, which is a moment before it leaves the process.
            let task = format!("/proc/self/task/{tid}");
            let deadline = Instant::now() + THREAD_ENDS;
            while std::path::Path::new(&task).exists() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        if self.switches.agent_pid() == 0 {
            tracing::warn!("the kernel side did not recognise the agent: its own activity will be reported");
        }
        Ok(())
    }

    /// The backend in use and why.
    #[must_use]
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// The account of what was seen and lost.
    #[must_use]
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Size of the ring in bytes, after rounding.
    #[must_use]
    pub fn ring_size(&self) -> u32 {
        self.ring_size
    }

    /// A moment before the first program was attached, in nanoseconds of CLOCK_BOOTTIME.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The most unread data that a hook found in the ring since the last call, in bytes; absent where none looked.
    #[must_use]
    pub fn ring_fill(&self) -> Option<u64> {
        let ring = u64::from(self.ring_size);
        self.ledger.take_peak_fill().map(|bytes| bytes.min(ring))
    }

    /// Hands up to `limit` records over, in order. Returns how many there were.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(Record<'_>)) -> usize {
        for taken in 0..limit {
            let Some(bytes) = self.ring.next() else { return taken };
            match Record::decode(&bytes) {
                Ok(record) => take(record),
                Err(error) => tracing::error!(%error, "a record of the kernel side cannot be read"),
            }
        }
        limit
    }

    /// Lets only these of the attached hooks report; what the others see is counted as filtered. Takes no capability. Those
    /// of [`HookSet::ALWAYS`] report all the same.
    pub fn report(&self, hooks: HookSet) {
        self.switches.enable(hooks.or(HookSet::ALWAYS).and(self.ledger.hooks()));
    }

    /// Says what need not be told: what happens from now on is counted as filtered where no condition of its hook holds. Takes
    /// no capability, and some milliseconds in which everything is told.
    pub fn prefilter(&self, prefilters: &Prefilters) {
        self.prefilters.write(prefilters);
    }

    /// Where to say which cgroups are no container's.
    #[must_use]
    pub fn hosts(&self) -> Hosts {
        self.prefilters.hosts()
    }

    /// Stops reporting: what happens from now on is filtered. Runs that have begun are over within the pause that this
    /// makes, so that what is then in the ring is all there will ever be.
    pub fn quiesce(&self) {
        self.switches.enable(HookSet::NONE);
        let deadline = Instant::now() + QUIESCE;
        loop {
            std::thread::sleep(RUN);
            if Instant::now() >= deadline || self.ledger.counters().iter().all(|(_, line)| line.balances()) {
                return;
            }
        }
    }

    /// Makes the kernel side describe every process anew with its next event, because this side lost track.
    pub fn introduce_anew(&self) {
        self.switches.next_epoch();
    }

    /// Announces that the reader is about to sleep until the ring's descriptor is readable, so that the next record
    /// wakes it. Drain once more between this call and the sleep.
    pub fn announce_sleep(&self) {
        self.switches.reader_waits(true);
        // The announcement before the last look at the ring: of a producer and this reader at least one sees the other.
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }

    /// Takes the announcement back: from now on records collect without waking anyone.
    pub fn announce_awake(&self) {
        self.switches.reader_waits(false);
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

/// The clock of the hooks.
fn boottime() -> Result<u64, Error> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_err(Error::Clock)?;
    Ok(u64::try_from(Duration::from(now).as_nanos()).unwrap_or(u64::MAX))
}

/// One more than the highest CPU id that can ever appear: ids may have gaps.
pub(super) fn cpu_ids() -> Result<usize, Error> {
    let path = "/sys/devices/system/cpu/possible";
    let text = std::fs::read_to_string(path).map_err(|source| Error::Cpus { path, source })?;
    let highest = text
        .trim()
        .rsplit([',', '-'])
        .next()
        .and_then(|id| id.parse::<usize>().ok());
    highest.map(|id| id + 1).ok_or_else(|| Error::Cpus {
        path,
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, text.trim().to_owned()),
    })
}

/// Says what is lost, and why. Returns the reason.
fn running_reduced(failure: &Failure) -> String {
    let why = match lockdown() {
        Some(mode) => format!("the kernel refuses the full programs ({failure}); lockdown is {mode}"),
        None => format!("the kernel refuses the full programs ({failure}), as it does under lockdown=confidentiality"),
    };
    tracing::warn!(why, kept = KEPT, lost = LOST, "running reduced");
    why
}

/// The kernel wants a power of two and whole pages; the largest records want 64 KiB.
pub(super) fn ring_bytes(asked: u64) -> u32 {
    let least = 64 << 10;
    u32::try_from(asked.max(least))
        .unwrap_or(1 << 30)
        .min(1 << 30)
        .next_power_of_two()
}

#[cfg(test)]
#[path = "corpus_tests.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    #[test]
    fn ring_sizes_are_powers_of_two_with_room_for_the_largest_record() {
        assert_eq!(super::ring_bytes(0), 64 << 10);
        assert_eq!(super::ring_bytes((64 << 10) + 1), 128 << 10);
        assert_eq!(super::ring_bytes(8 << 20), 8 << 20);
        assert_eq!(super::ring_bytes(u64::MAX), 1 << 30);
    }
}
