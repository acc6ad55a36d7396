//! The threads that compute password hashes, tens of milliseconds each, away from the shards.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::mail::Mailboxes;
use super::{RunError, Watch, spawn};
use crate::config::Security;
use crate::hub::{PasswordJob, PasswordOutcome};
use crate::passwords;

/// As `nice` takes it. At 10, somebody who waits has a tenth of the processor that one at 0 has.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The way to the threads. It has no limit of its own: the hub has at most [`crate::config::Limits::hash_queue_max`] logins and
/// registrations under way, and one change of password for each request in a session's window.
#[derive(Clone, Debug)]
pub(super) struct Jobs(Sender<PasswordJob>);

impl Jobs {
    /// Hands in a job. Its result comes as mail.
    pub(super) fn send(&self, job: PasswordJob) {
        // Nobody takes it when the threads have ended, which ends the whole program.
        let _ = self.0.send(job);
    }
}

/// Starts the threads. They end when the last [`Jobs`] is gone.
pub(super) fn start(
    security: &Security,
    seeds: &mut StdRng,
    mailboxes: &Mailboxes,
    watch: &Watch,
) -> Result<(Jobs, Vec<JoinHandle<()>>), RunError> {
    let (jobs, queue) = channel();
    let queue = Arc::new(Mutex::new(queue));
    let threads = (0..security.argon2_threads).map(|_| {
        let (security, queue, mailboxes) = (security.clone(), Arc::clone(&queue), mailboxes.clone());
        let mut salts = StdRng::from_rng(seeds);
        spawn("passwords", watch.clone(), move || {
            stand_back();
            while let Some(job) = next(&queue) {
                let mut salt = [0; 16];
                salts.fill_bytes(&mut salt);
                let result = passwords::run(&job, salt, &security);
                if matches!(result.outcome, PasswordOutcome::Failed) {
                    tracing::error!("not enough memory to hash a password; fewer argon2_threads need less");
                }
                mailboxes.send_password(result);
            }
        })
    });
    let threads = threads.collect::<Result<Vec<_>, _>>()?;
    Ok((Jobs(jobs), threads))
}

/// Lets the shards go first: a hash takes long in any case, and whoever guesses at passwords makes many of them.
#[cfg(target_os = "linux")]
fn stand_back() {
    // Of this thread alone. Where it is not allowed, it is as it was.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
}

#[cfg(not(target_os = "linux"))]
fn stand_back() {}

/// The next job. One idle thread waits for it; the others wait for their turn to wait.
fn next(queue: &Mutex<Receiver<PasswordJob>>) -> Option<PasswordJob> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use crate::driver::mail::Mail;
    use crate::hub::PasswordResult;
    use crate::share::Share;
    use crate::store::Ticket;

    #[test]
    fn each_job_comes_back_with_its_own_salt_and_the_threads_end() {
        let security =
            Security { argon2_memory_kib: 8, argon2_iterations: 1, argon2_threads: 3, ..Config::default().security };
        let (mailboxes, mut receivers) = Mailboxes::new(&Share::split(2));
        let (watch, _ended) = Watch::new();
        let (jobs, threads) = start(&security, &mut StdRng::seed_from_u64(7), &mailboxes, &watch).unwrap();
        for ticket in 0..8 {
            let password = b"hunter2"[..].into();
            jobs.send(PasswordJob { ticket: Ticket(ticket), password, hash: None });
        }
        drop((jobs, mailboxes));
        for thread in threads {
            thread.join().unwrap();
        }
        let mut hashes = std::collections::BTreeMap::new();
        for (shard, mailbox) in (0..).zip(&mut receivers) {
            while let Some(Mail::Password(PasswordResult { ticket, outcome: PasswordOutcome::Hash(hash) })) =
                mailbox.blocking_recv()
            {
                assert_eq!(ticket.0 % 2, shard, "it comes back to whom it belongs");
                hashes.insert(hash, ticket);
            }
        }
        assert_eq!(hashes.len(), 8);
        assert_eq!(hashes.into_values().collect::<std::collections::BTreeSet<_>>().len(), 8);
    }
}
