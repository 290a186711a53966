//! Settings of nearness. Each can be switched off apart from the others, to see what it brings.

use super::knobs::knobs;

knobs! {
    /// What nearness decides.
    pub struct NearnessConfig("nearness") {
        /// The tier of a peer decides whom we link to, whom we serve where no AS is known, and for whom
        /// distant peers wait at the start. Off: random choice. Default on.
        tiers: bool = true, false, true;
        /// Inside a tier, what passing bytes there costs decides (adjacent ASes), or how many ASes lie
        /// between (distant ones). Default on.
        steps: bool = true, false, true;
        /// A run comes into our AS, and into our local network, once. Default on.
        one_copy_in: bool = true, false, true;
    }
}
