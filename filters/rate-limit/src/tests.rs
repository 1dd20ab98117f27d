//! Workers of one proxy, and what is to hold of all of them together.

mod exact;
mod flood;
pub mod proxy;
mod renamed;
