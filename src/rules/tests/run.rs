//! A run of a system call, put together by hand.

use super::scene::Scene;
use crate::capture::Hook;
use crate::capture::call::{Abi, CallBody, KernelNames, Of, Part, Peer, Socket, What};
use crate::capture::record::Body;

/// A run that is about to be asked.
pub(super) struct Run {
    scene: Scene,
    body: Body<'static>,
}

impl Run {
    /// A run with this result, by `ls`.
    pub(super) fn of(name: &str, ret: i64, args: &[u64]) -> Self {
        let hook = Hook::of_call(name).unwrap();
        let mut scene = Scene::plain();
        scene.header.hook = hook;
        let mut passed = [0; 6];
        passed[..args.len()].copy_from_slice(args);
        let body = Body::Call(CallBody {
            call: hook.call().unwrap(),
            abi: Abi::Native,
            number: 0,
            ret,
            args: passed,
            parts: Vec::new(),
        });
        Self { scene, body }
    }

    /// With what was read of an argument.
    pub(super) fn read(mut self, index: u8, what: What<'static>) -> Self {
        self.push(Of::Arg(index), what);
        self
    }

    /// With what is behind the descriptor that was returned.
    pub(super) fn behind(mut self, what: What<'static>) -> Self {
        self.push(Of::Result, what);
        self
    }

    fn push(&mut self, of: Of, what: What<'static>) {
        if let Body::Call(call) = &mut self.body {
            call.parts.push(Part { of, what });
        }
    }

    /// Where it happened.
    pub(super) fn scene(&mut self) -> &mut Scene {
        &mut self.scene
    }

    /// Compares answers.
    pub(super) fn check(&self, wanted: &[(&str, &str)]) {
        for (field, answer) in wanted {
            assert_eq!(self.scene.ask_of(&self.body, field), *answer, "{field}");
        }
    }
}

/// AT_FDCWD as a process passes it.
pub(super) const CWD: u64 = 0xffff_ff9c;

/// A string of the process.
pub(super) fn text(text: &'static str) -> What<'static> {
    What::Text {
        bytes: text.as_bytes(),
        truncated: false,
    }
}

/// A directory, its names leaf first.
pub(super) fn directory(names: &'static str) -> What<'static> {
    What::Directory(kernel(names, 0))
}

/// A file with this mode.
pub(super) fn file(mode: u32, names: &'static str, flags: u32) -> What<'static> {
    What::File {
        mode,
        inode: 12,
        magic: 0,
        path: kernel(names, flags),
    }
}

/// A regular file.
pub(super) fn regular(names: &'static str) -> What<'static> {
    file(0o100_644, names, 0)
}

fn kernel(names: &'static str, flags: u32) -> KernelNames<'static> {
    KernelNames {
        names: names.as_bytes(),
        flags,
    }
}

/// A socket of IPv4.
pub(super) fn socket(kind: u16, state: u8, source: Option<&str>, destination: Option<&str>) -> What<'static> {
    let peer = |address: &str| Peer::Ip(address.parse().unwrap());
    What::Socket(Box::new(Socket {
        family: 2,
        kind,
        protocol: if kind == 1 { 6 } else { 17 },
        state,
        inode: 99,
        source: source.map(peer),
        destination: destination.map(peer),
    }))
}
