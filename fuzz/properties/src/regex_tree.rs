//! What a pattern means: the same pattern as a tree, matched without any cleverness.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use pointsman_http::{Pattern, Rewrite};

use crate::choices::Choices;

/// Which bytes a set has.
type Has = fn(u8) -> bool;

/// Whether it holds at that place.
type Holds = fn(&[u8], usize) -> bool;

enum Tree {
    Byte(u8),
    /// `.`, `\d`, `[^a-b]`: how it is written, and which bytes it matches.
    Set(&'static str, Has),
    Look(&'static str, Holds),
    Repeat {
        tree: Box<Tree>,
        counts: (usize, Option<usize>),
        written: &'static str,
    },
    /// How it opens: a group of any kind, or none that captures.
    Group(&'static str, Box<Tree>),
    /// `(?i:…)`.
    Folded(Box<Tree>),
    Concat(Vec<Tree>),
    Alternate(Vec<Tree>),
}

const BYTES: &[u8] = b"ab/A.-k_ \xc3\xa9(*\\";
/// What the values are made of: nothing that marks a match, see [`MARKED`].
const LETTERS: &[u8] = b"ab/A.-kK_ \xc3\xa9(*\\\n\xff0";
/// The tree is matched at every place of the value.
const LONGEST: usize = 24;
const MARKED: &str = "\u{1}\\0\u{2}";

const SETS: [(&str, Has); 12] = [
    (".", |b| b != b'\n'),
    (r"\C", |_| true),
    (r"\d", |b| b.is_ascii_digit()),
    (r"\D", |b| !b.is_ascii_digit()),
    (r"\w", |b| b.is_ascii_alphanumeric() || b == b'_'),
    (r"\s", |b| b" \t\n\r\x0c".contains(&b)),
    ("[ab]", |b| b"ab".contains(&b)),
    ("[^a]", |b| b != b'a'),
    ("[]/-]", |b| b"]/-".contains(&b)),
    ("[[:alpha:]_]", |b| b.is_ascii_alphabetic() || b == b'_'),
    (r"[\d.-]", |b| b.is_ascii_digit() || b".-".contains(&b)),
    (r"[\x80-\xff]", |b| b >= 0x80),
];

fn is_word(value: &[u8], at: usize) -> bool {
    value.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn is_boundary(value: &[u8], at: usize) -> bool {
    is_word(value, at) != (at > 0 && is_word(value, at - 1))
}

const LOOKS: [(&str, Holds); 6] = [
    ("^", |_, at| at == 0),
    ("$", |value, at| at == value.len()),
    ("(?m:^)", |value, at| at == 0 || value[at - 1] == b'\n'),
    ("(?m:$)", |value, at| at == value.len() || value[at] == b'\n'),
    (r"\b", is_boundary),
    (r"\B", |value, at| !is_boundary(value, at)),
];

const COUNTS: [(&str, (usize, Option<usize>)); 8] = [
    ("*", (0, None)),
    ("+", (1, None)),
    ("?", (0, Some(1))),
    ("*?", (0, None)),
    ("{2}", (2, Some(2))),
    ("{1,3}", (1, Some(3))),
    ("{2,}?", (2, None)),
    ("{0}", (0, Some(0))),
];

/// A pattern matches what its tree matches, wherever it is looked for.
pub fn regex_tree(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let tree = tree(&mut choices, 4);
    let mut text = String::new();
    tree.write(&mut text);
    let pattern = Pattern::compile(&text).unwrap_or_else(|why| panic!("{text:?}: {why}"));
    let search = Rewrite::compile(&text, MARKED).unwrap_or_else(|why| panic!("{text:?}: {why}"));
    for _ in 0..4 {
        let mut value = match choices.one_in(3) {
            false => tree.sample(&mut choices),
            true => choices.list(8, |choices| choices.pick(LETTERS)),
        };
        value.truncate(LONGEST);
        let expected = tree.ends(&value, 0, false).contains(&value.len());
        let shape = pattern.shape();
        assert_eq!(pattern.is_full_match(&value), expected, "{text:?} {} {shape:?}", value.escape_ascii());
        finds(&tree, &text, &value, &search.replace_all(&value));
    }
}

/// The first match begins where the tree first matches at all, each ends where RE2 prefers it to, and nothing else has
/// changed.
fn finds(tree: &Tree, text: &str, value: &[u8], marked: &[u8]) {
    let first = (0..=value.len()).find(|start| !tree.ends(value, *start, false).is_empty());
    assert_eq!(marked.iter().position(|byte| *byte == 1), first, "{text:?} {}", value.escape_ascii());
    let mut start = None;
    let mut at = 0;
    for byte in marked {
        match (byte, start) {
            (1, None) => start = Some(at),
            (2, Some(from)) => {
                let ends = tree.ends(value, from, false);
                let is_match = if tree.has_idle_rounds() { ends.contains(&at) } else { ends[0] == at };
                assert!(is_match, "{text:?} {} {at} {ends:?}", value.escape_ascii());
                start = None;
            }
            _ => {
                assert_eq!(Some(byte), value.get(at), "{text:?} {}", value.escape_ascii());
                at += 1;
            }
        }
    }
    assert_eq!((at, start), (value.len(), None));
}

/// The ends of a repetition.
struct Rounds<'a> {
    body: &'a dyn Fn(usize) -> Vec<usize>,
    is_lazy: bool,
    /// What is tried a second time leads nowhere new.
    seen: BTreeSet<(usize, usize, Option<usize>)>,
    ends: Vec<usize>,
}

impl Rounds<'_> {
    /// So many rounds are left that must, and that may be.
    fn from(&mut self, start: usize, least: usize, most: Option<usize>) {
        if !self.seen.insert((start, least, most)) {
            return;
        }
        if least == 0 && self.is_lazy {
            self.ends.push(start);
        }
        if most != Some(0) {
            for end in (self.body)(start) {
                match end == start && least == 0 && most.is_none() {
                    // A round that gets nowhere is the last.
                    true => self.ends.push(start),
                    false => self.from(end, least.saturating_sub(1), most.map(|most| most - 1)),
                }
            }
        }
        if least == 0 {
            self.ends.push(start);
        }
    }
}

/// Each at its first place.
fn distinct(all: Vec<usize>) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    all.into_iter().filter(|end| seen.insert(*end)).collect()
}

fn tree(choices: &mut Choices<'_>, depth: usize) -> Tree {
    let kinds = if depth == 0 { 4 } else { 11 };
    let deeper = |choices: &mut Choices<'_>| tree(choices, depth.saturating_sub(1));
    match choices.below(kinds) {
        0 | 1 => Tree::Byte(choices.pick(BYTES)),
        2 => {
            let (written, test) = choices.pick(&SETS);
            Tree::Set(written, test)
        }
        3 => {
            let (written, test) = choices.pick(&LOOKS);
            Tree::Look(written, test)
        }
        4 | 5 => {
            let (written, counts) = choices.pick(&COUNTS);
            Tree::Repeat { tree: Box::new(deeper(choices)), counts, written }
        }
        6 => Tree::Group(choices.pick(&["(", "(?:", "(?P<name>", "(?<n_1>", "(?-sU:"]), Box::new(deeper(choices))),
        7 => Tree::Folded(Box::new(deeper(choices))),
        8 | 9 => Tree::Concat(choices.list(4, deeper)),
        _ => Tree::Alternate(choices.list(3, deeper)),
    }
}

impl Tree {
    fn write(&self, text: &mut String) {
        match self {
            // Bytes beyond ASCII have no letter of their own.
            Self::Byte(byte @ 0x80..) => write!(text, r"\x{byte:02x}").unwrap(),
            Self::Byte(byte) if byte.is_ascii_alphanumeric() || b"/_ ".contains(byte) => text.push(char::from(*byte)),
            Self::Byte(byte) => text.extend(['\\', char::from(*byte)]),
            Self::Set(written, _) | Self::Look(written, _) => text.push_str(written),
            Self::Repeat { tree, written, .. } => {
                text.push_str("(?:");
                tree.write(text);
                text.push(')');
                text.push_str(written);
            }
            Self::Group(opening, tree) => {
                text.push_str(opening);
                tree.write(text);
                text.push(')');
            }
            Self::Folded(tree) => {
                text.push_str("(?i:");
                tree.write(text);
                text.push(')');
            }
            Self::Concat(trees) => trees.iter().for_each(|tree| tree.write(text)),
            Self::Alternate(trees) => {
                text.push_str("(?:");
                for (index, tree) in trees.iter().enumerate() {
                    text.push_str(if index > 0 { "|" } else { "" });
                    tree.write(text);
                }
                text.push(')');
            }
        }
    }

