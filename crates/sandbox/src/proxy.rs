//! A network that can be spoilt: a TCP proxy in front of a private server.
//!
//! It stands between load and server from the beginning, so that raising the share of dropped
//! connections changes nothing else. Cancel requests always pass.

use crate::error::Error;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// A running proxy; dropping it cuts its connections.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

/// What a fault holds to spoil the network after the one who started it is gone.
#[derive(Clone)]
pub struct Dial(Arc<Shared>);

/// What the proxy has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProxyCounts {
    pub accepted: u64,
    pub dropped: u64,
    pub cancels: u64,
    /// Messages, or parts of long ones, that were kept back.
    pub delayed: u64,
    /// Not served because there were too many at once, or the server refused them.
    pub refused: u64,
}

struct Shared {
    upstream: SocketAddr,
    /// Of a million connections, how many are dropped.
    drop_ppm: AtomicU32,
    /// How long each message is kept back in each direction.
    delay_us: AtomicU64,
    rng: Mutex<SmallRng>,
    accepted: AtomicU64,
    dropped: AtomicU64,
    cancels: AtomicU64,
    delayed: AtomicU64,
    refused: AtomicU64,
    places: Semaphore,
}

/// More than any private server accepts (`max_connections`).
const CONNECTIONS_MAX: usize = 1_000;

/// As the server's `authentication_timeout`: who says nothing for so long is sent away.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Code of a cancel request in PostgreSQL's protocol (manual, Message Formats).
const CANCEL_REQUEST: u32 = 80_877_102;

/// Where a doomed connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    /// Before the server hears of it.
    AtConnect,
    /// After so many messages of the client: while it logs in, or within a request.
    AfterMessages(u32),
}

impl Proxy {
    /// Listens on a free loopback port and passes everything on to that port of 127.0.0.1.
    ///
    /// # Errors
    /// [`Error::Fault`] when no port or thread can be had.
    pub fn start(upstream_port: u16, seed: u64) -> Result<Proxy, Error> {
        let failed =
            |e: std::io::Error| Error::Fault { fault: "net_drop", why: format!("proxy: {e}") };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1) // it only copies; the cores belong to the database
            .thread_name("pgward-proxy")
            .enable_all()
            .build()
            .map_err(failed)?;
        let listener =
            runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let shared = Arc::new(Shared {
            upstream: SocketAddr::from((Ipv4Addr::LOCALHOST, upstream_port)),
            drop_ppm: AtomicU32::new(0),
            delay_us: AtomicU64::new(0),
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
            accepted: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            cancels: AtomicU64::new(0),
            delayed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            places: Semaphore::new(CONNECTIONS_MAX),
        });
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Proxy { port, shared, runtime: Some(runtime) })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn counts(&self) -> ProxyCounts {
        Dial(Arc::clone(&self.shared)).counts()
    }

    pub fn dial(&self) -> Dial {
        Dial(Arc::clone(&self.shared))
    }
}

impl Dial {
    /// From now on this share of new connections is dropped, 0 to 100.
    pub fn drop_percent(&self, percent: f64) {
        let ppm = (percent.clamp(0.0, 100.0) * 10_000.0).round() as u32;
        self.0.drop_ppm.store(ppm, Ordering::SeqCst);
    }

    /// From now on each message arrives so late, in each direction; open connections too.
    pub fn delay(&self, delay: Duration) {
        let us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.0.delay_us.store(us, Ordering::SeqCst);
    }

    pub fn counts(&self) -> ProxyCounts {
        let read = |n: &AtomicU64| n.load(Ordering::SeqCst);
        ProxyCounts {
            accepted: read(&self.0.accepted),
            dropped: read(&self.0.dropped),
            cancels: read(&self.0.cancels),
            delayed: read(&self.0.delayed),
            refused: read(&self.0.refused),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of file descriptors: some will be given back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(client, Arc::clone(&shared)));
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let Ok(_place) = shared.places.try_acquire() else {
        shared.refused.fetch_add(1, Ordering::SeqCst);
        return;
    };
    client.set_nodelay(true).ok();
    let first = tokio::time::timeout(SILENCE_MAX, first_words(&client)).await;
    let Ok(Some(code)) = first else { return };
    let fate = if code == CANCEL_REQUEST {
        shared.cancels.fetch_add(1, Ordering::SeqCst);
        Fate::Lives
    } else {
        shared.fate()
    };
    if fate != Fate::Lives {
        shared.dropped.fetch_add(1, Ordering::SeqCst);
    }
    if fate == Fate::AtConnect {
        client.set_zero_linger().ok();
        return;
    }
    let Ok(server) = TcpStream::connect(shared.upstream).await else {
        shared.refused.fetch_add(1, Ordering::SeqCst);
        client.set_zero_linger().ok();
        return;
    };
    server.set_nodelay(true).ok();
    carry(client, server, fate, &shared).await;
}

/// The code in the first eight bytes a client sends, left where they are; `None`: it left.
async fn first_words(client: &TcpStream) -> Option<u32> {
    let mut bytes = [0_u8; 8];
    loop {
        match client.peek(&mut bytes).await {
            Ok(8) => {
                let [_, _, _, _, a, b, c, d] = bytes;
                return Some(u32::from_be_bytes([a, b, c, d]));
            }
            Ok(0) | Err(_) => return None,
            // peek() is ready at once while less than eight bytes lie there.
            Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, fate: Fate, shared: &Shared) {
    let Fate::AfterMessages(messages) = fate else {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = pass(from_client, to_server, shared);
        let back = pass(from_server, to_client, shared);
        tokio::join!(there, back);
        return;
    };
    {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let there = async {
            let mut buffer = vec![0_u8; 8192];
            for _ in 0..messages {
                let n = from_client.read(&mut buffer).await.unwrap_or(0);
                let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
                if to_server.write_all(read).await.is_err() {
                    break;
                }
            }
        };
        let back = tokio::io::copy(&mut from_server, &mut to_client);
        tokio::select! {
            () = there => {}
            _ = back => {}
        }
    }
    client.set_zero_linger().ok();
    server.set_zero_linger().ok();
}

/// Passes everything on in one direction, each message late where the network is slow. Errors
/// are the two ends' own: both see their connection close.
async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, shared: &Shared) {
    let mut buffer = vec![0_u8; 8192];
    loop {
        let n = from.read(&mut buffer).await.unwrap_or(0);
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
        let delay = Duration::from_micros(shared.delay_us.load(Ordering::Relaxed));
        if !delay.is_zero() {
            shared.delayed.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(delay).await;
        }
        if to.write_all(read).await.is_err() {
            break;
        }
    }
    to.shutdown().await.ok();
}

impl Shared {
    fn fate(&self) -> Fate {
        let mut rng = self.rng.lock().unwrap_or_else(|e| e.into_inner());
        if rng.random_range(0..1_000_000) >= self.drop_ppm.load(Ordering::SeqCst) {
            return Fate::Lives;
        }
        match rng.random_range(0..3) {
            0 => Fate::AtConnect,
            // Start-up and SCRAM are three messages.
            1 => Fate::AfterMessages(rng.random_range(1..=3)),
            _ => Fate::AfterMessages(rng.random_range(4..=20)),
        }
    }
}
