//! `RateLimitRequest`.

use super::fields::{put_bytes, put_number};

/// A question to the service, as it is written: each descriptor at once behind the last.
#[derive(Debug)]
pub struct Ask {
    message: Vec<u8>,
    /// Parts whose lengths stand before them, so that they are written here first.
    descriptor: Vec<u8>,
    entry: Vec<u8>,
    text: Vec<u8>,
}

impl Ask {
    /// About that domain. `hits` is how many requests this one counts as; 0: the service's default, which is 1.
    pub fn new(domain: &str, hits: u32) -> Self {
        let mut message = Vec::with_capacity(128);
        put_bytes(&mut message, 1, domain.as_bytes());
        put_number(&mut message, 3, hits.into());
        Self { message, descriptor: Vec::new(), entry: Vec::new(), text: Vec::new() }
    }

    /// Adds a descriptor: its entries, keys and values, in their order. `hits` of its own count for it instead of those
    /// of the question; 0 are none.
    ///
    /// What is no UTF-8 has U+FFFD in its place. Services refuse a question with a text that is none, so a client that
    /// may choose a byte could have its requests go uncounted wherever a service's failure lets them pass. Now it shares
    /// a counter with its like.
    pub fn descriptor<'a>(&mut self, entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>, hits: Option<u64>) {
        self.descriptor.clear();
        for (key, value) in entries {
            self.entry.clear();
            put_text(&mut self.entry, &mut self.text, 1, key);
            put_text(&mut self.entry, &mut self.text, 2, value);
            put_bytes(&mut self.descriptor, 1, &self.entry);
        }
        if let Some(hits) = hits {
            // UInt64Value, whose presence says that 0 is meant.
            self.entry.clear();
            put_number(&mut self.entry, 1, hits);
            put_bytes(&mut self.descriptor, 3, &self.entry);
        }
        put_bytes(&mut self.message, 2, &self.descriptor);
    }

    /// The message.
    pub fn into_bytes(self) -> Vec<u8> {
        self.message
    }
}

fn put_text(message: &mut Vec<u8>, scratch: &mut Vec<u8>, field: u8, text: &[u8]) {
    if std::str::from_utf8(text).is_ok() {
        return put_bytes(message, field, text);
    }
    scratch.clear();
    for chunk in text.utf8_chunks() {
        scratch.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            scratch.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    put_bytes(message, field, scratch);
}
