//! Origin seeder.
fn main() {}
