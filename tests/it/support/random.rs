//! Chance that can be had again.

/// A source of chance: `ROWCAST_TEST_SEED` repeats a run's choices.
pub(crate) fn random() -> fastrand::Rng {
    let seed = std::env::var("ROWCAST_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("ROWCAST_TEST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}
