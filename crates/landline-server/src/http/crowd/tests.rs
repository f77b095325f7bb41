//! Who has to leave, and who may not come.

use super::*;

fn crowd(per_address: usize) -> Arc<Crowd> {
    let proxies = TrustedProxies::new(vec!["10.9.0.0/16".parse().unwrap()]);
    Arc::new(Crowd::new(per_address, proxies))
}

fn enter(crowd: &Arc<Crowd>, peer: &str) -> Option<Place> {
    let entered = crowd.enter(peer.parse().unwrap());
    entered.map(|entered| entered.place).inspect(Place::rests)
}

fn has_left(place: &Place) -> bool {
    place.leave.is_cancelled()
}

#[test]
fn whoever_rests_longest_makes_room_and_whoever_works_does_not() {
    let crowd = crowd(0);
    let places: Vec<_> = (0..3).map(|_| enter(&crowd, "192.0.2.1").unwrap()).collect();
    places[0].at_work();
    places[1].at_work();
    places[1].rests();
    assert!(crowd.make_room());
    assert!(has_left(&places[2]), "resting since the first day");
    assert!(crowd.make_room());
    assert!(has_left(&places[1]));
    assert!(!crowd.make_room(), "the last one is at work");
    assert!(!has_left(&places[0]));
    places[1].at_work();
    places[1].rests();
    assert!(!crowd.make_room(), "who was sent away does not come back by this");
}

#[test]
fn over_the_cap_of_an_address_its_own_connections_make_room() {
    let crowd = crowd(2);
    let first = enter(&crowd, "192.0.2.1").unwrap();
    let second = enter(&crowd, "192.0.2.1").unwrap();
    let other = enter(&crowd, "192.0.2.2").unwrap();
    first.at_work();
    let third = enter(&crowd, "192.0.2.1").unwrap();
    assert!(has_left(&second) && !has_left(&first) && !has_left(&other));
    third.at_work();
    assert!(enter(&crowd, "192.0.2.1").is_none(), "all are at work");
    drop(third);
    assert!(enter(&crowd, "192.0.2.1").is_some(), "one has ended");
    assert!(enter(&crowd, "192.0.2.2").is_some());
}

#[test]
fn an_address_is_what_one_person_has() {
    for (first, second, same) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ("127.0.0.2", "127.0.0.2", true),
        // Not counted at all.
        ("10.9.8.7", "10.9.8.7", false),
        ("::ffff:10.9.8.7", "10.9.8.7", false),
        ("127.0.0.1", "127.0.0.1", false),
        ("::1", "::1", false),
    ] {
        let crowd = crowd(1);
        let place = enter(&crowd, first).unwrap();
        place.at_work();
        assert_eq!(enter(&crowd, second).is_none(), same, "{first} and {second}");
    }
}

#[test]
fn nothing_is_kept_of_those_who_are_gone() {
    let crowd = crowd(10);
    let mut places: Vec<_> = (0..1000_u32)
        .filter_map(|n| enter(&crowd, &Ipv4Addr::from(0xc000_0200 + n % 300).to_string()))
        .collect();
    for (n, place) in places.iter().enumerate() {
        if n % 2 == 0 {
            place.at_work();
        }
        if n % 3 == 0 {
            place.rests();
        }
    }
    for _ in 0..100 {
        crowd.make_room();
    }
    places.clear();
    crowd.with(|inner| {
        assert_eq!((inner.members.len(), inner.resting.len(), inner.addresses.len()), (0, 0, 0));
    });
}
