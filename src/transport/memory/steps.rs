//! Counts the steps of commands on collections, for the test that compares them with the complexity in Redis.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts elements that were looked at, moved or copied. Does nothing outside tests.
pub(super) fn count(steps: usize) {
    #[cfg(test)]
    STEPS.set(STEPS.get().saturating_add(steps));
    #[cfg(not(test))]
    let _ = steps;
}

/// The steps of this thread so far.
#[cfg(test)]
pub(super) fn so_far() -> usize {
    STEPS.get()
}
