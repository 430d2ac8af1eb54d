//! Things by name, in the order in which they were declared first.

use std::collections::HashMap;
use std::rc::Rc;

/// A map that keeps its order.
#[derive(Debug)]
pub(super) struct Named<T> {
    index: HashMap<Rc<str>, usize>,
    names: Vec<Rc<str>>,
    all: Vec<T>,
}

impl<T> Named<T> {
    pub(super) fn new() -> Self {
        Self {
            index: HashMap::new(),
            names: Vec::new(),
            all: Vec::new(),
        }
    }

    /// Puts it in, in the place of an earlier one of its name.
    pub(super) fn put(&mut self, name: &str, value: T) {
        match self.index.get(name) {
            Some(&at) => self.all[at] = value,
            None => {
                let name: Rc<str> = name.into();
                self.names.push(Rc::clone(&name));
                self.index.insert(name, self.all.len());
                self.all.push(value);
            }
        }
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.position(name).map(|at| &self.all[at])
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.index.get(name).map(|&at| &mut self.all[at])
    }

    /// In the order of the declarations, so that the nearest one is the same each time.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    pub(super) fn all(&self) -> &[T] {
        &self.all
    }
}
