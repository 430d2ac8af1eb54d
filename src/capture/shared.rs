//! Memory shared with the kernel: the mmapable arrays, and a word of the ring. The only unsafe code of this module.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::libc::off_t;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::{SysconfVar, sysconf};

use super::hook::{Hook, HookSet, ROOM};
use super::wire;

/// A mapped array of 64-bit words. Programs in the kernel write to it at any time, so it is only ever read and written
/// as atomics.
#[derive(Debug)]
pub(crate) struct Words {
    address: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the mapping lives as long as the value, belongs to the process and not to a thread, and is accessed only
// through atomics.
#[expect(unsafe_code, reason = "a shared mapping has no owner thread")]
unsafe impl Send for Words {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a shared mapping has no owner thread")]
unsafe impl Sync for Words {}

impl Words {
    /// Maps the first `size` bytes of an array created with `BPF_F_MMAPABLE`.
    pub(crate) fn map(fd: impl AsFd, size: usize) -> io::Result<Self> {
        Self::map_at(fd, 0, size, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)
    }

    fn map_at(fd: impl AsFd, offset: off_t, size: usize, protection: ProtFlags) -> io::Result<Self> {
        let length = NonZeroUsize::new(size).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a fresh shared mapping at an address of the kernel's choice touches no existing memory.
        #[expect(unsafe_code, reason = "mmap")]
        let address = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, fd, offset) }?;
        Ok(Self {
            address: address.cast(),
            words: size / size_of::<u64>(),
        })
    }

    pub(crate) fn get(&self) -> &[AtomicU64] {
        // SAFETY: the mapping covers `words` words, is aligned to a page and lives as long as self; AtomicU64 may be
        // changed by others, the kernel here.
        #[expect(unsafe_code, reason = "view of the mapping")]
        unsafe {
            std::slice::from_raw_parts(self.address.as_ptr(), self.words)
        }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: address and length are those that mmap gave; no reference outlives self.
        #[expect(unsafe_code, reason = "munmap")]
        let result = unsafe { munmap(self.address.cast(), self.words * size_of::<u64>()) };
        debug_assert!(result.is_ok());
    }
}

/// The switches of `struct control`.
#[derive(Debug)]
pub(crate) struct Switches(Words);

const HOOKS_WORD: usize = std::mem::offset_of!(wire::Control, hooks) / size_of::<u64>();
/// `agent_pid` and `reader_waiting` share a word.
const AGENT_WORD: usize = std::mem::offset_of!(wire::Control, agent_pid) / size_of::<u64>();
const EPOCH_WORD: usize = std::mem::offset_of!(wire::Control, epoch) / size_of::<u64>();

impl Switches {
    pub(crate) fn map(fd: impl AsFd) -> io::Result<Self> {
        Words::map(fd, size_of::<wire::Control>()).map(Self)
    }

    /// The two halves of a word as the kernel side declares them.
    fn halves(&self, word: usize) -> &[AtomicU32; 2] {
        let word: &AtomicU64 = &self.0.get()[word];
        // SAFETY: AtomicU64 has the size of two AtomicU32 and a stricter alignment; both allow shared mutation.
        #[expect(unsafe_code, reason = "u32 fields in a mapping of u64 words")]
        unsafe {
            &*std::ptr::from_ref(word).cast::<[AtomicU32; 2]>()
        }
    }

    /// Says which of the attached hooks report.
    pub(crate) fn enable(&self, hooks: HookSet) {
        let words = &self.0.get()[HOOKS_WORD..];
        for (word, bits) in words.iter().zip(hooks.words()) {
            word.store(bits, Ordering::Release);
        }
    }

    /// The agent's own process id in the root PID namespace, 0 until the kernel side has recognised it.
    pub(crate) fn agent_pid(&self) -> u32 {
        self.halves(AGENT_WORD)[0].load(Ordering::Acquire)
    }

    /// Makes the kernel side introduce every process anew.
    pub(crate) fn next_epoch(&self) {
        self.halves(EPOCH_WORD)[0].fetch_add(1, Ordering::Release);
    }

    /// Asks for a wake-up with the next record.
    pub(crate) fn reader_waits(&self, waiting: bool) {
        self.halves(AGENT_WORD)[1].store(u32::from(waiting), Ordering::SeqCst);
    }
}

/// The producer's position in a ring buffer: the kernel only ever adds to it.
///
/// The ring's second page, which the kernel gives to read (`ringbuf_map_mmap_kern`, `kernel/bpf/ringbuf.c`); one word at its
/// beginning (`struct bpf_ringbuf`, `producer_pos`).
#[derive(Debug)]
pub(crate) struct Produced(Words);

impl Produced {
    pub(crate) fn map(ring: impl AsFd) -> io::Result<Self> {
        let page = sysconf(SysconfVar::PAGE_SIZE)?.ok_or(io::ErrorKind::Unsupported)?;
        Words::map_at(ring, page, size_of::<u64>(), ProtFlags::PROT_READ).map(Self)
    }

    /// Bytes that were ever reserved, headers and padding among them.
    pub(crate) fn bytes(&self) -> u64 {
        // The mapping is read-only: of all atomic operations a relaxed load alone is sure to write nothing.
        self.0.get()[0].load(Ordering::Relaxed)
    }
}

/// The counters: a line per CPU and hook.
#[derive(Debug)]
pub(crate) struct CounterLines(Words);

const LINE_WORDS: usize = size_of::<wire::Counters>() / size_of::<u64>();
/// Bytes of unread data that the hook found at most.
const PEAK_FILL_WORD: usize = std::mem::offset_of!(wire::Counters, peak_fill) / size_of::<u64>();

impl CounterLines {
    pub(crate) fn map(fd: impl AsFd, cpus: usize) -> io::Result<Self> {
        Words::map(fd, cpus * ROOM * size_of::<wire::Counters>()).map(Self)
    }

    /// The words of one hook on every CPU, in the order of `struct hook_counters`.
    pub(crate) fn of(&self, hook: Hook) -> impl Iterator<Item = &[AtomicU64]> {
        self.0.get().chunks_exact(LINE_WORDS).skip(hook.index()).step_by(ROOM)
    }

    /// What one hook found in the ring at most, on every CPU.
    pub(crate) fn peak_fill(&self, hook: Hook) -> impl Iterator<Item = &AtomicU64> {
        self.of(hook).map(|line| &line[PEAK_FILL_WORD])
    }
}