    /// Whether some round of a repetition may match nothing: which end is preferred then is a matter of how RE2 unrolls
    /// its repetitions.
    fn has_idle_rounds(&self) -> bool {
        match self {
            Self::Byte(_) | Self::Set(..) | Self::Look(..) => false,
            Self::Repeat { tree, .. } => tree.may_be_empty() || tree.has_idle_rounds(),
            Self::Group(_, tree) | Self::Folded(tree) => tree.has_idle_rounds(),
            Self::Concat(trees) | Self::Alternate(trees) => trees.iter().any(Self::has_idle_rounds),
        }
    }

    fn may_be_empty(&self) -> bool {
        match self {
            Self::Byte(_) | Self::Set(..) => false,
            Self::Look(..) => true,
            Self::Repeat { tree, counts: (least, _), .. } => *least == 0 || tree.may_be_empty(),
            Self::Group(_, tree) | Self::Folded(tree) => tree.may_be_empty(),
            Self::Concat(trees) => trees.iter().all(Self::may_be_empty),
            Self::Alternate(trees) => trees.is_empty() || trees.iter().any(Self::may_be_empty),
        }
    }

    /// Where a match that begins there may end, in the order in which RE2 prefers them.
    fn ends(&self, value: &[u8], start: usize, fold: bool) -> Vec<usize> {
        let one = |holds: bool, end: usize| if holds { vec![end] } else { Vec::new() };
        match self {
            Self::Byte(byte) => {
                let is_it = |b: &u8| b == byte || fold && b.eq_ignore_ascii_case(byte);
                one(value.get(start).is_some_and(is_it), start + 1)
            }
            Self::Set(written, test) => {
                // A class is folded first and then turned around.
                let is_negated = written.starts_with("[^");
                let of_case = |b: u8| [test(b.to_ascii_lowercase()), test(b.to_ascii_uppercase())];
                let is_in = |b: u8| if fold { of_case(b).contains(&!is_negated) != is_negated } else { test(b) };
                one(value.get(start).is_some_and(|b| is_in(*b)), start + 1)
            }
            Self::Look(_, test) => one(test(value, start), start),
            Self::Repeat { tree, counts: (least, most), written } => {
                let body = |start| tree.ends(value, start, fold);
                let is_lazy = written.len() > 1 && written.ends_with('?');
                let mut rounds = Rounds { body: &body, is_lazy, seen: BTreeSet::new(), ends: Vec::new() };
                rounds.from(start, *least, *most);
                distinct(rounds.ends)
            }
            Self::Group(_, tree) => tree.ends(value, start, fold),
            Self::Folded(tree) => tree.ends(value, start, true),
            Self::Concat(trees) => trees.iter().fold(vec![start], |starts, tree| {
                distinct(starts.into_iter().flat_map(|start| tree.ends(value, start, fold)).collect())
            }),
            Self::Alternate(trees) if trees.is_empty() => vec![start],
            Self::Alternate(trees) => distinct(trees.iter().flat_map(|tree| tree.ends(value, start, fold)).collect()),
        }
    }

    /// A value that matches, but for what it looks at.
    fn sample(&self, choices: &mut Choices<'_>) -> Vec<u8> {
        match self {
            Self::Byte(byte) => vec![*byte],
            Self::Set(_, test) => {
                let letter = choices.pick(LETTERS);
                vec![LETTERS.iter().copied().find(|b| test(*b) && *b >= letter).unwrap_or(letter)]
            }
            Self::Look(..) => Vec::new(),
            Self::Repeat { tree, counts: (least, most), .. } => {
                let count = (least + choices.below(3)).min(most.unwrap_or(usize::MAX));
                (0..count).flat_map(|_| tree.sample(choices)).collect()
            }
            Self::Group(_, tree) => tree.sample(choices),
            Self::Folded(tree) => tree.sample(choices).to_ascii_uppercase(),
            Self::Concat(trees) => trees.iter().flat_map(|tree| tree.sample(choices)).collect(),
            Self::Alternate(trees) if trees.is_empty() => Vec::new(),
            Self::Alternate(trees) => trees[choices.below(trees.len())].sample(choices),
        }
    }
}
