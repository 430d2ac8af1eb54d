//! Memory below 4 GiB, so that 32-bit calls can be given pointers to it.

#![expect(
    unsafe_code,
    reason = "memory at an address of a certain kind comes from the kernel alone"
)]

/// Enough for what one scene passes.
const SIZE: usize = 1 << 20;

/// A region that is filled from its beginning and never emptied: what was passed stays as it was.
pub(super) struct Memory {
    start: *mut u8,
    used: usize,
}

impl Memory {
    /// Takes it from the kernel.
    pub(super) fn new() -> Self {
        // SAFETY: a new mapping touches nothing that exists.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
        Self {
            start: start.cast(),
            used: 0,
        }
    }

    /// Puts bytes there, aligned for everything; gives their address.
    pub(super) fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.used.next_multiple_of(16);
        assert!(at + bytes.len() <= SIZE, "a scene passes less than {SIZE} bytes");
        self.used = at + bytes.len();
        // SAFETY: within the mapping, which nobody else writes to.
        unsafe {
            let to = self.start.add(at);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
            to as u64
        }
    }

    /// What is there now.
    pub(super) fn get<const N: usize>(&self, address: u64) -> [u8; N] {
        let at = usize::try_from(address).unwrap() - self.start as usize;
        assert!(at + N <= self.used, "only what was put there");
        let mut bytes = [0; N];
        // SAFETY: within the mapping, see above.
        unsafe { std::ptr::copy_nonoverlapping(self.start.add(at), bytes.as_mut_ptr(), N) };
        bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours; addresses in it are passed to calls only while it is there.
        unsafe {
            libc::munmap(self.start.cast(), SIZE);
        }
    }
}
