//! Places in the file, what a file may hold, and hostile files.

mod entries;
mod hostile;
mod places;

use std::sync::Arc;

use super::{Declaration, read};
use crate::problem::Problem;
use crate::source::Source;

fn declared(text: &str) -> (Vec<Declaration>, Vec<String>) {
    let source = Source {
        name: "f".to_owned(),
        text: text.to_owned(),
    };
    let (declarations, problems) = read(&Arc::new(source));
    (declarations, problems.iter().map(Problem::to_string).collect())
}
