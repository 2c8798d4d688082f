use std::path::PathBuf;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::config::{Options, TlsFiles};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("gam-listen-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn host(&self, name: &str) -> Host {
        Host::Unix(self.0.join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder goes");
    }
}

fn settings(group: Option<&str>) -> Settings {
    let options = Options { group: group.map(str::to_owned), ..Options::default() };
    Settings::load(Options { config_file: Some("/dev/null".into()), ..options }).expect("settings")
}

#[tokio::test]
async fn a_socket_gets_its_folder_mode_and_group_and_goes_with_the_listener() {
    let folder = Folder::new("fresh");
    let host = folder.host("new/deep/docker.sock");
    let Host::Unix(path) = &host else { unreachable!() };
    // The test's own group, which every user may give a file to.
    let group = rustix::process::getgid().as_raw().to_string();
    let listener = bind(&host, &settings(Some(&group))).await.expect("bound");
    let meta = std::fs::metadata(path).expect("a file");
    assert_eq!(meta.mode() & 0o777, 0o660);
    assert_eq!(meta.gid().to_string(), group);
    assert_eq!(std::fs::metadata(path.parent().expect("a folder")).expect("a folder").mode() & 0o777, 0o755);
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let folder = Folder::new("stale");
    let host = folder.host("docker.sock");
    let Host::Unix(path) = &host else { unreachable!() };
    drop(std::os::unix::net::UnixListener::bind(path).expect("bound"));
    assert!(path.exists());
    let live = bind(&host, &settings(None)).await.expect("replaces the dead one");
    let taken = bind(&host, &settings(None)).await.expect_err("a live one stays").to_string();
    assert!(taken.contains("the socket is taken"), "{taken}");
    drop(live);
    std::fs::write(path, "a file").expect("written");
    let other = bind(&host, &settings(None)).await.expect_err("a file stays").to_string();
    assert!(other.contains("another kind"), "{other}");
    assert_eq!(std::fs::read(path).expect("still there"), b"a file");
}

#[tokio::test]
async fn an_empty_folder_makes_room_and_a_used_one_does_not() {
    let folder = Folder::new("folder");
    let host = folder.host("docker.sock");
    let Host::Unix(path) = &host else { unreachable!() };
    std::fs::create_dir(path).expect("a folder");
    drop(bind(&host, &settings(None)).await.expect("it takes the place of the folder"));
    std::fs::create_dir_all(path.join("kept")).expect("a folder");
    let other = bind(&host, &settings(None)).await.expect_err("the folder stays").to_string();
    assert!(other.contains("another kind"), "{other}");
    assert!(path.join("kept").exists());
}

#[tokio::test]
async fn a_socket_that_another_process_has_replaced_stays() {
    let folder = Folder::new("replaced");
    let host = folder.host("docker.sock");
    let Host::Unix(path) = &host else { unreachable!() };
    let first = bind(&host, &settings(None)).await.expect("bound");
    std::fs::remove_file(path).expect("removed");
    let second = bind(&host, &settings(None)).await.expect("bound");
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_group_that_was_asked_for_must_exist() {
    let folder = Folder::new("group");
    let host = folder.host("docker.sock");
    let refused = bind(&host, &settings(Some("no-such-group"))).await.expect_err("refused").to_string();
    assert!(refused.contains("no group \"no-such-group\""), "{refused}");
    let file = "root:x:0:\nadm:x:4:a,b\ndocker:x:998:\nbroken\n";
    assert_eq!((find_group(file, "docker"), find_group(file, "adm")), (Some(998), Some(4)));
    assert_eq!((find_group(file, "dock"), find_group(file, "broken")), (None, None));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let host = Host::Tcp { host: "127.0.0.1".into(), port: holder.local_addr().expect("an address").port() };
    let taken = bind(&host, &settings(None)).await.expect_err("taken").to_string();
    assert!(taken.contains(&host.to_string()) && taken.contains("the port is taken"), "{taken}");
}

#[tokio::test]
async fn a_hangup_is_told_from_a_half_closed_peer() {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let ours = Unwatched::unix(ours).and_then(Unwatched::watch).expect("a socket");
    theirs.shutdown().await.expect("half closed");
    let early = tokio::time::timeout(Duration::from_millis(50), ours.hangup(Duration::ZERO)).await;
    assert!(early.is_err(), "a half-closed peer is still there");
    drop(theirs);
    tokio::time::timeout(Duration::from_secs(5), ours.hangup(Duration::ZERO)).await.expect("gone");
}

#[tokio::test]
async fn an_idle_connection_is_quiet_until_its_peer_speaks_or_goes() {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let ours = Unwatched::unix(ours).and_then(Unwatched::watch).expect("a socket");
    assert!(ours.is_quiet());
    theirs.write_all(b"x").await.expect("written");
    assert!(!ours.is_quiet());
    let mut io = ClientIo::plain(ours.clone());
    assert_eq!(io.read_u8().await.expect("a byte"), b'x');
    assert!(ours.is_quiet());
    drop(theirs);
    assert!(!ours.is_quiet());
}

#[tokio::test]
async fn an_idle_connection_is_silent_even_after_a_read_that_was_full() {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let ours = Unwatched::unix(ours).and_then(Unwatched::watch).expect("a socket");
    assert!(ours.is_silent());
    theirs.write_all(&[0; 16]).await.expect("written");
    let mut exactly = [0; 16];
    ours.clone().read_exact(&mut exactly).await.expect("all of them");
    assert!(ours.is_silent(), "there is nothing left");
    drop(theirs);
    ours.hangup(Duration::ZERO).await;
    assert!(!ours.is_silent());
}

#[tokio::test]
async fn bytes_given_back_come_first_and_in_order() {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let mut io = ClientIo::plain(Unwatched::unix(ours).and_then(Unwatched::watch).expect("a socket"));
    theirs.write_all(b"3").await.expect("written");
    io.unread(Bytes::from_static(b"2"));
    io.unread(Bytes::from_static(b"1"));
    let mut read = [0; 3];
    io.read_exact(&mut read).await.expect("three bytes");
    assert_eq!(&read, b"123");
}

/// Writes a CA, a server certificate and a client certificate into a folder.
fn certificates(folder: &Folder) -> TlsFiles {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).expect("a certificate").pem();
    let issuer = Issuer::new(ca, ca_key);
    for name in ["server", "client"] {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        let cert = params.signed_by(&key, &issuer).expect("a certificate");
        std::fs::write(folder.0.join(format!("{name}.pem")), cert.pem()).expect("written");
        std::fs::write(folder.0.join(format!("{name}-key.pem")), key.serialize_pem()).expect("written");
    }
    std::fs::write(folder.0.join("ca.pem"), ca_pem).expect("written");
    let file = |name: &str| folder.0.join(name);
    TlsFiles { ca: file("ca.pem"), cert: file("server.pem"), key: file("server-key.pem") }
}

