//! In which order things that name each other are worked on.

use crate::problem::shortened;

/// How many circles are told: one is enough to be refused, and a large file can have more than fit into memory.
const CIRCLES: usize = 64;

/// Numbers of things so that each stands behind those that it names, and the circles among them.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) sorted: Vec<usize>,
    /// Each from a thing back to itself, which is not repeated.
    pub(super) circles: Vec<Vec<usize>>,
}

/// Sorts things of which the `n`th names those in `uses[n]`. Goes as deep as the chain is long without calling itself.
pub(super) fn order(uses: &[Vec<usize>]) -> Order {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; uses.len()];
    let mut order = Order {
        sorted: Vec::with_capacity(uses.len()),
        circles: Vec::new(),
    };
    for start in 0..uses.len() {
        if states[start] != State::New {
            continue;
        }
        states[start] = State::Open;
        // Each with how many of those that it names are seen.
        let mut path = vec![(start, 0)];
        while let Some((at, seen)) = path.last_mut() {
            let at = *at;
            let Some(&next) = uses[at].get(*seen) else {
                states[at] = State::Done;
                order.sorted.push(at);
                path.pop();
                continue;
            };
            *seen += 1;
            match states[next] {
                State::New => {
                    states[next] = State::Open;
                    path.push((next, 0));
                }
                State::Open if order.circles.len() < CIRCLES => {
                    let from = path.iter().position(|(member, _)| *member == next).unwrap_or_default();
                    order
                        .circles
                        .push(path[from..].iter().map(|(member, _)| *member).collect());
                }
                State::Open | State::Done => {}
            }
        }
    }
    order
}

/// A circle of these names in one line.
pub(super) fn shown<'a>(circle: &[usize], name: impl Fn(usize) -> &'a str) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<_> = circle.iter().take(SHOWN).map(|&at| shortened(name(at))).collect();
    if circle.len() > SHOWN {
        names.push("…".to_owned());
    }
    names.extend(circle.first().map(|&at| shortened(name(at))));
    names.join(" → ")
}
