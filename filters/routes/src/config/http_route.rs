//! HTTPRoute: a rule of a VirtualService, of which each filter reads its own fields.

use pointsman_wire::{Cursor, Decode, Field, Message, Others, message};

use super::HttpMatchRequest;

message! {
    /// The fields that concern every filter.
    struct Frame = "HTTPRoute" {
        /// One of them must hold; none at all: the rule always matches.
        matches: Vec<HttpMatchRequest> = "match",
        /// The route's name in logs and explanations.
        name: String = "name",
    }
    refused {
        "delegate": "a filter sees no other VirtualServices than those given to it: write the delegate's rules here",
    }
}

/// The fields that concern every filter.
pub const HTTP_ROUTE: &[Field] = Frame::FIELDS;

/// A rule.
#[derive(Clone, Debug)]
pub struct HttpRoute<P> {
    /// The route's name in logs and explanations.
    pub name: String,
    /// One of them must hold; none at all: the rule always matches.
    pub matches: Vec<HttpMatchRequest>,
    /// What each filter of the module has read of it.
    pub parts: P,
    /// Whether there is more to it, which is another module's.
    pub is_read_in_part: bool,
}

/// What the filters of a module read of a rule: a tuple of messages, one of each.
pub trait RuleParts: Sized + 'static {
    /// The fields of each.
    const FIELDS: &'static [&'static [Field]];

    /// Reads each. Names that none of them knows are somebody else's to report.
    fn decode(at: Cursor<'_>, others: Others<'_>) -> Option<Self>;
}

macro_rules! rule_parts {
    ($($part:ident = $index:tt),+) => {
        impl<$($part: Message + 'static),+> RuleParts for ($($part,)+) {
            const FIELDS: &'static [&'static [Field]] = &[$($part::FIELDS),+];

            fn decode(at: Cursor<'_>, others: Others<'_>) -> Option<Self> {
                // All of them, so that all that is wrong is said.
                let parts = ($($part::decode_beside(at, others),)+);
                Some(($(parts.$index?,)+))
            }
        }
    };
}

rule_parts!(A = 0);
rule_parts!(A = 0, B = 1);
rule_parts!(A = 0, B = 1, C = 2);
rule_parts!(A = 0, B = 1, C = 2, D = 3);
rule_parts!(A = 0, B = 1, C = 2, D = 3, E = 4);
rule_parts!(A = 0, B = 1, C = 2, D = 3, E = 4, F = 5);

const ROUTING: &str = "pointsman-routing";

/// The fields that some filter reads, and its slim module.
pub const OF_FILTERS: [(&str, &str); 14] = [
    ("route", ROUTING),
    ("redirect", ROUTING),
    ("directResponse", ROUTING),
    ("rewrite", ROUTING),
    ("timeout", ROUTING),
    ("retries", ROUTING),
    ("mirror", ROUTING),
    ("mirrorPercentage", ROUTING),
    ("mirrorPercent", ROUTING),
    ("mirrors", ROUTING),
    ("corsPolicy", ROUTING),
    ("headers", ROUTING),
    ("sticky", ROUTING),
    ("fault", "pointsman-fault-injection"),
];

// It runs when this is compiled: a panic would be a compiler's error.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const NAMES: [&str; OF_FILTERS.len()] = {
    let mut names = [""; OF_FILTERS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = OF_FILTERS[index].0;
        index += 1;
    }
    names
};

impl<P: RuleParts> Decode for HttpRoute<P> {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let frame = Frame::decode_beside(at, Others::names(&NAMES));
        let is_read_in_part = leave_to_others::<P>(at);
        let others = Others::names(&["name", "match"]).and_of(P::FIELDS).and_the_rest();
        let parts = P::decode(at, others);
        let Frame { name, matches } = frame?;
        Some(Self { name, matches, parts: parts?, is_read_in_part })
    }
}

/// What no filter of this module reads. A module that routes runs the whole rule, so there it is an error; the others
/// are each for one thing in it, and it is enough to say once that there is more.
fn leave_to_others<P: RuleParts>(at: Cursor<'_>) -> bool {
    let is_ours = |name: &str| P::FIELDS.iter().copied().flatten().any(|field| field.name == name);
    let routes = is_ours("route");
    let mut is_any = false;
    at.entries(|name, at| {
        let Some((_, module)) = OF_FILTERS.iter().find(|(known, _)| *known == name) else { return };
        if is_ours(name) || at.value().is_null() {
            return;
        }
        match routes {
            true => drop(at.error::<()>(missing_filter(module))),
            false => is_any = true,
        }
    });
    is_any
}

/// Which modules have what this one has not.
pub fn missing_filter(module: &str) -> String {
    format!("this module has no filter for it; pointsman.wasm and {module}.wasm have")
}
