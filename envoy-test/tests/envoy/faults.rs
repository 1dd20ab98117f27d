//! Fault injection, in the one pass and as a module of its own.

mod basics;
mod by_header;
mod crowd;
mod example;
mod limits;
mod many;
mod native;
mod pace;
mod panics;
mod scopes;
mod shares;
mod slow_responses;
mod time_outs;
mod told;
mod updates;

use envoy_test::Test;

pub fn tests() -> Vec<Test> {
    [
        basics::tests(),
        by_header::tests(),
        crowd::tests(),
        example::tests(),
        limits::tests(),
        native::tests(),
        pace::tests(),
        panics::tests(),
        scopes::tests(),
        shares::tests(),
        slow_responses::tests(),
        time_outs::tests(),
        told::tests(),
        updates::tests(),
    ]
    .concat()
}
