//! The nest from outside: what a command in it gets and gives is what it would get and give here.
//! These tests run on the host and ask for the nest by name, so they also test it where nobody
//! needs it. Each nest is one of their own: what they do to it is not for a user's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fixture;

mod ends;
mod failures;
mod places;
mod session;
mod terminal;
mod warm;
