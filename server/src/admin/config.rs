//! `myicqd config …`: what holds, where it is from, and what is wrong with it.

use std::io::{self, Write};

use clap::CommandFactory;
use myicq_server::config::{ConfigErrors, Hint, Loaded, SETTINGS, Setting, Toml, document, hints, unknown_variables};
use serde_json::{Value, json};

use crate::cli::{Cli, ConfigArgs, ConfigCommand};
use crate::exit::{Exit, Failure};

/// Does one of the commands.
pub(crate) fn run(args: ConfigArgs) -> Result<(), Failure> {
    match args.command {
        ConfigCommand::Check(args) => check(args.sources.into_sources().load(), args.json),
        ConfigCommand::Show(args) => show(&args.sources.into_sources().load()?, args.json),
    }
}

fn check(loaded: Result<Loaded, ConfigErrors>, as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(errors) => {
            let errors: Vec<String> = errors.lines().collect();
            if as_json {
                writeln!(out, "{}", json!({ "settings": [], "hints": [], "errors": errors }))?;
            } else {
                errors.iter().try_for_each(|error| writeln!(io::stderr(), "myicqd: {error}"))?;
            }
            return Err(Failure::told(Exit::Usage));
        }
    };
    let mut hints = hints(&loaded.config);
    hints.extend(unknown_variables(variables(), &other_variables()));
    if as_json {
        let settings: Vec<Value> = SETTINGS.iter().map(|setting| object(setting, &loaded)).collect();
        let hints: Vec<Value> = hints.iter().map(|Hint { key, hint }| json!({ "key": key, "hint": hint })).collect();
        writeln!(out, "{}", json!({ "settings": settings, "hints": hints, "errors": [] }))?;
        return Ok(out.flush()?);
    }
    let shown = |setting: &Setting| setting.show(&loaded.config);
    let key_width = SETTINGS.iter().map(|setting| setting.key().len()).max().unwrap_or(0);
    let value_width = SETTINGS.iter().map(|setting| shown(setting).chars().count()).max().unwrap_or(0);
    for setting in SETTINGS.iter() {
        let from = loaded.place(setting).unwrap_or("default");
        writeln!(out, "{:key_width$}  {:value_width$}  {from}", setting.key(), shown(setting))?;
    }
    for Hint { key, hint } in hints {
        writeln!(out, "hint: {key}: {hint}")?;
    }
    Ok(out.flush()?)
}

fn show(loaded: &Loaded, as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if as_json {
        let mut sections = serde_json::Map::new();
        for setting in SETTINGS.iter() {
            let section = sections.entry(setting.section).or_insert_with(|| json!({}));
            if let Value::Object(section) = section {
                section.insert(setting.name.to_owned(), value(setting, loaded));
            }
        }
        writeln!(out, "{}", Value::Object(sections))?;
    } else {
        write!(out, "{}", document(loaded))?;
    }
    Ok(out.flush()?)
}

fn object(setting: &Setting, loaded: &Loaded) -> Value {
    let from = loaded.place(setting).unwrap_or("default");
    json!({ "key": setting.key(), "value": value(setting, loaded), "from": from, "live": setting.is_live })
}

fn value(setting: &Setting, loaded: &Loaded) -> Value {
    let shown = setting.show(&loaded.config);
    match shown.parse::<u64>() {
        Ok(number) if setting.toml != Toml::Text => number.into(),
        _ => shown.into(),
    }
}

fn variables() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

/// The variables that stand for other options than settings.
fn other_variables() -> Vec<String> {
    let command = Cli::command();
    let names = command.get_arguments().filter_map(|argument| argument.get_env());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}
