//! Addresses and answers, against servers of the test's own.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[test]
fn link_local_addresses_are_not_asked_in_any_spelling() {
    let parse = |url: &str| HttpUrl::try_from(Secret::new(url));
    for url in ["http://169.254.169.254/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/", "http://2852039166/", "http://0xa9.0xfe.0xa9.0xfe/"] {
        assert!(parse(url).err().is_some_and(|e| e.contains("link-local")), "{url}");
    }
    for url in ["ftp://x/", "x", "http://", "/path", ""] {
        assert!(parse(url).is_err(), "{url}");
    }
    for url in ["http://127.0.0.1:8000/health", "https://x.example/a?b=c", "http://[::1]/"] {
        assert!(parse(url).is_ok(), "{url}");
    }
}

#[test]
fn tls_errors_are_found_where_they_hide() {
    let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let hidden = std::io::Error::other(std::io::Error::other(tls));
    assert_eq!(tls_cause(&hidden).map(tls_words), Some("the certificate's issuer is not trusted"));
    assert!(tls_cause(&std::io::Error::other("no TLS")).is_none());
}

#[test]
fn a_url_is_shown_without_what_may_be_secret() {
    for (url, server, shown) in [
        ("https://app:canary@x.example/a/{target}?token=canary&b=&canary#canary", "https://x.example", "https://x.example/a/{target}?token=..&b=..&.."),
        ("http:\\\\canary@127.0.0.1:80\\a", "http://127.0.0.1", "http://127.0.0.1/a"),
        ("http://[::1]:8080", "http://[::1]:8080", "http://[::1]:8080/"),
    ] {
        let url = HttpUrl::try_from(Secret::new(url)).expect("valid");
        assert_eq!((url.server().as_str(), url.shown().as_str()), (server, shown));
    }
}

#[test]
fn headers_are_checked_and_their_values_never_repeated() {
    let check = |name: &str, value: &str| check_header(name, &Secret::new(value));
    for (name, value, wants) in [
        ("a b", "canary", "not valid"),
        ("", "canary", "not valid"),
        ("Host", "canary", "belongs to the connection"),
        ("content-length", "canary", "belongs to the connection"),
        ("X", "canary\r\nY: 1", "on one line"),
        ("X", "canary\u{e9}", "visible ASCII"),
    ] {
        let error = check(name, value).err().unwrap_or_default();
        assert!(error.contains(wants) && !error.contains("canary"), "{name}: {error}");
    }
    assert_eq!(check("Authorization", "Bearer a.b-c=="), Ok(()));
}

/// Accepts one connection and does this with it.
async fn peer<F: Future<Output = ()> + Send + 'static>(serve: impl FnOnce(tokio::net::TcpStream) -> F + Send + 'static) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        serve(stream).await;
    });
    port
}

async fn failure(url: String) -> HttpError {
    let client = Client { connect: Duration::from_millis(300), ..Client::default() };
    let request = Request { method: Method::Post, body: Some("{}".to_owned()), ..Request::get(url, Duration::from_secs(1), 100) };
    client.send(&request).await.expect_err("no answer")
}

#[tokio::test]
async fn tells_what_was_never_sent_from_what_may_have_arrived() {
    let silent = |stream| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop::<tokio::net::TcpStream>(stream);
    };
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let free = taken.local_addr().expect("bound").port();
    drop(taken);
    let plain = peer(|mut stream| async move { stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.expect("open") });
    for (url, never_sent, want) in [
        (format!("http://127.0.0.1:{free}/"), true, "refused"),
        // A resolver that is cut off takes longer than the connection may.
        ("http://nowhere.invalid/".to_owned(), true, ""),
        ("http://169.254.169.254/".to_owned(), true, "not valid"),
        (format!("https://127.0.0.1:{}/", plain.await), true, "TLS"),
        (format!("https://127.0.0.1:{}/", peer(silent).await), true, "no connection within 300 ms"),
        (format!("http://127.0.0.1:{}/", peer(silent).await), false, "within 1000 ms"),
        (format!("http://127.0.0.1:{}/", peer(|stream| async move { drop(stream) }).await), false, "broke off"),
    ] {
        let error = failure(url.clone()).await;
        assert_eq!((error.never_sent(), error.to_string().contains(want)), (never_sent, true), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_large_answer_is_cut_or_refused_as_asked() {
    for cut_body in [false, true] {
        let port = peer(|mut stream| async move {
            let _ = stream.read(&mut [0; 1_000]).await;
            let answer = [&b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n"[..], &[b'x'; 400]].concat();
            let _ = stream.write_all(&answer).await;
        })
        .await;
        let request = Request { cut_body, ..Request::get(format!("http://127.0.0.1:{port}/"), Duration::from_secs(2), 100) };
        let body = Client::default().send(&request).await.map(|answer| answer.body.len());
        assert_eq!(body, if cut_body { Ok(100) } else { Err(HttpError::BodyTooLarge(100)) });
    }
}
