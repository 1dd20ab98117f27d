//! HTTP/2, frame by frame: header blocks are literals, so that names and values may be any bytes.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Outcome, PATIENCE, RawAnswer};

/// Types of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// Flags of frames. That of the end of a stream is the one of an acknowledgement elsewhere.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// No frame may be longer, unless the peer says so.
const LONGEST_FRAME: usize = 16_384;
const LARGEST_WINDOW: u32 = 0x7fff_ffff;

/// A connection (h2c with prior knowledge) on which the test writes the header lines, one request after the other.
#[derive(Debug)]
pub struct RawHttp2 {
    stream: TcpStream,
    received: Vec<u8>,
    last: u32,
    is_open: bool,
}

/// A line of a header block: a literal that enters no table, without any compression.
pub fn literal(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    for part in [name, value] {
        // A length takes 7 bits, and what is more follows in groups of 7.
        match u8::try_from(part.len()).ok().filter(|length| *length < 0x7f) {
            Some(length) => block.push(length),
            None => {
                block.push(0x7f);
                let mut rest = part.len() - 0x7f;
                while rest >= 0x80 {
                    block.push(0x80 | rest.to_le_bytes()[0]);
                    rest >>= 7;
                }
                block.push(rest.to_le_bytes()[0]);
            }
        }
        block.extend_from_slice(part);
    }
}

