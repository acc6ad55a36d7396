//! `myicqd config`, `man` and `completions`.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{fails, myicqd, succeeds, write};

#[test]
fn check_says_what_holds_and_where_it_is_from() {
    let folder = TempDir::new().unwrap();
    let config = write(&folder, "myicqd.toml", "[limits]\ncontacts_max = 7\ntext_max = 99\n[store]\ndata = \"/d\"\n");
    let mut command = myicqd(["config", "check", "--config", &config, "--text-max", "100"]);
    command.env("MYICQD_OFFLINE_MAX", "50").env("MYICQD_OFLINE_MAX", "60");
    let text = succeeds(command.output().unwrap());
    let line = |key: &str| {
        let found = text.lines().find(|line| line.starts_with(&format!("{key} "))).unwrap_or_else(|| panic!("{text}"));
        found.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("limits.contacts_max"), ["7", &format!("{config}:2")]);
    assert_eq!(line("limits.text_max"), ["100", "--text-max"]);
    assert_eq!(line("limits.offline_max"), ["50", "MYICQD_OFFLINE_MAX"]);
    assert_eq!(line("session.keepalive_timeout"), ["3m", "default"]);
    assert!(text.contains("\nhint: listen.udp: only this machine gets in"), "{text}");
    assert!(text.contains("\nhint: limits.offline_pair_max: is more than limits.offline_max"), "{text}");
    assert!(text.contains("\nhint: MYICQD_OFLINE_MAX: sets nothing; did you mean MYICQD_OFFLINE_MAX?"), "{text}");

    let object: Value = serde_json::from_str(&succeeds(command.arg("--json").output().unwrap())).unwrap();
    let expected = json!({ "key": "limits.text_max", "value": 100, "from": "--text-max", "live": true });
    assert!(object["settings"].as_array().unwrap().contains(&expected), "{object}");
    assert_eq!((object["hints"].as_array().unwrap().len(), &object["errors"]), (3, &json!([])));
}

#[test]
fn check_tells_all_that_is_wrong_at_once() {
    let folder = TempDir::new().unwrap();
    let config = write(&folder, "myicqd.toml", "[limit]\n[session]\nkeepalive_timout = \"3m\"\ndelivery_hold = 250\n");
    let mut command = myicqd(["config", "check", "--config", &config, "--domain", "a b"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).unwrap();
    let expected = [
        format!("myicqd: {config}:1: unknown key `[limit]`; did you mean `[limits]`?"),
        format!(
            "myicqd: {config}:3: unknown key `session.keepalive_timout`; did you mean `session.keepalive_timeout`?"
        ),
        format!("myicqd: {config}:4: session.delivery_hold: write a text in quotes"),
        "myicqd: --domain: \"a b\" is not allowed; it takes 1 to 40 letters, digits, dots and hyphens".to_owned(),
    ];
    let found: Vec<_> = errors.lines().collect();
    assert_eq!(found, expected);

    let output = command.arg("--json").output().unwrap();
    assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(2), true));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["errors"].as_array().unwrap().len(), 4);
    // A server that does not start says one line, and where there is more.
    let line = fails(myicqd(["--config", &config, "--domain", "a b"]).output().unwrap(), 2);
    assert!(line.ends_with("(and 3 more; `myicqd config check` has all)"), "{line}");
}

#[test]
fn show_prints_a_file_that_means_the_same() {
    let folder = TempDir::new().unwrap();
    let show = |arguments: &[&str]| succeeds(myicqd(["config", "show"]).args(arguments).output().unwrap());
    let shown = show(&["--shards", "2", "--data", "/some where"]);
    assert!(shown.contains("\nshards = 2 # from --shards\n") && shown.contains("\n#contacts_max = 256\n"), "{shown}");
    let path = write(&folder, "shown.toml", &shown);
    assert_eq!(show(&["--json", "--config", &path]), show(&["--json", "--shards", "2", "--data", "/some where"]));
    let object: Value = serde_json::from_str(&show(&["--json"])).unwrap();
    assert_eq!((&object["limits"]["contacts_max"], &object["listen"]["shards"]), (&json!(256), &json!("auto")));
}

#[test]
fn packages_get_their_pages_from_the_program() {
    let folder = TempDir::new().unwrap();
    let pages = folder.path().join("new/man");
    assert_eq!(succeeds(myicqd(["man", pages.to_str().unwrap()]).output().unwrap()), "");
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    let run = page("myicqd-run.1");
    assert!(run.contains("How long a message may wait") && run.contains("MYICQD_DELIVERY_HOLD"), "{run}");
    assert!(page("myicqd-user-add.1").contains("password"));
    assert!(!pages.join("myicqd-help.1").exists());
    for shell in ["bash", "zsh", "fish"] {
        let script = succeeds(myicqd(["completions", shell]).output().unwrap());
        assert!(script.contains("keepalive-timeout"), "{shell}");
    }
    let file = write(&folder, "file", "");
    assert!(fails(myicqd(["man", &file]).output().unwrap(), 74).contains("cannot write manual pages to"));
}

#[test]
fn the_password_of_a_database_is_shown_nowhere() {
    let url = "postgres://ann:s3cret@db.example.org/chat?sslmode=disable";
    for arguments in
        [&["config", "check"][..], &["config", "show"], &["config", "show", "--json"], &["config", "check", "--json"]]
    {
        let printed = succeeds(myicqd(arguments).env("MYICQD_DATABASE", url).output().unwrap());
        assert!(printed.contains("postgres://ann:***@db.example.org/chat?sslmode=disable"), "{printed}");
        assert!(!printed.contains("s3cret"), "{printed}");
    }
    let folder = TempDir::new().unwrap();
    let config = write(&folder, "myicqd.toml", "[store]\ndatabase = \"postgres://ann:s3cret@db:port/chat\"\n");
    let line = fails(myicqd(["run", "--config", &config]).output().unwrap(), 2);
    let expected = format!("myicqd: {config}:2: store.database: this is not allowed; it takes postgres://");
    assert!(line.starts_with(&expected) && !line.contains("s3cret"), "{line}");
    // Nobody listens at port 1.
    let url = "postgres://ann:s3cret@127.0.0.1:1/chat";
    let arguments = ["user", "list", "--database", url, "--data", folder.path().to_str().unwrap()];
    let line = fails(myicqd(arguments).output().unwrap(), 74);
    assert!(line.contains("cannot use postgres://ann:***@127.0.0.1:1/chat: ") && !line.contains("s3cret"), "{line}");
}
