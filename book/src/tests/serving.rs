//! The server: pages as they are now, news of changes, and errors that do not end it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use super::fixture::Fixture;
use crate::serve::Service;

const PAGE: &str = "book/pages/preface.md";

/// Status line and body.
fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// The version that a page is of.
fn version(page: &str) -> &str {
    let (_, rest) = page.split_once("fetch('/.news?").unwrap();
    rest.split_once('\'').unwrap().0
}

#[test]
fn pages_follow_their_sources_and_errors_are_shown() {
    let book = Fixture::new();
    let service = Service::start(book.root(), 0).unwrap();
    let address = service.address;
    // It ends with the test.
    thread::spawn(move || service.follow());

    let (status, page) = get(address, "/preface.html");
    assert!(status.ends_with("200 OK"), "{status}");
    assert!(page.contains("The first chapter is"));
    let (_, first) = get(address, "/");
    assert!(first.contains("The first chapter is"));

    book.replace(PAGE, "The first chapter is", "Chapter one is");
    let (_, news) = get(address, &format!("/.news?{}", version(&page)));
    // Reading the sources is no change: else it would build for ever.
    assert!(news.contains('2'), "{news}");
    let (_, page) = get(address, "/preface.html");
    assert!(page.contains("Chapter one is"));

    book.replace("book/book.toml", "[book]", "[book");
    get(address, &format!("/.news?{}", version(&page)));
    let (status, page) = get(address, "/preface.html");
    assert!(status.ends_with("500 Internal Server Error"), "{status}");
    assert!(page.contains("<pre>error: "), "{page}");

    book.replace("book/book.toml", "[book", "[book]");
    get(address, &format!("/.news?{}", version(&page)));
    assert!(get(address, "/preface.html").0.ends_with("200 OK"));

    for path in ["/nothing.html", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd"] {
        assert!(get(address, path).0.ends_with("404 Not Found"), "{path}");
    }
}

#[test]
fn a_port_that_is_taken() {
    let book = Fixture::new();
    let first = Service::start(book.root(), 0).unwrap();
    let error = Service::start(book.root(), first.address.port()).err().unwrap();
    let text = format!("{error:#}");
    assert!(text.contains("take another one with --port"), "{text}");
}
