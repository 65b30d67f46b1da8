//! What the nest's two ends say to each other.
