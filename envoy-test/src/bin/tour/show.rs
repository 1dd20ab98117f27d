//! What the tour prints.

use std::io::IsTerminal as _;

/// Prints, and counts what was as expected.
pub struct Show {
    colours: bool,
    chapters: usize,
    right: usize,
    wrong: usize,
}

impl Show {
    pub fn new() -> Self {
        Self { colours: std::io::stdout().is_terminal(), chapters: 0, right: 0, wrong: 0 }
    }

    pub fn chapter(&mut self, title: &str) {
        self.chapters += 1;
        let title = format!("{}. {title}", self.chapters);
        println!("\n{}", self.painted("1", &title));
    }

    /// What happens next, and why.
    pub fn say(&self, text: &str) {
        println!("\n  {text}");
    }

    /// As typed into a shell.
    pub fn command(&self, command: &str) {
        println!("  {}", self.painted("36", &format!("$ {command}")));
    }

    /// As seen on the screen.
    pub fn output(&self, text: &str) {
        for line in text.lines() {
            println!("    {line}");
        }
    }

    /// Something that should be so.
    pub fn check(&mut self, is_so: bool, what: &str) {
        let (count, mark) = if is_so { (&mut self.right, ("32", "✓")) } else { (&mut self.wrong, ("31", "✗")) };
        *count += 1;
        println!("  {} {what}", self.painted(mark.0, mark.1));
    }

    /// The sum of it; true when everything was as it should be.
    pub fn end(&self) -> bool {
        let sum = match self.wrong {
            0 => self.painted("32", &format!("All {} checks hold.", self.right)),
            wrong => self.painted("31", &format!("{wrong} of {} checks do not hold: see ✗.", self.right + wrong)),
        };
        println!("\n{sum}");
        self.wrong == 0
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
