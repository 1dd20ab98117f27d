//! Header edits: what the calls leave is what the edits say.

use std::rc::Rc;

use pointsman_http::{Edits, HeaderMap};

use crate::choices::Choices;
use crate::envoy::{self, Lines};

const NAMES: [&[u8]; 4] = [b"a", b"b", b"c", b":d"];

/// Written with the map or without it, the edits leave what they would leave one by one; and they foretell it.
pub fn edits(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let line = |choices: &mut Choices<'_>| (choices.pick(&NAMES).to_vec(), choices.raw(2).to_vec());
    let lines: Lines = choices.list(6, line);
    let mut map = envoy::parse(&lines);
    let hidden = choices.pick(&[&b"none"[..], b"a", b":d"]);
    map.hide(|name| name == hidden);
    let mut seen = lines.clone();
    envoy::remove(&mut seen, hidden);

    let mut edits = Edits::default();
    let mut further = Edits::default();
    let mut expected = lines.clone();
    for index in 0..choices.below(12) {
        let (name, value) = line(&mut choices);
        let which = if index < 6 { &mut edits } else { &mut further };
        let (shared_name, shared): (Rc<[u8]>, Rc<[u8]>) = (name.as_slice().into(), value.as_slice().into());
        match choices.below(3) {
            0 => {
                which.set(shared_name, shared);
                envoy::set(&mut expected, &name, &value);
                envoy::set(&mut seen, &name, &value);
            }
            1 => {
                which.add(shared_name, shared);
                expected.push((name.clone(), value.clone()));
                seen.push((name, value));
            }
            _ => {
                which.remove(shared_name);
                envoy::remove(&mut expected, &name);
                envoy::remove(&mut seen, &name);
            }
        }
    }
    edits.extend(&further);
    for known in [Some(&map), None] {
        let after = envoy::written(&lines, &edits, known);
        assert_eq!(envoy::sorted(after), envoy::sorted(expected.clone()));
    }
    for name in NAMES {
        assert_eq!(edits.first(name, &map), envoy::values(&seen, name).first().copied());
    }
    takes(edits, choices.pick(&NAMES));
}

/// What is taken out is what would have become of no line, and all else stays.
fn takes(mut edits: Edits, name: &[u8]) {
    let mut without = envoy::written(&Lines::new(), &edits, Some(&HeaderMap::default()));
    let taken = edits.take(name);
    assert!(taken.iter().map(AsRef::as_ref).eq(envoy::values(&without, name)));
    assert!(edits.names().all(|other| **other != *name));
    envoy::remove(&mut without, name);
    assert_eq!(envoy::written(&Lines::new(), &edits, Some(&HeaderMap::default())), without);
}
