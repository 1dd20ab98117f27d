//! Rate limits, and behind them a filter that does what none may: a request with the header `x-panic` makes it panic, and
//! with it go the worker's VM and what its requests had under way.

use pointsman_filter::{Filter, Request, Step, Uses, Wake};
use pointsman_host::Host;
use pointsman_routes::Policy;
use pointsman_wire::Cursor;
use rate_limit::RateLimit;

pointsman_runtime::module!(RateLimit, Panics);

/// See the module.
pub struct Panics;

impl Filter for Panics {
    const NAME: &'static str = "panics";
    const SECTIONS: &'static [&'static str] = &[];
    const USES: Uses = Uses::NONE;
    type Rule = ();
    type Stream = ();

    fn configure(_: Cursor<'_>, _: Policy<()>) -> Option<Self> {
        Some(Self)
    }

    #[expect(clippy::panic, reason = "tests see by it what becomes of the others")]
    fn on_request(&self, (): &mut (), _: Wake, request: &mut Request, _: &mut dyn Host) -> Step {
        if request.headers().has(b"x-panic") {
            panic!("as the request asked for");
        }
        Step::Continue
    }
}
