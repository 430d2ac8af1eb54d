//! Raw system calls: exactly the call that is named, not what the C library makes of it.

#![expect(unsafe_code, reason = "raw system calls are what this is for")]

/// The results above this are negated errors.
const LARGEST_ERROR: i64 = 4095;

/// A call the machine's own way.
///
/// # Safety
///
/// What the arguments point to must be as the call wants it, and live while it runs.
pub(super) unsafe fn native(number: u16, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: as the caller promises.
    let ret = unsafe { libc::syscall(number.into(), a, b, c, d, e, f) };
    if ret == -1 {
        let error = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        return -i64::from(error);
    }
    debug_assert!(
        !(-LARGEST_ERROR..0).contains(&ret),
        "the C library turns errors into -1"
    );
    ret
}

/// A call the way of 32-bit programs of x86, which is open to all programs: `int 0x80`.
///
/// # Safety
///
/// As for [`native`]; and pointers must lie below 4 GiB.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn i386(number: u16, args: [u64; 6]) -> i64 {
    let mut words = [u64::from(number), 0, 0, 0, 0, 0, 0];
    words[1..].copy_from_slice(&args);
    let ret: i64;
    // SAFETY: rbx and rbp, which the compiler keeps for itself, are put back; older kernels clear r8 to r11. The rest is
    // as the caller promises.
    unsafe {
        std::arch::asm!(
            "push rbx",
            "push rbp",
            "mov ebx, [rax + 8]",
            "mov ecx, [rax + 16]",
            "mov edx, [rax + 24]",
            "mov esi, [rax + 32]",
            "mov edi, [rax + 40]",
            "mov ebp, [rax + 48]",
            "mov eax, [rax]",
            "int 0x80",
            "pop rbp",
            "pop rbx",
            inout("rax") words.as_ptr() => ret,
            out("rcx") _, out("rdx") _, out("rsi") _, out("rdi") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    // An int in a 32-bit register.
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is no part of the result")]
    let ret = ret as i32;
    ret.into()
}

/// There is no such way here.
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn i386(_number: u16, _args: [u64; 6]) -> i64 {
    -i64::from(libc::ENOSYS)
}

/// Makes a process. In the child: nothing, and it must end by [`end`].
pub(super) fn fork() -> Option<i32> {
    // SAFETY: the child goes on with the only thread that it has; glibc makes its allocator usable there.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    (pid > 0).then_some(pid)
}

/// As [`fork`]; strace does not follow the child, so that somebody else can be its tracer. The child sleeps until it is
/// killed.
pub(super) fn fork_unfollowed() -> i32 {
    // SAFETY: like fork(2), with a flag; the child does nothing but wait.
    unsafe {
        let pid = libc::syscall(
            libc::SYS_clone,
            i64::from(libc::CLONE_UNTRACED | libc::SIGCHLD),
            0,
            0,
            0,
            0,
        );
        if pid == 0 {
            // It must not outlive a program that fails.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            loop {
                libc::pause();
            }
        }
        assert!(pid > 0, "clone: {}", std::io::Error::last_os_error());
        i32::try_from(pid).unwrap()
    }
}

/// Ends a child of [`fork`], which must not run the parent's destructors.
pub(super) fn end(code: i32) -> ! {
    // SAFETY: has no conditions.
    unsafe { libc::_exit(code) }
}

/// Waits for a change of a child: (how it ended or stopped).
pub(super) fn wait(pid: i32, options: i32) -> i32 {
    let mut status = 0;
    // SAFETY: the status is ours.
    let found = unsafe { libc::waitpid(pid, &raw mut status, options) };
    assert_eq!(found, pid, "waitpid: {}", std::io::Error::last_os_error());
    status
}
