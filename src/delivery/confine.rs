//! What the delivery process gives up: all that its channels do not need.
//!
//! Which parts of the filter, files, ports and sockets that are follows from the settings alone.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use pinhole_delivery::config::{Delivery, Target, Tls, port};

use crate::privilege::landlock::{self, DeliveryNeeds, Landlocked};
use crate::privilege::{drop, posture, seccomp};

/// What the C library reads to find a host (resolv.conf(5), hosts(5), host.conf(5), gai.conf(5)).
const NAMES: [&str; 4] = ["/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf"];
/// Where names are asked for over TCP, when an answer is too long for a datagram.
const DNS: u16 = 53;

/// Why the process is not as it must be before it may work.
#[derive(Debug, thiserror::Error)]
pub enum NotConfined {
    /// The kernel refused something ordinary.
    #[error("the kernel refuses it {what}: {errno}")]
    Kernel {
        /// What it was to be given.
        what: &'static str,
        /// The refusal.
        errno: Errno,
    },
    /// There is no `/dev/null`.
    #[error("cannot open /dev/null: {0}")]
    Null(#[source] io::Error),
    /// Privileges could not be given up.
    #[error(transparent)]
    Drop(#[from] drop::Error),
    /// The process is not as giving up privileges should have left it.
    #[error(transparent)]
    Posture(#[from] posture::Error),
    /// The filter could not be installed.
    #[error(transparent)]
    Seccomp(#[from] seccomp::Error),
}

/// Gives up everything, for good. Says what Landlock closes off.
///
/// # Errors
/// The first step that failed; the process must not go on.
pub(super) fn confine(settings: &Delivery) -> Result<Landlocked, NotConfined> {
    // 1. Every capability, while there is but one thread.
    drop::drop_all()?;
    posture::Posture::of_this_process()?.judge()?;
    // 2. Where names are looked for, so that nobody's module is loaded to look.
    names::only_files_and_dns();
    // 3. Files, ports and sockets.
    let landlocked = landlock::restrict_delivery(&needs(settings));
    if landlocked.refused {
        tracing::warn!(
            why = landlocked.why,
            "Landlock closes nothing off from the delivery process: it was refused"
        );
    }
    // 4. System calls. The threads that the runtime starts later are born with all of it.
    seccomp::install_delivery(&parts(settings))?.verify_this_thread()?;
    Ok(landlocked)
}

/// The parts of the filter that the channels need.
#[must_use]
pub fn parts(settings: &Delivery) -> Vec<seccomp::Part> {
    use seccomp::Part;
    let syslog = |wanted: fn(&Target) -> bool| settings.syslog.enabled && wanted(&settings.syslog.target);
    let network = settings.http.enabled || settings.otlp.enabled || syslog(|it| !matches!(it, Target::Unix(_)));
    let sockets = settings.journald.enabled || syslog(|it| matches!(it, Target::Unix(_)));
    [
        (Part::Network, network),
        (Part::Files, !directories(settings).is_empty()),
        (Part::Sockets, sockets),
        (Part::NetworkAlone, network && !sockets),
        (Part::Program, settings.program.enabled),
    ]
    .into_iter()
    .filter_map(|(part, is_needed)| is_needed.then_some(part))
    .collect()
}

/// What is left open of files, ports and sockets.
fn needs(settings: &Delivery) -> DeliveryNeeds {
    let mut needs = DeliveryNeeds {
        write: directories(settings),
        programs: settings.program.enabled,
        ..DeliveryNeeds::default()
    };
    for (enabled, url, tls) in [
        (settings.http.enabled, &settings.http.url, &settings.http.tls),
        (settings.otlp.enabled, &settings.otlp.url, &settings.otlp.tls),
    ] {
        if enabled {
            needs.ports.extend(port(url));
            needs.read.extend(files(tls));
        }
    }
    if settings.syslog.enabled {
        match &settings.syslog.target {
            Target::Unix(path) => needs.sockets.push(path.clone()),
            Target::Tcp(address) => needs.ports.extend(after_host(address)),
            // Landlock knows no datagrams.
            Target::Udp(_) => {}
        }
    }
    if settings.journald.enabled {
        needs.sockets.push(settings.journald.socket.clone());
    }
    if parts(settings).contains(&seccomp::Part::Network) {
        needs
            .read
            .extend(NAMES.iter().flat_map(|name| name_file(Path::new(name))));
        needs.ports.push(DNS);
    }
    needs
}

/// The directories that are written in.
fn directories(settings: &Delivery) -> Vec<PathBuf> {
    let file = settings.file.enabled.then(|| settings.file.path.parent()).flatten();
    let queues = [
        (settings.http.enabled, &settings.http.queue.directory),
        (settings.otlp.enabled, &settings.otlp.queue.directory),
    ];
    let queues = queues
        .into_iter()
        .filter(|(enabled, directory)| *enabled && !directory.as_os_str().is_empty())
        .map(|(_, directory)| directory.clone());
    file.map(Path::to_owned).into_iter().chain(queues).collect()
}

/// Where certificates and keys are read again: a volume of Kubernetes gets a new directory, so it is not the files that count.
fn files(tls: &Tls) -> Vec<PathBuf> {
    let named = [&tls.ca_file, &tls.certificate, &tls.key];
    let named = named.into_iter().filter(|path| !path.as_os_str().is_empty());
    let places = named.flat_map(|path| [path.canonicalize().ok(), Some(path.clone())]);
    places
        .flatten()
        .filter_map(|path| Some(path.parent()?.to_owned()))
        .collect()
}

/// A file that tells of names; where it is a link, whatever replaces the file that this leads to as well.
fn name_file(path: &Path) -> Vec<PathBuf> {
    let Ok(real) = path.canonicalize() else {
        return Vec::new();
    };
    let directory = real.parent().filter(|directory| Some(*directory) != path.parent());
    vec![directory.map_or_else(|| real.clone(), Path::to_owned)]
}

/// The port of `HOST:PORT`, where there is one.
fn after_host(authority: &str) -> Option<u16> {
    authority.rsplit_once(':')?.1.parse().ok()
}

/// Where the C library looks for names.
mod names {
    /// Files and DNS, which are built into the binary. What else `/etc/nsswitch.conf` names is a shared library, whose code nobody here
    /// knows and the filter would not let be mapped.
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "glibc's own function for this, which libc does not declare")]
    pub(super) fn only_files_and_dns() {
        unsafe extern "C" {
            /// `nss.h` of glibc.
            fn __nss_configure_lookup(database: *const libc::c_char, services: *const libc::c_char) -> libc::c_int;
        }
        // SAFETY: both are texts that end, live for ever and are only read; this is the only thread.
        let failed = unsafe { __nss_configure_lookup(c"hosts".as_ptr(), c"files dns".as_ptr()) };
        if failed != 0 {
            tracing::warn!("names are looked for as /etc/nsswitch.conf says: the C library did not take another order");
        }
    }

    #[cfg(not(target_env = "gnu"))]
    pub(super) fn only_files_and_dns() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privilege::seccomp::Part;

    #[test]
    fn the_port_is_that_of_the_address() {
        for (url, wanted) in [
            ("http://h", 80),
            ("https://h/x:1", 443),
            ("http://h:2801/", 2801),
            ("https://[::1]:8443?x", 8443),
            ("https://[::1]", 443),
        ] {
            assert_eq!(port(url), Some(wanted), "{url}");
        }
    }

    #[test]
    fn each_channel_opens_what_it_needs_and_one_that_is_off_opens_nothing() {
        let mut settings = Delivery::default();
        settings.http.url = "https://receiver/".to_owned();
        settings.http.tls.ca_file = "/etc/pinhole/tls/ca.crt".into();
        assert_eq!(
            (parts(&settings), needs(&settings)),
            (Vec::new(), DeliveryNeeds::default())
        );
        settings.http.enabled = true;
        let needs_of_http = needs(&settings);
        assert_eq!(parts(&settings), [Part::Network, Part::NetworkAlone]);
        assert_eq!(needs_of_http.ports, [443, DNS]);
        assert!(
            needs_of_http.read.contains(&"/etc/pinhole/tls".into()),
            "{needs_of_http:?}"
        );
        assert!(needs_of_http.write.is_empty() && !needs_of_http.programs);
        settings.http.enabled = false;
        settings.file.enabled = true;
        settings.syslog.enabled = true;
        assert_eq!(parts(&settings), [Part::Files, Part::Sockets]);
        let local = needs(&settings);
        assert_eq!(local.write, [Path::new("/var/log/pinhole")]);
        assert_eq!(local.sockets, [Path::new("/dev/log")]);
        assert!(local.ports.is_empty() && local.read.is_empty());
        settings.syslog.target = Target::Tcp("h:601".to_owned());
        settings.program.enabled = true;
        assert_eq!(
            parts(&settings),
            [Part::Network, Part::Files, Part::NetworkAlone, Part::Program]
        );
        assert_eq!(needs(&settings).ports, [601, DNS]);
    }
}
