//! Somebody who is invisible and somebody who is away look the same, whatever one asks: the same requests in two worlds that differ in
//! nothing else are answered by the same bytes.

use std::time::Duration;

use myicq_server::config::Config;
use myicq_wire::{
    Authorization, Capabilities, ChangeStatus, Command, MessageKind, ModifyUser, Profile, Request, SearchCustom,
    SearchWords, Seq, Status, Str, Typing, Uin,
};
use proptest::prelude::*;

use crate::client::{Client, Offer, said};
use crate::reflection::requests;
use crate::scene::Scene;

/// What somebody who looks can do.
#[derive(Clone, Debug)]
enum Step {
    /// One of all requests that there are, about the one who hides where it is about somebody.
    Ask(usize),
    Say(u8, &'static [u8]),
    Type(bool),
    Find(&'static [u8], &'static [u8]),
    Show(u32),
    Wait(u64),
    /// To go, and come again.
    Return,
    /// The one who hides has less to hide: he sends what does not show him.
    HiddenAsks(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let text: &[&[u8]] = &[b"hello", b"1\xFFann\xFFplease", b"", b"sendfile\xFFx\xFF9"];
    let word: &[&[u8]] = &[b"", b"nick", b"nobody"];
    prop_oneof![
        12 => any::<prop::sample::Index>().prop_map(|index| Step::Ask(index.index(1 << 20))),
        3 => (0..9_u8, prop::sample::select(text.to_vec())).prop_map(|(kind, text)| Step::Say(kind, text)),
        1 => any::<bool>().prop_map(Step::Type),
        2 => (prop::sample::select(word.to_vec()), prop::sample::select(word.to_vec()))
            .prop_map(|(nick, email)| Step::Find(nick, email)),
        1 => (0..4_u32).prop_map(Step::Show),
        2 => (1..3_000_u64).prop_map(Step::Wait),
        1 => Just(Step::Return),
        2 => any::<prop::sample::Index>().prop_map(|index| Step::HiddenAsks(index.index(1 << 20))),
    ]
}

/// Requests in a session, without those that begin or end one.
fn asked(index: usize) -> Request<'static> {
    let is_outside = |request: &Request<'_>| {
        matches!(request.command(), Command::Ack | Command::NewUin | Command::Login | Command::Logout)
    };
    let all: Vec<_> = requests().into_iter().filter(|request| !is_outside(request)).collect();
    *all.get(index % all.len()).unwrap()
}

/// What one hears: the command, what it answers, and the body.
type Words = Vec<(Command, Option<Seq>, Vec<u8>)>;

fn hear(scene: &mut Scene, client: &Client) -> Words {
    client.listen(scene).into_iter().map(|heard| (heard.command(), heard.header.ackseq, heard.body)).collect()
}

/// Everything that the one who looks has heard, after each step.
fn observed(offer: Offer, auth: Authorization, steps: &[Step], is_here: bool) -> Vec<Words> {
    let mut scene = Scene::with(|config| config.groups.types = Config::default().groups.types);
    let mut alice = scene.absent(offer);
    let (mut bob, carol) = (scene.absent(Offer::Plain), scene.present(Offer::Plain));
    let profile = Profile { nick: Str(b"nick"), email: Str(b"nick"), ..Profile::default() };
    bob.log_in(&mut scene, Status::ONLINE);
    bob.send(&mut scene, &Request::ModifyUser(ModifyUser { profile, auth, password: None }));
    bob.add(&mut scene, alice.uin);
    bob.add(&mut scene, carol.uin);
    bob.log_out(&mut scene);
    bob.listen(&mut scene);
    let mut hidden = scene.client(bob.uin, Offer::With(Capabilities::RECEIPTS));
    if is_here {
        hidden.log_in(&mut scene, Status::INVISIBLE);
    }
    let mut words =
        vec![alice.log_in(&mut scene, Status::ONLINE).into_iter().map(|it| (it.command(), None, it.body)).collect()];
    for step in steps {
        match *step {
            Step::Ask(index) => alice.send(&mut scene, &asked(index)),
            Step::Say(kind, text) => alice.send(&mut scene, &said(bob.uin, MessageKind(kind), text)),
            Step::Type(is_typing) => {
                let typing = Typing { uin: bob.uin, is_typing: is_typing.into() };
                if offer == Offer::With(Capabilities::RECEIPTS) {
                    alice.send(&mut scene, &Request::Typing(typing));
                }
            }
            Step::Find(nick, email) => {
                let words = SearchWords { nick: Str(nick), email: Str(email), start_uin: Uin::NONE };
                alice.send(&mut scene, &Request::SearchCustom(SearchCustom::Words(words)));
            }
            Step::Show(status) => {
                alice.send(&mut scene, &Request::ChangeStatus(ChangeStatus { status: Status(status) }))
            }
            Step::Wait(milliseconds) => scene.advance(Duration::from_millis(milliseconds)),
            Step::Return => {
                alice.send(&mut scene, &Request::Logout);
                let mut again = scene.client(alice.uin, offer);
                again.knock(&mut scene, Status::ONLINE);
                alice = again;
            }
            Step::HiddenAsks(index) if is_here => {
                let request = asked(index);
                // What he says and what he shows is his to decide.
                let shows_him = !matches!(
                    request.command(),
                    Command::UpdateContact
                        | Command::UpdateUser
                        | Command::SearchCustom
                        | Command::GetGroupList
                        | Command::SearchGroup
                        | Command::EnterGroup
                        | Command::CreateGroup
                        | Command::GroupMessage
                        | Command::KeepAlive
                );
                if !shows_him {
                    hidden.send(&mut scene, &request);
                }
            }
            Step::HiddenAsks(_) => {}
        }
        if is_here {
            hidden.listen(&mut scene);
        }
        carol.listen(&mut scene);
        words.push(hear(&mut scene, &alice));
    }
    words
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_invisible_user_is_away_for_whoever_asks(
        offer in prop::sample::select(vec![Offer::Plain, Offer::Once, Offer::With(Capabilities::RECEIPTS)]),
        auth in (0..3_u8).prop_map(Authorization),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        prop_assert_eq!(observed(offer, auth, &steps, true), observed(offer, auth, &steps, false));
    }
}
