//! Password hashes: argon2id, as PHC strings.
//!
//! Each takes tens of milliseconds and megabytes by intention, so the driver calls [`run`] on threads of its own. DES on the wire
//! protects a password poorly (docs/protocol.md, "Encryption"); what lies on the disk need not be as weak as that.

use std::ops::RangeInclusive;

use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};

use crate::config::Security;
use crate::hub::{PasswordJob, PasswordOutcome, PasswordResult};

/// What [`Security::argon2_memory_kib`] may be. From what the algorithm needs for one lane to what a server can spare.
pub const MEMORY_KIB: RangeInclusive<u32> = 8..=1024 * 1024;

/// What [`Security::argon2_iterations`] may be. More than this is a login that takes seconds.
pub const ITERATIONS: RangeInclusive<u32> = 1..=100;

/// Bytes of a hash, before they are put in letters.
const HASH_LEN: usize = 32;

/// Why there is no hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HashError {
    /// [`Security::argon2_memory_kib`] is not in [`MEMORY_KIB`].
    #[error("argon2_memory_kib is {0}; it must be from {min} to {max}", min = MEMORY_KIB.start(), max = MEMORY_KIB.end())]
    Memory(u32),
    /// [`Security::argon2_iterations`] is not in [`ITERATIONS`].
    #[error("argon2_iterations is {0}; it must be from {min} to {max}", min = ITERATIONS.start(), max = ITERATIONS.end())]
    Iterations(u32),
    /// The system has not the memory that the hash needs.
    #[error("not enough memory to hash a password; a smaller argon2_memory_kib or fewer argon2_threads need less")]
    OutOfMemory,
}

/// Hashes a password. The salt must be random, and new for each hash.
///
/// # Errors
/// A cost out of its range; or there is not enough memory.
pub fn hash(password: &[u8], salt: [u8; 16], security: &Security) -> Result<String, HashError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params(security)?);
    let hash: PasswordHash = argon2.hash_password_with_salt(password, &salt).map_err(|_| HashError::OutOfMemory)?;
    Ok(hash.to_string())
}

/// Whether a password is the one from which a hash was made. The cost is that of the hash, whatever new ones cost now. What is not
/// a PHC string of argon2 fits no password.
///
/// # Errors
/// There is not enough memory to tell: a "no" would be a lie.
pub fn fits(password: &[u8], phc: &str) -> Result<bool, HashError> {
    let verified = PasswordHash::new(phc).map(|hash| Argon2::default().verify_password(password, &hash));
    match verified {
        Ok(Err(password_hash::Error::OutOfMemory)) => Err(HashError::OutOfMemory),
        Ok(verified) => Ok(verified.is_ok()),
        Err(_) => Ok(false),
    }
}

/// Whether this is the hash of a password: a PHC string of argon2.
pub fn is_hash(phc: &str) -> bool {
    PasswordHash::new(phc).is_ok_and(|hash| Algorithm::new(hash.algorithm.as_str()).is_ok())
}

/// Does a job. The password is wiped with it. The salt is for a new hash.
pub fn run(job: &PasswordJob, salt: [u8; 16], security: &Security) -> PasswordResult {
    let outcome = match &job.hash {
        Some(phc) => fits(&job.password, phc).map(PasswordOutcome::Fits),
        None => hash(&job.password, salt, security).map(PasswordOutcome::Hash),
    };
    PasswordResult { ticket: job.ticket, outcome: outcome.unwrap_or(PasswordOutcome::Failed) }
}

/// A hash that no password fits, and which costs as much to compare with as a new one. A login as a user who does not exist is
/// compared with it, so that the time of the refusal does not tell who exists.
///
/// # Errors
/// A cost out of its range. Nothing is hashed here.
pub fn dummy_hash(security: &Security) -> Result<String, HashError> {
    let params = params(security)?;
    let (memory, iterations) = (params.m_cost(), params.t_cost());
    // 16 and 32 zero bytes in Base64. They are not the hash of anything: to find a password for them takes 2^256 attempts.
    Ok(format!("$argon2id$v=19$m={memory},t={iterations},p=1${:A<22}${:A<43}", "", ""))
}

/// Whether hashes can be made at this cost: to be asked once, before the first of them is needed.
///
/// # Errors
/// A cost out of its range.
pub fn check(security: &Security) -> Result<(), HashError> {
    params(security).map(drop)
}

