//! Rate limits alone.

pointsman_runtime::module!(rate_limit::RateLimit);
