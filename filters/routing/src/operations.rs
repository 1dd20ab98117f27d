//! Header operations, compiled: both levels in the order in which Envoy applies them.

use std::rc::Rc;

use pointsman_http::Edits;
use pointsman_routes::config::is_host;

use crate::config::HeaderOperations;
use crate::format::Format;
use crate::local;
use crate::target::host_operation;

/// The header operations of a rule and a destination.
pub(crate) enum Operations {
    /// None has a format string: the edits are always the same.
    Fixed(Edits),
    /// Levels, one after the other.
    Formatted(Vec<Level>),
}

/// What Envoy's router applies as one: removals first, then all values are computed, then they are put.
pub(crate) struct Level {
    remove: Vec<Rc<[u8]>>,
    put: Vec<Put>,
}

struct Put {
    name: Rc<[u8]>,
    value: Format,
    is_add: bool,
}

impl Operations {
    /// With one destination both levels are one, in which the destination's operations come after the route's; with
    /// several, the destination's come first as a whole, so that the route wins.
    pub fn of_request(route: Option<&HeaderOperations>, own: Option<&HeaderOperations>, alone: bool) -> Self {
        // A rewrite of the host is none of the operations, but for one of several destinations: Envoy makes it right
        // after that destination's, and without a word about the original host.
        let mut levels = Self::levels(route, own, alone, |name| !is_host(name));
        if let (false, Some(host), Some(level)) = (alone, own.and_then(host_operation), levels.first_mut()) {
            level.put.push(Put { name: b":authority"[..].into(), value: Format::text(host), is_add: false });
        }
        Self::new(levels)
    }

    /// The same for the response.
    pub fn of_response(route: Option<&HeaderOperations>, own: Option<&HeaderOperations>, alone: bool) -> Self {
        Self::new(Self::levels(route, own, alone, |_| true))
    }

    fn levels(
        route: Option<&HeaderOperations>,
        own: Option<&HeaderOperations>,
        alone: bool,
        is_put: fn(&str) -> bool,
    ) -> Vec<Level> {
        match alone {
            true => vec![Level::new(&[route, own], is_put)],
            false => vec![Level::new(&[own], is_put), Level::new(&[route], is_put)],
        }
    }

    fn new(levels: Vec<Level>) -> Self {
        if levels.iter().flat_map(|level| &level.put).any(|put| put.value.literal().is_none()) {
            return Self::Formatted(levels);
        }
        let mut edits = Edits::default();
        for level in levels {
            level.apply(&mut edits, |format, _| format.literal().unwrap_or_default());
        }
        Self::Fixed(edits)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Fixed(edits) if edits.is_empty())
    }

    /// Whether some value has to be computed.
    pub fn have_commands(&self) -> bool {
        matches!(self, Self::Formatted(_))
    }

    /// Whether they change what Envoy writes into its own answers: see [`local`](crate::local).
    pub fn change_content(&self) -> bool {
        let is_content = |name: &Rc<[u8]>| local::CONTENT.contains(&&**name);
        match self {
            Self::Fixed(edits) => edits.names().any(is_content),
            Self::Formatted(levels) => levels
                .iter()
                .any(|level| level.remove.iter().chain(level.put.iter().map(|put| &put.name)).any(is_content)),
        }
    }

    /// Whether some value comes from the response's headers.
    pub fn read_response(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Formatted(levels) => levels.iter().flat_map(|level| &level.put).any(|put| put.value.reads_response()),
        }
    }

    /// Adds them to the edits. `evaluate` computes a value, when those edits have been made.
    pub fn apply(&self, edits: &mut Edits, mut evaluate: impl FnMut(&Format, &Edits) -> Rc<[u8]>) {
        match self {
            Self::Fixed(fixed) => edits.extend(fixed),
            Self::Formatted(levels) => levels.iter().for_each(|level| level.apply(edits, &mut evaluate)),
        }
    }
}

impl Level {
    fn new(levels: &[Option<&HeaderOperations>], is_put: fn(&str) -> bool) -> Self {
        let levels = || levels.iter().copied().flatten();
        let lower = |name: &str| -> Rc<[u8]> { name.to_ascii_lowercase().into_bytes().into() };
        let sets = levels().flat_map(|level| &level.set).map(|value| (value, false));
        let adds = levels().flat_map(|level| &level.add).map(|value| (value, true));
        let puts = sets.chain(adds).filter(|((name, _), _)| is_put(name));
        Self {
            remove: levels().flat_map(|level| &level.remove).map(|name| lower(name)).collect(),
            put: puts
                .map(|((name, value), is_add)| Put { name: lower(name), value: value.format.clone(), is_add })
                .collect(),
        }
    }

    fn apply(&self, edits: &mut Edits, mut evaluate: impl FnMut(&Format, &Edits) -> Rc<[u8]>) {
        self.remove.iter().for_each(|name| edits.remove(name.clone()));
        let values: Vec<Rc<[u8]>> = self.put.iter().map(|put| evaluate(&put.value, edits)).collect();
        // Envoy leaves a header alone whose value is empty.
        for (put, value) in self.put.iter().zip(values).filter(|(_, value)| !value.is_empty()) {
            match put.is_add {
                true => edits.add(put.name.clone(), value),
                false => edits.set(put.name.clone(), value),
            }
        }
    }
}
