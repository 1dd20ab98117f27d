//! From a JSON value to a typed one: the trait, and the cursor that knows where in the tree it stands.

use std::cell::RefCell;
use std::fmt::Display;

use crate::path::Path;
use crate::report::Report;
use crate::value::Value;

/// How many characters of an offending value a message shows.
const SHOWN: usize = 60;

/// A value that a configuration can hold.
pub trait Decode: Sized {
    /// Reads the value. `None` when it is wrong, and then at least one error was reported.
    fn decode(at: Cursor<'_>) -> Option<Self>;

    /// What an absent (or null) field means; `None`: it must be there.
    fn absent() -> Option<Self> {
        None
    }

    /// Reads the value of a field, which may be absent.
    fn decode_or_absent(at: Cursor<'_>) -> Option<Self> {
        match at.value() {
            Value::Null => Self::absent().or_else(|| at.error("is missing")),
            _ => Self::decode(at),
        }
    }
}

/// Decodes a whole configuration. The value is there exactly if the report has no errors.
pub fn decode<'a, T: Decode>(value: impl Into<Value<'a>>) -> (Option<T>, Report) {
    let report = RefCell::new(Report::default());
    let decoded = T::decode(Cursor::new(&value.into(), &Path::ROOT, &report));
    let report = report.into_inner();
    (decoded.filter(|_| report.errors().is_empty()), report)
}

/// A value in the tree, its place, and where to report what is wrong with it.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    value: &'a Value<'a>,
    path: &'a Path<'a>,
    report: &'a RefCell<Report>,
}

impl<'a> Cursor<'a> {
    /// A cursor at that value.
    pub fn new(value: &'a Value<'a>, path: &'a Path<'a>, report: &'a RefCell<Report>) -> Self {
        Self { value, path, report }
    }

    /// The value as it stands.
    pub fn value(self) -> &'a Value<'a> {
        self.value
    }

    /// Where it stands.
    pub fn path(self) -> &'a Path<'a> {
        self.path
    }

    /// Reports that something here is wrong: what, and the cure. Returns `None`, for `return at.error(…)`.
    pub fn error<T>(self, message: impl Display) -> Option<T> {
        self.report_error(self.path, &message);
        None
    }

    /// Reports that something is wrong at a path that was noted earlier, such as a [`Resource`](crate::Resource)'s.
    pub fn error_at<T>(self, path: String, message: impl Display) -> Option<T> {
        self.report_error(&path, &message);
        None
    }

    /// Warns of something at a path that was noted earlier.
    pub fn warning_at(self, path: String, message: impl Display) {
        self.report_warning(&path, &message);
    }

    /// Reports that the value is not what is expected here.
    pub fn mismatch<T>(self, expected: &str) -> Option<T> {
        let quotes = expected == "a string" && matches!(self.value, Value::Number(_) | Value::Bool(_));
        let cure = if quotes { ": put it in quotes" } else { "" };
        self.error(format_args!("{}, expected {expected}{cure}", describe(self.value)))
    }

    /// Reports that what stands here has no effect, and why.
    pub fn warning(self, message: impl Display) {
        self.report_warning(self.path, &message);
    }

    // Of the many kinds of messages there is only one way to report them.
    #[cold]
    fn report_error(self, path: &dyn Display, message: &dyn Display) {
        self.report.borrow_mut().error(&path.to_string(), &message.to_string());
    }

    #[cold]
    fn report_warning(self, path: &dyn Display, message: &dyn Display) {
        self.report.borrow_mut().warning(&path.to_string(), &message.to_string());
    }

    /// How many errors were reported so far: to see whether a part was read without any.
    pub fn errors(self) -> usize {
        self.report.borrow().error_count()
    }

    /// That value, at that path.
    pub(crate) fn to<'b>(self, path: &'b Path<'b>, value: &'b Value<'b>) -> Cursor<'b>
    where
        'a: 'b,
    {
        Cursor { value, path, report: self.report }
    }

    /// Whether something stands in the field of that name.
    pub fn has(self, field: &str) -> bool {
        self.value.get(field).is_some_and(|value| !value.is_null())
    }

    /// Goes to the field of that name, absent or not, and does `then` there. An absent field reads as null.
    pub fn field<R>(self, name: &str, then: impl FnOnce(Cursor<'_>) -> R) -> R {
        let path = self.path.field(name);
        let value = self.value.get(name).unwrap_or(&Value::Null);
        then(Cursor { value, path: &path, report: self.report })
    }

    /// Goes to the list's element of that index, and does `then` there.
    pub fn element<R>(self, index: usize, then: impl FnOnce(Cursor<'_>) -> R) -> R {
        let path = self.path.index(index);
        let value = self.value.as_array().and_then(|list| list.get(index)).unwrap_or(&Value::Null);
        then(Cursor { value, path: &path, report: self.report })
    }

    /// Does `then` at each element of the list that stands here (none, if it is no list).
    pub fn each(self, mut then: impl FnMut(Cursor<'_>)) {
        for (index, value) in self.value.as_array().unwrap_or_default().iter().enumerate() {
            let path = self.path.index(index);
            then(Cursor { value, path: &path, report: self.report });
        }
    }

    /// Does `then` at each entry of the object that stands here (none, if it is no object).
    pub fn entries(self, mut then: impl FnMut(&str, Cursor<'_>)) {
        for (name, value) in self.value.as_object().into_iter().flat_map(|object| object.iter()) {
            let path = self.path.field(name);
            then(name, Cursor { value, path: &path, report: self.report });
        }
    }
}

/// "7 is a number", short enough for a log line.
fn describe(value: &Value<'_>) -> String {
    let kind = match value {
        Value::Null => return "null".into(),
        Value::Array(_) => return "a list".into(),
        Value::Object(_) => return "an object".into(),
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
    };
    format!("{} is {kind}", shown(value))
}

/// The value as text, cut if it is long.
pub(crate) fn shown(value: &Value<'_>) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}
