//! What is wrong with a configuration, and what in it has no effect.

use std::fmt;

/// No more errors, and no more warnings, than this many are kept: a configuration that is garbage from end to end must
/// not fill Envoy's log.
const MOST: usize = 100;

/// No more characters of a value, between backticks, than this many.
const MOST_OF_A_VALUE: usize = 200;

/// No more characters of a message than this many.
const MOST_OF_A_MESSAGE: usize = 1000;

/// No more characters of a path than this many.
const MOST_OF_A_PATH: usize = 500;

/// One finding: where, and what, with the cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Such as `virtualServices[0].http[2].route[1].weight`; empty for the configuration as a whole.
    pub path: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// All findings of one configuration, in its order.
#[derive(Debug, Default)]
pub struct Report {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    dropped_errors: usize,
    dropped_warnings: usize,
}

impl Report {
    /// What makes the configuration unusable.
    pub fn errors(&self) -> &[Problem] {
        &self.errors
    }

    /// What in it has no effect.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// How many further findings there were, beyond those that are kept.
    pub fn dropped(&self) -> usize {
        self.dropped_errors.saturating_add(self.dropped_warnings)
    }

    /// How many errors there were in all.
    pub(crate) fn error_count(&self) -> usize {
        self.errors.len().saturating_add(self.dropped_errors)
    }

    pub(crate) fn error(&mut self, path: &str, message: &str) {
        Self::push(&mut self.errors, &mut self.dropped_errors, path, message);
    }

    pub(crate) fn warning(&mut self, path: &str, message: &str) {
        Self::push(&mut self.warnings, &mut self.dropped_warnings, path, message);
    }

    fn push(list: &mut Vec<Problem>, dropped: &mut usize, path: &str, message: &str) {
        if list.len() < MOST {
            let path = in_a_line(path, MOST_OF_A_PATH, MOST_OF_A_PATH);
            list.push(Problem { path, message: in_a_line(message, MOST_OF_A_MESSAGE, MOST_OF_A_VALUE) });
        } else {
            *dropped = dropped.saturating_add(1);
        }
    }
}

/// What a log can show of a text that is partly somebody's: one line, of a bounded length, that reads in one direction.
fn in_a_line(text: &str, most: usize, most_of_a_value: usize) -> String {
    let mut line = String::new();
    let (mut length, mut of_value, mut in_value) = (0_usize, 0_usize, false);
    for character in text.chars() {
        if character == '`' {
            (in_value, of_value) = (!in_value, 0);
        } else if in_value {
            of_value = of_value.saturating_add(1);
            if of_value > most_of_a_value {
                if of_value == most_of_a_value.saturating_add(1) {
                    line.push('…');
                }
                continue;
            }
        }
        length = length.saturating_add(1);
        if length > most {
            line.push('…');
            break;
        }
        match character {
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => line.extend(character.escape_unicode()),
            _ if character.is_control() => line.extend(character.escape_default()),
            _ => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn said(path: &str, message: &str) -> String {
        let mut report = Report::default();
        report.error(path, message);
        report.warning(path, message);
        assert_eq!(report.errors(), report.warnings());
        report.errors()[0].to_string()
    }

    #[test]
    fn a_line_is_one_line() {
        for (message, expected) in [
            ("`a\r\nb` is none", r"`a\r\nb` is none"),
            ("\t\0\x1b[31m\x7f\u{85}", r"\t\u{0}\u{1b}[31m\u{7f}\u{85}"),
            ("\u{2028}\u{202e}\u{2066}", r"\u{2028}\u{202e}\u{2066}"),
            ("café \\n “…”", "café \\n “…”"),
        ] {
            assert_eq!(said("a", message), format!("a: {expected}"));
        }
        assert_eq!(said("a\nb", "c"), r"a\nb: c");
    }

    #[test]
    fn a_line_is_no_longer_than_somebody_reads() {
        let x = |count: usize| "x".repeat(count);
        for (message, expected) in [
            (format!("`{}` is none", x(200)), format!("`{}` is none", x(200))),
            (format!("`{}` is none", x(201)), format!("`{}…` is none", x(200))),
            (format!("`{}` is none, `{}`", x(1 << 20), x(300)), format!("`{}…` is none, `{}…`", x(200), x(200))),
            (format!("`a` {}", x(900)), format!("`a` {}", x(900))),
            (x(1000), x(1000)),
            (x(1001), format!("{}…", x(1000))),
        ] {
            assert_eq!(said("", &message), expected);
        }
        assert_eq!(said(&x(501), "a"), format!("{}…: a", x(500)));
    }
}
