//! Tests of every chapter.
