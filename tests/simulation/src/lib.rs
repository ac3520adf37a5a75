//! The till room: the whole hub in one thread, over the real store, with vendors played by pure
//! functions, virtual time, and a seed that decides what goes wrong (`DESIGN.md` §9.7).

pub mod rig;
pub mod sold;
pub mod till_room;
