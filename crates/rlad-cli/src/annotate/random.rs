//! Random texts that nobody can guess.

use anyhow::Context;

/// 128 random bits in hexadecimal.
pub(crate) fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
