//! WebSockets that break the rules, or say too much: S46 to S50.

use std::time::Duration;

use landline_testkit::in_process::{Person, TestServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::World;
use super::raw::{Answer, Ask};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The path and query of a fresh stream URL.
async fn stream_path(person: &Person) -> String {
    let url = person.reconnect("?watermark=").await.expect(200).text("streamUrl");
    let at = url.find("/v3/").expect("a path");
    url[at..].to_owned()
}

/// A handshake with these fields instead of the usual ones.
async fn shake(world: &World, method: &str, fields: &[(&str, &str)]) -> Answer {
    let mut ask = Ask::new(method, stream_path(&world.ann).await);
    for (name, value) in fields {
        ask = ask.header(name, value);
    }
    ask.send(world.server.address).await
}

#[tokio::test]
async fn s46_a_handshake_that_is_none_is_refused_with_the_version_that_is_spoken() {
    let world = World::start().await;
    let good = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ];
    let with = |name: &str, value: &'static str| {
        let mut fields = good.to_vec();
        fields.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, v)| *v = value);
        fields.retain(|(_, value)| !value.is_empty());
        fields
    };
    for (fields, status) in [
        (with("connection", ""), 426),
        (with("connection", "close"), 426),
        (with("upgrade", ""), 426),
        (with("upgrade", "h2c"), 426),
        (with("upgrade", "websocket2"), 426),
        (with("sec-websocket-version", ""), 426),
        (with("sec-websocket-version", "8"), 426),
        (with("sec-websocket-version", "14"), 426),
        (with("sec-websocket-version", "13, 8"), 426),
        ([&good[..], &[("sec-websocket-version", "13")]].concat(), 426),
        (with("sec-websocket-key", ""), 400),
        (with("sec-websocket-key", "short"), 400),
        (with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZTE3"), 400),
        (with("sec-websocket-key", "!!!!!!!!!!!!!!!!!!!!!!=="), 400),
        ([&good[..], &[("sec-websocket-key", KEY)]].concat(), 400),
    ] {
        let answer = shake(&world, "GET", &fields).await;
        assert_eq!(answer.status, status, "{fields:?} {}", answer.text());
        assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{fields:?}");
        assert_eq!(answer.header("upgrade").is_some(), status == 426, "{fields:?}");
        assert!(!answer.refusal().1.is_empty(), "{fields:?}");
    }
    shake(&world, "POST", &good).await.expect(405);
    // A refused handshake uses up nothing.
    let path = stream_path(&world.ann).await;
    Ask::get(&path).send(world.server.address).await.expect(426);
    let ask = good.iter().fold(Ask::get(&path), |ask, (name, value)| ask.header(name, value));
    let answer = ask.send(world.server.address).await.expect(101);
    // Of the very example in RFC 6455, 1.3.
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

/// A frame of a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | u8::try_from(short).expect("short")),
        middle @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(middle).expect("in between").to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The code of the close frame that comes, passing over all other frames; `None`: the line ended without one.
async fn close_code(tcp: &mut TcpStream) -> Option<u16> {
    let mut bytes = Vec::new();
    loop {
        while let [first, second, ..] = bytes[..] {
            let (head, length) = match second {
                126 if bytes.len() >= 4 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
                126 => break,
                short => (2, usize::from(short)),
            };
            if bytes.len() < head + length {
                break;
            }
            if first == 0x88 {
                return Some(u16::from_be_bytes([bytes[head], bytes[head + 1]]));
            }
            bytes.drain(..head + length);
        }
        let mut piece = [0; 4096];
        match tcp.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

/// What a stream is closed with after these bytes.
async fn closed_with(person: &Person, bytes: &[u8]) -> Option<u16> {
    let mut tcp = person.stream("").await.into_tcp();
    tcp.write_all(bytes).await.expect("it is taken");
    timeout(Duration::from_secs(20), close_code(&mut tcp)).await.expect("it is closed in time")
}

#[tokio::test]
async fn s47_frames_that_break_the_rules_close_the_stream_with_their_code() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let long = [b'x'; 126];
    for (what, bytes, code) in [
        ("unmasked", b"\x81\x01x".to_vec(), 1002),
        ("RSV1", frame(0xc1, b"x"), 1002),
        ("RSV2", frame(0xa1, b"x"), 1002),
        ("RSV3", frame(0x91, b"x"), 1002),
        ("reserved data opcode", frame(0x83, b"x"), 1002),
        ("reserved control opcode", frame(0x8b, b"x"), 1002),
        ("a ping in fragments", frame(0x09, b"x"), 1002),
        ("a ping of 126 bytes", frame(0x89, &long), 1002),
        ("a pong of 126 bytes", frame(0x8a, &long), 1002),
        ("a close of 126 bytes", frame(0x88, &long), 1002),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        ("a text within a text", [frame(0x01, b"x"), frame(0x81, b"y")].concat(), 1002),
        ("a binary within a text", [frame(0x01, b"x"), frame(0x02, b"y")].concat(), 1002),
        ("bad UTF-8", frame(0x81, b"\xff"), 1007),
        ("a surrogate", frame(0x81, b"\xed\xa0\x80"), 1007),
        ("overlong", frame(0x81, b"\xc0\xaf"), 1007),
        ("bad UTF-8 over two fragments", [frame(0x01, b"\xe2"), frame(0x80, b"x")].concat(), 1007),
        ("half a letter", frame(0x81, b"\xe2\x82"), 1007),
        ("a close of one byte", frame(0x88, b"\x03"), 1002),
        ("close code 0", frame(0x88, &[0, 0]), 1002),
        ("close code 999", frame(0x88, &999_u16.to_be_bytes()), 1002),
        ("close code 1005", frame(0x88, &1005_u16.to_be_bytes()), 1002),
        ("close code 1006", frame(0x88, &1006_u16.to_be_bytes()), 1002),
        ("close code 5000", frame(0x88, &5000_u16.to_be_bytes()), 1002),
        ("a close with bad UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("a frame of 2^63 bytes", [&[0x81, 0xff][..], &[0xff; 8], &[0; 4]].concat(), 1009),
    ] {
        let closed = closed_with(&ann, &bytes).await;
        // A close that is wrong may be answered as any close is: by a close.
        let plain = what.starts_with("close code") || what.starts_with("a close");
        assert!(closed == Some(code) || plain && closed.is_some(), "{what}: {closed:?}");
    }
    // Nobody else notices, and what is in order goes on.
    let mut tcp = ann.stream("").await.into_tcp();
    for good in [frame(0x81, b""), frame(0x82, b"x"), frame(0x89, b"p"), frame(0x8a, b"")] {
        tcp.write_all(&good).await.expect("it is taken");
    }
    let split = [
        frame(0x01, "\u{20ac}".as_bytes().get(..1).expect("a part")),
        frame(0x89, b""),
        frame(0x80, &"\u{20ac}".as_bytes()[1..]),
    ];
    tcp.write_all(&split.concat()).await.expect("it is taken");
    tcp.write_all(&frame(0x88, &1000_u16.to_be_bytes())).await.expect("it is taken");
    assert_eq!(timeout(Duration::from_secs(20), close_code(&mut tcp)).await.expect("in time"), Some(1000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s48_messages_that_are_too_large_close_the_stream() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    assert_eq!(closed_with(&ann, &frame(0x81, &[b'x'; 65_537])).await, Some(1009), "one frame");
    let announced = [&[0x82, 0x80 | 127][..], &(1_u64 << 40).to_be_bytes(), &[0; 4], b"x"].concat();
    assert_eq!(closed_with(&ann, &announced).await, Some(1009), "not waited for");
    let pieces: Vec<u8> = (0..70).flat_map(|n| frame(u8::from(n == 0), &[b'x'; 1000])).collect();
    assert_eq!(closed_with(&ann, &pieces).await, Some(1009), "in pieces");
    assert_eq!(
        closed_with(&ann, &[frame(0x81, &[b'x'; 65_536]), frame(0x88, &[3, 232])].concat()).await,
        Some(1000)
    );
}

/// Writes as fast as it is read, until the line ends; how much was taken.
async fn flood(mut tcp: TcpStream, what: Vec<u8>) -> (Duration, Option<u16>, usize) {
    let began = Instant::now();
    let many = what.repeat(4096 / what.len().max(1) + 1);
    let (mut reading, mut writing) = tcp.split();
    let mut taken = 0;
    let writing = async {
        while let Ok(written) = writing.write(&many).await {
            taken += written;
        }
        std::future::pending::<()>().await;
    };
    let mut all = Vec::new();
    let reading = async {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = reading.read(&mut piece).await {
            all.extend_from_slice(&piece[..read]);
        }
    };
    let ended = timeout(Duration::from_secs(60), async {
        tokio::select! { () = writing => {}, () = reading => {} }
    });
    ended.await.expect("it is closed in time");
    let close = all.windows(4).rposition(|w| w[0] == 0x88 && matches!(w[2..4], [3, _]));
    (began.elapsed(), close.map(|at| u16::from_be_bytes([all[at + 2], all[at + 3]])), taken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s49_a_flood_on_a_stream_is_slowed_and_then_closed_and_others_do_not_notice() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let bob = server.person("bob").await;
    let mut listening = bob.stream("").await;
    let mut floods = tokio::task::JoinSet::new();
    for (what, bytes) in [
        ("pings", frame(0x89, b"x")),
        ("pongs", frame(0x8a, b"x")),
        ("empty texts", frame(0x81, b"")),
        ("data", frame(0x82, &[b'x'; 1000])),
    ] {
        let tcp = ann.stream("").await.into_tcp();
        floods.spawn(async move { (what, flood(tcp, bytes).await) });
    }
    let mut slowest = Duration::ZERO;
    let mut done = 0;
    while done < 4 {
        let began = Instant::now();
        bob.say("hello").await;
        assert_eq!(listening.texts(1).await, ["hello"]);
        slowest = slowest.max(began.elapsed());
        if let Ok(Some(ended)) = timeout(Duration::from_millis(200), floods.join_next()).await {
            let (what, (took, code, taken)) = ended.expect("it ends well");
            assert_eq!(code, Some(1008), "{what}");
            assert!((8..40).contains(&took.as_secs()), "{what}: {took:?}");
            // What is in the buffers of both sides, and what was read.
            assert!(taken < 8 * 1024 * 1024, "{what}: {taken} bytes were taken");
            done += 1;
        }
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[tokio::test]
async fn s49_what_the_stock_client_says_in_a_day_is_nothing() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut tcp = ann.stream("").await.into_tcp();
    // A burst as of a client that was asleep: three days of signs of life would be 12,960; fifty come at once.
    tcp.write_all(&frame(0x81, b"").repeat(50)).await.expect("it is taken");
    tcp.write_all(&frame(0x88, &1000_u16.to_be_bytes())).await.expect("it is taken");
    let began = Instant::now();
    assert_eq!(timeout(Duration::from_secs(20), close_code(&mut tcp)).await.expect("in time"), Some(1000));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn s50_compression_is_not_negotiated() {
    let world = World::start().await;
    for offer in ["permessage-deflate", "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"]
    {
        let fields = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", KEY),
            ("sec-websocket-extensions", offer),
        ];
        let answer = shake(&world, "GET", &fields).await.expect(101);
        assert_eq!(answer.header("sec-websocket-extensions"), None, "{offer}");
    }
}
