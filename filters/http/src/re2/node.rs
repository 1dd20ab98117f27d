//! A parsed pattern.

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

    /// Whether it can match without a byte.
    pub(super) fn can_be_empty(&self) -> bool {
        match self {
            Self::Empty | Self::Look(_) => true,
            Self::Byte(_) | Self::Set(_) => false,
            Self::Capture { node, .. } => node.can_be_empty(),
            Self::Concat(nodes) => nodes.iter().all(Self::can_be_empty),
            Self::Alternate(nodes) => nodes.iter().any(Self::can_be_empty),
            Self::Repeat { node, min, .. } => *min == 0 || node.can_be_empty(),
        }
    }
}

impl Look {
    /// Whether it holds between those two bytes; `None`: the text begins, or ends, there.
    pub(super) fn holds(self, before: Option<u8>, after: Option<u8>) -> bool {
        let is_boundary = before.is_some_and(is_word) != after.is_some_and(is_word);
        match self {
            Self::TextStart => before.is_none(),
            Self::TextEnd => after.is_none(),
            Self::LineStart => matches!(before, None | Some(b'\n')),
            Self::LineEnd => matches!(after, None | Some(b'\n')),
            Self::WordBoundary => is_boundary,
            Self::NotWordBoundary => !is_boundary,
        }
    }
}

/// Whether `\w` matches it.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A set of bytes, a bit each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(crate) fn empty() -> Self {
        Self([0; 4])
    }

    /// The bytes a test holds for.
    pub(crate) fn of(test: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::empty();
        (0..=u8::MAX).filter(|byte| test(*byte)).for_each(|byte| set.insert(byte));
        set
    }

    /// That byte alone.
    pub(super) fn single(byte: u8) -> Self {
        let mut set = Self::empty();
        set.insert(byte);
        set
    }

    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u8> {
        [0_u8, 64, 128, 192].into_iter().zip(self.0).flat_map(|(first, mut rest)| {
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.checked_sub(1)?; // takes the lowest bit away
                u8::try_from(bit).ok().map(|bit| first | bit)
            })
        })
    }

    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    pub(super) fn union(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        self
    }

    pub(super) fn complement(mut self) -> Self {
        self.0.iter_mut().for_each(|word| *word = !*word);
        self
    }
}
