//! The one integration-test binary.

mod interop;
mod model;
