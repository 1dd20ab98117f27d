//! The seam with Envoy: life cycle, configuration, and the one pass over each request. The only crate that knows of
//! Proxy-Wasm. A module is this and a list of filters:
//!
//! ```text
//! pointsman_runtime::module!(Routing);
//! ```
// As clippy.toml does for tests; these two have no switch there.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

mod abi;
mod body;
mod callbacks;
mod chain;
pub mod configuration;
mod deadlines;
mod lifecycle;
mod metrics;
mod proxy;
mod worker;

pub use chain::Chain;
#[doc(hidden)]
pub use {body::on_response_body, callbacks::callbacks, lifecycle::start, proxy_wasm};

/// Makes the crate a Proxy-Wasm module with those filters, in the order in which a request passes them.
///
/// Which callbacks they need stands in the module's custom section `pointsman.callbacks`, for whoever packages it.
#[macro_export]
macro_rules! module {
    ($($filter:ty),+ $(,)?) => {
        type Filters = ($($filter,)+);

        // Link sections and exported symbols count as unsafe code, and a module is made of nothing else.
        #[allow(unsafe_code)]
        mod module {
            #[unsafe(link_section = "pointsman.callbacks")]
            #[used]
            static CALLBACKS: [u8; 256] = $crate::callbacks::<super::Filters>();

            #[unsafe(no_mangle)]
            extern "C" fn pointsman_on_response_body(context: u32, bytes: usize, _is_end: u32) -> u32 {
                $crate::on_response_body(context, bytes)
            }

            $crate::proxy_wasm::main! {{
                $crate::start::<super::Filters>();
            }}
        }
    };
}
