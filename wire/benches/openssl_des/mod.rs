//! OpenSSL's DES with the key schedule kept, for comparison. OpenSSL 3 has DES in its legacy provider alone.

use myicq_wire::SessionId;
use myicq_wire::cipher::{CipherForm, Iv, Key};
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::provider::Provider;

fn providers() {
    // Loading one by hand turns off the default one, and unloading follows when the value is dropped.
    for name in ["legacy", "default"] {
        std::mem::forget(Provider::load(None, name).unwrap());
    }
}

/// The bytes behind a body that the binding wants to have, though it writes none of them.
pub(crate) const SPARE: usize = 8;

/// Each block by itself.
pub(crate) struct Ecb(CipherCtx);

impl Ecb {
    pub(crate) fn encipher(key: &[u8; 8]) -> Self {
        providers();
        let mut context = CipherCtx::new().unwrap();
        context.encrypt_init(Some(Cipher::des_ecb()), Some(key), None).unwrap();
        context.set_padding(false);
        Self(context)
    }

    pub(crate) fn decipher(key: &[u8; 8]) -> Self {
        providers();
        let mut context = CipherCtx::new().unwrap();
        context.decrypt_init(Some(Cipher::des_ecb()), Some(key), None).unwrap();
        context.set_padding(false);
        Self(context)
    }

    /// Works on all of `body` but the last [`SPARE`] bytes.
    pub(crate) fn apply(&mut self, body: &mut [u8]) {
        self.0.cipher_update_inplace(body, body.len() - SPARE).unwrap();
    }
}

/// Chained blocks.
pub(crate) struct Cbc {
    context: CipherCtx,
    encipher: bool,
}

impl Cbc {
    pub(crate) fn encipher(key: &[u8; 8]) -> Self {
        providers();
        let mut context = CipherCtx::new().unwrap();
        context.encrypt_init(Some(Cipher::des_cbc()), Some(key), Some(&[0; 8])).unwrap();
        context.set_padding(false);
        Self { context, encipher: true }
    }

    pub(crate) fn decipher(key: &[u8; 8]) -> Self {
        providers();
        let mut context = CipherCtx::new().unwrap();
        context.decrypt_init(Some(Cipher::des_cbc()), Some(key), Some(&[0; 8])).unwrap();
        context.set_padding(false);
        Self { context, encipher: false }
    }

    /// Works on all of `body` but the last [`SPARE`] bytes.
    pub(crate) fn apply(&mut self, iv: [u8; 8], body: &mut [u8]) {
        if self.encipher {
            self.context.encrypt_init(None, None, Some(&iv)).unwrap();
        } else {
            self.context.decrypt_init(None, None, Some(&iv)).unwrap();
        }
        self.context.cipher_update_inplace(body, body.len() - SPARE).unwrap();
    }
}

/// Both sides must do the same work, or comparing them means nothing.
pub(crate) fn assert_same_blocks(password: &[u8; 8]) {
    let (key, iv) = (Key::new(password), Iv { session: SessionId(1), command: 2, seq: 3 });
    let plain = *b"the same blocks for both of them, and what is spare";
    let (enciphered, spare) = (plain.len() / 8 * 8 - SPARE, plain.len() / 8 * 8);
    let check = |form, theirs: &mut dyn FnMut(&mut [u8]), back: &mut dyn FnMut(&mut [u8])| {
        let (mut ours, mut other) = (plain, plain);
        key.encipher(form, iv, ours.get_mut(..enciphered).unwrap()).unwrap();
        theirs(other.get_mut(..spare).unwrap());
        assert_eq!(ours, other);
        back(other.get_mut(..spare).unwrap());
        assert_eq!(plain, other);
    };
    let (mut to, mut from) = (Ecb::encipher(password), Ecb::decipher(password));
    check(CipherForm::Textbook, &mut |body| to.apply(body), &mut |body| from.apply(body));

    let mut link = [0, 0, 0, 1, 0, 2, 0, 3];
    key.encipher(CipherForm::Textbook, iv, &mut link).unwrap();
    let (mut to, mut from) = (Cbc::encipher(password), Cbc::decipher(password));
    check(CipherForm::Cbc, &mut |body| to.apply(link, body), &mut |body| from.apply(link, body));
}
