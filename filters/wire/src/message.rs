//! Messages: objects whose fields are declared once.

use serde_json::Value;

use crate::decode::{Cursor, Decode};
use crate::nearest::nearest;

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
}

/// Declares a message: a struct, its fields' names in JSON, and which further fields of the API are inert or refused.
///
/// After the lists a `check NAME;` may name a function `fn(&Self, Cursor) -> Option<()>` for rules that span fields.
/// It runs when the message's own fields could all be read; what it returns `None` for it must have reported.
#[macro_export]
macro_rules! message {
    (
        $(#[$meta:meta])*
        $vis:vis struct $type:ident = $name:literal {
            $($(#[$field_meta:meta])* $field:ident: $field_type:ty = $json:literal,)*
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
        }

        impl $crate::Decode for $type {
            fn decode(at: $crate::Cursor<'_>) -> Option<Self> {
                let mut fields = $crate::Fields::open(at, <Self as $crate::Message>::FIELDS)?;
                $(let $field = fields.take::<$field_type>($json);)*
                fields.close()?;
                let message = Self { $($field: $field?,)* };
                $($check(&message, at)?;)?
                Some(message)
            }
        }
    };
}

/// The class of a field, by its name; `None`: the message has no such field.
#[doc(hidden)]
pub fn class_of(fields: &[Field], name: &str) -> Option<Class> {
    fields.iter().find(|field| field.name == name).map(|field| field.class)
}

/// An object that is being read, field by field.
#[doc(hidden)]
pub struct Fields<'a> {
    at: Cursor<'a>,
    sound: bool,
}

impl<'a> Fields<'a> {
    /// Says what is wrong with the names that stand here: unknown, refused, without effect.
    pub fn open(at: Cursor<'a>, known: &[Field]) -> Option<Self> {
        if !at.value().is_object() {
            return at.mismatch("an object");
        }
        let mut sound = true;
        at.entries(|name, entry| match class_of(known, name) {
            // An empty list or string says nothing, so nothing is lost.
            Some(Class::Inert(_) | Class::Refused(_)) if says_nothing(entry.value()) => {}
            Some(Class::Honoured) => {}
            Some(Class::Inert(why)) => entry.warning(format_args!("has no effect: {why}")),
            Some(Class::Refused(why)) => sound = entry.error(format_args!("is refused: {why}")).unwrap_or(false),
            None => {
                let names = known.iter().filter(|field| !matches!(field.class, Class::Refused(_)));
                sound = unknown(entry, name, names.map(|field| field.name)).unwrap_or(false);
            }
        });
        Some(Self { at, sound })
    }

    /// Reads one field.
    pub fn take<T: Decode>(&mut self, name: &str) -> Option<T> {
        let read = self.at.field(name, |field| T::decode_or_absent(field));
        self.sound &= read.is_some();
        read
    }

    /// Whether all of it was right.
    pub fn close(self) -> Option<()> {
        self.sound.then_some(())
    }
}

/// Reports a name that is not known here, with the nearest one that is.
pub fn unknown<'a, T>(at: Cursor<'_>, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<T> {
    match nearest(name, known.clone()) {
        Some(near) => at.error(format_args!("unknown field; did you mean `{near}`?")),
        None => at.error(format_args!("unknown field; known here: {}", known.collect::<Vec<_>>().join(", "))),
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        // An empty object is a message all of whose fields have their defaults: `retries: {}` is no retries at all.
        Value::Object(_) | Value::Bool(_) | Value::Number(_) => false,
    }
}
