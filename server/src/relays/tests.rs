use proptest::prelude::*;

use super::*;

const ALICE: Uin = Uin(10_001);
const BOB: Uin = Uin(10_002);
const CAROL: Uin = Uin(10_003);
const MIB: usize = 1 << 20;

fn at(seconds: u64) -> Now {
    Now { instant: Instant(seconds * 1_000_000), unix: UnixTime(1_800_000_000_000_000 + seconds * 1_000_000) }
}

fn relays(configure: impl FnOnce(&mut Config)) -> Relays {
    let mut config = Config::default();
    configure(&mut config);
    Relays::new(Arc::new(config), 8_001, &[3; 32])
}

/// A relay both of whose ends are there.
fn whole(relays: &mut Relays, now: Now, asker: Uin, other: Uin) -> u32 {
    let passes = relays.open(now, asker, other).unwrap();
    let [first, second] = passes.map(|pass| relays.admit(&pass.hello()).unwrap());
    assert!(!first.is_whole && second.is_whole);
    first.number
}

#[test]
fn each_token_lets_one_connection_in_at_its_own_end() {
    let mut relays = relays(|_| {});
    let [own, others] = relays.open(at(1), ALICE, BOB).unwrap();
    assert_eq!((own.number, own.port, own.wait, own.bytes), (others.number, 8_001, 30, 5 << 30));
    let admitted = |side, is_whole| Ok(Admitted { number: own.number, side, is_whole });
    assert_eq!(relays.admit(&others.hello()), admitted(Side::Other, false));
    assert_eq!(relays.admit(&others.hello()), Err(RelayEnd::Stranger), "a second time");
    assert_eq!(relays.admit(&own.hello()), admitted(Side::Asker, true));
    assert_eq!(relays.admit(&own.hello()), Err(RelayEnd::Stranger));
}

#[test]
fn a_token_of_another_relay_lets_nobody_in() {
    let mut relays = relays(|_| {});
    let [own, _] = relays.open(at(1), ALICE, BOB).unwrap();
    let [others, _] = relays.open(at(1), ALICE, BOB).unwrap();
    assert_ne!((own.number, own.token), (others.number, others.token));
    for (number, token) in
        [(own.number, others.token), (own.number, RelayToken([0; 16])), (own.number + 9, own.token), (0, own.token)]
    {
        assert_eq!(relays.admit(&RelayHello { number, token }), Err(RelayEnd::Stranger));
    }
    assert!(relays.admit(&own.hello()).is_ok(), "what others tried does not use it up");
}

#[test]
fn a_relay_waits_so_long_for_its_ends() {
    let mut relays = relays(|_| {});
    let [lonely, _] = relays.open(at(1), ALICE, BOB).unwrap();
    relays.admit(&lonely.hello()).unwrap();
    whole(&mut relays, at(2), ALICE, BOB);
    let [late, _] = relays.open(at(3), ALICE, BOB).unwrap();
    assert_eq!(relays.poll_timeout(), Some(at(31).instant));
    assert_eq!(relays.poll_overdue(Instant(at(31).instant.0 - 1)), None);
    assert_eq!(relays.poll_overdue(at(31).instant), Some(lonely.number));
    assert_eq!(relays.poll_overdue(at(32).instant), None, "both ends of that one are there");
    assert_eq!((relays.poll_overdue(at(33).instant), relays.len()), (Some(late.number), 1));
    assert_eq!(relays.admit(&late.hello()), Err(RelayEnd::Stranger));
}

#[test]
fn there_are_so_many_in_all_and_of_one_user() {
    let mut relays = relays(|config| (config.limits.relays_max, config.limits.relay_per_user_max) = (3, 2));
    let first = relays.open(at(1), ALICE, BOB).unwrap()[0].number;
    relays.open(at(1), BOB, ALICE).unwrap();
    assert_eq!(relays.open(at(1), CAROL, ALICE), Err(Refusal::TooMany), "whoever asked");
    assert_eq!(relays.open(at(1), BOB, CAROL), Err(Refusal::TooMany));
    relays.open(at(1), CAROL, CAROL).unwrap();
    assert_eq!(relays.open(at(1), Uin(7), Uin(8)), Err(Refusal::Busy));
    relays.close(first);
    assert!(relays.open(at(1), ALICE, BOB).is_ok());
    relays.close(first);
    assert_eq!(relays.len(), 3, "it is closed once");
}

#[test]
fn one_relay_carries_so_much() {
    let mut relays = relays(|config| config.limits.relay_mib_max = 1);
    let number = whole(&mut relays, at(1), ALICE, BOB);
    relays.carry(at(1), number, Side::Asker, MIB - 1).unwrap();
    relays.carry(at(1), number, Side::Other, 1).unwrap();
    assert_eq!(relays.carry(at(1), number, Side::Asker, 1), Err(RelayEnd::TooMuch));
}

