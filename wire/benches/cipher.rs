//! What enciphering costs, by lane, by body and by batch, for bodies of a keep-alive, a short and the longest message, beside OpenSSL's DES and the `des`
//! crate's of as many blocks, both with their key schedules kept. Our own are the rounds of the form "original".
//!
//! `cargo bench -p myicq-wire --bench cipher`. Keys are ready, as they are in a session: only the rounds are measured.
#![expect(clippy::unwrap_used, reason = "a bench that cannot run should say so and stop")]

use des::Des;
use des::cipher::{Array, BlockCipherEncrypt, KeyInit};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use myicq_wire::SessionId;
use myicq_wire::cipher::{CipherForm, Iv, Key, padded_len};

#[path = "openssl_des/mod.rs"]
mod openssl_des;

const BODY_LENS: [usize; 3] = [16, 64, 450];
/// Blocks that go through the rounds in lock-step: as many as a body has, up to four.
const LANES: [usize; 4] = [1, 2, 3, 4];
/// Bodies of as many sessions, one after the other: what a server has before it after one look at its socket.
const BATCH: usize = 64;
const PASSWORD: &[u8; 8] = b"hunter2\0";
const IV: Iv = Iv { session: SessionId(0x2b4f_79d4), command: 0x000b, seq: 14_800 };

fn main() {
    openssl_des::assert_same_blocks(PASSWORD);
    divan::main();
}

fn body(len: usize) -> Vec<u8> {
    (0..padded_len(len)).map(|at| at.to_le_bytes()[0]).collect()
}

/// With the room that OpenSSL's binding wants behind it.
fn roomy_body(len: usize) -> Vec<u8> {
    let mut body = body(len);
    body.extend([0; openssl_des::SPARE]);
    body
}

fn encipher(bencher: Bencher<'_, '_>, form: CipherForm, len: usize) {
    let (key, mut body) = (Key::new(PASSWORD), body(len));
    bencher.counter(BytesCount::new(len)).bench_local(|| key.encipher(form, IV, divan::black_box(&mut body)).unwrap());
}

fn decipher(bencher: Bencher<'_, '_>, form: CipherForm, len: usize) {
    let (key, mut body) = (Key::new(PASSWORD), body(len));
    bencher.counter(BytesCount::new(len)).bench_local(|| key.decipher(form, IV, divan::black_box(&mut body)).unwrap());
}

/// Items are blocks.
#[divan::bench(args = LANES)]
fn encipher_original_lanes(bencher: Bencher<'_, '_>, lanes: usize) {
    let (key, mut body) = (Key::new(PASSWORD), body(lanes * 8));
    bencher
        .counter(ItemsCount::new(lanes))
        .bench_local(|| key.encipher(CipherForm::Original, IV, divan::black_box(&mut body)).unwrap());
}

/// Items are bodies, each with a key of its own.
#[divan::bench(args = BODY_LENS)]
fn decipher_original_batch(bencher: Bencher<'_, '_>, len: usize) {
    let mut batch: Vec<_> = (0..BATCH).map(|at| (Key::new(&at.to_le_bytes()), body(len))).collect();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for (key, body) in &mut batch {
            key.decipher(CipherForm::Original, IV, divan::black_box(body)).unwrap();
        }
    });
}

#[divan::bench(args = BODY_LENS)]
fn encipher_original(bencher: Bencher<'_, '_>, len: usize) {
    encipher(bencher, CipherForm::Original, len);
}

#[divan::bench(args = BODY_LENS)]
fn encipher_textbook(bencher: Bencher<'_, '_>, len: usize) {
    encipher(bencher, CipherForm::Textbook, len);
}

#[divan::bench(args = BODY_LENS)]
fn encipher_cbc(bencher: Bencher<'_, '_>, len: usize) {
    encipher(bencher, CipherForm::Cbc, len);
}

#[divan::bench(args = BODY_LENS)]
fn decipher_original(bencher: Bencher<'_, '_>, len: usize) {
    decipher(bencher, CipherForm::Original, len);
}

#[divan::bench(args = BODY_LENS)]
fn decipher_textbook(bencher: Bencher<'_, '_>, len: usize) {
    decipher(bencher, CipherForm::Textbook, len);
}

#[divan::bench(args = BODY_LENS)]
fn decipher_cbc(bencher: Bencher<'_, '_>, len: usize) {
    decipher(bencher, CipherForm::Cbc, len);
}

#[divan::bench(args = BODY_LENS)]
fn openssl_encipher_textbook(bencher: Bencher<'_, '_>, len: usize) {
    let (mut des, mut body) = (openssl_des::Ecb::encipher(PASSWORD), roomy_body(len));
    bencher.counter(BytesCount::new(len)).bench_local(|| des.apply(divan::black_box(&mut body)));
}

#[divan::bench(args = BODY_LENS)]
fn openssl_decipher_textbook(bencher: Bencher<'_, '_>, len: usize) {
    let (mut des, mut body) = (openssl_des::Ecb::decipher(PASSWORD), roomy_body(len));
    bencher.counter(BytesCount::new(len)).bench_local(|| des.apply(divan::black_box(&mut body)));
}

#[divan::bench(args = BODY_LENS)]
fn openssl_encipher_cbc(bencher: Bencher<'_, '_>, len: usize) {
    let (mut des, mut body) = (openssl_des::Cbc::encipher(PASSWORD), roomy_body(len));
    bencher.counter(BytesCount::new(len)).bench_local(|| des.apply([7; 8], divan::black_box(&mut body)));
}

#[divan::bench(args = BODY_LENS)]
fn openssl_decipher_cbc(bencher: Bencher<'_, '_>, len: usize) {
    let (mut des, mut body) = (openssl_des::Cbc::decipher(PASSWORD), roomy_body(len));
    bencher.counter(BytesCount::new(len)).bench_local(|| des.apply([7; 8], divan::black_box(&mut body)));
}

#[divan::bench(args = BODY_LENS)]
fn des_crate_encipher_textbook(bencher: Bencher<'_, '_>, len: usize) {
    let (des, mut body) = (Des::new(PASSWORD.into()), body(len));
    let (blocks, _) = Array::slice_as_chunks_mut(&mut body);
    bencher.counter(BytesCount::new(len)).bench_local(|| des.encrypt_blocks(divan::black_box(&mut *blocks)));
}

#[divan::bench]
fn key_schedule() -> Key {
    Key::new(divan::black_box(PASSWORD))
}

#[divan::bench]
fn des_crate_key_schedule() -> Des {
    Des::new(divan::black_box(PASSWORD).into())
}
