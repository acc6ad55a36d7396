//! Relays: who may ask for one, and to whom (docs/protocol.md, "RELAY"). What is carried through them, the hub does not see: the surroundings
//! open them ([`RelayOrder`]).
//!
//! Nobody is told of a relay by somebody of whom he wants nothing: he must have offered that one a file lately, or accepted one from
//! him. That he did shows also that he is here; so a relay says nothing about anybody that he has not said himself.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use myicq_wire::{Instant, MessageKind, RelayPass, Uin};

use super::rates::{Bucket, Rate};
use super::{Answer, Ask, Content, Hub, Question, Refusal, SessionKey, Tell};
use crate::time::Now;

/// How long an offer of a file, or its acceptance, stands for a relay: longer than a person takes to answer, and than all ways of a direct
/// connection take to fail.
const CONSENT: Duration = Duration::from_mins(10);

/// How many of one user stand at the same time. The oldest makes room.
const CONSENTS_MAX: usize = 32;

/// A relay that the hub wants opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelayOrder {
    /// By which question of the one who asks.
    pub question: Question,
    /// To whom: a user of the shard that wants it.
    pub to: Uin,
}

/// Those who are here and can use relays.
#[derive(Debug, Default)]
pub(super) struct Partners(HashMap<Uin, Partner>);

#[derive(Debug, Default)]
struct Partner {
    /// With whom he has spoken of a file, and until when that stands. The oldest first.
    consents: VecDeque<(Instant, Uin)>,
    asked: Bucket,
}

impl Partners {
    pub(super) fn remove(&mut self, uin: Uin) {
        self.0.remove(&uin);
    }

    /// He does not show himself any more: what he said before must not give him away.
    pub(super) fn hide(&mut self, uin: Uin) {
        if let Some(partner) = self.0.get_mut(&uin) {
            partner.consents.clear();
        }
    }

    fn consent(&mut self, now: Instant, uin: Uin, to: Uin) {
        let Some(partner) = self.0.get_mut(&uin) else { return };
        partner.consents.retain(|&(until, with)| until > now && with != to);
        if partner.consents.len() >= CONSENTS_MAX {
            partner.consents.pop_front();
        }
        partner.consents.push_back((now + CONSENT, to));
    }

    fn consents(&self, now: Instant, uin: Uin, to: Uin) -> bool {
        let standing = |&(until, with): &(Instant, Uin)| until > now && with == to;
        self.0.get(&uin).is_some_and(|partner| partner.consents.iter().any(standing))
    }
}

impl Hub {
    /// A session that is open can use relays.
    pub fn subscribe_to_relays(&mut self, session: SessionKey) {
        if self.online.is_open(session) {
            self.partners.0.insert(session.uin, Partner::default());
        }
    }

    /// Whoever says such things wants to have a connection to the other.
    pub(super) fn note_consent(&mut self, now: Now, uin: Uin, ask: &Ask<'_>) {
        if let Ask::Send { to, kind: MessageKind::TCP_REQUEST | MessageKind::TCP_ACCEPTED, .. } = *ask {
            self.partners.consent(now.instant, uin, to);
        }
    }

    pub(super) fn ask_relay(&mut self, now: Now, question: Question, to: Uin) {
        let from = question.session.uin;
        let rate = Rate::of(self.config.limits.relays_per_minute, Duration::from_mins(1));
        let may = !self.config.limits.rates
            || self.partners.0.get_mut(&from).is_some_and(|partner| partner.asked.take(now.instant, rate));
        if !may {
            return self.answer(question, Answer::Refused(Refusal::TooOften));
        }
        if to == from {
            return self.answer(question, Answer::Refused(Refusal::NotAsked));
        }
        self.post(to, Content::AskRelay(question));
    }

    /// Somebody wants a relay to a user of ours. What he hears is the same for all who have not agreed to it, are not here, or do not
    /// exist.
    pub(super) fn on_ask_relay(&mut self, now: Now, to: Uin, question: Question) {
        let from = question.session.uin;
        if self.partners.consents(now.instant, to, from) {
            self.relay_orders.push_back(RelayOrder { question, to });
        } else {
            self.post(from, Content::Verdict(question, Err(Refusal::NotAsked)));
        }
    }

    /// The next relay to be opened. [`Hub::handle_relay`] is to be called with what came of it.
    pub fn poll_relay(&mut self) -> Option<RelayOrder> {
        self.relay_orders.pop_front()
    }

    /// A relay is open: the pass of the one who asked, and that of the other. Or there is none.
    pub fn handle_relay(&mut self, now: Now, order: RelayOrder, opened: Result<[RelayPass; 2], Refusal>) {
        let RelayOrder { question, to } = order;
        let asker = question.session.uin;
        let session = self.session_of(to).filter(|_| self.partners.0.contains_key(&to));
        let content = match (opened, session) {
            (Ok([own, others]), Some(session)) => {
                self.tell(session, Tell::Relay(asker, others));
                Content::Relay(question, own)
            }
            // He has gone meanwhile. Nobody comes, and the relay ends by itself.
            (Ok(_), None) => Content::Verdict(question, Err(Refusal::NotAsked)),
            (Err(refusal), _) => Content::Verdict(question, Err(refusal)),
        };
        self.post(asker, content);
        self.settle(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Uin = Uin(10_001);
    const BOB: Uin = Uin(10_002);
    const NOW: Instant = Instant(5_000_000);

    fn partners() -> Partners {
        Partners(HashMap::from([(BOB, Partner::default())]))
    }

    #[test]
    fn a_consent_stands_for_its_time_and_for_one_direction() {
        let mut partners = partners();
        partners.consent(NOW, ALICE, BOB);
        assert!(!partners.consents(NOW, ALICE, BOB), "she cannot use relays");
        partners.consent(NOW, BOB, ALICE);
        let end = NOW + CONSENT;
        assert!(partners.consents(Instant(end.0 - 1), BOB, ALICE) && !partners.consents(end, BOB, ALICE));
        partners.consent(end, BOB, ALICE);
        assert!(partners.consents(end, BOB, ALICE));
        partners.hide(BOB);
        assert!(!partners.consents(end, BOB, ALICE));
    }

    #[test]
    fn so_many_consents_stand_and_the_oldest_makes_room() {
        let mut partners = partners();
        let with: Vec<Uin> = (1..).map(Uin).take(CONSENTS_MAX + 1).collect();
        for _ in 0..2 {
            with.iter().take(CONSENTS_MAX).for_each(|&uin| partners.consent(NOW, BOB, uin));
        }
        assert!(with.iter().take(CONSENTS_MAX).all(|&uin| partners.consents(NOW, BOB, uin)), "nobody stands twice");
        partners.consent(NOW, BOB, with[CONSENTS_MAX]);
        let standing: Vec<_> = with.iter().map(|&uin| partners.consents(NOW, BOB, uin)).collect();
        assert_eq!(standing.iter().position(|stands| *stands), Some(1));
        assert_eq!(partners.0[&BOB].consents.len(), CONSENTS_MAX);
    }
}
