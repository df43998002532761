//! rowcast's one binary.
fn main() {}
