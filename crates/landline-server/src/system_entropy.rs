//! Randomness of the operating system.

use landline_core::Entropy;

/// Bytes that nobody can guess.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // Without randomness, every id and key could be guessed; there is nothing safe left to do.
            tracing::error!("The operating system gives no randomness; stopping");
            std::process::abort();
        }
    }
}
