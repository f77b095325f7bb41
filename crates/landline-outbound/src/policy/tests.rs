//! What may be connected to, by the table of hosts in `vectors/hosts.txt`.

use url::Url;

use super::*;

/// Kind and host of each line.
pub(crate) fn hosts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("../../vectors/hosts.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut words = line.split(' ');
        (words.next().unwrap(), words.next().unwrap())
    })
}

fn policy(allow: &[&str], deny: &[&str]) -> AddressPolicy {
    let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    AddressPolicy::new((!allow.is_empty()).then(|| rules(allow)), rules(deny))
}

/// What becomes of this host in a URL; `None` where no URL can hold it.
fn check(policy: &AddressPolicy, host: &str) -> Option<Result<(), Refused>> {
    let url: Url = format!("http://{host}/").parse().ok()?;
    let host = url.host().unwrap().to_owned();
    assert!(!matches!(host, Host::Domain(_)), "{host} is a name");
    Some(policy.check_host(&host))
}

#[test]
fn every_host_is_what_the_table_says() {
    let all = policy(&["0.0.0.0/0", "::/0", "public", "private", "loopback"], &[]);
    let (default, public) = (AddressPolicy::default(), policy(&["public"], &[]));
    let mut never = 0;
    for (kind, host) in hosts() {
        if kind == "never" {
            never += 1;
            for policy in [&default, &public, &all] {
                let checked = check(policy, host);
                let forever = |why| matches!(why, Refused::Metadata | Refused::Unspecified | Refused::Many);
                assert!(checked.is_none_or(|checked| checked.is_err_and(forever)), "{host}: {checked:?}");
            }
            continue;
        }
        let word = |name| match kind {
            _ if kind == name => Ok(()),
            _ => Err(Refused::NotAllowed),
        };
        assert!(["loopback", "private", "special", "public"].contains(&kind), "{kind}");
        for policy in [&default, &all] {
            assert_eq!(check(policy, host), Some(Ok(())), "{host}");
        }
        for name in ["public", "private", "loopback"] {
            assert_eq!(check(&policy(&[name], &[]), host), Some(word(name)), "{host} with {name} alone");
            let others = policy(&[], &[name]);
            let expected = if kind == name { Err(Refused::Denied) } else { Ok(()) };
            // What is reached through a relay counts where it is denied, whatever the way to it is.
            if kind != "special" {
                assert_eq!(check(&others, host), Some(expected), "{host} with {name} denied");
            }
        }
    }
    assert!(never >= 120, "{never}");
}

#[test]
fn networks_are_allowed_and_denied() {
    let some = policy(&["10.1.0.0/16", "192.0.2.7", "2001:db8::/32"], &["10.1.2.0/24", "2001:db8::bad"]);
    for (host, expected) in [
        ("10.1.0.1", Ok(())),
        ("[::ffff:10.1.0.1]", Ok(())),
        ("[64:ff9b::10.1.0.1]", Ok(())),
        ("192.0.2.7", Ok(())),
        ("[2001:db8::1]", Ok(())),
        ("10.1.2.3", Err(Refused::Denied)),
        ("[::ffff:10.1.2.3]", Err(Refused::Denied)),
        ("[64:ff9b::10.1.2.3]", Err(Refused::Denied)),
        ("[2002:a01:203::1]", Err(Refused::Denied)),
        ("[2001:db8::bad]", Err(Refused::Denied)),
        ("10.2.0.1", Err(Refused::NotAllowed)),
        ("192.0.2.8", Err(Refused::NotAllowed)),
        ("127.0.0.1", Err(Refused::NotAllowed)),
        ("[2002:a01:1::1]", Err(Refused::NotAllowed)),
        ("169.254.169.254", Err(Refused::Metadata)),
    ] {
        assert_eq!(check(&some, host), Some(expected), "{host}");
    }
    let through_a_relay = policy(&[], &["private"]);
    assert_eq!(check(&through_a_relay, "[2002:a01:203::1]"), Some(Err(Refused::Denied)));
    let mapped = policy(&[], &["::ffff:10.0.0.0/104"]);
    assert_eq!(check(&mapped, "10.1.2.3"), Some(Err(Refused::Denied)));
    assert_eq!(check(&mapped, "11.1.2.3"), Some(Ok(())));
}

#[test]
fn what_rules_may_be() {
    for good in ["public", "private", "loopback", "10.0.0.0/8", "10.0.0.1", "::1", "fd00::/8"] {
        assert!(good.parse::<Rule>().is_ok(), "{good}");
    }
    for bad in ["", "Public", "all", "10.0.0.0/33", "10.0.0", "localhost", "10.0.0.0/8 "] {
        assert_eq!(bad.parse::<Rule>(), Err(BadRule), "{bad}");
    }
}
