//! What all the recordings show, written down from the pods that were made, not from what the runtimes answered: an
//! oracle of its own. And a runtime that answers from one of their folders.

use std::collections::BTreeMap;

use super::*;
use crate::container::outcome::Image;

/// The folders of the fixtures, and what each runtime serves.
pub(super) const FOLDERS: [Folder; 13] = [
    folder("containerd-1.4.13", "containerd", 4, Api::V1Alpha2),
    folder("containerd-1.6.20", "containerd", 6, Api::V1),
    folder("containerd-1.7.24", "containerd", 7, Api::V1),
    folder("containerd-2.1.9", "containerd", 101, Api::V1),
    folder("containerd-2.1.9-driver-mismatch", "containerd", 101, Api::V1),
    folder("containerd-2.1.9-systemd-cgroup", "containerd", 101, Api::V1),
    folder("cri-o-1.24.6", "cri-o", 24, Api::V1),
    folder("cri-o-1.24.6-v1alpha2", "cri-o", 24, Api::V1Alpha2),
    folder("cri-o-1.28.11", "cri-o", 28, Api::V1),
    folder("cri-o-1.32.13", "cri-o", 32, Api::V1),
    folder("cri-o-1.36.3", "cri-o", 36, Api::V1),
    folder("cri-o-1.36.3-crun-systemd-cgroup", "cri-o", 36, Api::V1),
    folder("cri-o-1.36.3-systemd-cgroup", "cri-o", 36, Api::V1),
];

#[derive(Debug, Clone, Copy)]
pub(super) struct Folder {
    pub(super) name: &'static str,
    pub(super) runtime: &'static str,
    /// The minor version of 1.x, and a hundred more for 2.x.
    version: u32,
    pub(super) api: Api,
}

const fn folder(name: &'static str, runtime: &'static str, version: u32, api: Api) -> Folder {
    Folder {
        name,
        runtime,
        version,
        api,
    }
}

impl Folder {
    /// The folder with the server's version: some hold the same server with other settings.
    fn version_from(self) -> &'static str {
        let plain = FOLDERS.iter().find(|plain| self.name.starts_with(plain.name));
        plain.map_or(self.name, |plain| plain.name)
    }
}

/// A pod of the scenario, by the name that it has in the names of files.
pub(super) struct PodMade {
    key: &'static str,
    pub(super) namespace: &'static str,
    pub(super) name: &'static str,
    pub(super) uid: &'static str,
    pub(super) qos: Qos,
    pub(super) labels: [(&'static str, &'static str); 2],
}

const NO_LABEL: (&str, &str) = ("", "");

const PODS: [PodMade; 7] = [
    PodMade {
        key: "web",
        namespace: "shop",
        name: "web",
        uid: "11111111-2222-3333-4444-555555555555",
        qos: Qos::Burstable,
        labels: [("app", "web"), ("tier", "front")],
    },
    PodMade {
        key: "coredns",
        namespace: "kube-system",
        name: "coredns-x",
        uid: "22222222-aaaa-4bbb-8ccc-000000000002",
        qos: Qos::Burstable,
        labels: [("k8s-app", "kube-dns"), ("pod-template-hash", "5d78c9869d")],
    },
    PodMade {
        key: "agent",
        namespace: "monitoring",
        name: "node-agent-7k2lp",
        uid: "33333333-aaaa-4bbb-8ccc-000000000003",
        qos: Qos::BestEffort,
        labels: [("app", "node-agent"), ("controller-revision-hash", "6c5b7f8d9")],
    },
    PodMade {
        key: "db",
        namespace: "shop",
        name: "db-0",
        uid: "44444444-aaaa-4bbb-8ccc-000000000004",
        qos: Qos::Guaranteed,
        labels: [("app", "db"), ("statefulset.kubernetes.io/pod-name", "db-0")],
    },
    PodMade {
        key: "etcd",
        namespace: "kube-system",
        name: "etcd-node1",
        uid: "5f0a1c9be2d34c6f8a7b6c5d4e3f2a10",
        qos: Qos::Burstable,
        labels: [("component", "etcd"), ("tier", "control-plane")],
    },
    PodMade {
        key: "edge",
        namespace: "shop",
        name: "edge-6d4cf56db6-abcde",
        uid: "66666666-aaaa-4bbb-8ccc-000000000006",
        qos: Qos::Burstable,
        labels: [("app", "edge"), NO_LABEL],
    },
    PodMade {
        key: "job",
        namespace: "batch",
        name: "report-28900000-q2w3e",
        uid: "77777777-aaaa-4bbb-8ccc-000000000007",
        qos: Qos::BestEffort,
        labels: [("job-name", "report-28900000"), NO_LABEL],
    },
];

