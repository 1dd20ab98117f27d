//! A proxy that counts its calls, holds the clock, and panics where a real one would be misused.

use super::*;

/// What has become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The module is being asked about it, or it waits.
    Open,
    /// It was let through.
    Passed,
    /// It was answered.
    Answered(u32),
}

pub(super) struct FakeStream {
    pub(super) headers: Vec<u8>,
    pub(super) state: State,
    /// How much of its response is held back.
    pub(super) held: usize,
    pub(super) writes: Vec<String>,
    pub(super) response_writes: Vec<String>,
}

/// See the module.
pub(super) struct FakeProxy {
    pub(super) now: u64,
    /// How often each call was made.
    pub(super) calls: RefCell<BTreeMap<&'static str, usize>>,
    pub(super) current: u32,
    pub(super) streams: BTreeMap<u32, FakeStream>,
    /// In milliseconds, and when it is due.
    pub(super) tick: (u32, u64),
    pub(super) tokens: u32,
    pub(super) under_way: Vec<Call>,
    /// What the proxy refuses.
    pub(super) refused: &'static str,
    /// An answer is there to be read.
    pub(super) answer: Option<Vec<u8>>,
    pub(super) log: Vec<String>,
    pub(super) metrics: BTreeMap<String, i64>,
    pub(super) cells: BTreeMap<String, Cell>,
}

impl FakeProxy {
    pub(super) fn count(&self, call: &'static str) {
        *self.calls.borrow_mut().entry(call).or_default() += 1;
    }

    pub(super) fn check(&self, call: &'static str) -> Result<(), Status> {
        self.count(call);
        if self.refused == call { Err(Status(2)) } else { Ok(()) }
    }

    pub(super) fn stream(&mut self) -> &mut FakeStream {
        let current = self.current;
        self.streams.get_mut(&current).unwrap_or_else(|| panic!("there is no request {current}"))
    }
}

impl Host for FakeProxy {
    fn monotonic(&self) -> u64 {
        self.count("clock");
        self.now
    }

    fn wall(&self) -> u64 {
        self.count("clock");
        self.now
    }

    fn vm(&self) -> u64 {
        1
    }

    fn random(&mut self) -> u64 {
        0 // no call to the proxy
    }

    fn add(&mut self, metric: &Metric, amount: i64) {
        self.count("metric");
        *self.metrics.entry(metric.name().to_owned()).or_default() += amount;
    }

    fn cell(&self, key: &str) -> Cell {
        self.count("cell");
        self.cells.get(key).cloned().unwrap_or_default()
    }

    fn set_cell(&mut self, key: &str, value: &[u8], version: u32) -> Result<Option<u32>, Changed> {
        self.count("set cell");
        assert_eq!(self.cells.get(key).map_or(0, |cell| cell.version), version, "there is no other worker");
        self.cells.insert(key.into(), Cell { value: value.to_vec(), version: version + 1 });
        Ok(Some(version + 1))
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.count("property");
        (path == ["destination", "port"]).then(|| 80u64.to_le_bytes().to_vec())
    }

    fn response_headers(&mut self) -> Option<HeaderMap> {
        self.count("read");
        HeaderMap::parse(HeaderMap::serialize(&[(":status", "200")])).ok()
    }
}

impl Proxy for FakeProxy {
    fn read_map(&mut self, map: Map) -> Result<Vec<u8>, Status> {
        self.check("read")?;
        match map {
            Map::Request => Ok(self.stream().headers.clone()),
            Map::CallResponse => Ok(self.answer.clone().expect("an answer is read when there is one")),
            Map::ResponseTrailers => Ok(HeaderMap::serialize(&[("x-tell", "told")])),
            Map::Response => panic!("nobody looks at the response's headers"),
        }
    }

    fn write_map(&mut self, map: Map, write: Write<'_>) -> Result<(), Status> {
        self.check("write")?;
        let line = match write {
            Write::Add(name, value) => format!("+{}={}", text(name), text(value)),
            Write::Replace(name, value) => format!("{}={}", text(name), text(value)),
            Write::Remove(name) => format!("-{}", text(name)),
        };
        let stream = self.stream();
        match map {
            Map::Request => {
                assert_eq!(stream.state, State::Open, "headers are written while they can be");
                stream.writes.push(line);
            }
            _ => stream.response_writes.push(line),
        }
        Ok(())
    }

    fn read_buffer(&mut self, _: Buffer) -> Result<Vec<u8>, Status> {
        self.check("buffer")?;
        assert!(self.answer.is_some(), "an answer is read when there is one");
        Ok(b"body".to_vec())
    }

    fn reply(&mut self, reply: &LocalReply) -> Result<(), Status> {
        self.check("reply")?;
        let stream = self.stream();
        assert_eq!(stream.state, State::Open, "a request is answered once, and not after it has gone on");
        stream.state = State::Answered(reply.status);
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Status> {
        self.check("resume")?;
        let stream = self.stream();
        assert_eq!(stream.state, State::Open, "a request is resumed once, and not after it was answered");
        stream.state = State::Passed;
        Ok(())
    }

    fn resume_response(&mut self) -> Result<(), Status> {
        let stream = self.stream();
        assert!(std::mem::take(&mut stream.held) > 0, "what is resumed is held: Envoy may crash otherwise");
        self.check("resume response")
    }

    fn select(&mut self, context: u32) -> bool {
        self.count("select");
        let is_there = context == ROOT || self.streams.contains_key(&context);
        if is_there {
            self.current = context;
        }
        is_there
    }

    fn set_tick_period(&mut self, milliseconds: u32) {
        self.count("tick");
        self.tick = (milliseconds, self.now.saturating_add(u64::from(milliseconds) * MILLISECOND));
    }

    fn http_call(&mut self, _: &HttpCall) -> Option<u32> {
        self.check("http call").ok()?;
        assert_eq!(self.current, ROOT, "a call-out is the root context's");
        self.tokens += 1;
        self.under_way.push(Call::Http(self.tokens));
        Some(self.tokens)
    }

    fn grpc_call(&mut self, _: &GrpcCall) -> Option<u32> {
        self.check("grpc call").ok()?;
        assert_eq!(self.current, ROOT, "a call-out is the root context's");
        self.tokens += 1;
        self.under_way.push(Call::Grpc(self.tokens));
        Some(self.tokens)
    }

    fn log(&mut self, _: Level, message: &str) {
        self.log.push(message.into());
    }
}
