//! The table: what is asked, how much it weighs, why it matters, what lowers it. docs/exposure.md is held against it by a test.
//!
//! Where systemd judges the same right, its weight is taken (`security_assessor_table` of `src/analyze/analyze-security.c`).
//! Where it has none, the weight follows from what somebody gains who has taken the process over: 2500 for root on the node in
//! one step, as much as systemd's heaviest row; 1500 for the memory or the life of other processes; 1000 for one of the walls
//! around the process; 500 for what helps with the next step; 100 for what makes a mishap likelier.

use caps::Capability as C;

use super::facts::Facts;
use super::judge;
use super::score::Judgement;

/// The worst badness of a row.
pub const RANGE: u8 = 10;

/// One question.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its stable name.
    pub id: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// How much it counts.
    pub weight: u32,
    /// systemd's row with the same weight, where there is one.
    pub systemd: Option<&'static str>,
    /// What somebody gains by it who takes the process over.
    pub why: &'static str,
    /// What lowers it.
    pub lower: &'static str,
    /// The judgement.
    pub judge: fn(&Facts) -> Judgement,
}

const DROP: &str = "drop ALL, and add only what is needed";

const fn row(
    id: &'static str,
    title: &'static str,
    weight: u32,
    systemd: Option<&'static str>,
    judge: fn(&Facts) -> Judgement,
    why: &'static str,
    lower: &'static str,
) -> Row {
    Row {
        id,
        title,
        weight,
        systemd,
        why,
        lower,
        judge,
    }
}

