//! A name for a service that was made without one: two words, as Docker gives containers theirs.

/// How many names are tried before a clash is reported; with a thousand names and a handful of services the second
/// is free.
pub(super) const ATTEMPTS: usize = 8;

const QUALITIES: [&str; 32] = [
    "able", "agile", "amber", "ample", "avid", "brisk", "calm", "clear", "daring", "deft", "eager", "fair", "fleet",
    "gentle", "hardy", "keen", "level", "lively", "loyal", "mellow", "merry", "nimble", "patient", "proud", "quiet",
    "ready", "sober", "steady", "stout", "sunny", "swift", "warm",
];

const CRAFT: [&str; 32] = [
    "anchor", "barque", "beacon", "bowline", "brig", "buoy", "capstan", "clipper", "compass", "cutter", "dory",
    "frigate", "galley", "halyard", "harbour", "jib", "keel", "ketch", "lantern", "lugger", "mizzen", "pilot", "quay",
    "rudder", "schooner", "sextant", "sloop", "spar", "tiller", "whaler", "windlass", "yawl",
];

/// A name made from some of 32 random bytes.
pub(super) fn random(bytes: [u8; 32]) -> String {
    let pick = |words: &[&'static str; 32], byte: u8| words[usize::from(byte % 32)];
    format!("{}_{}", pick(&QUALITIES, bytes[0]), pick(&CRAFT, bytes[1]))
}
