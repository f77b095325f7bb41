//! Which heads are taken, and as what.

use proptest::prelude::*;

use super::*;

/// All at once.
fn look(head: impl AsRef<[u8]>) -> Result<Option<Head>, ApiError> {
    Scan::default().look(head.as_ref())
}

fn status(head: impl AsRef<[u8]>) -> u16 {
    look(head).map_or_else(|error| error.status.as_u16(), |head| if head.is_some() { 200 } else { 0 })
}

#[test]
fn heads_that_clients_send_are_taken() {
    for (head, body) in [
        ("GET / HTTP/1.1\r\nhost: x\r\n\r\n", Framing::Length(0)),
        ("GET / HTTP/1.0\r\n\r\n", Framing::Length(0)),
        ("\r\nPOST /a?b=c%20d HTTP/1.1\r\nHost:\t x:3000 \r\nContent-Length: 7\r\n\r\n", Framing::Length(7)),
        ("POST / HTTP/1.1\r\nhost: [::1]:80\r\ntransfer-encoding: Chunked\r\n\r\n", Framing::chunked()),
        ("OPTIONS * HTTP/1.1\r\nhost: x_y.example-z.\r\n\r\n", Framing::Length(0)),
        ("GET http://x/y HTTP/1.1\r\nhost: X\r\naccept:\r\nx-y: \u{fc}\r\n\r\n", Framing::Length(0)),
        ("GET /caf%C3%A9;v=1/(a)'{|}^\" HTTP/1.1\r\nhost: x\r\n\r\n", Framing::Length(0)),
        (
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 018446744073709551615\r\n\r\n",
            Framing::Length(u64::MAX),
        ),
    ] {
        let taken = look(head).unwrap().unwrap();
        assert_eq!(taken, Head { length: head.len(), body, may_upgrade: false }, "{head:?}");
    }
    assert!(look("GET / HTTP/1.1\r\nhost: x\r\nUPGRADE: x\r\n\r\n").unwrap().unwrap().may_upgrade);
}

#[test]
fn a_head_is_refused_as_soon_as_it_can_be() {
    for (start, expected) in [
        ("", 0),
        ("\r\n", 0),
        ("GET / HTTP/1.1\r\nhost: x\r\n", 0),
        ("\u{16}", 400),
        ("\n", 400),
        (" ", 400),
        ("GET /\r\n", 400),
        ("GET /?a=\"b HTTP/1.1\r\n", 400),
        ("GET /<a> HTTP/1.1\r\n", 400),
        ("PRI * HTTP/2.0\r\n", 400),
        ("GET / HTTP/1.1\n", 400),
        ("GET / HTTP/1.1\r\r", 400),
        ("GET / HTTP/1.1\r\nhost: x\n", 400),
        ("GET / HTTP/1.1\r\nhost: x\0", 400),
        ("\r\n\r\n\r\n\r\n\r\n", 400),
    ] {
        assert_eq!(status(start), expected, "{start:?}");
    }
}

#[test]
fn sizes_are_bounded_to_the_byte() {
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\n", "x".repeat(length - 16));
    let rest = "host: x\r\n\r\n";
    assert_eq!(status(line(REQUEST_LINE_BYTES) + rest), 200);
    assert_eq!(status(line(REQUEST_LINE_BYTES + 1) + rest), 414);
    let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}{rest}", "a: b\r\n".repeat(count - 1));
    assert_eq!(status(fields(REQUEST_HEADERS)), 200);
    assert_eq!(status(fields(REQUEST_HEADERS + 1)), 431);
    let start = "GET / HTTP/1.1\r\na: ";
    let head =
        |length: usize| format!("{start}{}\r\n{rest}", "x".repeat(length - start.len() - 2 - rest.len()));
    assert_eq!(status(head(REQUEST_HEAD_BYTES)), 200);
    assert_eq!(status(head(REQUEST_HEAD_BYTES + 1)), 431);
}

#[test]
fn a_host_is_a_host() {
    for (host, good) in [
        ("x", true),
        ("example.org:443", true),
        ("example.org:", true),
        ("127.0.0.1:3000", true),
        ("[2001:db8::1]", true),
        ("", false),
        (":80", false),
        ("a b", false),
        ("a,b", false),
        ("a/b", false),
        ("a@b", false),
        ("a:b", false),
        ("a:123456", false),
        ("[::1", false),
        ("[::1]x", false),
        ("[]", false),
        ("x\u{e9}", false),
    ] {
        assert_eq!(status(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")) == 200, good, "{host:?}");
    }
    assert_eq!(status("GET / HTTP/1.0\r\nhost: a b\r\n\r\n"), 400);
    assert_eq!(status("GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n"), 400);
    assert_eq!(status("GET http://a:80/ HTTP/1.1\r\nhost: a\r\n\r\n"), 400);
}

proptest! {
    /// However it is cut in pieces, the verdict is the same; and what is taken is no longer than what there is.
    #[test]
    fn pieces_do_not_matter(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("host: x".to_owned()), Just("content-length: 5".to_owned()),
                Just("transfer-encoding: chunked".to_owned()), Just(" fold".to_owned()),
                "[a-z]{1,3}:? ?[ -~\t]{0,5}", "[\\x00-\\xff]{0,5}",
            ], 0..5),
        end in prop_oneof![Just("\r\n"), Just("\n"), Just("\r")],
        cuts in proptest::collection::vec(0_usize..80, 0..5),
    ) {
        let head = format!("GET / HTTP/1.1\r\n{}{end}\r\n\r\nmore", lines.join("\r\n"));
        let whole = look(&head);
        let mut scan = Scan::default();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(head.len())).collect();
        cuts.sort_unstable();
        cuts.push(head.len());
        let mut piecewise = Ok(None);
        for cut in cuts {
            piecewise = scan.look(&head.as_bytes()[..cut]);
            if !matches!(piecewise, Ok(None)) {
                break;
            }
        }
        prop_assert_eq!(&piecewise, &whole);
        if let Ok(Some(taken)) = whole {
            prop_assert!(taken.length <= head.len());
            prop_assert!(head[..taken.length].ends_with("\r\n\r\n"));
        }
    }
}
