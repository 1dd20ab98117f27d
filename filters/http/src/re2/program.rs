//! A pattern as a program: what RE2 calls a Prog, Thompson's automaton written as instructions.

use super::node::{ByteSet, Look, Node};
use crate::PatternError;

/// The most instructions of a program: what Istio's bootstrap allows RE2 (`re2.max_program_size.error_level`).
const MOST_INSTRUCTIONS: usize = 32_768;

/// A rewrite can ask for no group beyond this one.
const LAST_GROUP: u32 = 9;

/// An instruction. The numbers of those that follow are places in the program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Instruction {
    /// One byte of that set.
    Byte { set: u32, next: u32 },
    /// Both; the first is tried before the second.
    Split { first: u32, second: u32 },
    /// A condition on the place in the text.
    Look { look: Look, next: u32 },
    /// Notes the place in the text: where a group begins or ends.
    Save { slot: u32, next: u32 },
    /// The pattern has matched.
    Match,
}

/// Whether places in the text are noted where groups begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Groups {
    Ignored,
    Saved,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Program {
    instructions: Vec<Instruction>,
    /// The sets that instructions name, each once.
    sets: Vec<ByteSet>,
    start: u32,
    groups: Groups,
}

impl Program {
    /// Translates a pattern.
    pub(crate) fn new(node: &Node, groups: Groups) -> Result<Self, PatternError> {
        let mut this = Self { instructions: Vec::new(), sets: Vec::new(), start: 0, groups };
        let start = this.push(Instruction::Match).and_then(|end| this.translate(node, end));
        this.start = start.ok_or_else(|| {
            PatternError::new("the pattern is too big when compiled; repeat less, or use * or + for a count")
        })?;
        this.instructions.shrink_to_fit();
        this.sets.shrink_to_fit();
        Ok(this)
    }

    /// Where it begins.
    pub(crate) fn start(&self) -> u32 {
        self.start
    }

    /// How many instructions it has.
    pub(crate) fn len(&self) -> usize {
        self.instructions.len()
    }

    /// The instruction at that place.
    pub(crate) fn at(&self, place: u32) -> Instruction {
        self.instructions.get(place as usize).copied().unwrap_or(Instruction::Match)
    }

    /// The sets that instructions name.
    pub(crate) fn sets(&self) -> &[ByteSet] {
        &self.sets
    }

    /// Whether the set of that number has the byte.
    pub(crate) fn contains(&self, set: u32, byte: u8) -> bool {
        self.sets.get(set as usize).is_some_and(|set| set.contains(byte))
    }

    /// The conditions on places that it asks for.
    pub(crate) fn looks(&self) -> impl Iterator<Item = Look> {
        self.instructions.iter().filter_map(|instruction| match instruction {
            Instruction::Look { look, .. } => Some(*look),
            _ => None,
        })
    }

    /// Appends what a node stands for, and returns where that begins. It is written from its end to its beginning, so
    /// that what follows, `next`, is known. `None`: the program gets too big.
    fn translate(&mut self, node: &Node, next: u32) -> Option<u32> {
        match node {
            Node::Empty => Some(next),
            Node::Byte(byte) => self.byte(&ByteSet::single(*byte), next),
            Node::Set(set) => self.byte(set, next),
            Node::Look(look) => self.push(Instruction::Look { look: *look, next }),
            Node::Capture { node, index } if self.groups == Groups::Saved && *index <= LAST_GROUP => {
                let slot = index.saturating_mul(2);
                let end = self.push(Instruction::Save { slot: slot.saturating_add(1), next })?;
                let inside = self.translate(node, end)?;
                self.push(Instruction::Save { slot, next: inside })
            }
            Node::Capture { node, .. } => self.translate(node, next),
            Node::Concat(nodes) => nodes.iter().rev().try_fold(next, |next, node| self.translate(node, next)),
            Node::Alternate(nodes) => {
                let (last, others) = nodes.split_last()?;
                let last = self.translate(last, next)?;
                others.iter().rev().try_fold(last, |second, node| {
                    let first = self.translate(node, next)?;
                    self.push(Instruction::Split { first, second })
                })
            }
            Node::Repeat { node, min, max: Some(max), greedy } => {
                let optional = (*min..*max).try_fold(next, |rest, _| {
                    let once_more = self.translate(node, rest)?;
                    self.choice(once_more, next, *greedy)
                })?;
                self.times(node, *min, optional)
            }
            Node::Repeat { node, min, max: None, greedy } => {
                // The loop stands behind its body, which comes back to it.
                let again = self.push(Instruction::Match)?;
                let body = self.translate(node, again)?;
                *self.instructions.get_mut(again as usize)? = split(body, next, *greedy);
                match min {
                    0 if !node.can_be_empty() => Some(again),
                    // A body that can be empty is entered once before the loop may end: as RE2 has it, `(e+)?`.
                    0 => self.choice(body, next, *greedy),
                    _ => self.times(node, min.saturating_sub(1), body),
                }
            }
        }
    }

    fn times(&mut self, node: &Node, times: u32, next: u32) -> Option<u32> {
        (0..times).try_fold(next, |next, _| self.translate(node, next))
    }

    fn choice(&mut self, taken: u32, left: u32, greedy: bool) -> Option<u32> {
        self.push(split(taken, left, greedy))
    }

    fn byte(&mut self, set: &ByteSet, next: u32) -> Option<u32> {
        let known = self.sets.iter().position(|known| known == set);
        let set = known.unwrap_or_else(|| {
            self.sets.push(set.clone());
            self.sets.len().saturating_sub(1)
        });
        self.push(Instruction::Byte { set: u32::try_from(set).ok()?, next })
    }

    fn push(&mut self, instruction: Instruction) -> Option<u32> {
        let place = self.instructions.len();
        if place >= MOST_INSTRUCTIONS {
            return None;
        }
        self.instructions.push(instruction);
        u32::try_from(place).ok()
    }
}

fn split(taken: u32, left: u32, greedy: bool) -> Instruction {
    match greedy {
        true => Instruction::Split { first: taken, second: left },
        false => Instruction::Split { first: left, second: taken },
    }
}

/// A set of places in a program. It knows their order, so nothing has to be sorted.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<u64>);

impl Places {
    /// For a program of that many instructions.
    pub(crate) fn new(length: usize) -> Self {
        Self(vec![0; length.div_ceil(64)])
    }

    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Adds a place; `false`: it was there.
    pub(crate) fn insert(&mut self, place: u32) -> bool {
        let Some(word) = self.0.get_mut((place >> 6) as usize) else { return false };
        let bit = 1 << (place & 63);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..).step_by(64).zip(&self.0).flat_map(|(first, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.checked_sub(1)?; // takes the lowest bit away
                Some(first | bit)
            })
        })
    }
}
