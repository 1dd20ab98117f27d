//! Whether a whole value matches: a deterministic automaton that is built while it runs, of what values ask for.
//!
//! A state is all that the program may be at behind some bytes; so each byte costs one look into a table, once the
//! table has it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hashbrown::HashMap;

use super::node::{ByteSet, Node, is_word};
use super::program::{Groups, Instruction, Places, Program};
use crate::PatternError;

/// The most memory that the states of a pattern take. When they would take more, all are forgotten.
const MOST_BYTES: usize = 1 << 18;

/// The same for all patterns of a thread together: there may be thousands.
const MOST_BYTES_OF_ALL: usize = 1 << 25;

thread_local! {
    static BYTES_OF_ALL: Cell<usize> = const { Cell::new(0) };
}

/// Where a state's row begins in the table: half the size of a u32, for a thousand patterns are out of every cache.
type Row = u16;

/// In the table, what is no row.
const UNKNOWN: Row = Row::MAX;
const NEVER: Row = Row::MAX - 1;
const MATCHES: Row = Row::MAX - 2;
const LAST_ROW: Row = Row::MAX - 3;

/// The first state's row.
const START: Row = 0;

/// See the module.
pub(crate) struct FullMatch {
    program: Program,
    /// Bytes of one class are all the same to the pattern.
    classes: Box<[u8; 256]>,
    /// A byte of each class. Behind the last class a row has one entry more, for the value's end.
    examples: Vec<u8>,
    /// Whether a state has to know what stands before it.
    looks: bool,
    states: RefCell<States>,
}

/// A state: where the program may be, and between which byte and the next one. One byte stands for all those that
/// no condition tells apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct State {
    before: Option<u8>,
    places: Vec<u32>,
}

#[derive(Default)]
struct States {
    /// A row a state: for each class, the row that follows.
    table: Vec<Row>,
    by_row: Vec<Rc<State>>,
    rows: HashMap<Rc<State>, Row>,
    bytes: usize,
}

impl Drop for States {
    fn drop(&mut self) {
        BYTES_OF_ALL.with(|all| all.set(all.get().saturating_sub(self.bytes)));
    }
}

impl FullMatch {
    /// Compiles a pattern.
    pub(crate) fn new(node: &Node) -> Result<Self, PatternError> {
        let program = Program::new(node, Groups::Ignored)?;
        let looks = program.looks().next().is_some();
        let of_looks = [ByteSet::of(|byte| byte == b'\n'), ByteSet::of(is_word)];
        let sets = program.sets().iter().chain(of_looks.iter().filter(|_| looks));
        let (classes, examples) = classes(sets);
        Ok(Self { program, classes, examples, looks, states: RefCell::default() })
    }

    /// Whether the whole value matches.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        let mut states = self.states.borrow_mut();
        if states.table.is_empty() {
            self.begin(&mut states);
        }
        let mut row = START;
        let mut rest = value.iter();
        while let Some((from, byte)) = self.run(&states.table, &mut row, &mut rest) {
            if row == UNKNOWN {
                row = self.learn(&mut states, from, usize::from(self.class(byte)));
            }
            if row == NEVER {
                return false;
            }
        }
        let mut verdict = states.next(row, self.examples.len());
        if verdict == UNKNOWN {
            verdict = self.learn(&mut states, row, self.examples.len());
        }
        verdict == MATCHES
    }

    /// Goes from row to row. It stops at what is no row, and says from where and by which byte it came there.
    #[inline]
    fn run(&self, table: &[Row], row: &mut Row, rest: &mut std::slice::Iter<'_, u8>) -> Option<(Row, u8)> {
        for byte in rest {
            let place = usize::from(*row).wrapping_add(usize::from(self.class(*byte)));
            let next = table.get(place).copied().unwrap_or(NEVER);
            let from = std::mem::replace(row, next);
            if next > LAST_ROW {
                return Some((from, *byte));
            }
        }
        None
    }

    #[inline]
    fn class(&self, byte: u8) -> u8 {
        self.classes.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// Finds out what follows a state, and enters it into the table.
    #[cold]
    fn learn(&self, states: &mut States, row: Row, class: usize) -> Row {
        let Some(state) = states.state(row, self.stride()) else { return NEVER };
        let after = self.examples.get(class).copied();
        let (matched, places) = self.step(&state, after);
        let next = match after {
            None if matched => MATCHES,
            Some(byte) if !places.is_empty() => {
                let before = if self.looks { representative(byte) } else { 0 };
                let state = State { before: Some(before), places };
                let end = states.table.len().saturating_add(self.stride());
                let too_much = states.bytes > MOST_BYTES || BYTES_OF_ALL.get() > MOST_BYTES_OF_ALL;
                if too_much || end > usize::from(LAST_ROW) {
                    self.begin(states);
                    return self.row(states, state); // The row that it would be entered into is gone.
                }
                self.row(states, state)
            }
            _ => NEVER,
        };
        if let Some(entry) = states.table.get_mut(usize::from(row).saturating_add(class)) {
            *entry = next;
        }
        next
    }

    /// Where the program may be behind the next byte, and whether it has matched before it.
    fn step(&self, state: &State, after: Option<u8>) -> (bool, Vec<u32>) {
        let mut seen = Places::new(self.program.len());
        let mut reached = Places::new(self.program.len());
        let mut matched = false;
        let mut to_visit = state.places.clone();
        while let Some(place) = to_visit.pop() {
            if !seen.insert(place) {
                continue;
            }
            match self.program.at(place) {
                Instruction::Byte { set, next } => {
                    if after.is_some_and(|byte| self.program.contains(set, byte)) {
                        reached.insert(next);
                    }
                }
                Instruction::Split { first, second } => to_visit.extend([first, second]),
                Instruction::Look { look, next } if look.holds(state.before, after) => to_visit.push(next),
                Instruction::Look { .. } => {}
                Instruction::Save { next, .. } => to_visit.push(next),
                Instruction::Match => matched = true,
            }
        }
        (matched, reached.iter().collect())
    }

    /// Forgets all states but the first.
    fn begin(&self, states: &mut States) {
        *states = States::default();
        self.row(states, State { before: None, places: vec![self.program.start()] });
    }

    /// The row of a state, a new one if need be.
    fn row(&self, states: &mut States, state: State) -> Row {
        if let Some(row) = states.rows.get(&state) {
            return *row;
        }
        let Ok(row) = Row::try_from(states.table.len()) else { return NEVER };
        let length = states.table.len().saturating_add(self.stride());
        states.table.resize(length, UNKNOWN);
        let of_state = size_of::<State>().saturating_add(size_of_val(state.places.as_slice()));
        let of_row = self.stride().saturating_mul(size_of::<Row>());
        let bytes = of_state.saturating_add(of_row);
        states.bytes = states.bytes.saturating_add(bytes);
        BYTES_OF_ALL.with(|all| all.set(all.get().saturating_add(bytes)));
        let state = Rc::new(state);
        states.by_row.push(state.clone());
        states.rows.insert(state, row);
        row
    }

    fn stride(&self) -> usize {
        self.examples.len().saturating_add(1)
    }
}

