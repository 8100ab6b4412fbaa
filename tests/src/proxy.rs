//! A line between two processes that is as slow, as far and as broken as a test wants it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

/// What a line is like.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Bytes a second from whoever dials to whom is dialled; `None` for as many as there are.
    pub up_bytes_per_s: Option<u64>,
    /// How long each byte is under way, in each direction.
    pub delay: Duration,
}

impl Line {
    /// A line that changes nothing.
    pub const PLAIN: Self = Self { up_bytes_per_s: None, delay: Duration::ZERO };

    /// A household's: ten megabits a second up, forty milliseconds there and back.
    pub const HOME: Self =
        Self { up_bytes_per_s: Some(10_000_000 / 8), delay: Duration::from_millis(20) };
}

/// A proxy for TCP connections. Dropping it breaks them all.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    whole: Arc<watch::Sender<bool>>,
    cuts: Arc<Cuts>,
    accepting: tokio::task::JoinHandle<()>,
}

/// After how many bytes on their way up the connection that brings them breaks, each time counted from the
/// time before.
#[derive(Debug)]
struct Cuts {
    left: Mutex<VecDeque<usize>>,
    made: watch::Sender<usize>,
}

impl Cuts {
    /// How many of so many bytes still get through, if the line is cut among them.
    fn among(&self, bytes: usize) -> Option<usize> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let next = left.front_mut()?;
        if *next > bytes {
            *next -= bytes;
            return None;
        }
        let through = left.pop_front();
        self.made.send_modify(|made| *made += 1);
        through
    }
}

impl Proxy {
    /// Listens on a free port, and hands on to `target`.
    pub async fn start(target: SocketAddr, line: Line) -> Self {
        Self::start_with_cuts(target, line, []).await
    }

    /// The same, but a connection breaks when so many bytes more have come up, one number after the other.
    pub async fn start_with_cuts(
        target: SocketAddr,
        line: Line,
        cuts: impl IntoIterator<Item = usize>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its number");
        let whole = Arc::new(watch::Sender::new(true));
        let left = Mutex::new(cuts.into_iter().collect());
        let cuts = Arc::new(Cuts { left, made: watch::Sender::new(0) });
        let accepting = tokio::spawn(accept(listener, target, line, whole.clone(), cuts.clone()));
        Self { address, whole, cuts, accepting }
    }

    /// Where to dial.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many of the cuts were made.
    pub fn cuts_made(&self) -> watch::Receiver<usize> {
        self.cuts.made.subscribe()
    }

    /// Breaks every connection, and refuses new ones until [`Self::mend`].
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Takes connections again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    line: Line,
    whole: Arc<watch::Sender<bool>>,
    cuts: Arc<Cuts>,
) {
    while let Ok((near, _)) = listener.accept().await {
        if !*whole.borrow() {
            continue;
        }
        let (mut whole, cuts) = (whole.subscribe(), cuts.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = connect(near, target, line, &cuts) => {}
                _ = whole.wait_for(|whole| !whole) => {}
            }
        });
    }
}

async fn connect(near: TcpStream, target: SocketAddr, line: Line, cuts: &Cuts) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    // Whoever fails to set it has a line that is a little slower, and no other.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let cut = Notify::new();
    let up = async {
        if carry(near_in, far_out, line.up_bytes_per_s, line.delay, Some(cuts)).await.is_break() {
            cut.notify_one();
        }
    };
    tokio::select! {
        _ = async { tokio::join!(up, carry(far_in, near_out, None, line.delay, None)) } => {}
        () = cut.notified() => {}
    }
}

/// Bytes that are read at once, and how many such pieces are under way: as a line, the proxy holds
/// little more than its rate times its length.
const PIECE: usize = 16 << 10;
const UNDER_WAY: usize = 64;
/// Timers are coarser than a piece takes on a fast line: it may be ahead by this much.
const TIMERS: Duration = Duration::from_millis(5);

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    bytes_per_s: Option<u64>,
    delay: Duration,
    cuts: Option<&Cuts>,
) -> ControlFlow<()> {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let reading = async move {
        let mut free_at = Instant::now();
        loop {
            let mut bytes = vec![0; PIECE];
            let Ok(count @ 1..) = from.read(&mut bytes).await else {
                return ControlFlow::Continue(());
            };
            let through = cuts.and_then(|cuts| cuts.among(count));
            bytes.truncate(through.unwrap_or(count));
            if let Some(rate) = bytes_per_s {
                let takes = Duration::from_secs_f64(count as f64 / rate as f64);
                free_at = free_at.max(Instant::now() - TIMERS) + takes;
                tokio::time::sleep_until(free_at).await;
            }
            let sent = sender.send((Instant::now() + delay, bytes)).await;
            if through.is_some() {
                return ControlFlow::Break(());
            }
            if sent.is_err() {
                return ControlFlow::Continue(());
            }
        }
    };
    let writing = async move {
        while let Some((at, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing).0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `count` bytes through `line` to a listener that sends one back, and says how long that
    /// took.
    async fn there_and_back(line: Line, count: usize) -> Duration {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap(), line).await;
        let begun = Instant::now();
        let mut near = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let sent = vec![7; count];
        let (sending, answering) = tokio::join!(near.write_all(&sent), async {
            let mut got = vec![0; count];
            far.read_exact(&mut got).await?;
            far.write_all(&[1]).await
        });
        sending.unwrap();
        answering.unwrap();
        near.read_exact(&mut [0]).await.unwrap();
        begun.elapsed()
    }

    #[tokio::test]
    async fn a_line_is_no_faster_and_no_shorter_than_asked() {
        let line = Line { up_bytes_per_s: Some(1_000_000), delay: Duration::from_millis(30) };
        let took = there_and_back(line, 300_000).await;
        assert!(took >= Duration::from_millis(300 + 2 * 30), "{took:?}");
    }

    #[tokio::test]
    async fn a_line_is_cut_at_the_byte_that_was_asked_for_and_whole_again_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let proxy = Proxy::start_with_cuts(target, Line::PLAIN, [70_000, 1]).await;
        let got = async |sent: usize| {
            let mut near = TcpStream::connect(proxy.address()).await.unwrap();
            let (mut far, _) = listener.accept().await.unwrap();
            let bytes = vec![7; sent];
            let sending = async move {
                // What comes after the cut finds no connection.
                let _ = near.write_all(&bytes).await;
                drop(near);
            };
            let mut got = Vec::new();
            let (_, read) = tokio::join!(sending, far.read_to_end(&mut got));
            read.map(|_| got.len())
        };
        assert_eq!(got(100_000).await.unwrap(), 70_000);
        assert_eq!(got(10).await.unwrap(), 1);
        assert_eq!(got(100_000).await.unwrap(), 100_000, "there are no more cuts");
        assert_eq!(*proxy.cuts_made().borrow(), 2);
    }

    #[tokio::test]
    async fn a_cut_line_breaks_what_is_open_and_takes_nothing_new() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap(), Line::PLAIN).await;
        let mut near = TcpStream::connect(proxy.address()).await.unwrap();
        let (_far, _) = listener.accept().await.unwrap();
        proxy.cut();
        assert_eq!(near.read(&mut [0]).await.unwrap_or(0), 0, "it is broken");
        let mut again = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(again.read(&mut [0]).await.unwrap_or(0), 0, "it is refused");
        proxy.mend();
        let _mended = TcpStream::connect(proxy.address()).await.unwrap();
        listener.accept().await.expect("it is handed on again");
    }
}
