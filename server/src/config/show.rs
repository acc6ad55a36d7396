//! A configuration as a file that explains itself.

use std::fmt::Write as _;

use super::{Loaded, SETTINGS, Setting, Toml};

/// The column at which comments end.
const WIDTH: usize = 100;

/// What stands above all settings.
const HEAD: &str = "The settings of myicqd. Those that are commented out have their defaults; an unknown key is an error. A flag \
                    goes before its variable, and that before this file. A running server reads it again on SIGHUP.";

/// All settings as a configuration file, each under what there is to know of it. Those that have their default are commented out;
/// behind the others stands where they are from.
pub fn document(loaded: &Loaded) -> String {
    let mut text = String::new();
    comment(&mut text, HEAD);
    let mut section = "";
    for setting in SETTINGS.iter() {
        text.push('\n');
        if section != setting.section {
            section = setting.section;
            comment(&mut text, &setting.section_about);
            let _ = writeln!(text, "[{section}]\n");
        }
        comment(&mut text, &setting.about);
        comment(&mut text, &setting.reason);
        let restart = if setting.is_live { "" } else { " A change needs a restart." };
        let Setting { wanted, flag, env, .. } = setting;
        comment(&mut text, &format!("Takes {wanted}. Flag --{flag}, variable {env}.{restart}"));
        let value = value(setting, &setting.show(&loaded.config));
        let _ = match loaded.place(setting) {
            None => writeln!(text, "#{} = {value}", setting.name),
            Some(place) => writeln!(text, "{} = {value} # from {place}", setting.name),
        };
    }
    text
}

/// As TOML has it.
fn value(setting: &Setting, shown: &str) -> String {
    let is_number = setting.toml != Toml::Text && shown.parse::<u64>().is_ok();
    if is_number { shown.to_owned() } else { toml::Value::from(shown).to_string() }
}

/// Some sentences as lines of comment.
fn comment(text: &mut String, sentences: &str) {
    let mut line = String::new();
    for word in sentences.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{line}");
            line.clear();
        }
        line.push_str(if line.is_empty() { "# " } else { " " });
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Override, Sources};

    #[test]
    fn what_is_shown_can_be_read_again() {
        let overrides = SETTINGS.iter().map(|setting| {
            let value = match setting.name {
                "data" => "C:\\a \"folder\"\n中".to_owned(),
                "shards" => "3".to_owned(),
                _ => setting.show(&crate::Config::default()),
            };
            Override { setting, value, place: format!("--{}", setting.flag) }
        });
        let given = Sources { file: None, overrides: overrides.collect() }.load().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shown.toml");
        #[expect(clippy::disallowed_methods, reason = "the test writes a configuration")]
        std::fs::write(&path, document(&given)).unwrap();
        let read = Sources { file: Some(path), overrides: Vec::new() }.load().unwrap();
        assert_eq!(format!("{:?}", read.config), format!("{:?}", given.config));
        assert!(SETTINGS.iter().all(|setting| read.place(setting).is_some()));
    }

    #[test]
    fn defaults_are_commented_out_and_lines_are_short() {
        let text = document(&Loaded::default());
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with(['#', '['])), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("\n#udp = \"127.0.0.1:8000\"\n") && text.contains("\n#text_max = 450\n"), "{text}");
    }
}
