//! Cells: small values that all workers share, and that outlive a configuration.
//!
//! They are the ABI's shared data, which frees nothing, so keys must be few and always the same; and which compares and
//! sets, so a change is exact whatever the other workers do meanwhile.

use crate::Host;

/// A cell's value, and what has to be shown to change it: nobody has changed it since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Empty: nobody has ever set it.
    pub value: Vec<u8>,
    /// The ABI's CAS number.
    pub version: u32,
}

/// The cell was not changed: somebody else did it in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed;

/// So often a change is tried. With 8 workers that do nothing else, 284 tries were the most that one ever needed.
pub const MOST_TRIES: u32 = 4096;

/// Nobody let us: all tries met a change of somebody else. What this means is the caller's to say, but it must not be
/// that a limit is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contended;

/// Changes a cell. `change` gets the value (empty: never set) and says the new one, if there is to be one, and what the
/// caller gets; it is asked again, with the new value, when another worker was faster.
pub fn update<R>(
    host: &mut dyn Host,
    key: &str,
    change: impl FnMut(&[u8]) -> (Option<Vec<u8>>, R),
) -> Result<R, Contended> {
    Memo::default().update(host, key, change)
}

/// What a worker knows of a cell since it changed it last. While nobody else changes any, it takes one call to change the
/// cell again, and not two, of which the one that is spared, reading, is the dearer.
#[derive(Debug, Default)]
pub struct Memo {
    cell: Option<Cell>,
    /// So many changes are made without it: somebody else changes cells as well.
    rest: u32,
}

/// So many changes are made without a [`Memo`] that was wrong.
const REST: u32 = 32;

impl Memo {
    /// As [`update`], of always the same cell.
    pub fn update<R>(
        &mut self,
        host: &mut dyn Host,
        key: &str,
        mut change: impl FnMut(&[u8]) -> (Option<Vec<u8>>, R),
    ) -> Result<R, Contended> {
        self.rest = self.rest.saturating_sub(1);
        if let Some(known) = self.cell.take().filter(|_| self.rest == 0)
            // Whether nothing is to be changed, is not to be said of a value that may be an old one.
            && let (Some(new), result) = change(&known.value)
        {
            match host.set_cell(key, &new, known.version) {
                Ok(version) => {
                    self.remember(new, version);
                    return Ok(result);
                }
                Err(Changed) => self.rest = REST,
            }
        }
        for _ in 0..MOST_TRIES {
            let cell = host.cell(key);
            let (new, result) = change(&cell.value);
            let Some(new) = new else { return Ok(result) };
            if let Ok(version) = host.set_cell(key, &new, cell.version) {
                self.remember(new, version);
                return Ok(result);
            }
        }
        Err(Contended)
    }

    fn remember(&mut self, value: Vec<u8>, version: Option<u32>) {
        self.cell = version.map(|version| Cell { value, version });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeHost;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn increment(value: &[u8]) -> (Option<Vec<u8>>, u8) {
        let next = value.first().copied().unwrap_or_default() + 1;
        (Some(vec![next]), next)
    }

    #[test]
    fn a_change_is_tried_until_nobody_interferes() {
        let mut host = FakeHost::default();
        assert_eq!(update(&mut host, "k", increment), Ok(1));
        let mut interferences = 3;
        let other = host.clone();
        let result = update(&mut host, "k", |value| {
            if interferences > 0 {
                interferences -= 1;
                let cell = other.cell("k");
                other.clone().set_cell("k", &[cell.value[0] + 10], cell.version).unwrap();
            }
            increment(value)
        });
        assert_eq!(result, Ok(32));
        assert_eq!(host.cell("k").value, [32]);
    }

    #[test]
    fn it_gives_up_in_the_end() {
        let mut host = FakeHost::default();
        let other = host.clone();
        let mut tries = 0;
        let result = update(&mut host, "k", |value| {
            tries += 1;
            let cell = other.cell("k");
            other.clone().set_cell("k", &[7], cell.version).unwrap();
            increment(value)
        });
        assert_eq!((result, tries), (Err(Contended), MOST_TRIES));
    }

    /// Of two workers, in turn and alone: no change is lost, and who is alone does not read.
    #[test]
    fn what_is_known_is_not_asked() {
        let mut hosts = [FakeHost::default(), FakeHost::default()];
        hosts[1].cells = hosts[0].cells.clone();
        let mut memos = [Memo::default(), Memo::default()];
        let mut expected = 0;
        for worker in [[0; 50], [0, 1].repeat(25).try_into().unwrap(), [1; 50]].concat() {
            expected += 1;
            assert_eq!(memos[worker].update(&mut hosts[worker], "k", increment), Ok(expected));
        }
        assert_eq!(hosts[0].cell("k").value, [150]);
        let mut asked = Vec::new();
        for _ in 0..3 {
            let result = memos[1].update(&mut hosts[1], "k", |value| {
                asked.push(value[0]);
                increment(value)
            });
            assert!(result.is_ok());
        }
        assert_eq!(asked, [150, 151, 152], "once each time");
        // What would change nothing is looked up.
        let cell = hosts[0].cell("k");
        hosts[0].set_cell("k", &[7], cell.version).unwrap();
        assert_eq!(memos[1].update(&mut hosts[1], "k", |value| (None, value[0])), Ok(7));
    }

    #[test]
    fn nothing_is_written_without_a_new_value() {
        let mut host = FakeHost::default();
        assert_eq!(update(&mut host, "k", |value| (None, value.len())), Ok(0));
        assert_eq!(host.cell("k"), Cell::default());
    }
}
