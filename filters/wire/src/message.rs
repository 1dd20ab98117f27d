//! Messages: objects whose fields are declared once.

use crate::decode::{Cursor, Decode};
use crate::nearest::nearest;
use crate::value::Value;

/// What becomes of a field that somebody wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It does what its API says.
    Honoured,
    /// It is accepted, has no effect here, and a warning says why.
    Inert(&'static str),
    /// It is an error that says why, and what to do instead.
    Refused(&'static str),
}

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// As it is written in JSON and YAML.
    pub name: &'static str,
    /// What becomes of it.
    pub class: Class,
}

/// An object with known fields; declared by [`message!`](crate::message!).
pub trait Message: Decode {
    /// The API's name of it, such as `HTTPRoute`.
    const NAME: &'static str;
    /// All fields of the API, in the order of the declaration.
    const FIELDS: &'static [Field];

    /// Reads it where other fields stand beside its own, for somebody else to read.
    fn decode_beside(at: Cursor<'_>, others: Others<'_>) -> Option<Self>;
}

/// No fields: for whoever reads none of an object.
impl Message for () {
    const NAME: &'static str = "";
    const FIELDS: &'static [Field] = &[];

    fn decode_beside(_: Cursor<'_>, _: Others<'_>) -> Option<Self> {
        Some(())
    }
}

impl Decode for () {
    fn decode(_: Cursor<'_>) -> Option<Self> {
        Some(())
    }
}

/// Fields that stand beside a message's own in one object, for somebody else to read.
#[derive(Clone, Copy, Default)]
pub struct Others<'a> {
    names: &'a [&'a str],
    messages: &'a [&'static [Field]],
    leaves_rest: bool,
}

impl<'a> Others<'a> {
    /// Those of that name.
    pub fn names(names: &'a [&'a str]) -> Self {
        Self { names, ..Self::default() }
    }

    /// And all of those messages.
    pub fn and_of(self, messages: &'a [&'static [Field]]) -> Self {
        Self { messages, ..self }
    }

    /// What is known to none of them, or is not even an object, somebody else reports.
    pub fn and_the_rest(self) -> Self {
        Self { leaves_rest: true, ..self }
    }

    fn known(self) -> impl Iterator<Item = &'a str> + Clone {
        self.names.iter().copied().chain(self.messages.iter().copied().flatten().map(|field| field.name))
    }
}

