//! Lines that are slow on purpose, in time that the test turns.

use std::future::poll_fn;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, duplex};
use tokio::time::Instant;

use super::exchange::Exchange;
use super::gate::{Gate, Times};
use crate::limits::{STREAM_IN_BURST, STREAM_IN_BYTES_PER_SECOND};

use super::*;

const TIMES: Times = Times { head: Duration::from_secs(10), idle: Duration::from_secs(75) };

async fn read<S: AsyncRead + Unpin>(io: &mut S) -> std::io::Result<Vec<u8>> {
    let mut bytes = [0; 4096];
    let mut buf = ReadBuf::new(&mut bytes);
    poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut buf)).await?;
    Ok(buf.filled().to_vec())
}

#[tokio::test(start_paused = true)]
async fn a_head_has_its_time_from_its_first_byte_however_it_drips() {
    let (mut far, near) = duplex(1024);
    let exchange = Arc::new(Exchange::default());
    let mut gate = Gate::new(near, Arc::clone(&exchange), TIMES);
    tokio::time::sleep(Duration::from_secs(8)).await;
    let began = Instant::now();
    let dripping = async {
        far.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            far.write_all(b"a: b\r\n").await.unwrap();
        }
    };
    let handed_out = tokio::select! {
        handed_out = read(&mut gate) => handed_out.unwrap(),
        () = dripping => unreachable!(),
    };
    assert_eq!(began.elapsed().as_secs(), 10);
    assert!(handed_out.starts_with(b"GET / HTTP/1.1\r\nhost: refused"), "what stands for the refusal");
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_comes_ends() {
    let (_far, near) = duplex(1024);
    let mut gate = Gate::new(near, Arc::new(Exchange::default()), TIMES);
    let began = Instant::now();
    assert_eq!(read(&mut gate).await.unwrap(), b"");
    assert_eq!(began.elapsed(), TIMES.head, "the first head has the time of a head");
}

#[tokio::test(start_paused = true)]
async fn what_a_listener_sends_is_read_at_a_rate() {
    let (mut far, near) = duplex(64 * 1024);
    let exchange = Arc::new(Exchange::default());
    let mut gate = Gate::new(near, Arc::clone(&exchange), TIMES);
    far.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: y\r\n\r\n").await.unwrap();
    assert!(read(&mut gate).await.unwrap().ends_with(b"upgrade: y\r\n\r\n"));
    far.write_all(b"early").await.unwrap();
    assert!(timeout(A_WHILE, read(&mut gate)).await.is_err(), "nobody knows yet what this is");
    exchange::upgrade_for_test(&exchange);
    assert_eq!(read(&mut gate).await.unwrap(), b"early");

    let seconds = 20;
    let sent = STREAM_IN_BURST + seconds * STREAM_IN_BYTES_PER_SECOND as usize;
    let sending = async {
        far.write_all(&vec![b'x'; sent]).await.unwrap();
        std::future::pending::<()>().await;
    };
    let began = Instant::now();
    let reading = async {
        let mut got = 0;
        while got < sent {
            got += read(&mut gate).await.unwrap().len();
        }
    };
    tokio::select! {
        () = reading => {}
        () = sending => unreachable!(),
    }
    let took = began.elapsed().as_secs_f64();
    assert!((took - seconds as f64).abs() < 1.5, "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_a_little_now_and_then_is_given_up() {
    for (bytes_each_second, given_up) in [(200_usize, true), (3000, false)] {
        let (mut far, near) = duplex(1000);
        let mut held = connection::Held::new(near, (), Duration::from_secs(30));
        let taking = async {
            let mut taken = vec![0; bytes_each_second];
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if far.read_exact(&mut taken).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let began = Instant::now();
        let writing = async {
            let page = [b'x'; 4096];
            for _ in 0..200 {
                let mut left = &page[..];
                while !left.is_empty() {
                    let written = poll_fn(|cx| Pin::new(&mut held).poll_write(cx, left)).await?;
                    left = &left[written..];
                }
            }
            Ok::<_, std::io::Error>(())
        };
        let ended = tokio::select! {
            ended = writing => ended,
            () = taking => unreachable!(),
        };
        let took = began.elapsed().as_secs();
        if given_up {
            assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
            assert!((30..60).contains(&took), "{took}");
        } else {
            ended.unwrap();
            assert!(took > 200, "the line was not slow: {took}");
        }
    }
}
