//! The sandbox's promises.
