//! The book's promises, kept and broken, on a small book.

mod directives;
mod fixture;
mod promises;
mod rendering;
mod replay;
mod serving;
mod steps;
