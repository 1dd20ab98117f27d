//! The parser: RE2's syntax, character by character, without recursion.

use super::class::{bracketed, perl};
use super::escape::escaped;
use super::group::{Flags, Opening, opening};
use super::node::{ByteSet, Look, Node};
use crate::PatternError;

/// More groups within each other than this are refused, so that no later step runs out of stack.
const MAX_DEPTH: usize = 50;

/// The most copies a counted repetition may ask for, those of nested ones multiplied: RE2's limit.
const MAX_COPIES: u32 = 1000;

/// A pattern that RE2 accepts.
pub(crate) struct Parsed {
    pub(crate) node: Node,
    /// How many capturing groups it has.
    pub(crate) groups: u32,
}

/// Parses a pattern as RE2 does in Latin-1 mode with its default options (Perl's syntax).
pub(crate) fn parse(text: &str) -> Result<Parsed, PatternError> {
    let mut parser = Parser::default();
    let mut input = Cursor(text.as_bytes());
    while let Some(byte) = input.next() {
        parser.step(byte, &mut input)?;
    }
    if !parser.open.is_empty() {
        return refuse("a ( is never closed; write \\( for the character");
    }
    Ok(Parsed { groups: parser.groups, node: parser.level.close() })
}

pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, PatternError> {
    Err(PatternError::new(why))
}

