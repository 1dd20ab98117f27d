//! Fault injection alone, of requests: it is not called for responses.

pointsman_runtime::module!(fault_injection::FaultInjection<false>);