pub(super) fn pod_made(key: &str) -> &'static PodMade {
    PODS.iter()
        .find(|pod| pod.key == key)
        .unwrap_or_else(|| panic!("no pod {key}"))
}

impl PodMade {
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let labels = self.labels.iter().filter(|label| **label != NO_LABEL);
        labels
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }
}

/// An image as it lay in the registry.
struct Pushed {
    repository: &'static str,
    tag: &'static str,
    /// Of what the name leads to: the index, where there is one.
    digest: &'static str,
    /// The first in the alphabet of the index's digest and the platform's, which is what CRI-O lists.
    first_digest: &'static str,
    id: &'static str,
}

const WEB: Pushed = Pushed {
    repository: "registry.example/shop/web",
    tag: "2.7.1",
    digest: "90cf98da8ca6df5dbc568afc56a22abfe9af588ccc33df253b2e7a24b50584f9",
    first_digest: "2b06d8d634c555e521de3461d7a051e79310158dc191c259be943f324fe01d31",
    id: "be1fe060a1d6ceef358de51ed4b4097a7308393c37ed8b243b13c058f37b8e68",
};
const MIGRATE: Pushed = Pushed {
    repository: "registry.example/shop/migrate",
    tag: "2.7.1",
    digest: "1ab9266dcfd59053ed59fd1a6c0b2a8299f747a7655e50c9a093098133f751b6",
    first_digest: "1ab9266dcfd59053ed59fd1a6c0b2a8299f747a7655e50c9a093098133f751b6",
    id: "0b82f32b7ab3aebde0507d6d06f0fb226ff8f8c28768f43860142f33a7e26415",
};
const ENVOY: Pushed = Pushed {
    repository: "registry.example/shop/envoy",
    tag: "",
    digest: "5815b2b8d679a48cf55e56dfe02209eb8c3497da1dfb257640499d2e1279f9b0",
    first_digest: "5815b2b8d679a48cf55e56dfe02209eb8c3497da1dfb257640499d2e1279f9b0",
    id: "50f15f646e7f7c3079c78a37950758c5d581077d2f1ecb6f3ebae93a9faf1c7c",
};
const COREDNS: Pushed = Pushed {
    repository: "registry.example/coredns/coredns",
    tag: "v1.11.3",
    digest: "88c3c570644aa603db8b1c03bc51f0d163a64cb6c1e0252a31d4faa62ad32815",
    first_digest: "780b41e7b8bf0ad5cb03cfa3a936c0d6c205821fbd63b75a9b75fac53d27694c",
    id: "b8085c468d73572d22b437509dcaf1defed0b1f74faaf07e90223377ea82e9e3",
};
const AGENT: Pushed = Pushed {
    repository: "registry.example/ops/agent",
    tag: "7.50.0",
    digest: "857c3580ec3b5f5b6cb660e72ae326d8039594033565de7ecae09e92e7667035",
    first_digest: "857c3580ec3b5f5b6cb660e72ae326d8039594033565de7ecae09e92e7667035",
    id: "831ffd265f9de96a5ddacfd7fa1ceaca9530777ef4643489a2961a66d8a67067",
};
const BUSYBOX: Pushed = Pushed {
    repository: "docker.io/library/busybox",
    tag: "1.36",
    digest: "e13d642291fd9f22bd910e2903b6b392d7cd751e8055771a9242055e551e57f7",
    first_digest: "b93d664a156c54c0b18a471c59f530d03a8356c152da7c915aca215a510f35d1",
    id: "fb51be47c538be4f4a9393295780b974b99e619a6156e5a2f45751a48285e108",
};
const REPORT: Pushed = Pushed {
    repository: "registry.example/shop/report",
    tag: "latest",
    digest: "0a817b85f5014f0d7581d594bf563374f5632927106a605eae28a62af0b3229c",
    first_digest: "0a817b85f5014f0d7581d594bf563374f5632927106a605eae28a62af0b3229c",
    id: "861510ae43a0b1f9b6f81234e9e5d0bb359472097539b2ad6b9aedbd66ead951",
};
const GONE: Pushed = Pushed {
    repository: "registry.example/shop/gone",
    tag: "1.0",
    digest: "d8a6a305a2add19bf63f5cb66e34146387367d5b0b28db5627b5b301c788085f",
    first_digest: "7d0d17ba6f44d090c607985b292a24328b95a4b5db158eec054c4663e363ff9a",
    id: "d4763b8f8c33f4c4b560acc9d6a8f25ab184d2b3730f70f7f5da531d6620705f",
};

