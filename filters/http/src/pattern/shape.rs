//! Patterns that need no regex engine.

use crate::re2::{Look, Node};

/// More alternatives than this stay a regular expression.
const MAX_LITERALS: usize = 64;

/// What a pattern comes down to when a whole value must match.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shape {
    /// `.*`: every value without a newline; header values and paths have none.
    Any,
    /// `/a/b`, `^/a\.b$`: this value.
    Literal(Box<[u8]>),
    /// `/a.*`: every value that starts with this and has no newline behind it.
    Prefix(Box<[u8]>),
    /// `/a|/b`, `/(a|b)/c`, `/ab?`: one of these values, each named once.
    Literals(Vec<Box<[u8]>>),
    /// Anything else: only the regex engine knows. Every value that matches begins with this.
    Regex(Box<[u8]>),
}

impl Shape {
    pub(super) fn of(node: &Node) -> Self {
        let items = trimmed(node);
        let Some(values) = concat_strings(items) else {
            return prefix(items).unwrap_or_else(|| Self::Regex(beginning(items)));
        };
        let mut literals: Vec<Box<[u8]>> = Vec::new();
        for value in values.into_iter().map(Vec::into_boxed_slice) {
            if !literals.contains(&value) {
                literals.push(value);
            }
        }
        match literals.pop() {
            // Matches nothing.
            None => Self::Regex(Box::default()),
            Some(only) if literals.is_empty() => Self::Literal(only),
            Some(last) => {
                literals.push(last);
                Self::Literals(literals)
            }
        }
    }

    /// Whether the whole value matches; never, for a shape that is a regular expression.
    pub(super) fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Any => !value.contains(&b'\n'),
            Self::Literal(literal) => value == &**literal,
            Self::Prefix(prefix) => value.strip_prefix(&**prefix).is_some_and(|rest| !rest.contains(&b'\n')),
            Self::Literals(literals) => literals.iter().any(|literal| value == &**literal),
            Self::Regex(_) => false,
        }
    }
}

/// The pattern's items in a row, without the anchors at its ends: the match of a whole value makes those true anyway.
fn trimmed(node: &Node) -> &[Node] {
    let mut items = match node {
        Node::Capture { node, .. } => return trimmed(node),
        Node::Concat(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    while let [Node::Look(Look::TextStart), rest @ ..] | [rest @ .., Node::Look(Look::TextEnd)] = items {
        items = rest;
    }
    items
}

/// The one string that the front of the pattern stands for, if `.*` is all that follows.
fn prefix(items: &[Node]) -> Option<Shape> {
    let (last, front) = items.split_last()?;
    if !is_dot_star(last) {
        return None;
    }
    match <[_; 1]>::try_from(concat_strings(front)?).ok()? {
        [start] if start.is_empty() => Some(Shape::Any),
        [start] => Some(Shape::Prefix(start.into())),
    }
}

/// What every match begins with.
fn beginning(items: &[Node]) -> Box<[u8]> {
    let single = |item| <[Vec<u8>; 1]>::try_from(strings(item)?).ok();
    items.iter().map_while(single).flatten().flatten().collect()
}

/// What every match ends with.
pub(super) fn ending(node: &Node) -> Box<[u8]> {
    let single = |item| <[Vec<u8>; 1]>::try_from(strings(item)?).ok();
    let mut parts: Vec<Vec<u8>> = trimmed(node).iter().rev().map_while(single).flatten().collect();
    parts.reverse();
    parts.concat().into()
}

fn is_dot_star(node: &Node) -> bool {
    match node {
        Node::Capture { node, .. } => is_dot_star(node),
        Node::Repeat { node, min: 0, max: None, .. } => {
            matches!(&**node, Node::Set(set) if (0..=u8::MAX).all(|b| set.contains(b) == (b != b'\n')))
        }
        _ => false,
    }
}

/// Every string that a pattern stands for, if they are few.
fn strings(node: &Node) -> Option<Vec<Vec<u8>>> {
    let strings = match node {
        Node::Empty => vec![Vec::new()],
        Node::Byte(byte) => vec![vec![*byte]],
        Node::Capture { node, .. } => strings(node)?,
        Node::Repeat { node, min: 0, max: Some(1), .. } => {
            let mut strings = strings(node)?;
            strings.push(Vec::new());
            strings
        }
        Node::Concat(items) => concat_strings(items)?,
        Node::Alternate(branches) => {
            branches.iter().map(strings).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()
        }
        Node::Set(_) | Node::Look(_) | Node::Repeat { .. } => return None,
    };
    (strings.len() <= MAX_LITERALS).then_some(strings)
}

fn concat_strings(items: &[Node]) -> Option<Vec<Vec<u8>>> {
    let mut strings_so_far = vec![Vec::new()];
    for item in items {
        let tails = strings(item)?;
        strings_so_far = strings_so_far
            .iter()
            .flat_map(|start: &Vec<u8>| tails.iter().map(|tail| [start.as_slice(), tail].concat()))
            .collect();
        if strings_so_far.len() > MAX_LITERALS {
            return None;
        }
    }
    Some(strings_so_far)
}
