//! Passwords that argon2 has found right, so that it is asked once for each user and process instead of at every login.
//!
//! What is remembered is a keyed hash, whose key is random and never leaves the process. Whoever reads the memory of the process can
//! try passwords against it fast; the beginnings of the passwords themselves are in the same memory, in the keys of the sessions.
//!
//! A login that is answered from here is answered as the store and argon2 would have answered it: nobody else changes passwords
//! while the server has the data folder, and the hub forgets a verifier before it asks for the change.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use blake2::Blake2sMac;
use blake2::digest::array::Array;
use blake2::digest::consts::U16;
use blake2::digest::{CtOutput, KeyInit, Mac};
use hashbrown::HashMap;
use myicq_wire::{Instant, Uin};

use super::Attempt;
use super::directory::Directory;

/// Users of a server whose password is remembered at most; some 30 MB. One more, and the one remembered longest is forgotten.
pub(super) const REMEMBERED_MAX: usize = 1 << 20;

/// Expired ones forgotten at each login: more than a login adds, and not so many that one login would be late for all the others.
const FORGOTTEN_AT_ONCE: usize = 8;

/// A keyed hash of a user's password. It is compared in constant time, wiped when it is dropped, and never shown.
pub(super) type Verifier = CtOutput<Blake2sMac<U16>>;

/// A time, cut off to a whole second: what is remembered dies sooner by that, and takes less room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Second(u32);

impl Second {
    fn of(at: Instant) -> Self {
        Self(u32::try_from(at.0 / 1_000_000).unwrap_or(u32::MAX))
    }

    fn is_over(self, lifetime: Duration, now: Instant) -> bool {
        now.since(Instant(u64::from(self.0) * 1_000_000)) >= lifetime
    }
}

/// What is remembered of a user.
struct Known {
    /// [`Uin::NONE`] where it has been forgotten before its time.
    uin: Uin,
    /// The time of argon2's answer and not of the last login: who logs in every day is not remembered forever.
    since: Second,
    verifier: Verifier,
}

/// The verifiers of a hub's users.
pub(super) struct Verifiers {
    lifetime: Duration,
    max: usize,
    /// Knows the key and no password. In a box, so that the key stays where it is, and is wiped there, when the hub is moved.
    keyed: Box<Blake2sMac<U16>>,
    /// Those who came first are first, and go first.
    known: VecDeque<Known>,
    /// How many have gone from the front of it.
    gone: u32,
    /// Where each user is in it, counted from the first that ever was.
    places: Directory,
    /// Of the logins that argon2 has yet to judge. The hub bounds how many there are.
    unproven: HashMap<Attempt, (Uin, Verifier)>,
}

impl Verifiers {
    /// Remembers nobody yet, and later up to `max` users, of a server with so many shards, for up to `lifetime`; zero: nobody at all. The
    /// key must be random.
    pub(super) fn new(key: &[u8; 32], lifetime: Duration, max: usize, shards: u32) -> Self {
        Self {
            lifetime,
            max,
            keyed: Box::new(Blake2sMac::new(key.into())),
            known: VecDeque::new(),
            gone: 0,
            places: Directory::new(shards),
            unproven: HashMap::new(),
        }
    }

    /// The verifier of a password, right or wrong. Users with the same password have different ones.
    pub(super) fn verifier(&self, uin: Uin, password: &[u8]) -> Verifier {
        let mac = Blake2sMac::clone(&self.keyed);
        mac.chain_update(uin.0.to_be_bytes()).chain_update(password).finalize()
    }

    /// Whether this is the verifier of the user's password. If not, the password may be right all the same.
    pub(super) fn is_known(&mut self, now: Instant, uin: Uin, verifier: &Verifier) -> bool {
        for _ in 0..FORGOTTEN_AT_ONCE {
            match self.known.front() {
                Some(known) if known.since.is_over(self.lifetime, now) => self.forget_oldest(),
                _ => break,
            }
        }
        let known = self.places.find(uin).and_then(|place| self.known.get(self.index(place)));
        known.is_some_and(|known| !known.since.is_over(self.lifetime, now) && known.verifier == *verifier)
    }

    /// Whether anything is remembered of a user.
    pub(super) fn has(&self, uin: Uin) -> bool {
        self.places.find(uin).is_some()
    }

    /// Argon2 is to judge a login with the password of this verifier: [`Verifiers::prove`] or [`Verifiers::drop_unproven`].
    pub(super) fn begin(&mut self, attempt: Attempt, uin: Uin, verifier: Verifier) {
        self.unproven.insert(attempt, (uin, verifier));
    }

