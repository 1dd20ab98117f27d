//! Workers of one proxy, and what is to hold of all of them together.

mod exact;
pub mod fixture;
mod flood;
mod local;
pub mod proxy;
mod renamed;
mod services;