/// How a pod's spec names its image.
#[derive(Clone, Copy, PartialEq)]
enum Asked {
    Tag,
    Digest,
    TagAndDigest,
    /// `busybox:1.36`
    Short,
    /// The same, and not by a kubelet: the request holds that very name.
    ShortByHand,
}

/// What has happened to the image since.
#[derive(Clone, Copy, PartialEq)]
enum Since {
    Nothing,
    TagMoved,
    Removed,
}

/// A container of the scenario.
pub(super) struct Made {
    /// As in the names of files.
    pub(super) file: &'static str,
    pub(super) name: &'static str,
    pub(super) restart_count: u32,
    image: &'static Pushed,
    asked: Asked,
    since: Since,
}

const fn made(file: &'static str, name: &'static str, image: &'static Pushed, asked: Asked) -> Made {
    Made {
        file,
        name,
        restart_count: 0,
        image,
        asked,
        since: Since::Nothing,
    }
}

pub(super) const CONTAINERS: [Made; 17] = [
    made("web.init", "init", &MIGRATE, Asked::Tag),
    made("web.app", "app", &WEB, Asked::Tag),
    made("web.sidecar", "sidecar", &ENVOY, Asked::Digest),
    made("coredns.coredns", "coredns", &COREDNS, Asked::TagAndDigest),
    made("agent.agent", "agent", &AGENT, Asked::Tag),
    made("agent.tools", "tools", &BUSYBOX, Asked::ShortByHand),
    made("db.db", "db", &BUSYBOX, Asked::Short),
    made("etcd.etcd", "etcd", &AGENT, Asked::Tag),
    made("edge.crash.0", "crash", &BUSYBOX, Asked::Short),
    Made {
        restart_count: 1,
        ..made("edge.crash.1", "crash", &BUSYBOX, Asked::Short)
    },
    made("edge.created", "created", &BUSYBOX, Asked::Short),
    made("edge.badcmd", "badcmd", &BUSYBOX, Asked::Short),
    made("edge.report", "report", &REPORT, Asked::Tag),
    Made {
        since: Since::TagMoved,
        ..made("edge.report-after-tag-moved", "report", &REPORT, Asked::Tag)
    },
    made("edge.gone", "gone", &GONE, Asked::Tag),
    Made {
        since: Since::Removed,
        ..made("edge.gone-after-image-removed", "gone", &GONE, Asked::Tag)
    },
    made("job.job", "job", &BUSYBOX, Asked::Short),
];

impl Made {
    pub(super) fn pod(&self) -> &'static str {
        self.file.split_once('.').unwrap().0
    }

    /// The container's name in `ids.json`.
    pub(super) fn in_ids(&self) -> &'static str {
        let name = self.file.split_once('.').unwrap().1;
        name.split_once("-after-").map_or(name, |(before, _)| before)
    }

    /// What a runtime of this version can know of the image, by the table of what differs between them.
    pub(super) fn image(&self, folder: Folder) -> Image {
        let crio = folder.runtime == "cri-o";
        let pushed = self.image;
        // The name of the pod's spec is part of the request from 1.7 on, and kept.
        let as_written = !crio && folder.version >= 7;
        // Nothing is written down before 1.6: the name is what the image is called at present.
        let forgets = !crio && folder.version < 6;
        let digest = format!("sha256:{}", pushed.digest);
        let short = match self.asked {
            Asked::Short => as_written,
            Asked::ShortByHand => !crio,
            _ => false,
        };
        let repository = if short { "busybox" } else { pushed.repository };
        let (tag, at) = match self.asked {
            Asked::Digest => (None, true),
            Asked::TagAndDigest => (Some(pushed.tag).filter(|_| as_written), true),
            _ if forgets && self.since == Since::TagMoved => (None, true),
            _ => (Some(pushed.tag), false),
        };
        if forgets && self.since == Since::Removed {
            return Image {
                id: Some(format!("sha256:{}", pushed.id)),
                ..Image::default()
            };
        }
        let tagged = tag.map_or_else(|| repository.to_owned(), |tag| format!("{repository}:{tag}"));
        Image {
            reference: Some(if at { format!("{tagged}@{digest}") } else { tagged }),
            repository: Some(repository.to_owned()),
            tag: tag.map(str::to_owned),
            digest: match (crio, self.since) {
                (false, Since::Removed) => None,
                (true, _) if !at => Some(format!("sha256:{}", pushed.first_digest)),
                _ => Some(digest),
            },
            // containerd tells the id only as the kubelet's request for it.
            id: (crio || self.asked != Asked::ShortByHand).then(|| format!("sha256:{}", pushed.id)),
        }
    }
}

