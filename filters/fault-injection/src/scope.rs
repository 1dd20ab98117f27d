//! When, and for whom, there are faults at all.

use std::cell::OnceCell;
use std::rc::Rc;

use pointsman_host::Host;
use pointsman_http::{HeaderMap, StringMatch, cookie};
use pointsman_routes::config::StringCondition;
use pointsman_routes::{compile, names};

use crate::config::When;
use crate::moment::Moment;

/// The wall clock, for one request: it is read once, if anybody has to know.
pub struct Clock<'a> {
    host: &'a dyn Host,
    now: OnceCell<Moment>,
}

impl<'a> Clock<'a> {
    pub fn new(host: &'a dyn Host) -> Self {
        Self { host, now: OnceCell::new() }
    }

    fn now(&self) -> Moment {
        *self.now.get_or_init(|| Moment(self.host.wall()))
    }
}

/// See the module.
#[derive(Default)]
pub struct Scope {
    start: Option<Moment>,
    end: Option<Moment>,
    headers: Vec<(Rc<[u8]>, StringMatch)>,
    cookies: Vec<(Box<[u8]>, StringMatch)>,
    /// Faults are only counted.
    pub shadow: bool,
}

impl Scope {
    pub fn new(start: Option<Moment>, end: Option<Moment>, when: Option<&When>, shadow: bool) -> Self {
        let matcher = |condition: &StringCondition| compile(condition, false);
        let headers = when.iter().flat_map(|when| &when.headers);
        let cookies = when.iter().flat_map(|when| &when.cookies);
        Self {
            start,
            end,
            headers: headers.map(|(name, condition)| (names::in_map(name), matcher(condition))).collect(),
            cookies: cookies.map(|(name, condition)| (name.as_bytes().into(), matcher(condition))).collect(),
            shadow,
        }
    }

    /// Whether it is the time for it.
    pub fn is_now(&self, clock: &Clock<'_>) -> bool {
        if self.start.is_none() && self.end.is_none() {
            return true;
        }
        let now = clock.now();
        // Without a clock nobody knows, and a fault that does not end is the worse mistake.
        now.0 > 0 && self.start.is_none_or(|start| start <= now) && self.end.is_none_or(|end| now < end)
    }

    /// Whether it is the time for it, and the request one of those that it is for.
    pub fn includes(&self, headers: &HeaderMap, clock: &Clock<'_>) -> bool {
        let has_header =
            |(name, matcher): &(Rc<[u8]>, StringMatch)| headers.values(name).any(|value| matcher.matches(value));
        let has_cookie = |(name, matcher): &(Box<[u8]>, StringMatch)| {
            cookie::find(headers, name).is_some_and(|value| matcher.matches(value))
        };
        self.headers.iter().all(has_header) && self.cookies.iter().all(has_cookie) && self.is_now(clock)
    }
}
