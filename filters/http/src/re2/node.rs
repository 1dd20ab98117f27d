//! A parsed pattern, and the same pattern as the regex engine takes it.

use regex_syntax::hir::{self, Class, ClassBytes, ClassBytesRange, Hir};

/// A pattern: what matches at one place.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Nothing at all.
    Empty,
    /// One byte.
    Byte(u8),
    /// One byte of several.
    Set(Box<ByteSet>),
    /// A place, not a byte.
    Look(Look),
    /// The node over and over; without `max`, without end.
    Repeat { node: Box<Node>, min: u32, max: Option<u32>, greedy: bool },
    /// `(…)`: what matched can be asked for. Groups are numbered from 1, by their opening parentheses.
    Capture { node: Box<Node>, index: u32 },
    /// One after the other.
    Concat(Vec<Node>),
    /// The first that matches.
    Alternate(Vec<Node>),
}

/// A condition on a place in the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    /// `\A`, and `^` without `(?m)`.
    TextStart,
    /// `\z`, and `$` without `(?m)`: the very end, not before a last newline.
    TextEnd,
    /// `^` with `(?m)`.
    LineStart,
    /// `$` with `(?m)`.
    LineEnd,
    /// `\b`, between an ASCII word character and another byte.
    WordBoundary,
    /// `\B`
    NotWordBoundary,
}

impl Node {
    /// Several in a row, as one.
    pub(super) fn concat(mut nodes: Vec<Self>) -> Self {
        match nodes.len() {
            0 => Self::Empty,
            1 => nodes.pop().unwrap_or(Self::Empty),
            _ => Self::Concat(nodes),
        }
    }

    /// How many copies of its innermost part the counted repetitions ask for: what RE2 limits to 1000.
    pub(super) fn copies(&self) -> u32 {
        match self {
            Self::Empty | Self::Byte(_) | Self::Set(_) | Self::Look(_) => 1,
            Self::Capture { node, .. } => node.copies(),
            Self::Concat(nodes) | Self::Alternate(nodes) => nodes.iter().map(Self::copies).max().unwrap_or(1),
            Self::Repeat { node, min, max, .. } => node.copies().saturating_mul(max.unwrap_or(*min).max(1)),
        }
    }

    /// The pattern as the regex engine takes it, over bytes.
    pub(crate) fn to_hir(&self) -> Hir {
        match self {
            Self::Empty => Hir::empty(),
            Self::Byte(byte) => Hir::literal([*byte]),
            Self::Set(set) => Hir::class(Class::Bytes(set.to_class())),
            Self::Look(look) => Hir::look(match look {
                Look::TextStart => hir::Look::Start,
                Look::TextEnd => hir::Look::End,
                Look::LineStart => hir::Look::StartLF,
                Look::LineEnd => hir::Look::EndLF,
                Look::WordBoundary => hir::Look::WordAscii,
                Look::NotWordBoundary => hir::Look::WordAsciiNegate,
            }),
            Self::Repeat { node, min, max, greedy } => {
                let sub = Box::new(node.to_hir());
                Hir::repetition(hir::Repetition { min: *min, max: *max, greedy: *greedy, sub })
            }
            Self::Capture { node, index } => {
                Hir::capture(hir::Capture { index: *index, name: None, sub: Box::new(node.to_hir()) })
            }
            Self::Concat(nodes) => Hir::concat(nodes.iter().map(Self::to_hir).collect()),
            Self::Alternate(nodes) => Hir::alternation(nodes.iter().map(Self::to_hir).collect()),
        }
    }
}

/// A set of bytes.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct ByteSet([bool; 256]);

impl ByteSet {
    pub(crate) fn empty() -> Self {
        Self([false; 256])
    }

    /// The bytes a test holds for.
    pub(crate) fn of(test: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::empty();
        for (slot, byte) in set.0.iter_mut().zip(0..=u8::MAX) {
            *slot = test(byte);
        }
        set
    }

    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        Self::of(|byte| self.contains(byte) || other.contains(byte))
    }

    pub(super) fn complement(&self) -> Self {
        Self::of(|byte| !self.contains(byte))
    }

    fn to_class(&self) -> ClassBytes {
        let members = (0..=u8::MAX).filter(|byte| self.contains(*byte));
        ClassBytes::new(members.map(|byte| ClassBytesRange::new(byte, byte)))
    }
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_class().fmt(f)
    }
}