fn params(security: &Security) -> Result<Params, HashError> {
    let (memory, iterations) = (security.argon2_memory_kib, security.argon2_iterations);
    if !MEMORY_KIB.contains(&memory) {
        return Err(HashError::Memory(memory));
    }
    if !ITERATIONS.contains(&iterations) {
        return Err(HashError::Iterations(iterations));
    }
    // One lane: the driver hashes several passwords at a time rather than one on several cores.
    Params::new(memory, iterations, 1, Some(HASH_LEN)).map_err(|_| HashError::Memory(memory))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Ticket;

    fn fits(password: &[u8], phc: &str) -> bool {
        super::fits(password, phc).unwrap()
    }

    const CHEAP: Security =
        Security { argon2_memory_kib: 8, argon2_iterations: 1, argon2_threads: 1, verifier_lifetime: Duration::ZERO };

    #[test]
    fn the_right_password_fits_and_no_other() {
        let phc = hash(b"secret", [7; 16], &CHEAP).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{phc}");
        assert!(fits(b"secret", &phc));
        for wrong in [&b""[..], b"Secret", b"secre", b"secret\0", b"secrets"] {
            assert!(!fits(wrong, &phc), "{wrong:?}");
        }
    }

    #[test]
    fn passwords_are_bytes() {
        for password in [&b""[..], b"\0", b"\xff\xfe\0\x80", &[0xE5; 450]] {
            let phc = hash(password, [1; 16], &CHEAP).unwrap();
            assert!(fits(password, &phc));
        }
    }

    #[test]
    fn the_salt_decides_and_nothing_else() {
        let hash = |salt| hash(b"secret", [salt; 16], &CHEAP).unwrap();
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
    }

    #[test]
    fn an_old_hash_fits_when_new_ones_cost_more() {
        let dearer = Security { argon2_memory_kib: 16, argon2_iterations: 2, ..CHEAP };
        let (old, new) = (hash(b"secret", [1; 16], &CHEAP).unwrap(), hash(b"secret", [1; 16], &dearer).unwrap());
        assert!(new.contains("m=16,t=2") && fits(b"secret", &new) && fits(b"secret", &old));
    }

    #[test]
    fn nothing_fits_what_is_no_hash() {
        let phc = hash(b"secret", [7; 16], &CHEAP).unwrap();
        let (without_hash, _) = phc.rsplit_once('$').unwrap();
        for bad in ["", "secret", "$", "$argon2id$", without_hash, &phc.replace("argon2id", "scrypt"), "$2b$12$abc"] {
            assert!(!fits(b"secret", bad) && !fits(b"", bad), "{bad}");
        }
    }

    #[test]
    fn the_dummy_costs_as_much_and_nothing_fits_it() {
        let (dummy, phc) = (dummy_hash(&CHEAP).unwrap(), hash(b"", [0; 16], &CHEAP).unwrap());
        let cost = |phc: &str| phc.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(cost(&dummy), cost(&phc));
        assert_eq!(dummy.len(), phc.len());
        for password in [&b""[..], b"secret", &[0; 16], &[0; 32]] {
            assert!(!fits(password, &dummy));
        }
    }

    #[test]
    fn jobs_are_done() {
        let job = |hash| PasswordJob { ticket: Ticket(9), password: b"secret"[..].into(), hash };
        assert!(!format!("{:?}", job(None)).contains("115, 101"), "the bytes of the password");
        let result = run(&job(None), [3; 16], &CHEAP);
        let PasswordOutcome::Hash(phc) = result.outcome else { panic!("{result:?}") };
        assert_eq!(result.ticket, Ticket(9));
        for (phc, expected) in [(phc, true), (dummy_hash(&CHEAP).unwrap(), false)] {
            let result = run(&job(Some(phc)), [0; 16], &CHEAP);
            assert!(matches!(result.outcome, PasswordOutcome::Fits(fits) if fits == expected));
        }
    }

    #[test]
    fn costs_have_limits() {
        let with = |argon2_memory_kib, argon2_iterations| Security { argon2_memory_kib, argon2_iterations, ..CHEAP };
        let (memory_max, iterations_max) = (*MEMORY_KIB.end(), *ITERATIONS.end());
        assert_eq!(check(&with(8, 1)), Ok(()));
        assert_eq!(check(&with(memory_max, iterations_max)), Ok(()));
        for (security, error) in [
            (with(7, 1), HashError::Memory(7)),
            (with(memory_max + 1, 1), HashError::Memory(memory_max + 1)),
            (with(8, 0), HashError::Iterations(0)),
            (with(8, iterations_max + 1), HashError::Iterations(iterations_max + 1)),
        ] {
            assert_eq!(check(&security), Err(error));
            assert_eq!(hash(b"", [0; 16], &security), Err(error));
            assert_eq!(dummy_hash(&security), Err(error));
        }
        assert_eq!(HashError::Memory(7).to_string(), "argon2_memory_kib is 7; it must be from 8 to 1048576");
    }
}