/// Declares a message: a struct, its fields' names in JSON, and which further fields of the API are inert or refused.
///
/// A field may name who reads it, `fn(Cursor) -> Option<TYPE>`, absent or not, where its type alone does not say what is
/// right: `weight: u32 = "weight" as read_weight`.
///
/// After the lists a `check NAME;` may name a function `fn(Cursor, bool)` for rules that span fields. It looks at what is
/// written, whether or not the fields could be read: all errors at once. It is told whether all names are known and
/// none is refused: what seems to be missing may be what is misspelt.
#[macro_export]
macro_rules! message {
    (
        $(#[$meta:meta])*
        $vis:vis struct $type:ident = $name:literal {
            $($(#[$field_meta:meta])* $field:ident: $field_type:ty = $json:literal $(as $reader:path)?,)*
        }
        $(inert { $($inert:literal: $inert_why:literal),* $(,)? })?
        $(refused { $($refused:literal: $refused_why:literal),* $(,)? })?
        $(check $check:path;)?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis struct $type {
            $($(#[$field_meta])* pub $field: $field_type,)*
        }

        impl $crate::Message for $type {
            const NAME: &'static str = $name;
            const FIELDS: &'static [$crate::Field] = &[
                $($crate::Field { name: $json, class: $crate::Class::Honoured },)*
                $($($crate::Field { name: $inert, class: $crate::Class::Inert($inert_why) },)*)?
                $($($crate::Field { name: $refused, class: $crate::Class::Refused($refused_why) },)*)?
            ];

            fn decode_beside(at: $crate::Cursor<'_>, others: $crate::Others<'_>) -> Option<Self> {
                let mut found = [const { None }; <Self as $crate::Message>::FIELDS.len()];
                let mut fields = $crate::Fields::open(at, <Self as $crate::Message>::FIELDS, others, &mut found)?;
                $(let $field = fields.take::<$field_type>($crate::reader!($field_type $(, $reader)?));)*
                $($check(at, fields.all_known());)?
                fields.close()?;
                Some(Self { $($field: $field?,)* })
            }
        }

        impl $crate::Decode for $type {
            fn decode(at: $crate::Cursor<'_>) -> Option<Self> {
                <Self as $crate::Message>::decode_beside(at, $crate::Others::default())
            }
        }
    };
}

/// Who reads a field.
#[doc(hidden)]
#[macro_export]
macro_rules! reader {
    ($type:ty) => {
        <$type as $crate::Decode>::decode_or_absent
    };
    ($type:ty, $reader:path) => {
        $reader
    };
}

/// An object that is being read, field by field. What does not depend on a field's type is not generic: there are
/// many messages.
#[doc(hidden)]
pub struct Fields<'a, 'f> {
    at: Cursor<'a>,
    /// Those that are still to be read, and what stands there.
    rest: std::iter::Zip<std::slice::Iter<'static, Field>, std::slice::Iter<'f, Option<&'a Value<'a>>>>,
    /// How many errors there were before.
    before: usize,
    all_known: bool,
}

impl<'a, 'f> Fields<'a, 'f> {
    /// Finds the values of the known fields, and says what is wrong with the names that stand here: unknown, refused,
    /// without effect.
    pub fn open(
        at: Cursor<'a>,
        known: &'static [Field],
        others: Others<'_>,
        found: &'f mut [Option<&'a Value<'a>>],
    ) -> Option<Self> {
        let Some(object) = at.value().as_object() else {
            if others.leaves_rest {
                return None;
            }
            // A rule's name says least of what belongs there.
            let first = known.iter().find(|field| known.len() < 4 || field.name != "name");
            return at.mismatch(&format!("an object such as {{{}: …}}", first.map_or("", |field| field.name)));
        };
        let before = at.errors();
        let mut all_known = true;
        for (name, value) in object.iter() {
            let place = known.iter().position(|field| field.name == name);
            let Some((field, found)) = place.and_then(|place| known.get(place).zip(found.get_mut(place))) else {
                if !others.known().any(|other| other == name) {
                    all_known = false;
                    if !others.leaves_rest {
                        let taken = known.iter().filter(|field| !matches!(field.class, Class::Refused(_)));
                        let names = taken.map(|field| field.name).chain(others.known());
                        let path = at.path().field(name);
                        unknown::<()>(at.to(&path, value), name, names);
                    }
                }
                continue;
            };
            match field.class {
                Class::Honoured => *found = Some(value),
                // An empty list or string says nothing, so nothing is lost.
                _ if says_nothing(value) => {}
                Class::Inert(why) => at.field(name, |at| at.warning(format_args!("has no effect: {why}"))),
                Class::Refused(why) => {
                    at.field(name, |at| at.error::<()>(format_args!("is refused: {why}")));
                    all_known = false;
                }
            }
        }
        Some(Self { at, rest: known.iter().zip(found.iter()), before, all_known })
    }

    /// Reads the next field.
    pub fn take<T>(&mut self, read: fn(Cursor<'_>) -> Option<T>) -> Option<T> {
        let (field, value) = self.rest.next()?;
        let path = self.at.path().field(field.name);
        read(self.at.to(&path, value.unwrap_or(&Value::Null)))
    }

    /// Whether there is no name that is unknown or refused.
    pub fn all_known(&self) -> bool {
        self.all_known
    }

    /// Whether all of it was right.
    pub fn close(self) -> Option<()> {
        (self.at.errors() == self.before).then_some(())
    }
}

/// Reports a name that is not known here, with the nearest one that is.
pub fn unknown<'a, T>(at: Cursor<'_>, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<T> {
    match nearest(name, known.clone()) {
        Some(near) => at.error(format_args!("unknown field; did you mean `{near}`?")),
        None => at.error(format_args!("unknown field; known here: {}", known.collect::<Vec<_>>().join(", "))),
    }
}

fn says_nothing(value: &Value<'_>) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        // An empty object is a message all of whose fields have their defaults: `retries: {}` is no retries at all.
        Value::Object(_) | Value::Bool(_) | Value::Number(_) => false,
    }
}