/// A runtime that serves what was recorded of it, and says of everything else what it says of unknown ids.
pub(super) struct Served {
    pub(super) folder: Folder,
    pub(super) fake: Fake,
    _dir: TempDir,
}

impl Served {
    pub(super) fn new(folder: Folder) -> Self {
        let dir = TempDir::new().unwrap();
        let fake = Fake::start(&dir.path().join("socket"), Behaviour::Serve);
        let served = Self {
            folder,
            fake,
            _dir: dir,
        };
        let not_found = Answer::Status(Code::NotFound, "an error occurred when try to find: not found");
        for method in ["RuntimeService/ContainerStatus", "RuntimeService/PodSandboxStatus"] {
            served.fake.default(&served.method(method), not_found.clone());
        }
        let version = Answer::Message(fixture(folder.version_from(), "Version.bin"));
        served.fake.default(&served.method("RuntimeService/Version"), version);
        let unknown = Answer::Message(Vec::new());
        served.fake.default(&served.method("ImageService/ImageStatus"), unknown);
        served
    }

    pub(super) fn method(&self, method: &str) -> String {
        self.folder.api.method(method)
    }

    /// Serves the recording of a container, and gives its id.
    pub(super) fn container(&self, file: &str) -> String {
        let bytes = fixture(self.folder.name, &format!("ContainerStatus.{file}.bin"));
        let id = status(&bytes).id;
        let method = self.method("RuntimeService/ContainerStatus");
        self.fake.on(&method, &id, Answer::Message(bytes));
        id
    }

    /// Serves the recording of a sandbox, if there is one, and gives its id.
    pub(super) fn sandbox(&self, pod: &str) -> Option<String> {
        let file = format!("PodSandboxStatus.{pod}.bin");
        let bytes = has(self.folder, &file).then(|| fixture(self.folder.name, &file))?;
        let answer = v1::PodSandboxStatusResponse::decode(bytes.as_slice()).unwrap();
        let id = answer.status.unwrap().id;
        let method = self.method("RuntimeService/PodSandboxStatus");
        self.fake.on(&method, &id, Answer::Message(bytes));
        Some(id)
    }

    pub(super) fn ask(&self, id: &str) -> Result<Option<Found>, CallError> {
        ask(self.fake.socket(), self.folder.api, self.folder.runtime, id)
    }

    /// What is found of a recorded container and its sandbox.
    pub(super) fn found(&self, file: &str) -> Found {
        let id = self.container(file);
        self.sandbox(file.split_once('.').unwrap().0);
        self.ask(&id).unwrap().unwrap()
    }
}

pub(super) fn status(bytes: &[u8]) -> v1::ContainerStatus {
    ContainerStatusResponse::decode(bytes).unwrap().status.unwrap()
}

fn path(folder: Folder) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/cri")
        .join(folder.name)
}

pub(super) fn has(folder: Folder, file: &str) -> bool {
    path(folder).join(file).exists()
}

/// The names of the folder's files that begin and end so, without either.
pub(super) fn files(folder: Folder, beginning: &str, end: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let inner = |name: String| Some(name.strip_prefix(beginning)?.strip_suffix(end)?.to_owned());
    let mut found: Vec<String> = names.filter_map(inner).collect();
    found.sort();
    found
}

pub(super) fn ids(folder: Folder) -> serde_json::Value {
    serde_json::from_slice(&fixture(folder.name, "ids.json")).unwrap()
}

/// The folders that have this file.
pub(super) fn with(file: &str) -> Vec<Folder> {
    FOLDERS.into_iter().filter(|folder| has(*folder, file)).collect()
}
