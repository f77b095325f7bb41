//! What is a command line and what is not.

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn serve_takes_a_file_or_flags_but_not_both() {
    assert!(parse("landline serve --config landline.toml").is_ok());
    assert!(parse("landline serve --bot http://localhost:3978/api/messages --listen 127.0.0.1:1").is_ok());
    assert!(parse("landline serve").is_ok());
    assert!(parse("landline serve --config landline.toml --bot http://localhost/").is_err());
    assert!(parse("landline serve --config landline.toml --listen 127.0.0.1:1").is_err());
    assert!(parse("landline serve --bot not-a-url").is_err());
    assert!(parse("landline serve --sandbox require").is_ok());
    assert!(parse("landline demo --sandbox off").is_ok());
    assert!(parse("landline serve --sandbox on").is_err());
    assert!(parse("landline serve --config landline.toml --sandbox off").is_err());
}

#[test]
fn what_is_a_command() {
    for line in [
        "bot list",
        "bot list --json --data /var/lib/landline",
        "bot --data /var/lib/landline list",
        "bot list --admin http://127.0.0.1:3001",
        "bot show echo",
        "bot add echo --endpoint http://localhost:3978/api/messages",
        "bot add echo --endpoint http://localhost/ --app-id a --tenant t --issuer http://i --delivery queued",
        "bot add echo --endpoint http://localhost/ --anonymous --delivery queued",
        "bot add echo --endpoint http://localhost/ --sdk agents-js --port 3979",
        "bot add echo --endpoint http://localhost/ --outgoing-secret-file - --outgoing-scope s --outgoing-token-url http://t",
        "bot set echo --issuer default --no-outgoing",
        "bot remove echo",
        "bot credential add echo",
        "bot credential remove echo --slot 2",
        "bot new-address echo",
        "bot settings echo --sdk agents-dotnet --new-credential --port 80",
        "site list",
        "site show s",
        "site add s --bot b --token-lifetime 1h --empty-watermark new --retention 30d --files conversation",
        "site set s --empty-watermark history",
        "site set s --enhanced-authentication --trusted-origin https://a --trusted-origin https://b",
        "site set s --enhanced-authentication=false",
        "site remove s",
        "secret list s",
        "secret add s",
        "secret remove s --slot 1",
        "conversation list",
        "conversation list --bot b --site s --json",
        "conversation show CfA0bXzTmFmHZbkVRjZEvX",
        "conversation delete -fA0bXzTmFmHZbkVRjZEvX",
        "conversation delete CfA0bXzTmFmHZbkVRjZEvX --purge",
        "conversation purge",
        "key list",
        "key rotate",
        "key rotate --now",
        "key rotate --tokens",
        "outbox list --bot b --parked",
        "outbox retry CfA0bXzTmFmHZbkVRjZEvX|0000007",
        "outbox retry --bot b",
        "outbox drop --bot b",
    ] {
        if let Err(error) = parse(&format!("landline {line}")) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn what_is_none() {
    for (line, kind) in [
        ("bot", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("bot add echo", ErrorKind::MissingRequiredArgument),
        ("bot add e/cho --endpoint http://localhost/", ErrorKind::ValueValidation),
        ("bot add echo --endpoint http://localhost/ --anonymous --app-id a", ErrorKind::ArgumentConflict),
        (
            "bot add echo --endpoint http://localhost/ --anonymous --issuer http://i",
            ErrorKind::ArgumentConflict,
        ),
        ("bot add echo --endpoint http://localhost/ --anonymous --sdk dotnet", ErrorKind::ArgumentConflict),
        ("bot add echo --endpoint http://localhost/ --port 1", ErrorKind::MissingRequiredArgument),
        ("bot add echo --endpoint http://localhost/ --delivery later", ErrorKind::InvalidValue),
        (
            "bot add echo --endpoint http://localhost/ --outgoing-secret-env A --outgoing-secret-file B",
            ErrorKind::ArgumentConflict,
        ),
        // A secret as the value of a flag could be read by everybody on the machine.
        ("bot add echo --endpoint http://localhost/ --outgoing-secret s3cret", ErrorKind::UnknownArgument),
        ("bot set echo --no-outgoing --outgoing-scope s", ErrorKind::ArgumentConflict),
        ("bot credential remove echo", ErrorKind::MissingRequiredArgument),
        ("bot credential remove echo --slot 3", ErrorKind::ValueValidation),
        ("bot settings echo", ErrorKind::MissingRequiredArgument),
        ("bot settings echo --sdk cobol", ErrorKind::InvalidValue),
        ("bot list --data d --admin http://127.0.0.1:1", ErrorKind::ArgumentConflict),
        ("site add s", ErrorKind::MissingRequiredArgument),
        ("site add s --bot b --empty-watermark old", ErrorKind::InvalidValue),
        ("site set s --enhanced-authentication=perhaps", ErrorKind::InvalidValue),
        ("site set s --enhanced-authentication false", ErrorKind::UnknownArgument),
        ("site set s --trusted-origin", ErrorKind::InvalidValue),
        ("secret remove s", ErrorKind::MissingRequiredArgument),
        ("key rotate --now --tokens", ErrorKind::ArgumentConflict),
        ("outbox retry", ErrorKind::MissingRequiredArgument),
        ("outbox retry c|0000007 --bot b", ErrorKind::ArgumentConflict),
        ("outbox drop not-an-id", ErrorKind::ValueValidation),
    ] {
        match parse(&format!("landline {line}")) {
            Ok(_) => panic!("{line} is taken"),
            Err(error) => assert_eq!(error.kind(), kind, "{line}: {error}"),
        }
    }
}

#[test]
fn the_whole_of_a_description_is_shown() {
    for (command, words) in [
        ("serve", "systemd"),
        ("demo", "find the conversation where it was"),
        ("check", "carries a checksum"),
        ("bot", "configuration file"),
        ("site", "group of clients"),
        ("secret", "equally good"),
        ("key", "Identity keys sign"),
        ("outbox", "parked"),
    ] {
        let error = parse(&format!("landline {command} --help")).err().map(|error| error.to_string());
        let help = error.unwrap_or_default().replace('\n', " ");
        assert!(help.contains(words), "{words} is missing from {help}");
    }
}

#[test]
fn every_command_is_explained_with_an_example() {
    fn visit(path: &str, command: &clap::Command) {
        let path = format!("{path} {}", command.get_name());
        assert!(command.get_about().is_some(), "{path} has no help");
        let asks_a_server = ["bot", "site", "secret", "key", "outbox"];
        let noun = path.split(' ').nth(2).unwrap_or_default();
        if asks_a_server.contains(&noun) && !command.has_subcommands() {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let words = path.trim_start().split(' ').collect::<Vec<_>>().join(" ");
            assert!(after.contains(&words), "{path} has no example:\n{after}");
        }
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            assert!(argument.get_help().is_some(), "{path}: {argument} has no help");
        }
        for below in command.get_subcommands() {
            visit(&path, below);
        }
    }
    visit("", &Arguments::command());
}