    /// The password was right. Remembers it, unless it has been changed since the login began.
    pub(super) fn prove(&mut self, now: Instant, attempt: Attempt) {
        let Some((uin, verifier)) = self.unproven.remove(&attempt) else { return };
        if self.lifetime.is_zero() {
            return;
        }
        self.forget(uin);
        if self.known.len() >= self.max {
            self.forget_oldest();
        }
        let behind = u32::try_from(self.known.len()).unwrap_or_default();
        self.places.set(uin, Some(add(self.gone, behind)));
        self.known.push_back(Known { uin, since: Second::of(now), verifier });
    }

    /// A login is over. Nothing, if its password has been proven.
    pub(super) fn drop_unproven(&mut self, attempt: Attempt) {
        self.unproven.remove(&attempt);
    }

    /// Forgets a user's password until argon2 has judged it again.
    pub(super) fn forget(&mut self, uin: Uin) {
        let place = self.places.remove(uin).map(|place| self.index(place));
        if let Some(known) = place.and_then(|place| self.known.get_mut(place)) {
            *known = Known { uin: Uin::NONE, since: known.since, verifier: Verifier::new(Array::default()) };
        }
    }

    /// A user's password is about to be changed: to be called when the store is asked for it. A login under way may still be compared with
    /// the old hash, and its answer come after the change; one that begins later is compared with what the change has left.
    pub(super) fn on_change(&mut self, uin: Uin) {
        self.forget(uin);
        self.unproven.retain(|_, (of, _)| *of != uin);
    }

    fn forget_oldest(&mut self) {
        if let Some(known) = self.known.pop_front() {
            self.gone = add(self.gone, 1);
            self.places.remove(known.uin);
        }
    }

    fn index(&self, place: u32) -> usize {
        usize::try_from(add(place, PLACES - self.gone)).unwrap_or(usize::MAX)
    }
}

/// So many places are told apart; a directory has none for the last number.
const PLACES: u32 = u32::MAX;

/// The place so many behind another one.
fn add(place: u32, count: u32) -> u32 {
    let sum = u64::from(place) + u64::from(count);
    u32::try_from(sum % u64::from(PLACES)).unwrap_or_default()
}

