//! An engine that does as it is told, or breaks a rule, for the tests of those who live with one.

use bytes::BytesMut;
use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;
use tessera_engine_host::{Limits, jail, probe};
use tessera_media::wire::{Body, Decoder, Lane, Message, RenditionIndex, encode};

fn main() -> ExitCode {
    let (limits, rest) = Limits::from_args(std::env::args_os().skip(1)).expect("limits");
    let jail = match jail::enter(&limits) {
        Ok(jail) => jail,
        Err(error) => {
            eprintln!("{error}");
            return 3.into();
        }
    };
    eprintln!("landlock {}, seccomp {}", jail.landlock, jail.seccomp);
    match rest.first().and_then(|word| word.to_str()) {
        Some("probe") => return probe::run(&rest[1..]),
        Some("input") => {
            let mut text = String::new();
            jail.input.expect("an input").read_to_string(&mut text).expect("text");
            print!("{text}");
        }
        Some("deaf") => loop {
            std::thread::park();
        },
        Some("flood") => flood(),
        Some("garbage") => stdout().write_all(&[0xff; 64]).expect("a parent"),
        Some(role) => serve(role),
        None => return 2.into(),
    }
    ExitCode::SUCCESS
}

/// Gives every unit back as coded; at the end of the lane, or before, `role` shows.
fn serve(role: &str) {
    let mut decoder = Decoder::default();
    loop {
        while let Some(Message { lane, body }) = decoder.next_message().expect("sense") {
            match (body, role) {
                (Body::Begin(_), "spins") => loop {
                    std::hint::spin_loop();
                },
                (Body::Begin(_), "greedy") => drop(std::hint::black_box(vec![1_u8; 4 << 30])),
                (Body::Begin(_), "other") => say(Lane(lane.0 + 7), Body::Finished),
                (Body::Begin(_), "bossy") => say(lane, Body::End),
                (Body::Begin(_), "refuses") => say(lane, Body::Failed("not today".to_owned())),
                (Body::Source(..), "dies") => {
                    eprintln!("this picture is too much");
                    std::process::exit(7);
                }
                (Body::End, "hangs") => loop {
                    std::thread::park();
                },
                (Body::Source(_, unit), _) => say(lane, Body::Coded(RenditionIndex(0), unit)),
                (Body::End, _) => say(lane, Body::Finished),
                _ => {}
            }
        }
        let mut piece = [0; 1 << 16];
        match stdin().read(&mut piece).expect("a parent") {
            0 => return,
            n => decoder.buffer().extend_from_slice(&piece[..n]),
        }
    }
}

fn flood() {
    loop {
        say(Lane(1), Body::Report(vec![0; 100_000].into()));
    }
}

fn say(lane: Lane, body: Body) {
    let mut bytes = BytesMut::new();
    encode(&Message { lane, body }, &mut bytes);
    let mut stdout = stdout().lock();
    stdout.write_all(&bytes).and_then(|()| stdout.flush()).expect("a parent");
}
