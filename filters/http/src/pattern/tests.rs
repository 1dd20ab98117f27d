//! What patterns mean: every case below was checked against RE2 itself, in Latin-1 mode.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A pattern, values that match as a whole, and values that do not.
type Case = (&'static str, &'static [&'static [u8]], &'static [&'static [u8]]);

#[rustfmt::skip]
const ACCEPTED: &[Case] = &[
    // A character is a byte.
    ("caf.", &[b"cafe"], &[b"caf\xc3\xa9"]),
    ("caf..", &[b"caf\xc3\xa9", b"cafes"], &[b"cafe"]),
    ("café", &[b"caf\xc3\xa9"], &[b"caf\xc3"]),
    ("[é]", &[b"\xc3", b"\xa9"], &[b"\xc3\xa9"]),
    (".", &[b"a", b"\xff", b"\x00"], &[b"\n", b"\xc3\xa9"]),
    ("[^a]", &[b"\n", b"\xff"], &[b"a"]),
    (r"\C", &[b"\n", b"\xff"], &[b""]),
    (r"\xe9", &[b"\xe9"], &[b"\xc3\xa9"]),
    (r"\x{e9}", &[b"\xe9"], &[b"\xc3\xa9"]),
    ("(?s).", &[b"\n", b"\xff"], &[]),
    (r"\w+", &[b"az_09AZ"], &[b"\xc3\xa9", b"-"]),
    (r"\W", &[b"\xff", b"\n"], &[b"a"]),
    (r"\d", &[b"7"], &[b"\xb2"]),
    (r"\s+", &[b" \t\n\x0c\x0d"], &[b"\x0b"]),
    ("[[:space:]]", &[b"\x0b"], &[]),
    (r"\b\xe9\b", &[], &[b"\xe9"]),
    (r"a\b\xe9", &[b"a\xe9"], &[]),
    // Set operations and nested classes are Rust's alone.
    ("[[a]", &[b"[", b"a"], &[b"]"]),
    ("[[a]]", &[b"[]", b"a]"], &[b"a"]),
    ("[a&&b]", &[b"a", b"&", b"b"], &[]),
    ("[+--b]", &[b"+", b",", b"-", b"b"], &[b"."]),
    ("[a~~b]", &[b"~", b"a"], &[]),
    ("[]a]", &[b"]", b"a"], &[]),
    ("[^]a]", &[b"b"], &[b"]", b"a"]),
    ("[a-]", &[b"a", b"-"], &[b"b"]),
    ("[-a]", &[b"-", b"a"], &[]),
    (r"[\d-z]", &[b"1", b"-", b"z"], &[b"a"]),
    (r"[\]\^a]", &[b"]", b"^"], &[b"\\"]),
    ("[.$*]", &[b".", b"$", b"*"], &[b"a"]),
    (r"[\n\x41\101\0]", &[b"\n", b"A", b"\x00"], &[b"B"]),
    (r"[^\x00-\xff]", &[], &[b"a", b""]),
    ("[[:alpha:]-z]", &[b"a", b"-", b"z"], &[b"1"]),
    ("[[:^alpha:]]", &[b"1", b"\xff"], &[b"a"]),
    ("[^[:^alpha:]]", &[b"a"], &[b"1"]),
    ("[[:word:]]", &[b"_"], &[b"-"]),
    ("[:alpha:]", &[b"a", b":"], &[b"z"]),
    ("[[:alpha]", &[b"a", b":", b"["], &[b"z"]),
    ("[[=a=]]", &[b"a]"], &[b"a"]),
    // What is no repetition is itself.
    ("a{", &[b"a{"], &[b"a"]),
    ("a{,5}", &[b"a{,5}"], &[b"aa"]),
    ("a{1,", &[b"a{1,"], &[]),
    ("a{01}", &[b"a{01}"], &[b"a"]),
    ("a{ 1}", &[b"a{ 1}"], &[]),
    ("a{1, 2}", &[b"a{1, 2}"], &[]),
    ("a{1000000000}", &[b"a{1000000000}"], &[]),
    ("{}", &[b"{}"], &[]),
    ("a{2}", &[b"aa"], &[b"a", b"aaa"]),
    ("a{2,}", &[b"aa", b"aaaa"], &[b"a"]),
    ("a{0}", &[b""], &[b"a"]),
    ("(?:a{2}){2}", &[b"aaaa"], &[b"aaa"]),
    ("^*", &[b""], &[b"a"]),
    ("(|a)*", &[b"", b"aa"], &[]),
    ("(?:a*)*", &[b"", b"aa"], &[b"b"]),
    ("()", &[b""], &[b"a"]),
    ("a||b", &[b"a", b"", b"b"], &[b"ab"]),
    (r"a\Q\Eb", &[b"ab"], &[]),
    // Escapes.
    (r"\Qa*\E+", &[b"a**", b"a*"], &[b"aa"]),
    (r"\Qa\b", &[b"a\\b"], &[b"a"]),
    (r"\012", &[b"\n"], &[]),
    (r"\0", &[b"\x00"], &[b"0"]),
    (r"\07", &[b"\x07"], &[]),
    (r"\12", &[b"\n"], &[]),
    (r"\1234", &[b"S4"], &[]),
    (r"\377", &[b"\xff"], &[]),
    (r"\<a\>", &[b"<a>"], &[b"a"]),
    (r"\b{start}", &[], &[b"{start}", b"a"]),
    (r"\-\_\/\ \#\&\~\%", &[b"-_/ #&~%"], &[]),
    (r"\a\f\t\n\r\v", &[b"\x07\x0c\t\n\x0d\x0b"], &[]),
    (r"\Aa\z", &[b"a"], &[]),
    (r"a\B", &[], &[b"a"]),
    (r"a\b", &[b"a"], &[]),
    // Flags and groups.
    ("(?i)aB", &[b"Ab", b"ab"], &[b"a"]),
    ("(?i)É", &[b"\xc3\x89"], &[b"\xc3\xa9"]),
    ("(?i)[é]", &[b"\xc3"], &[b"\xe3", b"\xc9"]),
    ("(?i)[[:^upper:]]", &[b"1"], &[b"a", b"A"]),
    ("(?i)[^k]", &[b"\xff"], &[b"k", b"K"]),
    ("(?i:a)b", &[b"Ab"], &[b"AB"]),
    ("(?i)(?-i)a", &[b"a"], &[b"A"]),
    ("a(?i)b|c", &[b"aB", b"C"], &[b"A"]),
    ("(?U)a*", &[b"", b"aa"], &[]),
    (r"(?m)a$\n^b", &[b"a\nb"], &[b"ab"]),
    (r"a$\n^b", &[], &[b"a\nb"]),
    ("(?P<n>a)(?<m>b)", &[b"ab"], &[b"a"]),
    ("(?)a", &[b"a"], &[]),
    ("(?ims-U:.)", &[b"\n", b"a"], &[]),
];

/// A pattern that RE2 refuses, and a word of what is said about it.
#[rustfmt::skip]
const REFUSED: &[(&str, &str)] = &[
    ("(?x)a b", "flags"),
    ("(?R)a", "flags"),
    ("(?u)a", "flags"),
    ("(?-u)a", "flags"),
    ("(?-)a", "(?:…)"),
    ("(?i-)a", "(?:…)"),
    ("(?=a)", "look-around"),
    ("(?<!a)", "look-around"),
    ("(?>a)", "(?:…)"),
    ("(?#a)", "(?:…)"),
    ("(?P=n)", "flags"),
    ("(?P<n", "name"),
    ("(?P<n-1>a)", "name"),
    ("(?<>a)", "name"),
    (r"\Z", r"use \z"),
    (r"\1", "back-references"),
    (r"(a)\1", "back-references"),
    (r"\8", "back-references"),
    (r"\400", r"\377"),
    (r"\x{100}", r"\x{ff}"),
    (r"\x4", "hexadecimal"),
    (r"\x{}", "hexadecimal"),
    (r"\xg0", "hexadecimal"),
    (r"\E", "without"),
    (r"\y", "leave the backslash out"),
    (r"\é", "leave it out"),
    (r"\", "escapes nothing"),
    (r"[\b]", "class"),
    (r"[a-\d]", "class"),
    ("[a", "no closing"),
    ("[]", "no closing"),
    ("[z-a]", "backwards"),
    ("[a--b]", "backwards"),
    ("[[:foo:]]", "[:foo:]"),
    ("x**", "repetition of a repetition"),
    ("x*+", "repetition of a repetition"),
    ("x+*?", "repetition of a repetition"),
    ("x{2}{3}", "repetition of a repetition"),
    ("*a", "without anything"),
    ("a|+", "without anything"),
    ("(*)", "without anything"),
    ("(?i)*", "without anything"),
    ("a{2,1}", "below"),
    ("a{1001}", "1000"),
    ("(?:a{100}){11}", "1000"),
    ("((a{10}){10}){11}", "1000"),
    ("(", "never closed"),
    ("(?:a", "never closed"),
    ("a)", "without a ("),
];

#[test]
fn patterns_mean_what_they_mean_in_re2() {
    for (text, matching, others) in ACCEPTED {
        let pattern = Pattern::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        for value in *matching {
            assert!(pattern.is_full_match(value), "{text} should match {}", value.escape_ascii());
        }
        for value in *others {
            assert!(!pattern.is_full_match(value), "{text} should not match {}", value.escape_ascii());
        }
    }
}

#[test]
fn what_re2_refuses_is_refused_with_a_reason() {
    for (text, reason) in REFUSED {
        let error = Pattern::compile(text).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn what_only_we_refuse_is_refused_with_a_reason() {
    for (text, reason) in [
        (r"\pN", "list the characters"),
        (r"[\p{Greek}]", "list the characters"),
        (r"\PL", "list the characters"),
        ("a*(?i)*", "repetition of a repetition"),
        (r"a*\Q\E*", "repetition of a repetition"),
        ("(?P<é>a)", "name"),
        (&"(".repeat(51), "groups within each other"),
        (&r"(?:\w{500}|\d{500})".repeat(50), "too big"),
    ] {
        let error = Pattern::compile(text).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn big_and_deep_patterns_compile() {
    for text in [
        "[a-z]{1000}".to_owned(),
        "(?:[a-z]{10}){100}".to_owned(),
        format!("{}a{}", "(?:x|(".repeat(25), "*b)+y)?z".repeat(25)),
        format!("{}a{}", "(".repeat(50), "{0,1}b)".repeat(50)),
        format!("{}a{}", "(b|c".repeat(50), "|d)*".repeat(50)),
        "a|".repeat(511),
    ] {
        Pattern::compile(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        Rewrite::compile(&text, "").unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

/// Which letter stands 13 before the end: of that 8,192 states have to know, more than are kept.
#[test]
fn more_states_than_are_kept_do_no_harm() {
    let mut seed = 1_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if seed >> 31 == 0 { b'a' } else { b'b' }
    };
    let text: Vec<u8> = (0..20_000).map(|_| next()).collect();
    for behind in [12, 16] {
        let pattern = Pattern::compile(&format!("[ab]*a[ab]{{{behind}}}")).unwrap();
        for length in (1..300).chain([20_000]) {
            let value = &text[..length];
            let expected = value.iter().rev().nth(behind) == Some(&b'a');
            assert_eq!(pattern.is_full_match(value), expected, "{}", value.escape_ascii());
        }
    }
}

#[test]
fn the_same_pattern_is_compiled_once() {
    let first = Pattern::compile("shared+").unwrap();
    assert!(Rc::ptr_eq(&first, &Pattern::compile("shared+").unwrap()));
    assert_eq!(first.as_str(), "shared+");
}

fn literals(literals: &[&str]) -> Shape {
    Shape::Literals(literals.iter().map(|literal| literal.as_bytes().into()).collect())
}

#[test]
fn patterns_without_need_of_an_engine_are_known() {
    let regex = |text: &str| Shape::Regex(text.as_bytes().into());
    let literal = |text: &str| Shape::Literal(text.as_bytes().into());
    let prefix = |text: &str| Shape::Prefix(text.as_bytes().into());
    for (text, shape) in [
        ("", literal("")),
        ("/a", literal("/a")),
        (r"^/a\.b$", literal("/a.b")),
        (r"\A(/a)\z", literal("/a")),
        ("(^/a$)", literal("/a")),
        (r"\Q.*\E", literal(".*")),
        ("é", literal("é")),
        ("a|a", literal("a")),
        (".*", Shape::Any),
        ("^.*$", Shape::Any),
        ("(.*)", Shape::Any),
        (".*?", Shape::Any),
        ("/a.*", prefix("/a")),
        (r"^/a\.(.*)$", prefix("/a.")),
        ("/a|/b", literals(&["/a", "/b"])),
        ("^(?:/a|/b)$", literals(&["/a", "/b"])),
        ("/(a|b)(/c|)", literals(&["/a/c", "/a", "/b/c", "/b"])),
        ("https?", literals(&["https", "http"])),
        ("^a|b$", regex("")),
        ("a^b", regex("a")),
        ("(?m)^a", regex("")),
        ("(?s).*", regex("")),
        ("(?i)a", regex("")),
        (".+", regex("")),
        (".*a", regex("")),
        ("(?:a|b).*", regex("")),
        ("a*", regex("")),
        ("[ab]", regex("")),
        (&"(a|b)".repeat(7), regex("")),
        ("^/users/[0-9]+/x$", regex("/users/")),
        (r"/a\.b(c)\d", regex("/a.bc")),
        ("ab?c+", regex("a")),
        ("(a[b]x|ab).*", regex("")),
        (r"/a\b.*", regex("/a")),
        ("/a(?i:b)[0-9]", regex("/a")),
    ] {
        assert_eq!(*Pattern::compile(text).unwrap().shape(), shape, "{text}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    /// Pieces of patterns, many of which come down to literals.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = r"(a|b|/|\.|\.\*|\.\*\?|\^|\$|\||\(a\|b\)|\(\|a\)|\(\.\*\)|b\?|\\Q.\\E|(\(\?s\)))";
        proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_shape_matches_what_the_engine_matches(
            text in pieces(),
            values in proptest::collection::vec(r"[ab/.\n]{0,5}", 20),
        ) {
            let pattern = Pattern::compile(&text);
            prop_assume!(pattern.is_ok());
            let pattern = pattern.unwrap();
            let engine = FullMatch::new(&re2::parse(&text).unwrap().node).unwrap();
            for value in &values {
                let value = value.as_bytes();
                prop_assert_eq!(pattern.is_full_match(value), engine.matches(value), "{}", value.escape_ascii());
                if let (true, Shape::Regex(beginning)) = (engine.matches(value), pattern.shape()) {
                    prop_assert!(value.starts_with(beginning), "{} {:?}", value.escape_ascii(), beginning);
                }
            }
        }

        /// No panic; and a refusal says why.
        #[test]
        fn any_text_is_a_pattern_or_refused(text in r"([ab^$.*+?{}|\\,0-9:<>&~#QEpPxbdZiUsméÿ\n-]|\(|\)|\[|\]|\(\?|\{2\}|\[:){0,24}") {
            if let Err(error) = Pattern::compile(&text) {
                prop_assert!(!error.to_string().is_empty());
            }
        }

        #[test]
        fn what_is_quoted_matches_itself_alone(text in "[^E]{0,10}", other: Vec<u8>) {
            let pattern = Pattern::compile(&format!("\\Q{text}\\E")).unwrap();
            prop_assert!(pattern.is_full_match(text.as_bytes()));
            prop_assert_eq!(pattern.is_full_match(&other), other == text.as_bytes());
        }
    }
}
