//! The till room: the whole hub in one thread, over the real store, with vendors played by pure
//! functions, virtual time, and a seed that decides what goes wrong (`DESIGN.md` §9.7).
//!
//! | module       | holds                                                                        |
//! |--------------|------------------------------------------------------------------------------|
//! | [`rig`]      | what carries requests and deliveries without a network                       |
//! | [`weather`]  | what goes wrong, and how often                                               |
//! | [`street`]   | what goes on around a process between two of its commits                     |
//! | [`till_room`]| the scheduler: one seed is one story                                         |
//! | [`persons`]  | what people decide about what went wrong                                     |
//! | [`second_reading`] | a person has what was taken in read and decided again                |
//! | [`oracle`]   | the invariants I1–I16, asked of the store and of the world                   |
//! | [`truth`]    | what the world itself holds: what must have come of it                       |
//! | [`sold`]     | the projection of what was sold, built anew                                  |

pub mod oracle;
pub mod persons;
pub mod rig;
pub mod second_reading;
pub mod sold;
pub mod street;
pub mod till_room;
pub mod truth;
pub mod weather;
