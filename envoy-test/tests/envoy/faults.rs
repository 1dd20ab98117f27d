//! Fault injection, in the one pass and as a module of its own.

mod basics;
mod example;

use envoy_test::Test;

pub fn tests() -> Vec<Test> {
    [basics::tests(), example::tests()].concat()
}
