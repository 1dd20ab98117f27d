//! Requests that once were sound: the one of a seed and a number is always the same.

use fastrand::Rng;

use super::material::{METHODS, NAMES, PIECES, SOUND, VALUES};
use super::policy::HOST;

type Bytes = Vec<u8>;

/// A request before it is written down, in either protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    pub method: Bytes,
    pub target: Bytes,
    /// The first one is the host's; a name without a value may be a line that is none.
    pub lines: Vec<(Bytes, Bytes)>,
    pub body: Bytes,
}

impl Mutant {
    /// The request of that seed with that number.
    pub fn of(seed: u64, number: usize) -> Self {
        // Numbers that lie side by side shall have nothing in common.
        let mut rng = Rng::with_seed(seed.wrapping_add(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut mutant = Self::sound(rng.usize(..SOUND.len()));
        for _ in 0..rng.usize(1..=4) {
            mutant.mutate(&mut rng);
        }
        mutant
    }

    fn sound(index: usize) -> Self {
        let (method, target, lines) = SOUND[index];
        let host = ("host".into(), HOST.into());
        let lines: Vec<_> =
            lines.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
        let body: Bytes = if method == "POST" { b"body".to_vec() } else { Vec::new() };
        let length = (!body.is_empty()).then(|| (b"content-length".to_vec(), body.len().to_string().into_bytes()));
        let lines = std::iter::once(host).chain(lines).chain(length).collect();
        Self { method: method.into(), target: target.into(), lines, body }
    }

    fn mutate(&mut self, rng: &mut Rng) {
        // The host's line is there to be found, mostly.
        let first = usize::from(rng.u8(..8) != 0 && self.lines.len() > 1);
        let line = rng.usize(first..self.lines.len().max(first + 1));
        match rng.u8(..18) {
            0 | 1 => {
                if let Some((_, value)) = self.lines.get_mut(line) {
                    change_bytes(value, rng, value_byte);
                }
            }
            2 => {
                if let Some((name, _)) = self.lines.get_mut(line) {
                    change_bytes(name, rng, name_byte);
                }
            }
            3 => {
                if let Some((name, _)) = self.lines.get_mut(line) {
                    flip_case(name, rng);
                }
            }
            4 => {
                if let Some(line) = self.lines.get(line).cloned() {
                    let times = if rng.u8(..50) == 0 { 80 } else { rng.usize(1..4) };
                    self.lines.extend(vec![line; times]);
                }
            }
            5 => drop((!self.lines.is_empty()).then(|| self.lines.remove(line))),
            6 => rng.shuffle(&mut self.lines),
            7 | 8 => self.lines.push((pick(rng, &NAMES), pick(rng, &VALUES))),
            9 => {
                if let Some((_, value)) = self.lines.get_mut(line) {
                    *value = pick(rng, &VALUES);
                }
            }
            // Parts of another request.
            10 => {
                let other = Self::sound(rng.usize(..SOUND.len()));
                self.lines.extend(other.lines.into_iter().skip(1));
                if rng.bool() {
                    self.target = other.target;
                }
            }
            11 => self.lines.push((b"cookie".to_vec(), pieces(rng, b"; "))),
            12 => insert(&mut self.target, &pieces(rng, b""), rng),
            13 => {
                let separator = if self.target.contains(&b'?') { b"&" } else { b"?" };
                self.target = [&self.target, &separator[..], &pieces(rng, b"")].concat();
            }
            14 => change_bytes(&mut self.target, rng, target_byte),
            15 => percent_encode(&mut self.target, rng),
            16 => match rng.u8(..4) {
                0 => change_bytes(&mut self.method, rng, name_byte),
                1 => flip_case(&mut self.method, rng),
                _ => self.method = pick(rng, &METHODS),
            },
            _ => self.stretch(line, rng),
        }
    }

    /// Something becomes much longer, or is cut off.
    fn stretch(&mut self, line: usize, rng: &mut Rng) {
        let part = match (rng.u8(..3), self.lines.get_mut(line)) {
            (0, Some((_, value))) => value,
            (1, Some((name, _))) => name,
            _ => &mut self.target,
        };
        if rng.bool() {
            part.truncate(rng.usize(..=part.len()));
            return;
        }
        let start = rng.usize(..=part.len());
        let piece = part.get(start..).unwrap_or_default().to_vec();
        let long = if rng.u8(..20) == 0 { 30_000 } else { 500 };
        let times = rng.usize(..long) / piece.len().max(1);
        part.extend(piece.repeat(times));
    }

    /// As HTTP/1.1 writes it.
    pub fn http1(&self) -> Bytes {
        let mut bytes = [&self.method, &b" "[..], &self.target, b" HTTP/1.1\r\n"].concat();
        for (name, value) in &self.lines {
            bytes.extend([name, &b": "[..], value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }

    /// As HTTP/2 has it: its lines, with the host's where it belongs. What belongs to HTTP/1 alone is left out, or
    /// Envoy would look at little else.
    pub fn http2(&self) -> Vec<(Bytes, Bytes)> {
        const OF_HTTP1: [&[u8]; 5] = [b"connection", b"upgrade", b"transfer-encoding", b"content-length", b"host"];
        let host = self.lines.iter().find(|(name, _)| name == b"host").map(|(_, value)| value.clone());
        let pseudo = [
            (&b":method"[..], self.method.clone()),
            (b":scheme", b"http".to_vec()),
            (b":authority", host.unwrap_or_default()),
            (b":path", self.target.clone()),
        ];
        let rest = self.lines.iter().filter(|(name, _)| !OF_HTTP1.contains(&name.as_slice())).cloned();
        pseudo.into_iter().map(|(name, value)| (name.to_vec(), value)).chain(rest).collect()
    }

    /// Whether an answer to it has no body whatever it says.
    pub fn is_head(&self) -> bool {
        self.method == b"HEAD"
    }

    /// Whether it surely ends where its bytes end, so that another may follow on its connection.
    pub fn is_delimited(&self) -> bool {
        let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
        let head = self.http1();
        let breaks = head.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
        let telling = [&b"content-length"[..], b"transfer-encoding", b"connection", b"upgrade", b"expect", b"CONNECT"];
        self.body.is_empty() && breaks == (self.lines.len() + 2) * 2 && !telling.iter().any(|part| has(&head, part))
    }
}

fn pick(rng: &mut Rng, list: &[&str]) -> Bytes {
    list[rng.usize(..list.len())].as_bytes().to_vec()
}

fn pieces(rng: &mut Rng, between: &[u8]) -> Bytes {
    let count = if rng.u8(..50) == 0 { 400 } else { rng.usize(1..8) };
    let mut all = Bytes::new();
    for _ in 0..count {
        all.extend(pick(rng, &PIECES));
        if rng.bool() {
            all.extend(between);
        }
    }
    all
}

/// A byte, mostly one that may stand in a value.
fn value_byte(rng: &mut Rng) -> u8 {
    match rng.u8(..20) {
        0 => rng.u8(..),
        1..=9 => rng.u8(0x80..),
        _ => rng.u8(0x20..0x7f),
    }
}

/// A byte, mostly one that may stand in a name.
fn name_byte(rng: &mut Rng) -> u8 {
    match rng.u8(..10) {
        0 => rng.u8(..),
        _ => *rng.choice(b"abcxyz0189-_.!#$%&'*+^`|~").unwrap_or(&b'x'),
    }
}

/// A byte, mostly one that may stand in a path.
fn target_byte(rng: &mut Rng) -> u8 {
    match rng.u8(..10) {
        0 => rng.u8(..),
        1 => rng.u8(0x80..),
        _ => rng.u8(0x21..0x7f),
    }
}

fn change_bytes(bytes: &mut Bytes, rng: &mut Rng, byte: fn(&mut Rng) -> u8) {
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..=bytes.len());
        match (rng.u8(..3), bytes.get_mut(at)) {
            (0, Some(changed)) => *changed = byte(rng),
            (1, Some(_)) => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte(rng)),
        }
    }
}

fn flip_case(bytes: &mut Bytes, rng: &mut Rng) {
    for byte in bytes {
        if rng.bool() {
            *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 };
        }
    }
}

fn insert(bytes: &mut Bytes, part: &[u8], rng: &mut Rng) {
    let at = rng.usize(..=bytes.len());
    bytes.splice(at..at, part.iter().copied());
}

fn percent_encode(bytes: &mut Bytes, rng: &mut Rng) {
    let at = rng.usize(..=bytes.len());
    let code = bytes.get(at).copied().unwrap_or_else(|| value_byte(rng));
    let encoded = if rng.bool() { format!("%{code:02x}") } else { format!("%25{code:02X}") };
    let end = (at + 1).min(bytes.len());
    bytes.splice(at..end, encoded.into_bytes());
}
