//! What a datagram costs from bytes to fields and back: SEND_MSG with bodies of 16, 64 and 450 bytes.
//!
//! `cargo bench -p myicq-wire --bench codec`. `open` is what a server does with a message: header, decipher, check code, fields. Beside
//! it stands OpenSSL's DES of the same blocks and nothing else, so the difference is what the protocol costs.
#![expect(clippy::unwrap_used, reason = "a bench that cannot run should say so and stop")]

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use myicq_wire::cipher::{CipherForm, Key};
use myicq_wire::{
    ClientHeader, Command, Envelope, HEADER_LEN, MAX_DATAGRAM, MessageKind, Request, Sealing, SendMessage, Seq,
    SessionId, Str, Uin, encode_request, open_request,
};

#[path = "openssl_des/mod.rs"]
mod openssl_des;

const BODY_LENS: [usize; 3] = [16, 64, 450];
/// Datagrams of as many sessions: what a server has before it after one look at its socket.
const BATCH: usize = 64;
const PASSWORD: &[u8; 8] = b"hunter2\0";
const TEXT: [u8; 450] = [b'a'; 450];
/// The bytes of a SEND_MSG that are not its text: type, recipient, length and NUL.
const WITHOUT_TEXT: usize = 1 + 4 + 2 + 1;

fn main() {
    openssl_des::assert_same_blocks(PASSWORD);
    divan::main();
}

fn envelope() -> Envelope {
    Envelope { reserved: 0, uin: Uin(10_001), session: SessionId(0x2b4f_79d4), seq: Seq::new(14_800) }
}

fn request(body_len: usize) -> Request<'static> {
    let text = Str(TEXT.get(..body_len - WITHOUT_TEXT).unwrap());
    Request::SendMessage(SendMessage { kind: MessageKind::TEXT, to: Uin(10_002), text, domain: None })
}

fn datagram(body_len: usize, sealing: Option<Sealing<'_>>) -> Vec<u8> {
    let mut buffer = vec![0; MAX_DATAGRAM];
    let len = encode_request(&envelope(), &request(body_len), Some(9), sealing, &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

#[divan::bench(args = BODY_LENS)]
fn decode(bencher: Bencher<'_, '_>, body_len: usize) {
    let datagram = datagram(body_len, None);
    bencher.counter(BytesCount::new(body_len)).bench_local(|| {
        let (header, body) = ClientHeader::decode(divan::black_box(&datagram)).unwrap();
        divan::black_box((header, Request::decode(Command::SendMessage, body).unwrap()));
    });
}

#[divan::bench(args = BODY_LENS)]
fn encode(bencher: Bencher<'_, '_>, body_len: usize) {
    let (envelope, request) = (envelope(), request(body_len));
    let mut buffer = [0; MAX_DATAGRAM];
    bencher
        .counter(BytesCount::new(body_len))
        .bench_local(|| encode_request(&envelope, divan::black_box(&request), Some(9), None, &mut buffer).unwrap());
}

fn open(bencher: Bencher<'_, '_>, form: CipherForm, body_len: usize) {
    let key = Key::new(PASSWORD);
    let sealing = Some(Sealing { key: &key, form });
    let datagram = datagram(body_len, sealing);
    let mut scratch = [0; MAX_DATAGRAM];
    bencher.counter(BytesCount::new(body_len)).bench_local(|| {
        let (header, body) = ClientHeader::decode(divan::black_box(&datagram)).unwrap();
        divan::black_box(open_request(&header, body, sealing, &mut scratch).unwrap());
    });
}

#[divan::bench(args = BODY_LENS)]
fn open_original(bencher: Bencher<'_, '_>, body_len: usize) {
    open(bencher, CipherForm::Original, body_len);
}

/// Items are datagrams, each with a key of its own.
#[divan::bench(args = BODY_LENS)]
fn open_original_batch(bencher: Bencher<'_, '_>, body_len: usize) {
    let form = CipherForm::Original;
    let keys = (0..BATCH).map(|at| Key::new(&at.to_le_bytes()));
    let batch: Vec<_> = keys.map(|key| (datagram(body_len, Some(Sealing { key: &key, form })), key)).collect();
    let mut scratch = [0; MAX_DATAGRAM];
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for (datagram, key) in divan::black_box(&batch) {
            let (header, body) = ClientHeader::decode(datagram).unwrap();
            divan::black_box(open_request(&header, body, Some(Sealing { key, form }), &mut scratch).unwrap());
        }
    });
}

#[divan::bench(args = BODY_LENS)]
fn open_cbc(bencher: Bencher<'_, '_>, body_len: usize) {
    open(bencher, CipherForm::Cbc, body_len);
}

#[divan::bench(args = BODY_LENS)]
fn seal_original(bencher: Bencher<'_, '_>, body_len: usize) {
    let (key, envelope, request) = (Key::new(PASSWORD), envelope(), request(body_len));
    let sealing = Some(Sealing { key: &key, form: CipherForm::Original });
    let mut buffer = [0; MAX_DATAGRAM];
    bencher
        .counter(BytesCount::new(body_len))
        .bench_local(|| encode_request(&envelope, divan::black_box(&request), Some(9), sealing, &mut buffer).unwrap());
}

#[divan::bench(args = BODY_LENS)]
fn openssl_blocks_of_open_cbc(bencher: Bencher<'_, '_>, body_len: usize) {
    let key = Key::new(PASSWORD);
    let datagram = datagram(body_len, Some(Sealing { key: &key, form: CipherForm::Cbc }));
    let mut des = openssl_des::Cbc::decipher(PASSWORD);
    let mut body = datagram.get(HEADER_LEN..).unwrap().to_vec();
    body.extend([0; openssl_des::SPARE]);
    bencher.counter(BytesCount::new(body_len)).bench_local(|| des.apply([7; 8], divan::black_box(&mut body)));
}
