//! `agent manifest` and `agent seccomp`: what has to be on a cluster and its nodes.

use super::args::{ManifestArgs, ManifestFormat, SeccompPolicy};
use super::exit::Exit;
use crate::manifest::{Error, Options, as_list, render};
use crate::privilege::seccomp::{AGENT_DELIVERY, AGENT_DELIVERY_PROGRAM, AGENT_DOCTOR, AGENT_RUN, AGENT_SETUP};

/// Prints the objects.
pub fn run(arguments: ManifestArgs) -> Exit {
    let options = Options {
        image: arguments.image,
        namespace: arguments.namespace,
        tolerate: arguments.tolerate,
        priority_class: arguments.priority_class,
        pull_secrets: arguments.pull_secret,
        runtime_socket: arguments.runtime_socket,
        rules_configmap: arguments.rules_configmap,
        delivery_http_url: arguments.delivery_http_url,
        seccomp: arguments.seccomp,
        apparmor: arguments.apparmor,
        with: arguments.with,
    };
    match page(&arguments.profile, arguments.format, &options) {
        Ok(page) => super::say(page.as_bytes()),
        Err(error) => {
            let exit = if error.is_usage() { Exit::Usage } else { Exit::Internal };
            super::complain(&error, exit)
        }
    }
}

fn page(profile: &str, format: ManifestFormat, options: &Options) -> Result<String, Error> {
    Ok(match format {
        ManifestFormat::Yaml => render(profile, options)?,
        ManifestFormat::Json => format!("{:#}\n", as_list(profile, options)?),
    })
}

/// The text of a seccomp profile.
pub fn policy(policy: SeccompPolicy) -> &'static str {
    match policy {
        SeccompPolicy::Setup => AGENT_SETUP,
        SeccompPolicy::Run => AGENT_RUN,
        SeccompPolicy::Delivery => AGENT_DELIVERY,
        SeccompPolicy::DeliveryProgram => AGENT_DELIVERY_PROGRAM,
        SeccompPolicy::Doctor => AGENT_DOCTOR,
    }
}
