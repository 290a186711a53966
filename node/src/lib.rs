//! What a peer does.
