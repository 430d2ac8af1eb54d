//! Loads the reduced programs: those that read kernel structures by typed loads only, for kernels that are locked down for
//! confidentiality.
//!
//! The maps are aya's, the programs are not: where the kernel refuses `bpf_probe_read_kernel`, aya (0.14) takes it for an
//! old one and makes `bpf_probe_read` of `bpf_probe_read_user` too, which lockdown withdraws as well although it allows
//! what stood there. So the same relocations are made here without that last step. It refuses to be a loader for anything
//! else: tracepoints only, no types of its own.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use aya::maps::{Map, MapData};
use aya::{Btf, Ebpf};
use aya_obj::btf::BtfKind;
use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd, bpf_prog_type};

use super::backend::{Attached, Backend, Choice, dispatcher_alone};
use super::error::{Error, Failure, tail};
use super::functions::Function;
use super::object::Programs;
use crate::config::settings::BackendChoice;

/// As much of the verifier's log as it may write.
const LOG_SIZE: usize = 1 << 20;

/// The reduced programs, those that are attached with their links. Dropping it detaches them.
pub(super) struct Reduced {
    object: aya_obj::Object,
    attached: Vec<(&'static str, OwnedFd, OwnedFd)>,
}

impl Reduced {
    /// Fits the programs to the kernel and to the maps that were made for them.
    pub(super) fn new(maps: &Ebpf, btf: &Btf) -> Result<Self, Error> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            Error::Object(Failure::of_error("prepare the reduced programs".to_owned(), error))
        };
        let mut object = aya_obj::Object::parse(Programs::Reduced.bytes()).map_err(|error| failed(&error))?;
        object.relocate_btf(btf).map_err(|error| failed(&error))?;
        let declared = std::mem::take(&mut object.maps);
        let mut made = Vec::with_capacity(declared.len());
        for (name, map) in &declared {
            let fd = maps.map(name).and_then(data).ok_or(Error::Missing("map"))?.fd();
            made.push((name.as_str(), fd.as_fd().as_raw_fd(), map));
        }
        let sections = object.functions.keys().map(|(section, _)| *section).collect();
        object
            .relocate_maps(made.into_iter(), &sections)
            .map_err(|error| failed(&error))?;
        object.relocate_calls(&sections).map_err(|error| failed(&error))?;
        Ok(Self {
            object,
            attached: Vec::new(),
        })
    }

    /// Loads a program and attaches it to a BTF tracepoint. The inner error is the kernel's refusal.
    pub(super) fn attach(
        &mut self,
        btf: &Btf,
        name: &'static str,
        tracepoint: &str,
    ) -> Result<Result<(), Failure>, Error> {
        let program = self.object.programs.get(name).ok_or(Error::Missing(name))?;
        let function = self
            .object
            .functions
            .get(&program.function_key())
            .ok_or(Error::Missing(name))?;
        let step = |verb: &str| format!("{verb} the reduced tp_btf program on {tracepoint}");
        let target = match btf.id_by_type_name_kind(&format!("btf_trace_{tracepoint}"), BtfKind::Typedef) {
            Ok(target) => target,
            Err(error) => return Ok(Err(Failure::of_error(step("load"), &error))),
        };
        let Ok(words) = u32::try_from(function.instructions.len()) else {
            return Err(Error::Missing(name));
        };
        let mut attr = empty();
        // SAFETY: an all-zero bpf_attr is a valid value of each of its variants, which are plain integers.
        #[expect(unsafe_code, reason = "bpf_attr is a union")]
        let load = unsafe { &mut attr.__bindgen_anon_3 };
        load.prog_type = bpf_prog_type::BPF_PROG_TYPE_TRACING as u32;
        load.expected_attach_type = bpf_attach_type::BPF_TRACE_RAW_TP as u32;
        load.attach_btf_id = target;
        load.insns = function.instructions.as_ptr() as u64;
        load.insn_cnt = words;
        let license: &CString = &program.license;
        load.license = license.as_ptr() as u64;
        for (to, from) in load.prog_name.iter_mut().take(15).zip(name.bytes()) {
            *to = from.cast_signed();
        }
        let program = match bpf(bpf_cmd::BPF_PROG_LOAD, &mut attr) {
            Ok(program) => program,
            Err(error) => {
                let mut failure = Failure::of_error(step("load"), &error);
                failure.verifier = verifier_log(&mut attr);
                return Ok(Err(failure));
            }
        };
        let mut attr = empty();
        // A program of this type knows its tracepoint; no name.
        attr.raw_tracepoint.prog_fd = program.as_raw_fd().cast_unsigned();
        Ok(match bpf(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr) {
            Ok(link) => {
                self.attached.push((name, program, link));
                Ok(())
            }
            Err(error) => Err(Failure::of_error(step("attach"), &error)),
        })
    }

    /// Attaches what watches system calls: the dispatcher, where the kernel has a typed current task (Linux 5.11). Without
    /// it the life of processes is all there is.
    pub(super) fn attach_calls(
        &mut self,
        btf: &Btf,
        functions: &[Function],
        wanted: BackendChoice,
    ) -> Result<(Choice, Vec<Attached>), Error> {
        if wanted == BackendChoice::Trampoline {
            return Err(Error::Backend {
                backend: Backend::Trampoline.as_str(),
                failure: no_trampolines(),
            });
        }
        if functions.is_empty() {
            return Ok((
                Choice::new(Backend::Dispatcher, "no system call is watched, so nothing was tried"),
                Vec::new(),
            ));
        }
        Ok(match self.attach(btf, "dispatcher", "sys_exit")? {
            Ok(()) => (
                Choice::new(Backend::Dispatcher, "the reduced programs have no trampolines"),
                dispatcher_alone(),
            ),
            Err(failure) => {
                let why = format!("the reduced programs watch system calls from Linux 5.11 on ({failure})");
                (Choice::new(Backend::None, why), Vec::new())
            }
        })
    }

    /// The descriptor of an attached program.
    pub(super) fn program(&self, name: &str) -> Option<BorrowedFd<'_>> {
        let (_, program, _) = self.attached.iter().find(|(attached, ..)| *attached == name)?;
        Some(program.as_fd())
    }
}

