//! What a service account may do in the cluster: roles, bindings, and the token that makes use of them.

use super::node::{Malformed, Node};

/// A Role or a ClusterRole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Whether it is a ClusterRole.
    pub cluster: bool,
    /// A Role's namespace, where it is said.
    pub namespace: Option<String>,
    /// What it allows.
    pub rules: Vec<Rule>,
}

/// One rule of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `get`, `list`, `use`, `*` and so on.
    pub verbs: Vec<String>,
    /// `pods`, `pods/exec`, `*` and so on.
    pub resources: Vec<String>,
}

/// A RoleBinding or a ClusterRoleBinding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Whether it is a ClusterRoleBinding, which grants in all namespaces.
    pub cluster: bool,
    /// The namespace in which a RoleBinding grants, where it is said.
    pub namespace: Option<String>,
    /// Whether the role is a ClusterRole.
    pub cluster_role: bool,
    /// The role's name.
    pub role: String,
    /// The service accounts: namespace, where it is said, and name.
    pub accounts: Vec<(Option<String>, String)>,
}

/// A ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its name.
    pub name: String,
    /// Its namespace, where it is said.
    pub namespace: Option<String>,
    /// `automountServiceAccountToken`.
    pub automount_token: Option<bool>,
}

pub(super) fn role(node: &Node<'_>, name: String, namespace: Option<String>) -> Result<Role, Malformed> {
    let mut rules = Vec::new();
    for rule in node.items("rules")? {
        rules.push(Rule {
            verbs: rule.texts("verbs")?,
            resources: rule.texts("resources")?,
        });
    }
    Ok(Role {
        name,
        cluster: node.required("kind")? == "ClusterRole",
        namespace,
        rules,
    })
}

pub(super) fn binding(node: &Node<'_>, name: String, namespace: Option<String>) -> Result<Binding, Malformed> {
    let role = node
        .get("roleRef")?
        .ok_or_else(|| node.malformed("a binding with a roleRef"))?;
    let mut accounts = Vec::new();
    for subject in node.items("subjects")? {
        if subject.required("kind")? == "ServiceAccount" {
            accounts.push((subject.text("namespace")?, subject.required("name")?));
        }
    }
    Ok(Binding {
        name,
        cluster: node.required("kind")? == "ClusterRoleBinding",
        namespace,
        cluster_role: role.required("kind")? == "ClusterRole",
        role: role.required("name")?,
        accounts,
    })
}
