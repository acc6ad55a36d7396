//! What the settings take.

use super::*;

fn setting(name: &str) -> &'static Setting {
    SETTINGS.iter().find(|setting| setting.name == name).expect("there is such a setting")
}

#[test]
fn every_default_is_allowed_and_reads_back_as_itself() {
    let defaults = Config::default();
    for setting in &SETTINGS {
        let (mut config, shown) = (Config::default(), setting.show(&defaults));
        setting.set(&mut config, &shown).unwrap_or_else(|wanted| panic!("{}: {wanted}", setting.key()));
        assert_eq!(format!("{config:?}"), format!("{defaults:?}"), "{}", setting.key());
    }
}

#[test]
fn names_are_unique_and_say_the_same_everywhere() {
    for (index, setting) in SETTINGS.iter().enumerate() {
        assert_eq!(setting.env, format!("MYICQD_{}", setting.flag.to_ascii_uppercase().replace('-', "_")));
        assert!(setting.name == "udp" || setting.flag == setting.name.replace('_', "-"), "{}", setting.key());
        assert!(!SETTINGS[..index].iter().any(|other| other.flag == setting.flag), "{}", setting.key());
    }
}

#[test]
fn a_number_ends_where_its_range_ends() {
    let mut config = Config::default();
    for (name, last) in [("contacts_max", 1_000), ("text_max", 450), ("profile_field_max", 255)] {
        setting(name).set(&mut config, &format!("{last}")).unwrap();
        assert!(setting(name).set(&mut config, &format!("{}", last + 1)).is_err());
    }
    assert_eq!(config.limits.contacts_max, 1_000);
    let wanted = setting("argon2_memory_kib").set(&mut config, "7").unwrap_err();
    assert_eq!(wanted.to_string(), "a whole number from 8 to 1048576");
    for junk in ["", "-1", "1e3", " 9", "9 ", "99999999999999999999999"] {
        assert!(setting("offline_max").set(&mut config, junk).is_err(), "{junk:?}");
    }
}

#[test]
fn shards_are_counted_or_left_to_the_machine() {
    let mut config = Config::default();
    for (text, shards) in [("1", Some(1)), ("64", Some(64)), ("auto", None)] {
        setting("shards").set(&mut config, text).unwrap();
        assert_eq!(config.shards, shards);
    }
    for junk in ["0", "65", "all", ""] {
        assert!(setting("shards").set(&mut config, junk).is_err(), "{junk:?}");
    }
}

#[test]
fn durations_have_a_unit() {
    let mut config = Config::default();
    let timeout = setting("keepalive_timeout");
    for (text, seconds) in [("3m", 180), ("120s", 120), ("2000ms", 2), ("24h", 86_400)] {
        timeout.set(&mut config, text).unwrap();
        assert_eq!(config.session.keepalive_timeout, Duration::from_secs(seconds));
    }
    for junk in ["", "120", "s", "1.5s", "-1s", "2d", "25h", "0s", "é", "99999999999999999h"] {
        assert!(timeout.set(&mut config, junk).is_err(), "{junk:?}");
    }
    let lifetime = setting("verifier_lifetime");
    for (text, seconds) in [("0s", 0), ("168h", 604_800)] {
        lifetime.set(&mut config, text).unwrap();
        assert_eq!(config.security.verifier_lifetime, Duration::from_secs(seconds));
        assert_eq!(lifetime.show(&config), text);
    }
    assert_eq!(lifetime.set(&mut config, "169h").unwrap_err().to_string().get(..23), Some("a time from 0s to 168h,"));
    assert_eq!(show_duration(Duration::from_millis(1_500)), "1500ms");
    assert_eq!(show_duration(Duration::from_secs(90)), "90s");
}

#[test]
fn a_domain_is_a_name() {
    assert_eq!(domain("Chat.Example.org").unwrap(), "chat.example.org");
    assert!(domain(&"a".repeat(DOMAIN_MAX)).is_ok());
    for junk in ["", "a b", "a\0", "a/b", "中", &"a".repeat(DOMAIN_MAX + 1)] {
        assert!(domain(junk).is_err(), "{junk:?}");
    }
}

#[test]
fn addresses_are_numbers() {
    let listen = setting("udp");
    let mut config = Config::default();
    listen.set(&mut config, "[::1]:0").unwrap();
    assert_eq!(config.listen, SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0)));
    assert!(listen.set(&mut config, "localhost:8000").is_err());
}