#[test]
fn what_a_user_says_counts_for_him_until_the_day_is_over() {
    let mut relays = relays(|config| config.limits.relay_user_mib_per_day = 1);
    let number = whole(&mut relays, at(1), ALICE, BOB);
    relays.carry(at(1), number, Side::Asker, MIB).unwrap();
    relays.carry(at(1), number, Side::Other, MIB - 1).unwrap();
    assert_eq!(relays.open(at(2), CAROL, ALICE), Err(Refusal::TooOften));
    assert!(relays.open(at(2), CAROL, BOB).is_ok());
    assert_eq!(relays.carry(at(2), number, Side::Asker, 1), Err(RelayEnd::DayOver));
    relays.close(number);
    let tomorrow = at(86_400);
    let number = whole(&mut relays, tomorrow, ALICE, BOB);
    relays.carry(tomorrow, number, Side::Asker, MIB).unwrap();
    // A clock that is set back brings no new day.
    assert_eq!(relays.carry(at(3), number, Side::Asker, 1), Err(RelayEnd::DayOver));
}

#[test]
fn each_direction_has_its_rate() {
    let mut relays = relays(|config| config.limits.relay_kib_per_second = 1_024);
    let number = whole(&mut relays, at(1), ALICE, BOB);
    let next = relays.carry(at(1), number, Side::Asker, MIB).unwrap();
    assert_eq!(next, at(2).instant - AHEAD);
    assert_eq!(relays.carry(at(1), number, Side::Other, MIB / 20), Ok(at(1).instant), "a little may be ahead");
    let now = Now { instant: next, ..at(1) };
    assert_eq!(relays.carry(now, number, Side::Asker, MIB), Ok(at(3).instant - AHEAD));
    assert_eq!(relays.carry(at(60), number, Side::Asker, MIB), Ok(at(61).instant - AHEAD), "none is saved up");
}

#[test]
fn without_rates_maxima_hold() {
    let mut relays = relays(|config| {
        config.limits.rates = false;
        (config.limits.relay_mib_max, config.limits.relay_user_mib_per_day) = (2, 1);
    });
    let number = whole(&mut relays, at(1), ALICE, BOB);
    assert_eq!(relays.carry(at(1), number, Side::Asker, 2 * MIB), Ok(at(1).instant));
    assert_eq!(relays.carry(at(1), number, Side::Asker, 1), Err(RelayEnd::TooMuch));
}

/// What may happen to relays.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open(u32, u32),
    Admit { pass: usize, spoilt: bool },
    Carry { relay: usize, side: bool, kib: usize },
    Close(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..6_u32, 1..6_u32).prop_map(|(asker, other)| Step::Open(asker, other)),
        (0..64_usize, prop::bool::weighted(0.2)).prop_map(|(pass, spoilt)| Step::Admit { pass, spoilt }),
        (0..64_usize, any::<bool>(), 1..4_096_usize).prop_map(|(relay, side, kib)| Step::Carry { relay, side, kib }),
        (0..64_usize).prop_map(Step::Close),
        (0..40_000_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens, no maximum is passed, nobody comes in twice, and nothing is left when all are closed.
    #[test]
    fn no_order_of_things_passes_a_maximum(steps in prop::collection::vec(step(), 1..200)) {
        let mut relays = relays(|config| {
            (config.limits.relays_max, config.limits.relay_per_user_max, config.limits.relay_mib_max) = (5, 3, 8);
        });
        let (mut seconds, mut passes, mut used) = (1, Vec::new(), Vec::new());
        for step in steps {
            let now = at(seconds);
            match step {
                Step::Open(asker, other) => {
                    passes.extend(relays.open(now, Uin(asker), Uin(other)).into_iter().flatten());
                }
                Step::Admit { pass, spoilt } if !passes.is_empty() => {
                    let pass: RelayPass = passes[pass % passes.len()];
                    let mut hello = pass.hello();
                    hello.token.0[7] ^= u8::from(spoilt);
                    if relays.admit(&hello).is_ok() {
                        prop_assert!(!spoilt && !used.contains(&hello.token.0));
                        used.push(hello.token.0);
                    }
                }
                Step::Carry { relay, side, kib } if !passes.is_empty() => {
                    let number = passes[relay % passes.len()].number;
                    let side = if side { Side::Asker } else { Side::Other };
                    let is_open = relays.relays.contains_key(&number);
                    let carried = relays.carry(now, number, side, kib * 1_024);
                    prop_assert!(is_open || carried.is_err());
                    prop_assert!(carried.is_err() || carried.unwrap() >= now.instant);
                    if carried.is_err() {
                        relays.close(number);
                    }
                }
                Step::Close(relay) if !passes.is_empty() => relays.close(passes[relay % passes.len()].number),
                Step::Wait(time) => {
                    seconds += time;
                    while relays.poll_overdue(at(seconds).instant).is_some() {}
                }
                _ => {}
            }
            prop_assert!(relays.len() <= 5);
            for (&uin, usage) in &relays.users {
                let ends = relays.relays.values().flat_map(|relay| [relay.asker.user, relay.other.user]);
                let open = ends.filter(|&user| user == uin).count();
                prop_assert!(usage.open == open && open <= 4, "{uin:?} has {open}, and {usage:?}");
            }
        }
        passes.iter().for_each(|pass| relays.close(pass.number));
        prop_assert!(relays.is_empty() && relays.users.values().all(|usage| usage.open == 0));
    }
}
