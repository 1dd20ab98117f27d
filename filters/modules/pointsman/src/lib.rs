//! All filters, in one pass over each request.

pointsman_runtime::module!(routing::Routing, rate_limit::RateLimit, fault_injection::FaultInjection<true>);
