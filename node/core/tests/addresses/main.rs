//! The address book against everything that strangers can say. Whatever they say, in any order:
//! what the user typed stays, no stranger fills the book, and no third party is dialled more than
//! twice a minute.

mod doors;
mod kept;
mod properties;
mod siege;
mod targets;
mod words;