impl RawHttp2 {
    /// Connects and says that answers may be as long as they like, and may not be compressed against earlier ones.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let mut settings = Vec::new();
        // Table size, and the window of each stream.
        for (setting, value) in [(1u16, 0u32), (4, LARGEST_WINDOW)] {
            settings.extend(setting.to_be_bytes());
            settings.extend(value.to_be_bytes());
        }
        frame(&mut hello, SETTINGS, 0, 0, &settings);
        frame(&mut hello, WINDOW_UPDATE, 0, 0, &(LARGEST_WINDOW - 65_535).to_be_bytes());
        stream.write_all(&hello).await?;
        Ok(Self { stream, received: Vec::new(), last: 0, is_open: true })
    }

    /// Sends a request with these lines, and reads what comes of it.
    pub async fn ask(&mut self, lines: &[(&[u8], &[u8])]) -> Result<Outcome> {
        self.ask_with(lines, None, &[]).await
    }

    /// The same with a body, and trailers if there are any.
    pub async fn ask_with(
        &mut self,
        lines: &[(&[u8], &[u8])],
        body: Option<&[u8]>,
        trailers: &[(&[u8], &[u8])],
    ) -> Result<Outcome> {
        let id = self.begin(lines, body.is_none() && trailers.is_empty()).await;
        if let Some(body) = body {
            self.data(id, body, trailers.is_empty()).await;
        }
        if !trailers.is_empty() {
            self.headers(id, trailers, true).await;
        }
        self.outcome(id).await
    }

    /// Sends a request's headers alone; the stream's number.
    pub async fn begin(&mut self, lines: &[(&[u8], &[u8])], is_all: bool) -> u32 {
        let id = if self.last == 0 { 1 } else { self.last + 2 };
        self.last = id;
        self.headers(id, lines, is_all).await;
        id
    }

    /// Sends a piece of a body.
    pub async fn data(&mut self, id: u32, body: &[u8], is_last: bool) {
        let mut bytes = Vec::new();
        let mut pieces = body.chunks(LONGEST_FRAME).peekable();
        if pieces.peek().is_none() {
            frame(&mut bytes, DATA, u8::from(is_last), id, b"");
        }
        while let Some(piece) = pieces.next() {
            frame(&mut bytes, DATA, u8::from(is_last && pieces.peek().is_none()), id, piece);
        }
        self.write(&bytes).await;
    }

    /// Gives a request up.
    pub async fn cancel(&mut self, id: u32) {
        let mut bytes = Vec::new();
        frame(&mut bytes, RST_STREAM, 0, id, &8u32.to_be_bytes());
        self.write(&bytes).await;
    }

    /// Writes bytes that need not be frames.
    pub async fn write(&mut self, bytes: &[u8]) {
        // What Envoy no longer wants to read it has answered already.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Whether another request can be sent.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    async fn headers(&mut self, id: u32, lines: &[(&[u8], &[u8])], is_end: bool) {
        let mut block = Vec::new();
        lines.iter().for_each(|(name, value)| literal(&mut block, name, value));
        let mut pieces = block.chunks(LONGEST_FRAME).enumerate().peekable();
        let mut bytes = Vec::new();
        while let Some((index, piece)) = pieces.next() {
            let (kind, end) = if index == 0 { (HEADERS, u8::from(is_end)) } else { (CONTINUATION, 0) };
            let last = if pieces.peek().is_none() { END_HEADERS } else { 0 };
            frame(&mut bytes, kind, end | last, id, piece);
        }
        self.write(&bytes).await;
    }

    /// What comes of that request.
    pub async fn outcome(&mut self, id: u32) -> Result<Outcome> {
        match tokio::time::timeout(PATIENCE, self.read_outcome(id)).await {
            Ok(outcome) => Ok(outcome),
            Err(_) => bail!("nothing came of stream {id} within {PATIENCE:?}"),
        }
    }

    /// The next piece of an answer's body, or `None` at its end.
    pub async fn piece(&mut self, id: u32) -> Option<Vec<u8>> {
        let reading = async {
            loop {
                match self.next_frame().await? {
                    (DATA, flags, stream, piece) if stream == id && (!piece.is_empty() || flags & END_STREAM == 0) => {
                        return Some(piece);
                    }
                    (DATA | RST_STREAM, _, stream, _) if stream == id => return None,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.ok()?
    }

    /// The status of an answer that has begun, without waiting for its end.
    pub async fn status(&mut self, id: u32) -> u16 {
        let reading = async {
            loop {
                match self.next_frame().await {
                    None => return 0,
                    Some((HEADERS, flags, stream, payload)) if stream == id => return status_of(&payload, flags),
                    Some((RST_STREAM, _, stream, _)) if stream == id => return 0,
                    Some(_) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_default()
    }

    async fn read_outcome(&mut self, id: u32) -> Outcome {
        let (mut status, mut body) = (0, Vec::new());
        let answer = |status, body, is_whole| match status {
            0 => Outcome::Closed,
            _ => Outcome::Answer(RawAnswer { status, head: Vec::new(), body, is_whole }),
        };
        loop {
            let Some((kind, flags, stream, payload)) = self.next_frame().await else {
                return answer(status, body, false);
            };
            if stream != id {
                continue;
            }
            match kind {
                // Trailers have no status, and an interim answer's is followed by the final one's.
                HEADERS if !(200..).contains(&status) => status = status_of(&payload, flags),
                DATA => body.extend(payload),
                RST_STREAM if status == 0 => return Outcome::Reset(number(&payload)),
                RST_STREAM => return answer(status, body, false),
                _ => {}
            }
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                return answer(status, body, true);
            }
        }
    }

    /// The next frame; `None` at the connection's end. What the connection itself needs is done here.
    async fn next_frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            while self.received.len() < 9 {
                self.fill().await?;
            }
            let length = usize::try_from(number(&[0, self.received[0], self.received[1], self.received[2]])).ok()?;
            while self.received.len() < 9 + length {
                self.fill().await?;
            }
            let (kind, flags) = (self.received[3], self.received[4]);
            let stream = number(&self.received[5..9]);
            let payload = self.received[9..9 + length].to_vec();
            self.received.drain(..9 + length);
            let mut reply = Vec::new();
            match kind {
                SETTINGS if flags & ACK == 0 => frame(&mut reply, SETTINGS, ACK, 0, b""),
                PING if flags & ACK == 0 => frame(&mut reply, PING, ACK, 0, &payload),
                // Nothing new may be begun. What was, may still be answered, unless it is an error.
                GOAWAY => {
                    self.is_open = false;
                    if number(payload.get(4..).unwrap_or_default()) != 0 {
                        return None;
                    }
                }
                SETTINGS | PING | WINDOW_UPDATE => {}
                _ => return Some((kind, flags, stream, payload)),
            }
            self.write(&reply).await;
        }
    }

    async fn fill(&mut self) -> Option<()> {
        let is_more = matches!(self.stream.read_buf(&mut self.received).await, Ok(1..));
        self.is_open &= is_more;
        is_more.then_some(())
    }
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend_from_slice(&payload.len().to_be_bytes()[5..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// `:status`, which stands first in a block (behind an update of the table's size).
fn status_of(payload: &[u8], flags: u8) -> u16 {
    let skipped = usize::from(flags & PADDED != 0) + if flags & PRIORITY == 0 { 0 } else { 5 };
    let mut block = payload.get(skipped..).unwrap_or_default();
    while let [0x20..=0x3f, rest @ ..] = block {
        block = rest;
    }
    match block {
        // Those of the static table.
        [index @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)],
        // A literal, whose name is one of these entries.
        [0x08..=0x0e | 0x18..=0x1e | 0x48..=0x4e, length, value @ ..] => {
            let value = value.get(..usize::from(length & 0x7f)).unwrap_or_default();
            let digits = if length & 0x80 == 0 { value.to_vec() } else { unpacked(value) };
            std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or_default()
        }
        _ => 0,
    }
}

/// Digits in HPACK's Huffman code: 0, 1 and 2 have five bits, the others six.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let (mut digits, mut at) = (Vec::new(), 0);
    let code =
        |at: usize, length: usize| bits.get(at..at + length).map(|bits| bits.iter().fold(0, |n, bit| n * 2 + bit));
    loop {
        match (code(at, 5), code(at, 6)) {
            (Some(short @ 0..=2), _) => {
                digits.push(b'0' + short);
                at += 5;
            }
            (_, Some(long @ 25..=31)) => {
                digits.push(b'3' + long - 25);
                at += 6;
            }
            _ => return digits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RFC 7541 has them in its appendix: 302 and 307 in Huffman's code, and 200 from the table.
    #[test]
    fn statuses() {
        for (block, status) in [
            (&[0x88][..], 200),
            (&[0x20, 0x8d, 0x01], 404),
            (&[0x48, 0x82, 0x64, 0x02, 0x58], 302),
            (&[0x48, 0x83, 0x64, 0x0e, 0xff], 307),
            (&[0x08, 0x03, b'5', b'0', b'3'], 503),
            (&[0x40], 0),
            (&[], 0),
        ] {
            assert_eq!(status_of(block, 0), status, "{block:x?}");
        }
    }

    #[test]
    fn literals() {
        let mut block = Vec::new();
        literal(&mut block, b"a", b"");
        assert_eq!(block, [0, 1, b'a', 0]);
        block.clear();
        literal(&mut block, b"", &[b'x'; 1337 + 96]);
        // 1433 = 127 + 1306, and 1306 = 10 * 128 + 26.
        assert_eq!(block[..5], [0, 0, 0x7f, 0x80 | 26, 10]);
    }
}
