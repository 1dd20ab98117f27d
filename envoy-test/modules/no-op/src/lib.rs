//! A filter that does nothing, built with the plain SDK. What it costs is the unit in which the benchmark counts.

mod no_op;
