//! What the agent's process uses, by `/proc/self`: CPU, memory, threads, descriptors.
//!
//! Only files of the own process are read, which the seccomp filter and Landlock allow after the start as well.

use std::fs::{self, File};
use std::io::{self, Read};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{SysconfVar, sysconf};

/// A line of some 300 bytes.
const STAT_LIMIT: u64 = 4096;
/// Some 1.5 kB, the groups and the CPUs of a large machine among them.
const STATUS_LIMIT: u64 = 64 << 10;
/// Descriptors that are counted at most.
const MOST_DESCRIPTORS: usize = 65_536;

/// What the process uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessNumbers {
    /// User and system time.
    pub cpu: Duration,
    /// Resident memory, in bytes.
    pub resident: u64,
    /// The most resident memory that there was, in bytes; absent where the kernel does not say it.
    pub peak: Option<u64>,
    /// Virtual memory, in bytes.
    pub virtual_memory: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// How many there may be; `None` for no limit.
    pub most_descriptors: Option<u64>,
    /// When it started, in seconds since the epoch.
    pub started: f64,
}

/// Where this process's numbers come from: what does not change is asked for once, before the seccomp filter, which has
/// no rule for it.
#[derive(Debug)]
pub struct Own {
    units: Units,
    most_descriptors: Option<u64>,
    started: OnceLock<f64>,
}

impl Own {
    /// Asks for the units and the limit of descriptors.
    ///
    /// # Errors
    /// The system does not tell them.
    pub fn new() -> io::Result<Self> {
        let value = |name| Ok::<_, io::Error>(sysconf(name)?.and_then(|value| u64::try_from(value).ok()).unwrap_or(1));
        let (most, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        Ok(Self {
            units: Units {
                ticks: value(SysconfVar::CLK_TCK)?.max(1),
                page: value(SysconfVar::PAGE_SIZE)?,
            },
            most_descriptors: Some(most).filter(|most| *most != nix::libc::RLIM_INFINITY),
            started: OnceLock::new(),
        })
    }

    /// Reads what this process uses now. `boot` is the calendar time of the boot in seconds since the epoch; it counts at
    /// the first call, because a start time that moves with the calendar would look like a restart.
    ///
    /// # Errors
    /// A file of the process cannot be read, or is not what kernels write.
    pub fn read(&self, boot: f64) -> io::Result<ProcessNumbers> {
        let mut text = String::new();
        File::open("/proc/self/stat")?
            .take(STAT_LIMIT)
            .read_to_string(&mut text)?;
        let mut numbers = parse(&text, self.units).ok_or(io::ErrorKind::InvalidData)?;
        numbers.started = *self.started.get_or_init(|| boot + numbers.started);
        // The directory itself is one of them while it is listed.
        let listed = fs::read_dir("/proc/self/fd")?.take(MOST_DESCRIPTORS).count();
        numbers.descriptors = u64::try_from(listed.saturating_sub(1)).unwrap_or(u64::MAX);
        numbers.most_descriptors = self.most_descriptors;
        text.clear();
        File::open("/proc/self/status")?
            .take(STATUS_LIMIT)
            .read_to_string(&mut text)?;
        numbers.peak = peak(&text);
        Ok(numbers)
    }
}

/// What the kernel counts in.
#[derive(Debug, Clone, Copy)]
struct Units {
    /// A second.
    ticks: u64,
    /// Bytes.
    page: u64,
}

/// The fields of proc(5), counted from the state, which follows the name in parentheses. The start is in seconds since
/// the boot.
fn parse(stat: &str, units: Units) -> Option<ProcessNumbers> {
    // The name may hold parentheses and spaces, numbers cannot.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = field(14)?.checked_add(field(15)?)?;
    #[expect(clippy::cast_precision_loss, reason = "hundredths of seconds of centuries")]
    let seconds = |ticks: u64| ticks as f64 / units.ticks as f64;
    Some(ProcessNumbers {
        cpu: Duration::try_from_secs_f64(seconds(ticks)).ok()?,
        threads: field(20)?,
        started: seconds(field(22)?),
        virtual_memory: field(23)?,
        resident: field(24)?.checked_mul(units.page)?,
        ..ProcessNumbers::default()
    })
}

/// `VmHWM` of proc(5), which is in KiB.
fn peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_a_line_of_the_status() {
        assert_eq!(
            peak("Name:\tagent\nVmHWM:\t   12345 kB\nVmRSS:\t 5 kB\n"),
            Some(12345 * 1024)
        );
        for none in [
            "",
            "VmHWM:\n",
            "VmHWM: 5\n",
            "VmPeak: 5 kB\n",
            "VmHWM: 99999999999999999 kB\n",
        ] {
            assert_eq!(peak(none), None, "{none}");
        }
    }

    const UNITS: Units = Units { ticks: 100, page: 4096 };

    #[test]
    fn the_fields_are_counted_after_the_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 2 0 4242 104857600 300 184 1 1 0\n";
        let numbers = parse(stat, UNITS).unwrap();
        assert_eq!(numbers.cpu, Duration::from_millis(1750));
        assert_eq!((numbers.threads, numbers.started), (2, 42.42));
        assert_eq!((numbers.virtual_memory, numbers.resident), (104_857_600, 300 * 4096));
        for broken in ["", "7 (a) S 1", "7 (a S 1 2 3"] {
            assert_eq!(parse(broken, UNITS), None, "{broken}");
        }
    }

    #[test]
    fn this_process_is_read_and_did_not_start_twice() {
        let own = Own::new().unwrap();
        let first = own.read(1000.0).unwrap();
        let (_one, _more) = (File::open("/dev/null").unwrap(), File::open("/dev/null").unwrap());
        let second = own.read(2000.0).unwrap();
        assert_eq!(first.started, second.started);
        assert!(
            first.resident > 1 << 20 && first.virtual_memory >= first.resident,
            "{first:?}"
        );
        assert!(first.peak > Some(1 << 20), "{first:?}");
        assert!(first.threads >= 1 && first.descriptors >= 3, "{first:?}");
        assert!(second.cpu >= first.cpu);
    }
}
