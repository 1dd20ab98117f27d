//! Where in the configuration something stands: `virtualServices[0].http[2].route[1].weight`.

use std::fmt;

use crate::value::Quoted;

/// A place in the tree, linked to the place around it, so that descending allocates nothing.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The configuration as a whole.
    pub const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    /// The field, or the map's key, of that name.
    pub fn field(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), step: Step::Field(name) }
    }

    /// The list's element of that index.
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    fn is_root(&self) -> bool {
        matches!(self.step, Step::Root)
    }
}

/// As jq would write it: names that are no identifiers stand in brackets and quotes.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Field(name) if !is_identifier(name) => write!(f, "[{}]", Quoted(name)),
            Step::Field(name) if self.parent.is_some_and(Path::is_root) => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
        }
    }
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::Path;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn paths_read_as_in_jq() {
        let root = Path::ROOT;
        let a = root.field("virtualServices");
        let b = a.index(0);
        let c = b.field("headers");
        let d = c.field("@request.auth.claims.x");
        let e = d.field("exact");
        assert_eq!(e.to_string(), r#"virtualServices[0].headers["@request.auth.claims.x"].exact"#);
        assert_eq!(root.to_string(), "");
    }
}