/// The rows, by what they guard: the process, its capabilities, its walls, the node, the cluster.
#[rustfmt::skip] // A row is read across.
pub const ROWS: [Row; 40] = [
    row("privileged", "privileged container", 2500, None, judge::privileged,
        "Every device, every capability and no confinement: root on the node by mounting its disk.",
        "privileged: false, with the capabilities that are needed"),
    row("root-user", "runs as root", 2000, Some("User=/DynamicUser="), judge::root_user,
        "uid 0 owns most of what is mounted from the host, and is root there after an escape.",
        "runAsUser with a number, runAsNonRoot: true"),
    row("root-group", "group 0", 200, Some("SupplementaryGroups="), judge::root_group,
        "Files and sockets of the host that are open to root's group are open to it.",
        "runAsGroup, and no 0 in supplementalGroups and fsGroup"),
    row("privilege-escalation", "may gain privileges later", 1000, Some("NoNewPrivileges="), judge::escalation,
        "A set-uid binary or one with file capabilities gives more than the process has.",
        "allowPrivilegeEscalation: false"),
    row("user-namespace", "shares the host's users", 1000, Some("PrivateUsers="), judge::user_namespace,
        "uid and capabilities hold outside of the container too.",
        "hostUsers: false, where nothing of the host's needs the real uid"),
    row("cap-sys-admin", "CAP_SYS_ADMIN", 1500, Some("CapabilityBoundingSet=~CAP_SYS_ADMIN"),
        |facts| judge::capability(facts, &[C::CAP_SYS_ADMIN]),
        "Mounts, namespaces, bpf(2) without limits: close to root on the node.", DROP),
    row("cap-set-id", "CAP_SETUID, SETGID, SETPCAP", 1500, Some("CapabilityBoundingSet=~CAP_SET(UID|GID|PCAP)"),
        |facts| judge::capability(facts, &[C::CAP_SETUID, C::CAP_SETGID, C::CAP_SETPCAP]),
        "Becomes any user and any group.", DROP),
    row("cap-sys-ptrace", "CAP_SYS_PTRACE", 1500, Some("CapabilityBoundingSet=~CAP_SYS_PTRACE"),
        |facts| judge::capability(facts, &[C::CAP_SYS_PTRACE]),
        "Reads and changes the memory of every process that it sees, and by /proc/PID/root their files.", DROP),
    row("cap-perfmon", "CAP_PERFMON", 1500, None,
        |facts| judge::capability(facts, &[C::CAP_PERFMON]),
        "Together with CAP_BPF its programs read the memory of the kernel and of every process on the node, and may kill them.",
        "hold it only until the programs are loaded; drop it where none are"),
    row("cap-bpf", "CAP_BPF", 500, None,
        |facts| judge::capability(facts, &[C::CAP_BPF]),
        "Loads programs and maps: a door to the verifier's faults, and to every BPF object by its id.",
        "hold it only until the programs are loaded; drop it where none are"),
    row("cap-sys-time", "CAP_SYS_TIME", 1000, Some("CapabilityBoundingSet=~CAP_SYS_TIME"),
        |facts| judge::capability(facts, &[C::CAP_SYS_TIME]),
        "Sets the node's clock: certificates and logs are no longer what they say.", DROP),
    row("cap-net-admin", "CAP_NET_ADMIN", 1000, Some("CapabilityBoundingSet=~CAP_NET_ADMIN"),
        |facts| judge::capability(facts, &[C::CAP_NET_ADMIN]),
        "Routes, firewall and interfaces of its network, which is the node's with hostNetwork.", DROP),
    row("cap-sys-rawio", "CAP_SYS_RAWIO", 1000, Some("CapabilityBoundingSet=~CAP_SYS_RAWIO"),
        |facts| judge::capability(facts, &[C::CAP_SYS_RAWIO]),
        "Ports and memory of the machine itself.", DROP),
    row("cap-sys-module", "CAP_SYS_MODULE", 1000, Some("CapabilityBoundingSet=~CAP_SYS_MODULE"),
        |facts| judge::capability(facts, &[C::CAP_SYS_MODULE]),
        "Loads code into the kernel.", DROP),
    row("cap-file-owner", "CAP_CHOWN, FSETID, SETFCAP", 1000, Some("CapabilityBoundingSet=~CAP_(CHOWN|FSETID|SETFCAP)"),
        |facts| judge::capability(facts, &[C::CAP_CHOWN, C::CAP_FSETID, C::CAP_SETFCAP]),
        "Leaves set-uid files and files with capabilities wherever it may write, on the host too.", DROP),
    row("cap-file-access", "CAP_DAC_*, FOWNER, IPC_OWNER", 1000, Some("CapabilityBoundingSet=~CAP_(DAC_*|FOWNER|IPC_OWNER)"),
        |facts| judge::capability(facts, &[C::CAP_DAC_OVERRIDE, C::CAP_DAC_READ_SEARCH, C::CAP_FOWNER, C::CAP_IPC_OWNER]),
        "No permission of a file stops it; with DAC_READ_SEARCH it opens the host's files by handle.", DROP),
    row("cap-audit", "CAP_AUDIT_*", 500, Some("CapabilityBoundingSet=~CAP_AUDIT_*"),
        |facts| judge::capability(facts, &[C::CAP_AUDIT_CONTROL, C::CAP_AUDIT_READ, C::CAP_AUDIT_WRITE]),
        "Writes into the node's audit log, or changes its rules.", DROP),
    row("cap-syslog", "CAP_SYSLOG", 500, Some("CapabilityBoundingSet=~CAP_SYSLOG"),
        |facts| judge::capability(facts, &[C::CAP_SYSLOG]),
        "Reads the kernel's log and addresses.", DROP),
    row("cap-resource", "CAP_SYS_NICE, SYS_RESOURCE", 500, Some("CapabilityBoundingSet=~CAP_SYS_(NICE|RESOURCE)"),
        |facts| judge::capability(facts, &[C::CAP_SYS_NICE, C::CAP_SYS_RESOURCE]),
        "Takes itself out of limits that protect the node.", DROP),
    row("cap-mknod", "CAP_MKNOD", 500, Some("CapabilityBoundingSet=~CAP_MKNOD"),
        |facts| judge::capability(facts, &[C::CAP_MKNOD]),
        "Makes device files.", DROP),
    row("cap-kill", "CAP_KILL", 500, Some("CapabilityBoundingSet=~CAP_KILL"),
        |facts| judge::capability(facts, &[C::CAP_KILL]),
        "Signals to every process that it sees.", DROP),
    row("cap-net", "CAP_NET_RAW, BIND_SERVICE, BROADCAST", 500, Some("CapabilityBoundingSet=~CAP_NET_(BIND_SERVICE|BROADCAST|RAW)"),
        |facts| judge::capability(facts, &[C::CAP_NET_RAW, C::CAP_NET_BIND_SERVICE, C::CAP_NET_BROADCAST]),
        "Forges packets: ARP and DNS answers for its neighbours.", DROP),
    row("cap-rest", "other capabilities", 500, None, judge::other_capabilities,
        "Each weighs what it weighs with systemd, at most 100: reboot, security modules, chroot, leases, alarms and the like.", DROP),
    row("seccomp", "system calls", 2000, None, judge::seccomp,
        "Every system call is a way to a fault of the kernel. (systemd has a row per group of calls, 11 of them at up to 1000.)",
        "seccompProfile RuntimeDefault, or Localhost with what is used; a narrower filter once it has started"),
    row("apparmor", "AppArmor", 500, None, judge::apparmor,
        "A wall that holds where capabilities and file permissions do not.",
        "appArmorProfile RuntimeDefault or Localhost"),
    row("selinux", "SELinux", 500, None, judge::selinux,
        "A wall that holds where capabilities and file permissions do not.",
        "a type of its own instead of spc_t"),
    row("writable-root", "root file system", 1000, Some("ProtectSystem="), judge::writable_root,
        "Whoever takes it over brings tools, and may change the program for the next start.",
        "readOnlyRootFilesystem: true"),
    row("host-pid", "the host's processes", 1500, None, judge::host_pid,
        "Sees every process of the node, and signals or traces those that its uid or capabilities allow.",
        "hostPID: false"),
    row("host-network", "the host's network", 2500, Some("PrivateNetwork="), judge::host_network,
        "Listens as the node, reaches what listens on its loopback, the cloud's metadata service, and passes network policies.",
        "hostNetwork: false"),
    row("host-ipc", "the host's IPC", 500, None, judge::host_ipc,
        "Shared memory and queues of the node's processes.", "hostIPC: false"),
    row("runtime-socket", "socket of a container runtime", 2500, None, judge::runtime_socket,
        "Whoever may connect starts a privileged container: root on the node. The same for everybody who mounts one, whatever it \
         uses it for; a read-only mount does not change it.",
        "no hostPath with a runtime's or the system manager's socket; then container names cannot be asked for"),
    row("host-files", "files of the host", 2500, None, judge::host_files,
        "What the node runs and trusts, and the secrets of all pods.",
        "no hostPath below /etc, /usr, /var/lib and the like; readOnly where it must be"),
    row("host-proc", "the host's /proc", 2000, None, judge::host_proc,
        "Written to by uid 0 it runs programs as root on the node (core_pattern); read, it shows all processes and, with CAP_SYS_PTRACE, \
         their environments, memory and files.",
        "no hostPath /proc"),
    row("host-kernel", "the host's /sys, bpffs, tracefs", 1000, None, judge::host_kernel,
        "Settings of the kernel, pinned BPF objects of others, traces of the whole node.",
        "no hostPath below /sys"),
    row("host-devices", "devices of the host", 1000, Some("DeviceAllow="), judge::host_devices,
        "Disks and memory of the node.",
        "no hostPath /dev, no privileged container"),
    row("mount-propagation", "mounts onto the host", 1000, Some("PrivateMounts="), judge::propagation,
        "What it mounts appears on the node.",
        "no mountPropagation: Bidirectional"),
    row("token", "service-account token", 500, None, judge::token,
        "An identity towards the API server, which whoever takes the process over takes along.",
        "automountServiceAccountToken: false"),
    row("rights", "rights in the cluster", 2000, None, judge::rights,
        "From one node to the whole cluster.",
        "no RBAC, or a Role in its own namespace with the verbs and resources that are used"),
    row("ports", "listens on the network", 500, None, judge::ports,
        "Every port is a way in; a manifest does not tell whether it asks who is there.",
        "a unix socket; else no hostNetwork and no hostPort, and a network policy"),
    row("image", "image", 100, None, judge::image,
        "A tag may be moved to another image; the next start runs that one.",
        "an image pinned by its digest"),
];