async fn tls_exchange(port: u16, files: &TlsFiles, with_certificate: Option<&Folder>) -> io::Result<Vec<u8>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&files.ca).expect("a CA")).expect("a root");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match with_certificate {
        None => builder.with_no_client_auth(),
        Some(folder) => {
            let cert = CertificateDer::from_pem_file(folder.0.join("client.pem")).expect("a certificate");
            let key = PrivateKeyDer::from_pem_file(folder.0.join("client-key.pem")).expect("a key");
            builder.with_client_auth_cert(vec![cert], key).expect("a pair")
        }
    };
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut tls = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, tcp).await?;
    let mut read = vec![0; 5];
    tls.read_exact(&mut read).await?;
    Ok(read)
}

#[tokio::test]
async fn tls_is_for_clients_with_a_certificate() {
    let folder = Folder::new("tls");
    let files = certificates(&folder);
    let mut with_tls = settings(None);
    with_tls.tls = Some(files.clone());
    let host = Host::Tcp { host: "127.0.0.1".into(), port: 0 };
    let listener = bind(&host, &with_tls).await.expect("bound");
    let Listener::Tcp { listener: tcp, .. } = &listener else { unreachable!() };
    let port = tcp.local_addr().expect("an address").port();
    let serving = tokio::spawn(async move {
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            let opened = listener.accept().await.expect("a connection").open().await;
            outcomes.push(opened.is_ok());
            if let Ok((mut io, _)) = opened {
                io.write_all(b"hello").await.expect("written");
                io.flush().await.expect("flushed");
            }
        }
        outcomes
    });
    assert_eq!(tls_exchange(port, &files, Some(&folder)).await.expect("an exchange"), b"hello");
    tls_exchange(port, &files, None).await.expect_err("refused");
    assert_eq!(serving.await.expect("served"), [true, false]);
}

#[tokio::test]
async fn a_client_without_tls_is_told() {
    let folder = Folder::new("tlsplain");
    let mut with_tls = settings(None);
    with_tls.tls = Some(certificates(&folder));
    let listener = bind(&Host::Tcp { host: "127.0.0.1".into(), port: 0 }, &with_tls).await.expect("bound");
    let Listener::Tcp { listener: tcp, .. } = &listener else { unreachable!() };
    let mut client = TcpStream::connect(tcp.local_addr().expect("an address")).await.expect("connected");
    client.write_all(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n").await.expect("written");
    listener.accept().await.expect("a connection").open().await.expect_err("not TLS");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("an answer");
    assert_eq!(answer, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
}

#[tokio::test]
async fn a_wrong_tls_file_is_named() {
    let folder = Folder::new("tlsbad");
    let mut files = certificates(&folder);
    files.key = folder.0.join("absent.pem");
    let refused = Tls::load(&files).expect_err("refused").to_string();
    assert!(refused.starts_with("cannot use --tlskey") && refused.contains("absent.pem"), "{refused}");
    files.key = folder.0.join("client-key.pem");
    assert!(Tls::load(&files).expect_err("refused").to_string().contains("--tlskey"));
}

#[tokio::test]
async fn nobody_may_connect_before_the_group_is_known() {
    let path = std::env::temp_dir().join(format!("gam-closed-{}.sock", std::process::id()));
    let listener = bind_closed(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(SOCKET_MODE)).unwrap();
    let (connected, accepted) = tokio::join!(UnixStream::connect(&path), listener.accept());
    assert!(connected.is_ok() && accepted.is_ok());
    std::fs::remove_file(&path).unwrap();
}