impl fmt::Debug for Verifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifiers").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(60);
    const MAX: usize = 20;
    const ALICE: Uin = Uin(10_000);
    const BOB: Uin = Uin(10_001);
    const BEGIN: Instant = Instant(1_000_000);

    fn verifiers() -> Verifiers {
        Verifiers { gone: PLACES - 5, ..Verifiers::new(&[7; 32], LIFETIME, MAX, 1) }
    }

    impl Verifiers {
        fn remember(&mut self, now: Instant, uin: Uin, password: &[u8]) {
            let verifier = self.verifier(uin, password);
            self.begin(Attempt(1), uin, verifier);
            self.prove(now, Attempt(1));
        }

        fn knows(&mut self, now: Instant, uin: Uin, password: &[u8]) -> bool {
            let verifier = self.verifier(uin, password);
            self.is_known(now, uin, &verifier)
        }
    }

    #[test]
    fn what_was_proven_is_known_and_nothing_else() {
        let mut verifiers = verifiers();
        verifiers.remember(BEGIN, ALICE, b"secret");
        assert!(verifiers.knows(BEGIN, ALICE, b"secret"));
        for wrong in [&b""[..], b"Secret", b"secre", b"secret\0", &[b's'; 128]] {
            assert!(!verifiers.knows(BEGIN, ALICE, wrong), "{wrong:?}");
        }
        assert!(!verifiers.knows(BEGIN, BOB, b"secret"));
    }

    /// The key, the user and all of the password count. One byte of the user's number is none of the password's.
    #[test]
    fn verifiers_differ() {
        let verifiers = verifiers();
        let first = verifiers.verifier(ALICE, b"secret");
        assert!(first == verifiers.verifier(ALICE, b"secret"));
        assert!(first != verifiers.verifier(BOB, b"secret"));
        assert!(first != verifiers.verifier(ALICE, b"secret!"));
        assert!(first != Verifiers::new(&[8; 32], LIFETIME, MAX, 1).verifier(ALICE, b"secret"));
        assert!(verifiers.verifier(Uin(0), b"\0a") != verifiers.verifier(Uin(0), b"a"));
    }

    #[test]
    fn a_login_that_is_not_proven_leaves_nothing() {
        let mut verifiers = verifiers();
        let verifier = verifiers.verifier(ALICE, b"secret");
        verifiers.begin(Attempt(1), ALICE, verifier);
        assert!(!verifiers.knows(BEGIN, ALICE, b"secret"));
        verifiers.drop_unproven(Attempt(1));
        verifiers.prove(BEGIN, Attempt(1));
        assert!(!verifiers.knows(BEGIN, ALICE, b"secret"));
        assert!(verifiers.unproven.is_empty() && verifiers.known.is_empty());
    }

    #[test]
    fn the_lifetime_runs_from_the_proof_and_not_from_the_last_login() {
        let mut verifiers = verifiers();
        verifiers.remember(BEGIN, ALICE, b"secret");
        let last = Instant((BEGIN + LIFETIME).0 - 1);
        assert!(verifiers.knows(last, ALICE, b"secret"));
        assert!(!verifiers.knows(BEGIN + LIFETIME, ALICE, b"secret"));
        assert!(verifiers.known.is_empty() && verifiers.places.is_empty());
    }

    #[test]
    fn a_second_proof_begins_anew() {
        let mut verifiers = verifiers();
        verifiers.remember(BEGIN, ALICE, b"secret");
        let later = BEGIN + LIFETIME / 2;
        verifiers.remember(later, ALICE, b"secret");
        assert!(verifiers.knows(BEGIN + LIFETIME, ALICE, b"secret"));
        assert!(!verifiers.knows(later + LIFETIME, ALICE, b"secret"));
    }

    #[test]
    fn no_lifetime_is_no_memory() {
        let mut verifiers = Verifiers::new(&[7; 32], Duration::ZERO, MAX, 1);
        verifiers.remember(BEGIN, ALICE, b"secret");
        assert!(!verifiers.knows(BEGIN, ALICE, b"secret"));
        assert!(verifiers.known.is_empty() && verifiers.places.is_empty() && verifiers.unproven.is_empty());
    }

    #[test]
    fn what_has_expired_is_forgotten_a_few_at_a_time() {
        let mut verifiers = verifiers();
        (20_000..20_020).for_each(|uin| verifiers.remember(BEGIN, Uin(uin), b"secret"));
        for left in [12, 4, 0] {
            assert!(!verifiers.knows(BEGIN + LIFETIME, Uin(20_019), b"secret"));
            assert_eq!(verifiers.known.len(), left);
        }
    }

    #[test]
    fn as_many_are_known_as_may_be_and_one_more_forgets_the_oldest() {
        let mut verifiers = verifiers();
        (20_000..20_020).for_each(|uin| verifiers.remember(BEGIN, Uin(uin), b"secret"));
        assert_eq!(verifiers.known.len(), MAX);
        assert!(verifiers.knows(BEGIN, Uin(20_000), b"secret"));
        verifiers.remember(BEGIN, ALICE, b"secret");
        assert_eq!(verifiers.known.len(), MAX);
        assert!(!verifiers.knows(BEGIN, Uin(20_000), b"secret"));
        assert!(verifiers.knows(BEGIN, Uin(20_001), b"secret") && verifiers.knows(BEGIN, ALICE, b"secret"));
    }

    /// Who was forgotten and remembered again is as old as the second time.
    #[test]
    fn an_older_place_in_the_queue_does_not_count() {
        let mut verifiers = verifiers();
        verifiers.remember(BEGIN, ALICE, b"secret");
        verifiers.on_change(ALICE);
        let later = BEGIN + LIFETIME / 2;
        verifiers.remember(later, ALICE, b"other");
        assert!(verifiers.knows(BEGIN + LIFETIME, ALICE, b"other"));
        assert_eq!(verifiers.known.len(), 1);
    }

    #[test]
    fn a_change_forgets_what_is_known_and_what_may_be_proven() {
        let mut verifiers = verifiers();
        verifiers.remember(BEGIN, ALICE, b"secret");
        verifiers.remember(BEGIN, BOB, b"secret");
        for (attempt, uin) in [(Attempt(2), ALICE), (Attempt(3), BOB)] {
            let verifier = verifiers.verifier(uin, b"late");
            verifiers.begin(attempt, uin, verifier);
        }
        verifiers.on_change(ALICE);
        verifiers.prove(BEGIN, Attempt(2));
        verifiers.prove(BEGIN, Attempt(3));
        assert!(!verifiers.knows(BEGIN, ALICE, b"secret") && !verifiers.knows(BEGIN, ALICE, b"late"));
        assert!(verifiers.knows(BEGIN, BOB, b"late"));
    }

    #[test]
    fn little_is_kept_of_a_user() {
        assert_eq!(size_of::<Known>(), 24);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut verifiers = verifiers();
        verifiers.remember(BEGIN, ALICE, b"secret");
        assert_eq!(format!("{verifiers:?}"), "Verifiers { known: 1, .. }");
        assert_eq!(format!("{:?}", verifiers.verifier(ALICE, b"secret")), "CtOutput { ... }");
    }
}