/// What is left of the pattern.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The letter of an escape, if one comes next.
    pub(super) fn peek_escape(&self) -> Option<u8> {
        match self.0 {
            [b'\\', letter, ..] => Some(*letter),
            _ => None,
        }
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.0 = self.0.get(bytes..).unwrap_or_default();
    }

    pub(super) fn eat(&mut self, prefix: &[u8]) -> bool {
        let rest = self.0.strip_prefix(prefix);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

/// One level of nesting: the pattern as a whole, or an open group.
#[derive(Default)]
struct Level {
    /// The branches before the last `|`.
    branches: Vec<Node>,
    /// What stands behind it.
    items: Vec<Node>,
}

impl Level {
    fn end_branch(&mut self) {
        self.branches.push(Node::concat(std::mem::take(&mut self.items)));
    }

    fn close(mut self) -> Node {
        self.end_branch();
        if self.branches.len() > 1 { Node::Alternate(self.branches) } else { Node::concat(self.branches) }
    }
}

/// An open group: what goes on behind it.
struct Open {
    outer: Level,
    flags: Flags,
    /// Its number, if it captures.
    index: Option<u32>,
}

#[derive(Default)]
struct Parser {
    level: Level,
    open: Vec<Open>,
    flags: Flags,
    groups: u32,
    /// Whether the last item is a repetition as such, not one in a group: a second one on top is refused. (RE2 lets
    /// `a*(?i)*` and `a*\Q\E*` pass; refused here, as nothing but groups may nest.)
    repeated: bool,
}

impl Parser {
    fn step(&mut self, byte: u8, input: &mut Cursor<'_>) -> Result<(), PatternError> {
        match byte {
            b'(' => self.open(input)?,
            b')' => self.close()?,
            b'|' => self.level.end_branch(),
            b'^' => self.push(Node::Look(if self.flags.multi_line { Look::LineStart } else { Look::TextStart })),
            b'$' => self.push(Node::Look(if self.flags.multi_line { Look::LineEnd } else { Look::TextEnd })),
            b'.' => {
                let newline = self.flags.dot_newline;
                self.push_set(ByteSet::of(|b| newline || b != b'\n'));
            }
            b'[' => {
                let set = bracketed(input, self.flags.fold)?;
                self.push_set(set);
            }
            b'*' => self.repeat(0, None, input)?,
            b'+' => self.repeat(1, None, input)?,
            b'?' => self.repeat(0, Some(1), input)?,
            b'{' => match counts(input) {
                Some((min, max)) => self.repeat_counted(min, max, input)?,
                None => self.literal(b'{'),
            },
            b'\\' => self.escape(input)?,
            _ => self.literal(byte),
        }
        Ok(())
    }

    fn push(&mut self, node: Node) {
        self.level.items.push(node);
        self.repeated = false;
    }

    fn push_set(&mut self, set: ByteSet) {
        self.push(Node::Set(Box::new(set)));
    }

    /// A byte that stands for itself. Under `(?i)` RE2's Latin-1 mode folds ASCII letters alone here.
    fn literal(&mut self, byte: u8) {
        if self.flags.fold && byte.is_ascii_alphabetic() {
            self.push_set(ByteSet::of(|b| b.eq_ignore_ascii_case(&byte)));
        } else {
            self.push(Node::Byte(byte));
        }
    }

    fn escape(&mut self, input: &mut Cursor<'_>) -> Result<(), PatternError> {
        let node = match input.peek() {
            Some(b'A') => Node::Look(Look::TextStart),
            Some(b'z') => Node::Look(Look::TextEnd),
            Some(b'b') => Node::Look(Look::WordBoundary),
            Some(b'B') => Node::Look(Look::NotWordBoundary),
            Some(b'C') => Node::Set(Box::new(ByteSet::of(|_| true))),
            Some(b'Q') => {
                input.skip(1);
                while !input.eat(b"\\E") {
                    let Some(byte) = input.next() else { break };
                    self.literal(byte);
                }
                return Ok(());
            }
            letter => match letter.and_then(perl) {
                Some(set) => Node::Set(Box::new(set)),
                None => {
                    let byte = escaped(input)?;
                    self.literal(byte);
                    return Ok(());
                }
            },
        };
        input.skip(1);
        self.push(node);
        Ok(())
    }

    fn open(&mut self, input: &mut Cursor<'_>) -> Result<(), PatternError> {
        let mut inner = self.flags;
        let index = match opening(input, &mut inner)? {
            Opening::Flags => {
                self.flags = inner;
                return Ok(());
            }
            Opening::Group => None,
            Opening::Capture => {
                self.groups = self.groups.saturating_add(1);
                Some(self.groups)
            }
        };
        if self.open.len() >= MAX_DEPTH {
            return refuse(format!("more than {MAX_DEPTH} groups within each other"));
        }
        let outer = std::mem::take(&mut self.level);
        self.open.push(Open { outer, flags: self.flags, index });
        self.flags = inner;
        Ok(())
    }

    fn close(&mut self) -> Result<(), PatternError> {
        let Some(open) = self.open.pop() else {
            return refuse("a ) without a ( before it; write \\) for the character");
        };
        let node = std::mem::replace(&mut self.level, open.outer).close();
        self.flags = open.flags;
        self.push(match open.index {
            Some(index) => Node::Capture { node: Box::new(node), index },
            None => node,
        });
        Ok(())
    }

    fn repeat_counted(&mut self, min: u32, max: Option<u32>, input: &mut Cursor<'_>) -> Result<(), PatternError> {
        if max.is_some_and(|max| max < min) {
            return refuse("a repetition's second count is below its first");
        }
        self.repeat(min, max, input)?;
        if self.level.items.last().is_some_and(|node| node.copies() > MAX_COPIES) {
            return refuse(format!("repetitions ask for more than RE2's {MAX_COPIES} copies; use * or +"));
        }
        Ok(())
    }

    fn repeat(&mut self, min: u32, max: Option<u32>, input: &mut Cursor<'_>) -> Result<(), PatternError> {
        let lazy = input.eat(b"?");
        if self.repeated {
            return refuse("a repetition of a repetition; for that, put the first into (?:…)");
        }
        let Some(node) = self.level.items.pop() else {
            return refuse("a repetition without anything before it; write \\*, \\+, \\? for the character");
        };
        self.push(Node::Repeat { node: Box::new(node), min, max, greedy: lazy == self.flags.lazy });
        self.repeated = true;
        Ok(())
    }
}

/// Reads the counts of a repetition, behind its `{`; anything else leaves the `{` a character as any other.
fn counts(input: &mut Cursor<'_>) -> Option<(u32, Option<u32>)> {
    let inside = input.rest().split(|b| *b == b'}').next().filter(|inside| inside.len() < input.rest().len())?;
    let (min, max) = match inside.iter().position(|b| *b == b',').and_then(|at| inside.split_at_checked(at)) {
        None => (count(inside)?, Some(count(inside)?)),
        Some((min, b",")) => (count(min)?, None),
        Some((min, max)) => (count(min)?, Some(count(max.strip_prefix(b",")?)?)),
    };
    input.skip(inside.len().saturating_add(1));
    Some((min, max))
}

/// A count: digits, without a leading zero and not more of them than RE2 reads.
fn count(digits: &[u8]) -> Option<u32> {
    let well_formed = digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first() != Some(&b'0'));
    let digits = std::str::from_utf8(digits).ok()?;
    if well_formed && digits.len() <= 9 { digits.parse().ok() } else { None }
}
