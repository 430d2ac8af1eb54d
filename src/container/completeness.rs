//! What a container of each kind must have to be called complete. The one place that decides it.
//!
//! | kind | required |
//! |---|---|
//! | container of a pod | id, name, runtime, image name with repository, privileged flag, sandbox id, namespace, pod name, pod uid, container name |
//! | sandbox of a pod | id, runtime, sandbox id, namespace, pod name, pod uid |
//! | container that no kubelet made | id, name, runtime, image name with repository |
//!
//! The class of service is told by the cgroup path and absent for pods that were made by hand, labels may be none, and
//! an image's tag, digest and id may not exist: these never make an outcome partial. A container outside Kubernetes is
//! complete with what such a container has; that it has no pod is no gap.

use super::outcome::{Container, Kubernetes, Reason, Status};

/// Judges. `gap` is a step of the lookup that failed, which outweighs what is seen to be missing.
pub(crate) fn judge(
    container: &Container,
    kubernetes: Option<&Kubernetes>,
    gap: Option<Reason>,
) -> (Status, Option<Reason>) {
    match gap.or_else(|| missing(container, kubernetes)) {
        Some(reason) => (Status::Partial, Some(reason)),
        None => (Status::Complete, None),
    }
}

fn missing(container: &Container, kubernetes: Option<&Kubernetes>) -> Option<Reason> {
    let sandbox = container.sandbox == Some(true);
    if let Some(kubernetes) = kubernetes {
        let pod = kubernetes.pod.as_ref();
        let known = kubernetes.namespace.is_some()
            && pod.is_some_and(|pod| pod.name.is_some() && pod.uid.is_some())
            && container.pod_sandbox_id.is_some();
        if !known {
            return Some(Reason::SandboxUnknown);
        }
        if !sandbox && (kubernetes.container.is_none() || container.privileged.is_none()) {
            return Some(Reason::AnswerUnusable);
        }
    }
    if !sandbox {
        let named = container
            .image
            .as_ref()
            .is_some_and(|image| image.reference.is_some() && image.repository.is_some());
        if !named {
            return Some(Reason::ImageNameUnknown);
        }
        if container.name.is_none() {
            return Some(Reason::AnswerUnusable);
        }
    }
    container.runtime.is_none().then_some(Reason::AnswerUnusable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::outcome::{Image, Pod};

    fn container() -> Container {
        let mut image = Image::default();
        image.name("registry.example/a:1");
        Container {
            id: "id".into(),
            name: Some("app".into()),
            runtime: Some("containerd".into()),
            image: Some(image),
            sandbox: Some(false),
            privileged: Some(false),
            pod_sandbox_id: Some("sandbox".into()),
            ..Container::default()
        }
    }

    fn kubernetes() -> Kubernetes {
        let pod = Pod {
            name: Some("web".into()),
            uid: Some("uid".into()),
            ..Pod::default()
        };
        Kubernetes {
            namespace: Some("shop".into()),
            pod: Some(pod),
            container: Some("app".into()),
            qos: None,
        }
    }

    #[test]
    fn whole_containers_are_complete() {
        assert_eq!(judge(&container(), Some(&kubernetes()), None), (Status::Complete, None));
        let alone = Container {
            privileged: None,
            pod_sandbox_id: None,
            sandbox: None,
            ..container()
        };
        assert_eq!(judge(&alone, None, None), (Status::Complete, None));
        let sandbox = Container {
            sandbox: Some(true),
            image: None,
            name: None,
            privileged: None,
            ..container()
        };
        let pod = Kubernetes {
            container: None,
            ..kubernetes()
        };
        assert_eq!(judge(&sandbox, Some(&pod), None), (Status::Complete, None));
    }

    #[test]
    fn each_missing_field_has_its_reason() {
        let partial = |container: Container, kubernetes: Option<Kubernetes>| {
            let (status, reason) = judge(&container, kubernetes.as_ref(), None);
            assert_eq!(status, Status::Partial);
            reason
        };
        let pod = Some(kubernetes());
        assert_eq!(
            partial(
                Container {
                    image: None,
                    ..container()
                },
                pod.clone()
            ),
            Some(Reason::ImageNameUnknown)
        );
        let unnamed = Some(Image {
            id: Some("sha256:aa".into()),
            ..Image::default()
        });
        assert_eq!(
            partial(
                Container {
                    image: unnamed,
                    ..container()
                },
                None
            ),
            Some(Reason::ImageNameUnknown)
        );
        assert_eq!(
            partial(
                Container {
                    name: None,
                    ..container()
                },
                None
            ),
            Some(Reason::AnswerUnusable)
        );
        assert_eq!(
            partial(
                Container {
                    runtime: None,
                    ..container()
                },
                None
            ),
            Some(Reason::AnswerUnusable)
        );
        assert_eq!(
            partial(
                Container {
                    privileged: None,
                    ..container()
                },
                pod.clone()
            ),
            Some(Reason::AnswerUnusable)
        );
        assert_eq!(
            partial(
                Container {
                    pod_sandbox_id: None,
                    ..container()
                },
                pod
            ),
            Some(Reason::SandboxUnknown)
        );
        for broken in [
            Kubernetes {
                namespace: None,
                ..kubernetes()
            },
            Kubernetes {
                pod: None,
                ..kubernetes()
            },
            Kubernetes {
                pod: Some(Pod {
                    uid: None,
                    ..kubernetes().pod.unwrap()
                }),
                ..kubernetes()
            },
            Kubernetes {
                pod: Some(Pod {
                    name: None,
                    ..kubernetes().pod.unwrap()
                }),
                ..kubernetes()
            },
        ] {
            assert_eq!(partial(container(), Some(broken)), Some(Reason::SandboxUnknown));
        }
    }

    #[test]
    fn a_failed_step_outweighs_what_is_missing() {
        let verdict = judge(&Container::default(), None, Some(Reason::RuntimeTimeout));
        assert_eq!(verdict, (Status::Partial, Some(Reason::RuntimeTimeout)));
    }
}
