//! It cannot be crashed: whatever a client or an upstream sends, the answer is the one that Envoy would give, the
//! module's VM lives, and the next request is served.
//!
//! One policy with a rule for each thing that the routing filter reads or writes ([`policy`]) stands behind all of
//! these tests, and one question is asked at the end of each ([`vital`]). A client that goes away while its request is
//! paused is no matter of routing, which never pauses: see `a_client_leaves_while_delayed` and its neighbours in
//! `waits`.

mod authorities;
mod lines;
mod material;
mod mutations;
mod policy;
mod protocols;
mod raw_upstream;
mod storm;
mod targets;
mod three;
mod upstreams;
mod vital;

use envoy_test::Test;

pub fn tests() -> Vec<Test> {
    [
        authorities::tests(),
        lines::tests(),
        protocols::tests(),
        storm::tests(),
        targets::tests(),
        upstreams::tests(),
        vital::tests(),
    ]
    .concat()
}
