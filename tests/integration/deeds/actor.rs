//! A process that does deeds and keeps account of them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use pinhole::capture::calls::{CALLS, Call};
use serde_json::{Value, json};

use super::account::Deed;
use super::given::Given;
use super::kernel;
use super::memory::Memory;

/// How the kernel is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The machine's own way.
    Native,
    /// 32-bit calls; those on ids with 16 bits each.
    I386,
    /// 32-bit calls by their last number: those on ids with 32 bits each.
    I386Wide,
    /// 32-bit calls on sockets through socketcall(2).
    SocketCall,
}

impl Way {
    /// A word for directories and messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::I386 => "i386",
            Self::I386Wide => "i386-wide",
            Self::SocketCall => "socketcall",
        }
    }
}

const SOCKETCALL: u16 = 102;

/// The codes of `include/uapi/linux/net.h`.
const SOCKETCALLS: [(&str, u64); 9] = [
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("sendto", 11),
    ("sendmsg", 16),
    ("accept4", 18),
    ("sendmmsg", 20),
];

/// The process.
pub(super) struct Actor {
    pub(super) way: Way,
    pub(super) memory: Memory,
    scene: &'static str,
    place: PathBuf,
    deeds: Vec<Deed>,
}

impl Actor {
    /// The calling process, in a directory of its own, which has no links in its path.
    pub(super) fn new(way: Way, scene: &'static str, place: PathBuf) -> Self {
        Self {
            way,
            memory: Memory::new(),
            scene,
            place,
            deeds: Vec::new(),
        }
    }

    /// Its thread, which is its only one.
    pub(super) fn tid(&self) -> i32 {
        nix::unistd::gettid().as_raw()
    }

    /// The absolute path of something in its directory.
    pub(super) fn path(&self, name: &str) -> String {
        self.place.join(name).to_str().unwrap().to_owned()
    }

    /// Its directory.
    pub(super) fn place(&self) -> String {
        self.place.to_str().unwrap().to_owned()
    }

    /// Whether pointers and lengths in structures have 32 bits.
    pub(super) fn narrow(&self) -> bool {
        self.way != Way::Native
    }

    /// Does something that is no deed: in another process, so that this one's calls are its deeds and nothing else.
    pub(super) fn prepares(&self, what: impl FnOnce()) {
        let child = in_child(what);
        assert_eq!(kernel::wait(child, 0), 0, "{}: a preparation failed", self.scene);
    }

    /// A string.
    pub(super) fn text(&mut self, text: &str) -> Given {
        let raw = self.memory.put(&[text.as_bytes(), &[0]].concat());
        Given {
            raw,
            told: Some(text.into()),
        }
    }

    /// A string that is not told: what nobody reads.
    pub(super) fn words(&mut self, words: &[&str]) -> Given {
        let mut pointers: Vec<u64> = words.iter().map(|word| self.text(word).raw).collect();
        pointers.push(0);
        self.pointers(&pointers)
    }

