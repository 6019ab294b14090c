//! Memory that is free goes back to the system.

/// Gives back what the allocator keeps of memory that is free.
///
/// glibc keeps freed memory in an arena of each thread, so that what a long run holds grows with the groups of series that it went
/// through. Other allocators give memory back by themselves.
#[cfg_attr(all(target_os = "linux", target_env = "gnu"), expect(unsafe_code, reason = "a call of the C library"))]
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` may be called at any time, by any thread, and touches no memory that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
