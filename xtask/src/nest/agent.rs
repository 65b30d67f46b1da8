//! The agent: the first program in the nest.

use crate::places::Places;
use crate::static_program::StaticProgram;

pub fn program(places: &Places) -> StaticProgram {
    StaticProgram {
        name: "the nest's agent",
        package: "nest-agent",
        binary: "nest-agent",
        profile: "release",
        sources: "xtask/agent",
        target: places.join("agent"),
    }
}
