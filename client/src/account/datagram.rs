//! What all datagrams to the server have in common.

use myicq_wire::cipher::CipherForm;
use myicq_wire::{Capabilities, Envelope, HEADER_LEN, Sealing, Seq, encode_request};

use super::Account;

impl Account {
    /// The header of a datagram.
    pub(super) fn envelope(&self, seq: Option<Seq>) -> Envelope {
        Envelope { reserved: 0, uin: self.config.uin, session: self.session, seq }
    }

    /// How bodies are enciphered.
    pub(super) fn sealing(&self) -> Sealing<'_> {
        let form = if self.granted.contains(Capabilities::CBC) { CipherForm::Cbc } else { CipherForm::Original };
        Sealing { key: &self.key, form }
    }

    /// A datagram without a body.
    pub(super) fn bare(&self, body: &myicq_wire::Request<'_>, seq: Seq) -> Vec<u8> {
        let mut datagram = vec![0; HEADER_LEN];
        let encoded = encode_request(&self.envelope(Some(seq)), body, None, None, &mut datagram);
        debug_assert_eq!(encoded, Ok(HEADER_LEN), "a header has this length");
        datagram
    }
}
