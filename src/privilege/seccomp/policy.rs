//! A system call policy as data: the part of the OCI runtime specification's `linux.seccomp` object that the agent uses,
//! read strictly. What the specification allows and this cannot express is an error, never ignored.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No JSON, or not of the expected form.
    #[error("cannot read the seccomp policy: {0}")]
    Json(#[from] serde_json::Error),
    /// A default that would let pass what is not listed, or refuses it without saying how.
    #[error("the seccomp policy's defaultAction must be SCMP_ACT_KILL_PROCESS, or SCMP_ACT_ERRNO with defaultErrnoRet")]
    Default,
    /// An entry says nothing about why it is there.
    #[error("the seccomp policy gives no reason (comment) for {0}")]
    NoComment(String),
    /// A refusal without the errno, or one without conditions beside another entry of the same call.
    #[error("the seccomp policy's SCMP_ACT_ERRNO entry for {0} needs errnoRet, and without args no second entry")]
    Refusal(String),
    /// An unconditional allowance would make the conditional one for the same call meaningless.
    #[error("the seccomp policy allows {0} both always and under conditions")]
    Shadowed(String),
    /// An action in an entry that is neither an allowance nor a refusal.
    #[error("the seccomp policy's entry for {0} must be SCMP_ACT_ALLOW or SCMP_ACT_ERRNO")]
    Action(String),
}

/// What a policy says, by system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What becomes of everything that is not listed.
    pub default: Otherwise,
    /// What is allowed, and when.
    pub allowed: BTreeMap<String, When>,
    /// What is refused, by errno, and when.
    pub refused: BTreeMap<u32, BTreeMap<String, When>>,
}

/// What becomes of a system call that is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// It ends the process, visibly: a filter that refuses quietly would hide what a long-lived agent tries.
    Kill,
    /// It fails with this errno, and whoever tried it may go on without.
    Refuse(u32),
}

/// When an entry for a system call counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Whatever its arguments.
    Always,
    /// When all conditions of at least one alternative hold.
    Any(Vec<Vec<Condition>>),
}

/// A condition on one argument.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Condition {
    /// Number of the argument, from 0.
    pub index: u8,
    /// What it is compared with; for [`Operator::MaskedEq`] the mask.
    pub value: u64,
    /// What must remain under the mask.
    #[serde(default)]
    pub value_two: u64,
    /// How it is compared.
    #[serde(rename = "op")]
    pub operator: Operator,
}

/// How an argument is compared, unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Operator {
    /// Equal.
    #[serde(rename = "SCMP_CMP_EQ")]
    Eq,
    /// Not equal.
    #[serde(rename = "SCMP_CMP_NE")]
    Ne,
    /// Less.
    #[serde(rename = "SCMP_CMP_LT")]
    Lt,
    /// Less or equal.
    #[serde(rename = "SCMP_CMP_LE")]
    Le,
    /// Greater.
    #[serde(rename = "SCMP_CMP_GT")]
    Gt,
    /// Greater or equal.
    #[serde(rename = "SCMP_CMP_GE")]
    Ge,
    /// Equal under a mask.
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEq,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    default_action: Action,
    default_errno_ret: Option<u32>,
    /// For container runtimes; the agent compiles for the machine it runs on.
    #[serde(rename = "architectures")]
    _architectures: Vec<String>,
    syscalls: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Entry {
    names: Vec<String>,
    action: Action,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Vec<Condition>,
    #[serde(default)]
    comment: String,
    /// Counts only where this part is asked for.
    part: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Action {
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::parse_parts(text, &[])
    }

    /// Reads a policy, and of what is there for a certain part of the work that for these parts only.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse_parts(text: &str, parts: &[&str]) -> Result<Self, Error> {
        let file: File = serde_json::from_str(text)?;
        let default = match (file.default_action, file.default_errno_ret) {
            (Action::KillProcess, None) => Otherwise::Kill,
            (Action::Errno, Some(errno)) => Otherwise::Refuse(errno),
            _ => return Err(Error::Default),
        };
        let mut policy = Self {
            default,
            allowed: BTreeMap::new(),
            refused: BTreeMap::new(),
        };
        for entry in file.syscalls {
            if entry.comment.trim().is_empty() {
                return Err(Error::NoComment(entry.names.join(", ")));
            }
            if entry.part.as_ref().is_some_and(|part| !parts.contains(&part.as_str())) {
                continue;
            }
            for name in &entry.names {
                policy.add(name, &entry)?;
            }
        }
        Ok(policy)
    }

    /// Every system call that is named; one that is allowed and refused, twice.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.allowed
            .keys()
            .chain(self.refused.values().flat_map(BTreeMap::keys))
            .map(String::as_str)
    }

    fn add(&mut self, name: &str, entry: &Entry) -> Result<(), Error> {
        let always = entry.args.is_empty();
        let mut refused = self.refused.values().filter_map(|calls| calls.get(name));
        let is_refused = refused.any(|when| always || *when == When::Always);
        let shadowed = match self.allowed.get(name) {
            Some(when) => always || *when == When::Always,
            None => false,
        };
        match (entry.action, entry.errno_ret) {
            (Action::Errno, Some(errno)) if !is_refused && !shadowed => {
                enter(self.refused.entry(errno).or_default(), name, &entry.args)
            }
            (Action::Errno, _) => Err(Error::Refusal(name.to_owned())),
            (Action::Allow, None) if is_refused => Err(Error::Refusal(name.to_owned())),
            (Action::Allow, None) => enter(&mut self.allowed, name, &entry.args),
            (Action::Allow | Action::KillProcess, _) => Err(Error::Action(name.to_owned())),
        }
    }
}

fn enter(calls: &mut BTreeMap<String, When>, name: &str, conditions: &[Condition]) -> Result<(), Error> {
    match (calls.get_mut(name), conditions.is_empty()) {
        (None, true) => {
            calls.insert(name.to_owned(), When::Always);
        }
        (None, false) => {
            calls.insert(name.to_owned(), When::Any(vec![conditions.to_vec()]));
        }
        (Some(When::Any(alternatives)), false) => alternatives.push(conditions.to_vec()),
        (Some(When::Always), true) => {}
        (Some(_), _) => return Err(Error::Shadowed(name.to_owned())),
    }
    Ok(())
}
