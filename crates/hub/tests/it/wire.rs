//! What goes over the wire where the other side does not speak TLS as it should.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use trueup_connect::{Auth, CallError, Connector, Reply, Request, Secret};
use trueup_hub::Connection;
use trueup_hub::shell::{Http, Transport};

use crate::books;
use crate::world::hub;

static GUARDED: Connector = Connector {
    auth: Auth::Header { name: "authorization", prefix: "Bearer " },
    ..books::CONNECTOR
};

const TOKEN: &str = "a-token-that-nobody-else-may-hear";

/// Takes one call, as `serve` answers it, and returns every byte that came in.
fn takes_one(
    serve: impl FnOnce(TcpStream) -> Vec<u8> + Send + 'static,
) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let heard = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a caller");
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
        serve(stream)
    });
    (format!("https://{address}"), heard)
}

fn call(base_url: String) -> Result<Reply, CallError> {
    // Another test of this process may have done it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut http = Http::new(runtime.handle().clone()).expect("a client");
    let connection = Connection {
        connector: &GUARDED,
        base_url: Some(base_url),
        secret: Some(Secret::new(TOKEN)),
        ..hub().connection("books").expect("configured").clone()
    };
    http.send(&connection, &Request::post_json("/do", &["work"]))
}

fn holds(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

/// Somebody answers in plain text where TLS was asked for: he hears the beginning of a handshake,
/// neither the request nor the credential, and it is no answer.
#[test]
fn h23_a_side_without_tls_hears_nothing_and_is_unreachable() {
    let (url, heard) = takes_one(|mut stream| {
        let mut first = vec![0; 4096];
        let count = stream.read(&mut first).unwrap_or(0);
        first.truncate(count);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]");
        let _ = stream.read_to_end(&mut first);
        first
    });
    let answer = call(url);
    assert!(matches!(answer, Err(CallError::Unreachable { .. })), "{answer:?}");
    let heard = heard.join().expect("no panic");
    assert_eq!(heard.first(), Some(&0x16), "it begins as a handshake does");
    assert!(!holds(&heard, TOKEN) && !holds(&heard, "/do"), "nothing was said in clear");
}

/// A certificate that nobody vouches for, as one that has run out: the call ends before anything is
/// said, and there is no second try without it.
#[test]
fn h23_a_certificate_that_nobody_vouches_for_ends_the_call() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = CertificateDer::from(&include_bytes!("wire/self_signed.crt.der")[..]);
    let key =
        PrivateKeyDer::try_from(&include_bytes!("wire/self_signed.key.der")[..]).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).expect("a certificate");
    let (url, heard) = takes_one(move |mut stream| {
        let mut tls = ServerConnection::new(Arc::new(config)).expect("a server");
        let mut said = Vec::new();
        // Until the caller gives up.
        while tls.complete_io(&mut stream).is_ok() {
            let mut part = [0; 1024];
            match tls.reader().read(&mut part) {
                Ok(0) | Err(_) => break,
                Ok(count) => said.extend_from_slice(&part[..count]),
            }
        }
        said
    });
    let answer = call(url);
    let Err(CallError::Unreachable { why }) = &answer else { panic!("{answer:?}") };
    assert!(why.to_lowercase().contains("certificate"), "{why}");
    assert!(heard.join().expect("no panic").is_empty(), "nothing was said");
}

/// Where a cloud tells its machines their credentials nothing is called, however it is written.
#[test]
fn h10_an_address_of_the_link_is_not_called() {
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[fe80::1]",
        "0.0.0.0",
        "100.100.100.200",
    ] {
        for scheme in ["http", "https"] {
            let answer = call(format!("{scheme}://{host}/latest/meta-data"));
            let why = "the target is not set up for this: nothing is called at ";
            let said = answer.expect_err(host).to_string();
            assert!(said.starts_with(why), "{host}: {said}");
        }
    }
    assert!(call("file:///etc/hostname?".to_owned()).is_err());
}

/// Whoever answers with another address is not followed there, and what was to be said is not said
/// to somebody else.
#[test]
fn h10_a_redirect_is_not_followed() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    other.set_nonblocking(true).expect("no waiting");
    let there = other.local_addr().expect("an address");
    let (url, heard) = takes_one(move |mut stream| {
        let mut first = vec![0; 4096];
        let count = stream.read(&mut first).unwrap_or(0);
        first.truncate(count);
        let answer = format!(
            "HTTP/1.1 307 Elsewhere\r\nlocation: http://{there}/do\r\ncontent-length: 0\r\n\r\n"
        );
        let _ = stream.write_all(answer.as_bytes());
        first
    });
    let reply = call(url.replace("https://", "http://")).expect("an answer");
    assert_eq!(reply.status, 307);
    assert!(holds(&heard.join().expect("no panic"), "/do"));
    let nobody = other.accept().expect_err("nobody came");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}
