//! Origin seeder.
