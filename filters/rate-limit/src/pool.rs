//! A fixed number of places for limits' buckets. Shared data frees nothing: were cells named after limits, each limit that
//! is renamed would leave its cells for ever. So cells are numbered, and one cell, the directory, says whose each number
//! is.
//!
//! One cell, and not one a place: so no two workers ever give the same limit two places, which would be two buckets.
//!
//! A limit that is used says so every [`BEAT`]. Its place is free again when it has not been used for so long that all its
//! buckets are full: then there is nothing to lose. Only when no place is free, that of a limit goes which has not been used
//! for [`ABANDONED`], of those the one that was used last the longest time ago; if it is ever used again, it begins full.
//!
//! Each time that a place changes hands, its generation grows, and what was written in an older one counts for nothing.

use pointsman_host::Host;
use pointsman_host::cells::update;

use crate::bucket::Denial;
use crate::fingerprint::identity;
use crate::rate::Rate;

/// Places of limits with one bucket each: a cell each of about 150 bytes with its key and what the proxy needs to find it,
/// and 40 bytes in the directory; 0.4 MB in all.
pub const BUCKETS: Pool = Pool { directory: "rate-limit/buckets", places: 2048 };

/// Places of limits with a table of buckets. A set is a cell of about 300 bytes: 0.6 MB for a table of 2,048 sets, 10 MB
/// if 16 places have had such a table, and never more than 160 MB, which is when all have had one of
/// [`MOST_SETS`](crate::table::MOST_SETS).
pub const TABLES: Pool = Pool { directory: "rate-limit/tables", places: 32 };

/// Places of limits of how many requests may be under way: a cell each of 20 bytes a worker.
pub const SLOTS: Pool = Pool { directory: "rate-limit/slots", places: 256 };

/// How often, in nanoseconds, a limit in use says so.
pub const BEAT: u64 = 30_000_000_000;

/// What a worker may be late with that.
const GRACE: u64 = 3 * BEAT;

/// See the module.
pub const ABANDONED: u64 = 600_000_000_000;

/// See the module.
#[derive(Debug)]
pub struct Pool {
    directory: &'static str,
    places: usize,
}

/// What limit it is: its name, its rate and its size. If one of them is another, so is the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity([u8; 16]);

impl Identity {
    /// That of a limit that is the same whatever its numbers are.
    pub fn of_name(name: &str) -> Self {
        Self(identity(name.as_bytes()))
    }

    /// That of the limit of that name. A limit of one bucket has 0 sets.
    pub fn new(name: &str, rate: &Rate, sets: u32) -> Self {
        let mut bytes = Vec::with_capacity(name.len().saturating_add(20));
        rate.parts().iter().for_each(|part| bytes.extend(part.to_le_bytes()));
        bytes.extend(sets.to_le_bytes());
        bytes.extend(name.as_bytes());
        Self(identity(&bytes))
    }
}

/// A place that a limit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its number.
    pub place: usize,
    /// It counts from 1.
    pub generation: u64,
    /// When the limit was last said to be in use.
    pub beat: u64,
}

/// A place, as the directory has it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    identity: Identity,
    generation: u64,
    beat: u64,
    /// So long after its last use all its buckets are full, in nanoseconds.
    lasts: u64,
}

const ENTRY: usize = 40;

impl Pool {
    /// How many limits a configuration may have: when all of them change, the places of the old ones are free only after
    /// a while.
    pub const fn most(&self) -> usize {
        self.places >> 1
    }

    /// The place of that limit, which is in use at that moment: the one that it has, or a free one.
    pub fn claim(&self, identity: Identity, lasts: u64, now: u64, host: &mut dyn Host) -> Result<Lease, Denial> {
        let lease = update(host, self.directory, |value| {
            let mut entries = read(value);
            if let Some((place, entry)) = entries.iter_mut().enumerate().find(|(_, entry)| entry.identity == identity) {
                // One worker's word is enough for all; half the time is left until the next.
                let is_known = now.saturating_sub(entry.beat) < BEAT / 2;
                if !is_known {
                    entry.beat = now;
                }
                let lease = Lease { place, generation: entry.generation, beat: entry.beat };
                return ((!is_known).then(|| write(&entries)), Ok(lease));
            }
            let Some((place, generation)) = self.free(&entries, now) else { return (None, Err(Denial::NoPlace)) };
            let entry = Entry { identity, generation, beat: now, lasts };
            match entries.get_mut(place) {
                Some(old) => *old = entry,
                None => entries.push(entry),
            }
            (Some(write(&entries)), Ok(Lease { place, generation, beat: now }))
        });
        lease.unwrap_or(Err(Denial::Contended))
    }

    /// A place that may be taken, and its next generation: rather one that has cells already than a new one.
    fn free(&self, entries: &[Entry], now: u64) -> Option<(usize, u64)> {
        let oldest = entries.iter().enumerate().min_by_key(|(_, entry)| entry.beat);
        let mut empty =
            entries.iter().enumerate().filter(|(_, entry)| entry.is_silent(GRACE.saturating_add(entry.lasts), now));
        let taken_over = |(place, entry): (usize, &Entry)| (place, entry.generation.saturating_add(1));
        empty
            .next()
            .map(taken_over)
            .or_else(|| (entries.len() < self.places).then_some((entries.len(), 1)))
            .or_else(|| oldest.filter(|(_, entry)| entry.is_silent(ABANDONED, now)).map(taken_over))
    }
}

impl Entry {
    fn is_silent(&self, nanos: u64, now: u64) -> bool {
        now.saturating_sub(self.beat) > nanos
    }
}

fn read(value: &[u8]) -> Vec<Entry> {
    let entries = value.chunks_exact(ENTRY).filter_map(|bytes| {
        let (identity, rest) = bytes.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (beat, rest) = rest.split_first_chunk()?;
        let lasts = rest.first_chunk()?;
        let [generation, beat, lasts] = [generation, beat, lasts].map(|number| u64::from_le_bytes(*number));
        Some(Entry { identity: Identity(*identity), generation, beat, lasts })
    });
    entries.collect()
}

fn write(entries: &[Entry]) -> Vec<u8> {
    let mut value = Vec::with_capacity(entries.len().saturating_mul(ENTRY));
    for entry in entries {
        value.extend(entry.identity.0);
        [entry.generation, entry.beat, entry.lasts].iter().for_each(|number| value.extend(number.to_le_bytes()));
    }
    value
}

#[cfg(test)]
mod tests;
