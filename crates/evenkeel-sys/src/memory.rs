//! The memory of this process.

/// Hands memory that was freed and has not been used again back to the operating system, page by
/// page. The allocator only does that by itself at the end of what it has. It takes about a
/// millisecond for each thousand pieces, during which threads that allocate may wait. Does nothing
/// with a C library that is not glibc.
pub fn return_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number by value, and touches nothing but what the allocator has free.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays() {
        let kept: Vec<Vec<u8>> = (0..200).map(|byte| vec![byte; 16 * 1024]).collect();
        drop((0..200).map(|_| vec![1_u8; 16 * 1024]).collect::<Vec<_>>());
        return_memory();
        for (byte, kept) in (0..).zip(&kept) {
            assert!(kept.iter().all(|&found| found == byte));
        }
    }
}
