//! Which rules of a host can concern a request at all, found without a look at each.
//!
//! A rule stands in the index under one of its conditions: the one that the fewest rules share. A request is looked up
//! by each part of it that some rule stands under, and only the rules found there are asked for all their conditions.

use std::rc::Rc;

use hashbrown::HashMap;
use pointsman_http::{Beginnings, Text, Texts};

use crate::conditions::{Conditions, Part, View};

/// Up to so many rules are tried one after the other: a search costs more.
const FEW: usize = 4;

/// See the module. Rules are known by their places in the host's list.
#[derive(Default)]
pub(crate) struct Index {
    shelves: Vec<Shelf>,
    /// Rules without such a condition: of regular expressions, of headers that are there or are not, and of none.
    others: Vec<u32>,
}

/// The rules that stand under conditions on one part of a request.
struct Shelf {
    part: OwnedPart,
    ignores_case: bool,
    texts: Texts,
}

enum OwnedPart {
    Path,
    Header(Rc<[u8]>),
    Query(Rc<[u8]>),
}

/// A part, and whether it is taken in lower case: what a shelf is found by.
type Place<'a> = (Part<'a>, bool);

impl Index {
    /// An index of rules with those conditions.
    pub fn new(rules: &[&Conditions]) -> Self {
        let all = (0u32..).zip(rules.iter().copied());
        if rules.len() <= FEW {
            return Self { shelves: Vec::new(), others: all.map(|(number, _)| number).collect() };
        }
        let shared = shared(rules);
        let mut others = Vec::new();
        let mut places: HashMap<Place<'_>, usize> = HashMap::new();
        let mut shelves: Vec<(Place<'_>, Vec<Text<'_>>)> = Vec::new();
        for (number, conditions) in all {
            let Some((part, beginnings)) = rarest(conditions, &shared) else {
                others.push(number);
                continue;
            };
            let place = (part, beginnings.ignores_case);
            let shelf = *places.entry(place).or_insert(shelves.len());
            if shelf == shelves.len() {
                shelves.push((place, Vec::new()));
            }
            if let Some((_, shelf)) = shelves.get_mut(shelf) {
                shelf.extend(spots(part, beginnings).map(|(_, text, is_prefix)| Text { text, is_prefix, number }));
            }
        }
        let shelves = shelves.into_iter().map(|((part, ignores_case), texts)| {
            let part = match part {
                Part::Path => OwnedPart::Path,
                Part::Header(name) => OwnedPart::Header(name.into()),
                Part::Query(name) => OwnedPart::Query(name.into()),
            };
            Shelf { part, ignores_case, texts: Texts::new(texts) }
        });
        Self { shelves: shelves.collect(), others }
    }

    /// Hands out all rules that may concern the request, in any order, and some more than once.
    pub fn each(&self, view: &View<'_>, mut found: impl FnMut(u32)) {
        for shelf in &self.shelves {
            shelf.find(view, |numbers| numbers.iter().for_each(|number| found(*number)));
        }
        self.others.iter().for_each(|number| found(*number));
    }

    /// The first rule in order for which `holds` is true. It is asked only about rules that may concern the request.
    pub fn first(&self, view: &View<'_>, mut holds: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut first = None;
        let mut try_all = |numbers: &[u32]| {
            let earlier = numbers.iter().take_while(|number| first.is_none_or(|first| **number < first));
            if let Some(found) = earlier.into_iter().find(|number| holds(**number)) {
                first = Some(*found);
            }
        };
        self.shelves.iter().for_each(|shelf| shelf.find(view, &mut try_all));
        // Last, for these are many and cost the most: a rule found before ends the search at its place.
        try_all(&self.others);
        first
    }
}

impl Shelf {
    /// Hands out the rules that stand under what the request has there.
    fn find<'a>(&'a self, view: &View<'_>, mut found: impl FnMut(&'a [u32])) {
        view.values(self.part(), |value| match self.ignores_case {
            true => self.texts.find(&value.to_ascii_lowercase(), &mut found),
            false => self.texts.find(value, &mut found),
        });
    }

    fn part(&self) -> Part<'_> {
        match &self.part {
            OwnedPart::Path => Part::Path,
            OwnedPart::Header(name) => Part::Header(name),
            OwnedPart::Query(name) => Part::Query(name),
        }
    }
}

/// A text on a shelf, and whether it is a prefix.
type Spot<'a> = (Place<'a>, &'a [u8], bool);

/// Where a condition stands.
fn spots<'a>(part: Part<'a>, beginnings: Beginnings<'a>) -> impl Iterator<Item = Spot<'a>> {
    let place = (part, beginnings.ignores_case);
    beginnings.texts.iter().map(move |text| (place, &**text, beginnings.is_prefix))
}

/// How many rules could stand at each spot.
fn shared<'a>(rules: &[&'a Conditions]) -> HashMap<Spot<'a>, u32> {
    let mut shared = HashMap::new();
    let conditions = rules.iter().flat_map(|conditions| conditions.indexed());
    for spot in conditions.flat_map(|(part, beginnings)| spots(part, beginnings)) {
        let count: &mut u32 = shared.entry(spot).or_default();
        *count = count.saturating_add(1);
    }
    shared
}

/// The condition that the fewest rules share, of several the first.
fn rarest<'a>(conditions: &'a Conditions, shared: &HashMap<Spot<'a>, u32>) -> Option<(Part<'a>, Beginnings<'a>)> {
    conditions.indexed().min_by_key(|(part, beginnings)| {
        let counts = spots(*part, *beginnings).map(|spot| shared.get(&spot).copied().unwrap_or_default());
        counts.fold(0, u32::saturating_add)
    })
}
