//! A dockerd of a few lines behind a real socket, and Gam's edge in front of it, for tests that look at bytes.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::listen::{self, Listener};
use crate::api::proxy::Proxy;
use crate::api::serve::{Carriers, Patience, serve};
use crate::api::way::{Owner, Way, owner};
use crate::config::{Host, Options, Settings};

/// Nothing in these tests takes longer, however busy the machine is.
pub const LIMIT: Duration = Duration::from_secs(20);
/// How long the edge drains in these tests.
pub const DRAIN: Duration = Duration::from_secs(3);
/// How long a half-closed client over TCP is answered in these tests.
pub const HALF_CLOSED: Duration = Duration::from_secs(1);

type Answer = Pin<Box<dyn Future<Output = ()> + Send>>;
/// What the fake does with a request: its head, and the stream after it.
type Script = Arc<dyn Fn(String, Stream) -> Answer + Send + Sync>;

/// A stream whose reads and writes have a limit of time.
pub struct Stream(pub UnixStream);

impl Stream {
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.0.write_all(bytes.as_ref())).await.expect("written");
    }

    /// Half-closes.
    pub async fn finish(&mut self) {
        within(self.0.shutdown()).await.expect("half-closed");
    }

    /// Exactly these bytes come next.
    pub async fn expect(&mut self, text: impl AsRef<[u8]>) {
        let mut read = vec![0; text.as_ref().len()];
        let mut have = 0;
        while have < read.len() {
            match within(self.0.read(&mut read[have..])).await {
                Ok(n) if n > 0 => have += n,
                _ => break,
            }
        }
        assert_eq!(String::from_utf8_lossy(&read[..have]), String::from_utf8_lossy(text.as_ref()));
    }

    /// Everything up to and with the empty line that ends a head; nothing if the peer closes before.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match within(self.0.read_u8()).await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8(head).expect("text")
    }

    /// Everything until the peer closes.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset ends a stream as well as a close does.
        let _ = within(self.0.read_to_end(&mut rest)).await;
        String::from_utf8_lossy(&rest).into_owned()
    }
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("in time")
}

/// The fake engine, the edge, and how to reach both.
pub struct Fake {
    folder: PathBuf,
    script: Script,
    engine: Option<JoinHandle<()>>,
    /// What `/version` says as the oldest API.
    pub min_api: Arc<Mutex<&'static str>>,
    /// Connections that the engine has accepted.
    pub accepted: Arc<AtomicUsize>,
    pub proxy: Proxy,
    pub stop: CancellationToken,
    /// Where the edge listens on TCP.
    pub tcp: SocketAddr,
    pub serving: Option<JoinHandle<()>>,
}

impl Fake {
    /// An engine that runs the script, and an edge that passes everything on to it: straight where it can, or always by
    /// the router's way if the name says `routed`.
    pub async fn start<F, A>(name: &str, script: F) -> Fake
    where
        F: Fn(String, Stream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        Fake::start_with(name, script, |_| Router::new()).await
    }

    /// The same with native routes.
    pub async fn start_with<F, A>(name: &str, script: F, routes: impl FnOnce(&Proxy) -> Router) -> Fake
    where
        F: Fn(String, Stream) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let folder = std::env::temp_dir().join(format!("gam-proxy-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let proxy = Proxy::new(folder.join("engine.sock"));
        let host = format!("unix://{}", folder.join("gam.sock").display());
        let options = Options { hosts: vec![host], config_file: Some("/dev/null".into()), ..Options::default() };
        let settings = Settings::load(options).expect("settings");
        let mut listeners = Vec::new();
        for host in [settings.hosts[0].clone(), Host::Tcp { host: "127.0.0.1".into(), port: 0 }] {
            listeners.push(listen::bind(&host, &settings).await.expect("bound"));
        }
        let Listener::Tcp { listener: tcp, .. } = &listeners[1] else { unreachable!() };
        let mut fake = Fake {
            tcp: tcp.local_addr().expect("an address"),
            script: Arc::new(move |head, stream| Box::pin(script(head, stream))),
            engine: None,
            min_api: Arc::new(Mutex::new("1.24")),
            accepted: Arc::default(),
            proxy: proxy.clone(),
            stop: CancellationToken::new(),
            serving: None,
            folder,
        };
        fake.engine_up();
        let through = proxy.clone();
        // The real one, but for a route of the tests' own.
        let routed = name.contains("routed");
        let way = Arc::new(move |method: &str, target: &str| match owner(method, target) {
            Owner::Gam => Way::Routed,
            _ if routed || target.contains("panic") => Way::Routed,
            Owner::EnginesPing => Way::Ping("inactive"),
            Owner::EnginesList => Way::List,
            _ => Way::Straight,
        });
        let carriers = Carriers::start(&proxy, way).expect("threads");
        let fallback = move |request: Request| async move { through.forward(request).await };
        let router = routes(&proxy).fallback(fallback.clone()).method_not_allowed_fallback(fallback);
        let patience = Patience { drain: DRAIN, half_closed: HALF_CLOSED };
        fake.serving = Some(tokio::spawn(serve(listeners, router, carriers, proxy, fake.stop.clone(), patience)));
        fake
    }

    pub fn engine_up(&mut self) {
        let listener = UnixListener::bind(self.folder.join("engine.sock")).expect("bound");
        let (script, min_api, accepted) = (self.script.clone(), self.min_api.clone(), self.accepted.clone());
        self.engine = Some(tokio::spawn(async move {
            // Its connections end with it.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                accepted.fetch_add(1, Ordering::SeqCst);
                let (script, min_api) = (script.clone(), min_api.clone());
                connections.spawn(async move {
                    let mut stream = Stream(stream);
                    let head = stream.head().await;
                    if !head.starts_with("GET /version ") {
                        return script(head, stream).await;
                    }
                    let min = *min_api.lock().expect("a lock");
                    let body =
                        format!("{{\"Version\":\"28.5.2\",\"ApiVersion\":\"1.51\",\"MinAPIVersion\":\"{min}\"}}");
                    stream.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
                });
            }
        }));
    }

    pub async fn engine_down(&mut self) {
        let engine = self.engine.take().expect("an engine");
        engine.abort();
        let _ = engine.await;
        std::fs::remove_file(self.folder.join("engine.sock")).expect("removed");
    }

    /// A client of the edge.
    pub async fn client(&self) -> Stream {
        Stream(within(UnixStream::connect(self.folder.join("gam.sock"))).await.expect("connected"))
    }

    /// Sends bytes, reads until the edge closes.
    pub async fn exchange(&self, bytes: &str) -> String {
        let mut client = self.client().await;
        client.write(bytes).await;
        client.rest().await
    }

    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.cancel();
        // The test may have failed before the folder was there.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
