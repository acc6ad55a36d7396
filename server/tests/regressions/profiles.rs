//! What users say of themselves, at the limits.

use myicq_wire::{Address, Authorization, Command, ModifyUser, Profile, RefusalReason, Reply, Request, Str, Uin};

use crate::client::{Client, Heard, Offer, commands};
use crate::scene::Scene;

/// A number that nobody has.
const NOBODY: Uin = Uin(4_000_000_000);

/// Every field but the nick filled with this.
fn filled(field: &[u8]) -> Profile<'_> {
    let field = Str(field);
    Profile {
        country: field,
        province: field,
        city: field,
        email: field,
        address: field,
        zipcode: field,
        tel: field,
        name: field,
        college: field,
        occupation: field,
        homepage: field,
        intro: field,
        ..Profile::default()
    }
}

/// The profiles that have one field of this many bytes, and nothing else.
fn each_field(field: &[u8]) -> [Profile<'_>; 12] {
    let (field, none) = (Str(field), Profile::default());
    [
        Profile { country: field, ..none },
        Profile { province: field, ..none },
        Profile { city: field, ..none },
        Profile { email: field, ..none },
        Profile { address: field, ..none },
        Profile { zipcode: field, ..none },
        Profile { tel: field, ..none },
        Profile { name: field, ..none },
        Profile { college: field, ..none },
        Profile { occupation: field, ..none },
        Profile { homepage: field, ..none },
        Profile { intro: field, ..none },
    ]
}

/// What a client hears when it wants to have another profile.
fn modify(scene: &mut Scene, client: &mut Client, profile: Profile<'_>) -> Vec<Heard> {
    client.send(scene, &Request::ModifyUser(ModifyUser { profile, auth: Authorization::ANYONE, password: None }));
    client.listen(scene)
}

/// What a client hears when it asks for a profile.
fn ask(scene: &mut Scene, client: &mut Client, of: Uin) -> Vec<Heard> {
    client.send(scene, &Request::UpdateContact(Address { uin: of, domain: None }));
    client.listen(scene)
}

fn refusals(heard: &[Heard]) -> Vec<Option<RefusalReason>> {
    heard.iter().map(Heard::refusal).collect()
}

#[test]
fn fields_of_255_bytes_come_back_as_they_went() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(Offer::Once), scene.present(Offer::Plain));
    let profile = Profile { nick: Str(&[b'n'; 16]), ..filled(&[b'x'; 255]) };
    assert_eq!(commands(&modify(&mut scene, &mut bob, profile)), [Command::Ack]);
    let [reply] = &ask(&mut scene, &mut alice, bob.uin)[..] else { panic!("one profile") };
    let Reply::UpdateContact(contact) = reply.reply() else { panic!("{:?}", reply.reply()) };
    assert_eq!((contact.uin, contact.profile), (bob.uin, profile));
}

/// Words that take more bytes in the charset of the reader: 255 bytes that mean nothing become 255 replacement characters.
#[test]
fn fields_that_grow_on_their_way_are_cut_so_that_a_profile_fits_a_datagram() {
    let mut scene = Scene::new();
    let (mut alice, mut bob) = (scene.present(Offer::Once), scene.present(Offer::Once));
    assert_eq!(commands(&modify(&mut scene, &mut bob, filled(&[0xFF; 255]))), [Command::Ack]);
    let [reply] = &ask(&mut scene, &mut alice, bob.uin)[..] else { panic!("one profile") };
    let Reply::UpdateContact(contact) = reply.reply() else { panic!("{:?}", reply.reply()) };
    assert!((1..=255).contains(&contact.profile.intro.len()), "{} bytes", contact.profile.intro.len());
}

#[test]
fn fields_of_256_bytes_and_nicks_of_17_are_refused() {
    let mut scene = Scene::new();
    let mut alice = scene.present(Offer::Once);
    let nick = Profile { nick: Str(&[b'n'; 17]), ..Profile::default() };
    for profile in each_field(&[b'x'; 256]).into_iter().chain([nick]) {
        assert_eq!(refusals(&modify(&mut scene, &mut alice, profile)), [Some(RefusalReason::TOO_LONG)], "{profile:?}");
    }
    for profile in each_field(&[b'x'; 255]) {
        assert_eq!(commands(&modify(&mut scene, &mut alice, profile)), [Command::Ack], "{profile:?}");
    }
}

/// Plain v1 has no word for it: a client of 2003 hears nothing.
#[test]
fn a_plain_client_with_a_field_too_long_hears_nothing() {
    let mut scene = Scene::new();
    let mut alice = scene.present(Offer::Plain);
    assert_eq!(commands(&modify(&mut scene, &mut alice, filled(&[b'x'; 256]))), []);
    assert_eq!(scene.count("refused_too_long"), 1);
}

#[test]
fn the_profile_of_nobody_is_a_bare_acknowledgement_or_a_refusal() {
    let mut scene = Scene::new();
    let (mut plain, mut once) = (scene.present(Offer::Plain), scene.present(Offer::Once));
    let request = plain.seq;
    let [answer] = &ask(&mut scene, &mut plain, NOBODY)[..] else { panic!("one answer") };
    assert_eq!((answer.command(), answer.header.ackseq.map(|seq| seq.number())), (Command::Ack, Some(request)));
    assert_eq!((answer.header.seq, answer.body.len()), (None, 0), "nothing that would be acknowledged");
    assert_eq!(refusals(&ask(&mut scene, &mut once, NOBODY)), [Some(RefusalReason::NO_SUCH_USER)]);
    assert_eq!(scene.count("refused_no_such_user"), 2);
}