    /// Words of the width of a pointer.
    pub(super) fn pointers(&mut self, words: &[u64]) -> Given {
        let narrow = self.narrow();
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| word.to_ne_bytes()[..if narrow { 4 } else { 8 }].to_vec())
            .collect();
        self.bytes(&bytes)
    }

    /// Bytes of which the program states nothing.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Given {
        super::given::raw(self.memory.put(bytes))
    }

    /// A socket address and its length.
    pub(super) fn address(&mut self, address: SocketAddr) -> [Given; 2] {
        let bytes = sockaddr(address);
        let length = super::given::number(i64::try_from(bytes.len()).unwrap());
        let raw = self.memory.put(&bytes);
        [
            Given {
                raw,
                told: Some(address.to_string().into()),
            },
            length,
        ]
    }

    /// The address of a unix socket and its length; an abstract name begins with `@`.
    pub(super) fn unix_address(&mut self, name: &str) -> [Given; 2] {
        let mut bytes = u16::try_from(libc::AF_UNIX).unwrap().to_ne_bytes().to_vec();
        match name.strip_prefix('@') {
            Some(hidden) => bytes.extend([&[0], hidden.as_bytes()].concat()),
            None => bytes.extend([Path::new(name).as_os_str().as_bytes(), &[0]].concat()),
        }
        let length = super::given::number(i64::try_from(bytes.len()).unwrap());
        let raw = self.memory.put(&bytes);
        [
            Given {
                raw,
                told: Some(name.into()),
            },
            length,
        ]
    }

    /// Makes a call that must succeed; gives its result.
    pub(super) fn succeeds(&mut self, name: &str, given: &[Given]) -> i64 {
        let ret = self.makes(name, given);
        assert!(
            ret >= 0,
            "{} {}: {name} gave {}",
            self.scene,
            self.way.name(),
            error(ret).unwrap()
        );
        ret
    }

    /// Makes a call that must fail with one of these errors.
    pub(super) fn fails(&mut self, name: &str, given: &[Given], errors: &[Errno]) {
        let ret = self.makes(name, given);
        let found = i32::try_from(-ret).map_or(Errno::UnknownErrno, Errno::from_raw);
        assert!(
            ret < 0 && errors.contains(&found),
            "{} {}: {name} gave {ret} ({found:?}), not {errors:?}",
            self.scene,
            self.way.name()
        );
    }

    /// Makes a call whose result nobody can foretell.
    pub(super) fn makes(&mut self, name: &str, given: &[Given]) -> i64 {
        let ret = self.performs(name, given);
        self.states(name, given, ret);
        ret
    }

    /// Executes a program, which does not return. All that was done is told before.
    pub(super) fn becomes(&mut self, name: &str, given: &[Given], expected: Value) -> ! {
        self.states(name, given, 0);
        self.expects(expected);
        self.tells();
        let ret = self.performs(name, given);
        panic!("{name} returned {ret}");
    }

    /// States what the event of the last deed must say too: keys with null must be absent.
    pub(super) fn expects(&mut self, expected: Value) {
        let deed = self.deeds.last_mut().expect("a deed was done");
        merge(&mut deed.expected, expected);
    }

    /// The last deed's is not the first message of its flow.
    pub(super) fn repeats(&mut self) {
        self.deeds.last_mut().expect("a deed was done").repeated = true;
    }

    /// What a path relative to the actor's directory must be told as.
    pub(super) fn asks(&mut self, requested: &str) {
        let mut file = json!({ "requested_path": requested });
        if !requested.starts_with('/') {
            file["directory"] = self.place().into();
        }
        self.expects(json!({ "file": file }));
    }

    /// Writes the account to standard output.
    pub(super) fn tells(&self) {
        let mut lines = String::new();
        for deed in &self.deeds {
            writeln!(lines, "{}", serde_json::to_string(deed).unwrap()).unwrap();
        }
        let mut rest = lines.as_bytes();
        while !rest.is_empty() {
            let written = nix::unistd::write(std::io::stdout(), rest).unwrap();
            rest = &rest[written..];
        }
    }

    #[expect(unsafe_code, reason = "raw system calls")]
    fn performs(&mut self, name: &str, given: &[Given]) -> i64 {
        let call = call(name);
        let mut args = [0; 6];
        for (arg, given) in args.iter_mut().zip(given) {
            *arg = given.raw;
        }
        let through = SOCKETCALLS
            .iter()
            .find(|(call, _)| *call == name)
            .map(|(_, code)| *code);
        let number = match (self.way, through) {
            // SAFETY: pointers are to the actor's memory, or meant to fail.
            (Way::Native, _) => return unsafe { kernel::native(call.number.unwrap(), args) },
            (way, Some(code)) if way == Way::SocketCall || call.i386.is_empty() => {
                args = [code, self.pointers(&args[..given.len()]).raw, 0, 0, 0, 0];
                SOCKETCALL
            }
            (Way::I386Wide, _) => *call.i386.last().unwrap(),
            _ => *call.i386.first().unwrap(),
        };
        // SAFETY: the actor's memory is below 4 GiB.
        unsafe { kernel::i386(number, args) }
    }

    fn states(&mut self, name: &str, given: &[Given], ret: i64) {
        let call = call(name);
        let args = call
            .args
            .iter()
            .zip(given)
            .filter_map(|(arg, given)| {
                let told = given.told.clone()?;
                // It may be AT_FDCWD, so it is always text.
                let told = if arg.name.ends_with("dirfd") && told.is_number() {
                    told.to_string().into()
                } else {
                    told
                };
                Some((arg.name.to_owned(), told))
            })
            .collect();
        self.deeds.push(Deed {
            scene: self.scene.to_owned(),
            way: self.way.name().to_owned(),
            tid: self.tid().into(),
            call: name.to_owned(),
            abi: self.narrow().then(|| "i386".to_owned()),
            ret,
            error: error(ret),
            args,
            repeated: false,
            expected: json!({}),
        });
    }
}

/// Runs something in a process of its own, which ends with 0 unless it panics.
pub(super) fn in_child(what: impl FnOnce()) -> i32 {
    match kernel::fork() {
        Some(child) => child,
        None => {
            let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(what)).is_err();
            kernel::end(if failed { 101 } else { 0 })
        }
    }
}

/// A copy of an actor's descriptor for the library, made by fcntl(2), which is no deed.
#[expect(unsafe_code, reason = "the actor's calls know descriptors by their numbers")]
pub(super) fn copy_of(descriptor: i64) -> OwnedFd {
    let number = RawFd::try_from(descriptor).unwrap();
    // SAFETY: the actor opened it and closes nothing before it ends.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    borrowed.try_clone_to_owned().unwrap()
}

/// The row of a call.
pub(super) fn call(name: &str) -> &'static Call {
    CALLS
        .iter()
        .find(|call| call.name == name)
        .unwrap_or_else(|| panic!("{name} is in the table"))
}

fn error(ret: i64) -> Option<String> {
    let number = i32::try_from(-ret).ok().filter(|number| (1..=4095).contains(number))?;
    Some(format!("{:?}", Errno::from_raw(number)))
}

/// The bytes of a `struct sockaddr_in` or `struct sockaddr_in6`.
pub(super) fn sockaddr(address: SocketAddr) -> Vec<u8> {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let mut bytes = u16::try_from(family).unwrap().to_ne_bytes().to_vec();
    bytes.extend(address.port().to_be_bytes());
    match address {
        SocketAddr::V4(address) => bytes.extend([&address.ip().octets()[..], &[0; 8]].concat()),
        SocketAddr::V6(address) => bytes.extend([&[0; 4], &address.ip().octets()[..], &[0; 4]].concat()),
    }
    bytes
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