/// What there is to say where trampolines are asked for.
pub(super) fn no_trampolines() -> Failure {
    Failure {
        step: "load an fexit program".to_owned(),
        errno: None,
        message: "the reduced programs have no trampolines".to_owned(),
        verifier: None,
    }
}

/// Every kind of map that the object has.
fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(map) | Map::PerCpuArray(map) | Map::LruHashMap(map) | Map::RingBuf(map) => Some(map),
        _ => None,
    }
}

fn empty() -> bpf_attr {
    // SAFETY: plain integers, for which zeroes are valid; the kernel wants what is not used to be zero.
    #[expect(unsafe_code, reason = "bpf_attr is a union, and must be zero throughout")]
    unsafe {
        std::mem::zeroed()
    }
}

/// Tries again for the verifier's words.
fn verifier_log(attr: &mut bpf_attr) -> Option<String> {
    let mut log = vec![0_u8; LOG_SIZE];
    // SAFETY: the variant that the caller filled.
    #[expect(unsafe_code, reason = "bpf_attr is a union")]
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.log_level = 1;
    load.log_size = LOG_SIZE as u32;
    load.log_buf = log.as_mut_ptr() as u64;
    // It was refused, and that is known; what counts is what it writes.
    let _ = bpf(bpf_cmd::BPF_PROG_LOAD, attr);
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(LOG_SIZE);
    let log = String::from_utf8_lossy(&log[..end]);
    tracing::debug!(%log, "what the verifier said");
    tail(&log)
}

/// bpf(2), of the operations that give a descriptor.
fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the attribute is as long as said, and every address in it is of memory that the caller holds meanwhile.
    #[expect(unsafe_code, reason = "bpf(2) has no safe interface")]
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as libc::c_long,
            std::ptr::from_mut(attr),
            size_of::<bpf_attr>(),
        )
    };
    match i32::try_from(result) {
        // SAFETY: the kernel made this descriptor for the caller; nobody else has it.
        #[expect(unsafe_code, reason = "a descriptor fresh from the kernel")]
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
