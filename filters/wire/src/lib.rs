//! A configuration as a tree of JSON values, decoded into typed messages with **every** error at once, each with its
//! path and the cure.
//!
//! Why not a serde derive: it stops at the first error. A message here is declared once, with [`message!`], and that
//! one declaration is the decoder, the list of known names (for "did you mean"), and the class of each field
//! (honoured, inert with a warning, refused with a reason) that the README's table and the tests read.
//!
//! ```
//! use pointsman_wire::{decode, message};
//!
//! message! {
//!     /// A pool of horses.
//!     pub struct Stable = "Stable" {
//!         /// How many there are.
//!         horses: u32 = "horses",
//!         /// What they are called.
//!         names: Vec<String> = "names",
//!     }
//!     inert { "colour": "a filter sees no colours" }
//!     refused { "cows": "a stable has no cows; put them into `barns`" }
//! }
//!
//! let (stable, report) = decode::<Stable>(&serde_json::json!({"horses": 2, "names": ["Bella"], "colour": "red"}));
//! assert_eq!(stable.unwrap().horses, 2);
//! assert_eq!(report.warnings()[0].to_string(), "colour: has no effect: a filter sees no colours");
//!
//! let (stable, report) = decode::<Stable>(&serde_json::json!({"horses": -1, "horse": 1, "names": ["Bella", 7]}));
//! assert!(stable.is_none());
//! let errors: Vec<String> = report.errors().iter().map(ToString::to_string).collect();
//! assert_eq!(errors, [
//!     "horse: unknown field; did you mean `horses`?",
//!     "horses: -1 is not in range, expected a whole number from 0 to 4294967295",
//!     "names[1]: 7 is a number, expected a string: put it in quotes",
//! ]);
//! ```
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

mod checks;
mod decode;
mod duration;
pub mod json;
mod message;
mod nearest;
mod path;
pub mod proto;
mod report;
mod resource;
mod scalars;
mod value;

pub use checks::{check_at_most_one, check_names, check_one, entry_name};
pub use decode::{Cursor, Decode, decode};
pub use message::{Class, Field, Message, Others, unknown};
pub use path::Path;
pub use report::{Problem, Report};
pub use resource::{Kind, Resource, resources};
pub use scalars::{list, map, number, optional, text, whole, whole_if_any, whole_or};
pub use value::{Number, Object, Value};

#[doc(hidden)]
pub use message::Fields;
