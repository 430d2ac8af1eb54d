//! Commands that several remedies name, for the place.

use super::super::facts::Place;

/// The agent's own log.
pub(super) fn log(place: Place) -> &'static str {
    match place {
        Place::Kubernetes => "kubectl -n pinhole logs POD",
        Place::Container => "docker logs CONTAINER",
        Place::Host => "journalctl -t pinhole-agent --since -1h",
    }
}

/// Starts the agent anew.
pub(super) fn restart(place: Place) -> &'static str {
    match place {
        Place::Kubernetes => "kubectl -n pinhole rollout restart daemonset/pinhole-agent",
        Place::Container => "docker restart CONTAINER",
        Place::Host => "systemctl restart pinhole-agent",
    }
}

/// The doctor beside the agent, of the same version and with the same view.
pub(super) fn doctor_beside(place: Place) -> &'static str {
    match place {
        Place::Kubernetes | Place::Host => "kubectl -n pinhole exec POD -- /agent doctor",
        Place::Container => "docker exec CONTAINER /agent doctor",
    }
}
