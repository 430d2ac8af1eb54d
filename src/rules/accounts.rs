//! Names of users and groups: those of the host, as far as its account files can be read.
//!
//! Text in, names out: who opens the files, and whether there are any, is the caller's business. Other sources of accounts
//! (LDAP, systemd's dynamic users) are not asked, so a number without a name here may have one.

use std::collections::HashMap;

/// What is read of a file, in bytes; the rest is left out.
pub const LARGEST: usize = 4 << 20;
/// The longest name, directory or shell that is taken, in bytes. A kernel's path is no longer.
const LONGEST: usize = 4096;

/// Names by number.
#[derive(Debug, Default)]
pub struct Accounts {
    users: HashMap<u32, User>,
    groups: HashMap<u32, Box<str>>,
}

/// An entry of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: Box<str>,
    /// The home directory.
    pub home: Box<str>,
    /// The program that a login runs.
    pub shell: Box<str>,
}

impl Accounts {
    /// Reads the texts of `/etc/passwd` and `/etc/group`. A line that is not understood is passed over; of several with the
    /// same number the first counts, as in getpwuid(3).
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        let mut accounts = Self::default();
        for line in lines(passwd) {
            if let Some((uid, user)) = user(line) {
                accounts.users.entry(uid).or_insert(user);
            }
        }
        for line in lines(group) {
            if let Some((gid, name)) = named(line) {
                accounts.groups.entry(gid).or_insert_with(|| name.into());
            }
        }
        accounts
    }

    /// The user with this number.
    #[must_use]
    pub fn user(&self, uid: u32) -> Option<&User> {
        self.users.get(&uid)
    }

    /// The name of the group with this number.
    #[must_use]
    pub fn group(&self, gid: u32) -> Option<&str> {
        self.groups.get(&gid).map(|name| &**name)
    }
}

/// The lines of accounts, as far as the text is read. Those with a sign in front speak to other sources of accounts.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut read = 0;
    text.split_inclusive('\n')
        .take_while(move |line| {
            read += line.len();
            read <= LARGEST
        })
        .map(|line| line.trim_end_matches(['\n', '\r']))
        .filter(|line| !line.starts_with(['#', '+', '-']))
}

/// Number and name, which stand at the same places in both files.
fn named(line: &str) -> Option<(u32, &str)> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| fits(name) && !name.is_empty())?;
    let number = fields.nth(1)?.parse().ok()?;
    Some((number, name))
}

fn user(line: &str) -> Option<(u32, User)> {
    let (uid, name) = named(line)?;
    let mut rest = line.split(':').skip(5);
    let mut next = || rest.next().filter(|text| fits(text));
    let user = User {
        name: name.into(),
        home: next()?.into(),
        shell: next()?.into(),
    };
    Some((uid, user))
}

fn fits(text: &str) -> bool {
    text.len() <= LONGEST
}
