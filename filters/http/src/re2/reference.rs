//! What patterns mean, checked against another engine: the one behind the `regex` crate, given the same tree.

use proptest::prelude::*;
use regex_automata::Input;
use regex_automata::meta::{Config, Regex};
use regex_syntax::hir::{self, Class, ClassBytes, ClassBytesRange, Hir};

use super::node::{ByteSet, Look, Node};
use super::{FullMatch, Search, parse};

/// The pattern as the other engine takes it, over bytes.
fn to_hir(node: &Node) -> Hir {
    match node {
        Node::Empty => Hir::empty(),
        Node::Byte(byte) => Hir::literal([*byte]),
        Node::Set(set) => Hir::class(Class::Bytes(to_class(set))),
        Node::Look(look) => Hir::look(match look {
            Look::TextStart => hir::Look::Start,
            Look::TextEnd => hir::Look::End,
            Look::LineStart => hir::Look::StartLF,
            Look::LineEnd => hir::Look::EndLF,
            Look::WordBoundary => hir::Look::WordAscii,
            Look::NotWordBoundary => hir::Look::WordAsciiNegate,
        }),
        Node::Repeat { node, min, max, greedy } => {
            let sub = Box::new(to_hir(node));
            Hir::repetition(hir::Repetition { min: *min, max: *max, greedy: *greedy, sub })
        }
        Node::Capture { node, index } => {
            Hir::capture(hir::Capture { index: *index, name: None, sub: Box::new(to_hir(node)) })
        }
        Node::Concat(nodes) => Hir::concat(nodes.iter().map(to_hir).collect()),
        Node::Alternate(nodes) => Hir::alternation(nodes.iter().map(to_hir).collect()),
    }
}

fn to_class(set: &ByteSet) -> ClassBytes {
    let members = (0..=u8::MAX).filter(|byte| set.contains(*byte));
    ClassBytes::new(members.map(|byte| ClassBytesRange::new(byte, byte)))
}

fn engine(hir: &Hir) -> Regex {
    Regex::builder().configure(Config::new().utf8_empty(false)).build_from_hir(hir).unwrap()
}

/// Pieces of patterns: few letters, so that values match often, and all that a program is made of.
fn patterns() -> impl Strategy<Value = String> {
    let piece = r"(a|b|ab|_|\.|\^|\$|\\b|\\B|\\A|\\z|\\n|\[ab\]|\[\^a\]|\\w|\\s|\(\?m\)|\(\?s\)|\(\?i\)|\(\?U\)|\||\||\(|\(|\(\?:|\)|\)|\*|\+|\?|\*\?|\+\?|\?\?|\{2\}|\{0,2\}|\{1,\}|\{0\})";
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| {
        let mut text = pieces.concat();
        let open = text.matches('(').count().saturating_sub(text.matches(')').count());
        text.push_str(&")".repeat(open));
        text
    })
}

fn values() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[abA_ \n]{0,8}", 30)
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 1 << 20, ..ProptestConfig::default() })]

    #[test]
    fn the_same_values_match_as_a_whole(text in patterns(), values in values()) {
        let parsed = parse(&text);
        prop_assume!(parsed.is_ok());
        let node = parsed.unwrap().node;
        let ours = FullMatch::new(&node).unwrap();
        let theirs = engine(&Hir::concat(vec![Hir::look(hir::Look::Start), to_hir(&node), Hir::look(hir::Look::End)]));
        for value in &values {
            prop_assert_eq!(ours.matches(value.as_bytes()), theirs.is_match(value), "{} {:?}", text, value);
        }
    }

    #[test]
    fn the_same_matches_are_found_with_the_same_groups(text in patterns(), values in values(), from in 0..3_usize) {
        let parsed = parse(&text);
        prop_assume!(parsed.is_ok());
        let parsed = parsed.unwrap();
        let ours = Search::new(&parsed.node).unwrap();
        let theirs = engine(&to_hir(&parsed.node));
        let mut captures = theirs.create_captures();
        for value in &values {
            let from = from.min(value.len());
            theirs.captures(Input::new(value).range(from..), &mut captures);
            let found = ours.find(value.as_bytes(), from);
            for group in 0..=(parsed.groups as usize).min(9) {
                let ours = found.as_ref().and_then(|found| found.group(group));
                let theirs = captures.get_group(group).map(|span| (span.start, span.end));
                prop_assert_eq!(ours, theirs, "{} {:?} group {}", text, value, group);
            }
        }
    }
}
