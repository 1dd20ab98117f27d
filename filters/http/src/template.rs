//! Forms of paths: `/users/{id}/orders`, `/files/{**}`.

/// A form of paths. A variable stands for one segment, which is not empty; at the end `{*}` or `{**}` stands for all
/// that follows its slash.
#[derive(Clone, Debug)]
pub struct Template {
    text: Box<[u8]>,
    segments: Vec<Segment>,
    has_rest: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Segment {
    Text(Box<[u8]>),
    Variable(Box<str>),
}

impl Template {
    /// Reads a template; or what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(inner) = text.strip_prefix('/') else { return Err("is no path: it begins with `/`".into()) };
        if text.contains(['?', '#']) {
            return Err("has a query or a fragment: it is matched against the path alone".into());
        }
        let segments: Vec<&str> = inner.split('/').collect();
        let (has_rest, segments) = match segments.split_last() {
            Some((&("{*}" | "{**}"), before)) => (true, before),
            _ => (false, &*segments),
        };
        let mut this = Self { text: text.as_bytes().into(), segments: Vec::with_capacity(segments.len()), has_rest };
        for segment in segments {
            let segment = this.segment(segment)?;
            this.segments.push(segment);
        }
        Ok(this)
    }

    fn segment(&self, segment: &str) -> Result<Segment, String> {
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return match segment {
                "*" | "**" => Err(format!("has `{segment}`: write `{{{segment}}}` at its end, or a name: `{{id}}`")),
                _ if segment.contains(['{', '}']) => {
                    Err(format!("has `{segment}`: a variable is a whole segment, such as `{{id}}`"))
                }
                _ => Ok(Segment::Text(segment.as_bytes().into())),
            };
        };
        match name {
            "*" | "**" => Err(format!("has `{segment}` before its end")),
            _ if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) => {
                Err(format!("has `{segment}`: a variable's name is of letters, digits, `_` and `-`"))
            }
            _ if self.place(name).is_some() => Err(format!("has `{segment}` twice")),
            _ => Ok(Segment::Variable(name.into())),
        }
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether anything may come behind its segments, and a slash.
    pub(crate) fn has_rest(&self) -> bool {
        self.has_rest
    }

    /// As it is written.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// At which place that variable stands.
    pub fn place(&self, variable: &str) -> Option<usize> {
        self.segments.iter().position(|segment| matches!(segment, Segment::Variable(name) if **name == *variable))
    }

    /// What a path that matches gives: the segment at that place, or the template.
    pub fn value<'a>(&'a self, path: &'a [u8], variable: Option<usize>) -> Option<&'a [u8]> {
        let mut value = self.text();
        let mut there = path.strip_prefix(b"/")?.split(|byte| *byte == b'/');
        for (place, segment) in self.segments.iter().enumerate() {
            let found = there.next()?;
            let matches = match segment {
                Segment::Text(text) => found == &**text,
                Segment::Variable(_) => !found.is_empty(),
            };
            if !matches {
                return None;
            }
            if variable == Some(place) {
                value = found;
            }
        }
        (there.next().is_some() == self.has_rest).then_some(value)
    }
}
