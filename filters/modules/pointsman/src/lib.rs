//! All filters, in one pass over each request.

pointsman_runtime::module!(routing::Routing, fault_injection::FaultInjection<true>);
