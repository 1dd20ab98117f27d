//! The routing filter alone.

pointsman_runtime::module!(routing::Routing);
