//! Where the program's memory comes from.

/// The allocator of the program and of the benches that time it: `#[global_allocator]` there.
///
/// A step of training frees and asks again for gigabytes. The system's allocator gives each large block back and gets it anew,
/// as pages of 4 KiB that are cleared one by one: a tenth of the step. This one keeps blocks for a while, and on Linux in pages
/// of 2 MiB.
pub type Allocator = mimalloc::MiMalloc;

/// The allocator, to be put into a static.
pub const ALLOCATOR: Allocator = mimalloc::MiMalloc;

/// Keeps freed memory for the next step, and gives it back to the system after some seconds without one. To be called at the
/// start of a program whose allocator is [`Allocator`]; in others it does nothing.
pub fn keep_for_the_next_step() {
    // `mi_option_purge_delay`, which the crate does not name: milliseconds, of which large blocks take ten times as many.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    const SECONDS: std::ffi::c_long = 20;
    // SAFETY: the option exists in the version that the crate compiles, and no other thread runs yet that could set options.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, SECONDS * 100) };
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_option_is_the_one_that_is_meant() {
        // As shipped, memory is given back after 10 ms; a neighbour in the list would hold another number.
        let before = unsafe { libmimalloc_sys::mi_option_get(15) };
        assert!([10, 1000, 2000].contains(&before), "{before}");
        super::keep_for_the_next_step();
        assert_eq!(unsafe { libmimalloc_sys::mi_option_get(15) }, 2000);
    }
}
