//! A parsed pattern, and the same pattern in the words of the `regex` crate.

use std::fmt::Write;

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
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        greedy: bool,
    },
    /// `(…)`: what matched can be asked for.
    Capture(Box<Node>),
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
            Self::Capture(node) => node.copies(),
            Self::Concat(nodes) | Self::Alternate(nodes) => nodes.iter().map(Self::copies).max().unwrap_or(1),
            Self::Repeat { node, min, max, .. } => node.copies().saturating_mul(max.unwrap_or(*min).max(1)),
        }
    }

    /// The pattern in the words of the `regex` crate, for its bytes mode without Unicode. Only the forms below are
    /// ever written, each of which RE2 and `regex` read alike; groups capture if asked to.
    pub(crate) fn to_regex(&self, captures: bool) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out, captures);
        out
    }

    fn write(&self, out: &mut String, captures: bool) -> std::fmt::Result {
        match self {
            Self::Empty => out.write_str("(?:)"),
            Self::Byte(byte) => write!(out, "\\x{byte:02x}"),
            Self::Set(set) => set.write(out),
            Self::Look(look) => out.write_str(match look {
                Look::TextStart => "\\A",
                Look::TextEnd => "\\z",
                Look::LineStart => "(?m:^)",
                Look::LineEnd => "(?m:$)",
                Look::WordBoundary => "\\b",
                Look::NotWordBoundary => "\\B",
            }),
            Self::Repeat { node, min, max, greedy } => {
                out.write_str("(?:")?;
                node.write(out, captures)?;
                match (min, max) {
                    (0, None) => out.write_str(")*"),
                    (1, None) => out.write_str(")+"),
                    (0, Some(1)) => out.write_str(")?"),
                    (min, None) => write!(out, "){{{min},}}"),
                    (min, Some(max)) => write!(out, "){{{min},{max}}}"),
                }?;
                out.write_str(if *greedy { "" } else { "?" })
            }
            Self::Capture(node) => {
                out.write_str(if captures { "(" } else { "(?:" })?;
                node.write(out, captures)?;
                out.write_str(")")
            }
            Self::Concat(nodes) => nodes.iter().try_for_each(|node| node.write(out, captures)),
            Self::Alternate(nodes) => {
                out.write_str("(?:")?;
                for (index, node) in nodes.iter().enumerate() {
                    out.write_str(if index == 0 { "" } else { "|" })?;
                    node.write(out, captures)?;
                }
                out.write_str(")")
            }
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

    /// As a bracketed class of ranges in hexadecimal.
    fn write(&self, out: &mut String) -> std::fmt::Result {
        let mut ranges: Vec<(u8, u8)> = Vec::new();
        for byte in (0..=u8::MAX).filter(|byte| self.contains(*byte)) {
            match ranges.last_mut() {
                Some((_, end)) if end.checked_add(1) == Some(byte) => *end = byte,
                _ => ranges.push((byte, byte)),
            }
        }
        if ranges.is_empty() {
            // No byte at all: `[]` would be read otherwise.
            return out.write_str("[^\\x00-\\xff]");
        }
        out.write_str("[")?;
        for (start, end) in ranges {
            write!(out, "\\x{start:02x}-\\x{end:02x}")?;
        }
        out.write_str("]")
    }
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.write(&mut text)?;
        f.write_str(&text)
    }
}
