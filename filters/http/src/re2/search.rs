//! Where in a value a pattern matches, and its groups: Pike's machine, which runs all ways through the program side by
//! side and prefers them as a backtracking engine would.

use std::mem;
use std::rc::Rc;

use super::node::Node;
use super::program::{Groups, Instruction, Places, Program};
use crate::PatternError;

/// For the whole match and each of the groups 1 to 9: where it begins and ends.
type Slots = [Option<usize>; 20];

/// See the module.
#[derive(Debug)]
pub(crate) struct Search(Program);

/// A match.
pub(crate) struct Match(Rc<Slots>);

impl Match {
    /// Where it begins and ends.
    pub(crate) fn whole(&self) -> (usize, usize) {
        self.group(0).unwrap_or_default()
    }

    /// Where that group begins and ends, if it took part.
    pub(crate) fn group(&self, group: usize) -> Option<(usize, usize)> {
        let (pairs, _) = self.0.as_chunks();
        let [start, end] = *pairs.get(group)?;
        Some((start?, end?))
    }
}

/// One way through the program.
struct Thread {
    place: u32,
    slots: Rc<Slots>,
}

/// The ways that stand at one place in the text, the preferred ones first.
struct Threads {
    list: Vec<Thread>,
    seen: Places,
}

/// A place in the text: how far from its beginning, and between which bytes.
#[derive(Clone, Copy)]
struct Position {
    at: usize,
    before: Option<u8>,
    after: Option<u8>,
}

impl Position {
    fn new(value: &[u8], at: usize) -> Self {
        let before = at.checked_sub(1).and_then(|before| value.get(before));
        Self { at, before: before.copied(), after: value.get(at).copied() }
    }
}

impl Search {
    /// Compiles a pattern.
    pub(crate) fn new(node: &Node) -> Result<Self, PatternError> {
        Program::new(node, Groups::Saved).map(Self)
    }

    /// The first match that begins there or later.
    pub(crate) fn find(&self, value: &[u8], from: usize) -> Option<Match> {
        let threads = || Threads { list: Vec::new(), seen: Places::new(self.0.len()) };
        let (mut current, mut next) = (threads(), threads());
        let mut found = None;
        for at in from..=value.len() {
            let here = Position::new(value, at);
            if found.is_none() {
                let mut slots = Slots::default();
                slots[0] = Some(at);
                self.follow(&mut current, self.0.start(), Rc::new(slots), here);
            } else if current.list.is_empty() {
                break;
            }
            let behind = Position::new(value, at.saturating_add(1));
            for Thread { place, mut slots } in current.list.drain(..) {
                match self.0.at(place) {
                    Instruction::Byte { set, next: place } => {
                        if here.after.is_some_and(|byte| self.0.contains(set, byte)) {
                            self.follow(&mut next, place, slots, behind);
                        }
                    }
                    // What is left is less preferred.
                    _ => {
                        Rc::make_mut(&mut slots)[1] = Some(at);
                        found = Some(Match(slots));
                        break;
                    }
                }
            }
            current.seen.clear();
            mem::swap(&mut current, &mut next);
        }
        found
    }

    /// Goes on from a place until bytes are asked for, or the pattern has matched.
    fn follow(&self, threads: &mut Threads, place: u32, slots: Rc<Slots>, here: Position) {
        let mut to_visit = vec![Thread { place, slots }];
        while let Some(Thread { place, mut slots }) = to_visit.pop() {
            if !threads.seen.insert(place) {
                continue;
            }
            match self.0.at(place) {
                Instruction::Split { first, second } => {
                    to_visit.push(Thread { place: second, slots: slots.clone() });
                    to_visit.push(Thread { place: first, slots });
                }
                Instruction::Look { look, next } => {
                    if look.holds(here.before, here.after) {
                        to_visit.push(Thread { place: next, slots });
                    }
                }
                Instruction::Save { slot, next } => {
                    if let Some(slot) = Rc::make_mut(&mut slots).get_mut(slot as usize) {
                        *slot = Some(here.at);
                    }
                    to_visit.push(Thread { place: next, slots });
                }
                Instruction::Byte { .. } | Instruction::Match => threads.list.push(Thread { place, slots }),
            }
        }
    }
}
