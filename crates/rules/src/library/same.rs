//! Whether two rules say the same, wherever they are written.

use super::rule::Rule;
use crate::syntax::{Comparison, Expression, Node, Operand, Word};

impl Rule {
    /// Whether the other rule alerts for the same events in the same words. Places and descriptions do not count.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.enabled == other.enabled
            && self.priority == other.priority
            && self.source == other.source
            && self.tags == other.tags
            && self.output.as_str() == other.output.as_str()
            && node(&self.condition, &other.condition)
    }
}

// Both trees come from the parser, which bounds how deep they are.
fn node(one: &Node, other: &Node) -> bool {
    match (&one.expression, &other.expression) {
        (Expression::And(one), Expression::And(other)) | (Expression::Or(one), Expression::Or(other)) => {
            all(one, other, node)
        }
        (Expression::Not(one), Expression::Not(other)) => node(one, other),
        (Expression::Macro(one), Expression::Macro(other)) => one == other,
        (Expression::Exists(one), Expression::Exists(other)) => operand(one, other),
        (Expression::Compare(one), Expression::Compare(other)) => comparison(one, other),
        _ => false,
    }
}

fn comparison(one: &Comparison, other: &Comparison) -> bool {
    one.operator == other.operator
        && one.quantifier == other.quantifier
        && operand(&one.left, &other.left)
        && all(&one.right, &other.right, operand)
}

fn operand(one: &Operand, other: &Operand) -> bool {
    match (one, other) {
        (Operand::Constant(one), Operand::Constant(other)) => one.text == other.text,
        (Operand::Field { name, argument }, Operand::Field { name: n, argument: a }) => {
            let text = |word: &Option<Word>| word.as_ref().map(|word| word.text.clone());
            name.text == n.text && text(argument) == text(a)
        }
        (
            Operand::Transformed {
                transformer, operands, ..
            },
            Operand::Transformed {
                transformer: t,
                operands: o,
                ..
            },
        ) => transformer == t && all(operands, o, operand),
        _ => false,
    }
}

fn all<T>(one: &[T], other: &[T], same: fn(&T, &T) -> bool) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::library::{Rule, load};
    use crate::source::Source;

    fn rule(condition: &str, output: &str) -> Rule {
        let text = format!(
            "- macro: shells\n  condition: proc.name in (sh, bash)\n- rule: R\n  desc: d\n  condition: {condition}\n  output: {output}\n  priority: INFO\n"
        );
        let source = Source {
            name: "rules.yaml".to_owned(),
            text,
        };
        load(&[Arc::new(source)], &["syscall"]).rules.remove(0)
    }

    #[test]
    fn a_rule_is_the_same_wherever_it_is_written() {
        let one = rule("evt.type=execve and (shells or proc.aname[2]=x)", "text");
        for same in [
            "evt.type = execve and\n    (shells or proc.aname[2] = 'x')",
            "evt.type=execve and (proc.name in (sh,bash) or proc.aname[2]=x)",
        ] {
            assert!(one.says_the_same(&rule(same, "text")), "{same}");
        }
        for other in [
            "evt.type=execve and (shells or proc.aname[3]=x)",
            "evt.type=execve and (shells or proc.aname[2]!=x)",
            "evt.type=execve and (shells and proc.aname[2]=x)",
            "evt.type=execve and not (shells or proc.aname[2]=x)",
            "evt.type=execve and (proc.name in (sh) or proc.aname[2]=x)",
            "evt.type=execve and (shells or tolower(proc.aname[2])=x)",
        ] {
            assert!(!one.says_the_same(&rule(other, "text")), "{other}");
        }
        assert!(!one.says_the_same(&rule("evt.type=execve and (shells or proc.aname[2]=x)", "other")));
    }
}