impl States {
    fn next(&self, row: Row, class: usize) -> Row {
        self.table.get(usize::from(row).saturating_add(class)).copied().unwrap_or(NEVER)
    }

    fn state(&self, row: Row, stride: usize) -> Option<Rc<State>> {
        self.by_row.get(usize::from(row).checked_div(stride)?).cloned()
    }
}

/// The byte that stands for all those that no condition on places tells from it.
fn representative(byte: u8) -> u8 {
    match byte {
        b'\n' => b'\n',
        _ if is_word(byte) => b'a',
        _ => b' ',
    }
}

/// The class of each byte, and a byte of each class: two bytes are of one class if no set tells them apart.
fn classes<'a>(sets: impl Iterator<Item = &'a ByteSet>) -> (Box<[u8; 256]>, Vec<u8>) {
    let mut classes = Box::new([0_u8; 256]);
    let mut sizes = vec![256_usize];
    for set in sets {
        let class_of = |classes: &[u8; 256], byte: u8| classes.get(usize::from(byte)).copied().map(usize::from);
        let mut members = vec![0_usize; sizes.len()];
        for class in set.iter().filter_map(|byte| class_of(&classes, byte)) {
            members.get_mut(class).into_iter().for_each(|count| *count = count.saturating_add(1));
        }
        // A class that is partly in the set loses that part to a new class.
        let mut new = vec![None; sizes.len()];
        for (class, count) in members.into_iter().enumerate() {
            let Some(size) = sizes.get_mut(class).filter(|size| (1..**size).contains(&count)) else { continue };
            *size = size.saturating_sub(count);
            new.get_mut(class).into_iter().for_each(|new| *new = u8::try_from(sizes.len()).ok());
            sizes.push(count);
        }
        for byte in set.iter() {
            let moved = class_of(&classes, byte).and_then(|class| new.get(class).copied().flatten());
            classes.get_mut(usize::from(byte)).zip(moved).into_iter().for_each(|(class, new)| *class = new);
        }
    }
    let mut examples = vec![0; sizes.len()];
    for (byte, class) in (0..=u8::MAX).zip(classes.iter()) {
        examples.get_mut(usize::from(*class)).into_iter().for_each(|example| *example = byte);
    }
    (classes, examples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::re2::parse;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Thousands of patterns, each with many states, and a client that walks through them.
    #[test]
    fn all_automata_together_are_bounded_and_right() {
        let before = BYTES_OF_ALL.get();
        let compile = |number| FullMatch::new(&parse(&format!("[ab]*a[ab]{{12}}{number}")).unwrap().node).unwrap();
        let patterns: Vec<_> = (0..400).map(compile).collect();
        let mut most = 0;
        for (number, pattern) in patterns.iter().enumerate() {
            for seed in 0..100_u32 {
                let bits = seed.wrapping_mul(0x9e37_79b9);
                let mut value: Vec<u8> = (0..32).map(|bit| if bits >> bit & 1 == 0 { b'a' } else { b'b' }).collect();
                let expected = value[19] == b'a';
                value.extend(number.to_string().bytes());
                assert_eq!(pattern.matches(&value), expected, "{}", value.escape_ascii());
            }
            most = most.max(BYTES_OF_ALL.get());
        }
        assert!(most.abs_diff(MOST_BYTES_OF_ALL) < MOST_BYTES, "{most}");
        drop(patterns);
        assert_eq!(BYTES_OF_ALL.get(), before);
    }
}
