//! `serve`: the book in a browser, built anew whenever its sources change.

use std::fs;
use std::io::{Cursor, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use chapter_diff::chapters::{Checkout, belongs};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tiny_http::{Header, Request, Response, Server};

use crate::render::Highlighter;
use crate::site;

/// What the book is made from, in the checkout. Our own code is not among it: it must be compiled.
const SOURCES: [&str; 8] = [
    "book/book.toml",
    "book/figures",
    "book/pages",
    "book/theme",
    "chapters",
    "guests",
    "os-1k",
    "tests/snapshots",
];

/// An editor may write a file in several steps.
const SETTLES: Duration = Duration::from_millis(200);

/// Where a page asks whether there is a newer one. The answer may take as long as `POLL`.
const NEWS: &str = "/.news";
const POLL: Duration = Duration::from_secs(30);

/// Put at the end of each page. `VERSION` is that of the site it comes from.
const RELOAD: &str = "<script>(async () => {
    for (;;) {
        try {
            const answer = await fetch('/.news?VERSION');
            if (answer.ok && await answer.text() !== 'VERSION') { location.reload(); return; }
        } catch { await new Promise(done => setTimeout(done, 1000)); }
    }
})();</script>";

/// The site as it is now.
struct Site {
    folder: PathBuf,
    /// Why it could not be built, if so. Taken for writing while it is.
    failure: RwLock<Option<String>>,
    version: Mutex<u64>,
    changed: Condvar,
}

/// A server that runs.
pub struct Service {
    /// Where.
    pub address: SocketAddr,
    checkout: PathBuf,
    site: Arc<Site>,
    highlighter: Arc<Highlighter>,
    changes: Receiver<notify::Result<Event>>,
    // Goes on watching as long as it is kept.
    _watcher: RecommendedWatcher,
}

impl Service {
    /// Builds the book, and serves it at `port` of this machine from now on.
    pub fn start(checkout: &Path, port: u16) -> Result<Self> {
        let taken = |error| {
            anyhow!("port {port}: {error}\n  take another one with --port, or --port 0 for any")
        };
        let server = Server::http((Ipv4Addr::LOCALHOST, port)).map_err(taken)?;
        let address = server.server_addr().to_ip().context("the server has no address")?;
        let site = Arc::new(Site {
            folder: checkout.join(site::SITE),
            failure: RwLock::new(None),
            version: Mutex::new(0),
            changed: Condvar::new(),
        });
        let (sender, changes) = channel();
        let mut watcher = notify::recommended_watcher(sender).context("watching the sources")?;
        for source in SOURCES.iter().map(|source| checkout.join(source)).filter(|it| it.exists()) {
            let watched = watcher.watch(&source, RecursiveMode::Recursive);
            watched.with_context(|| format!("watching {}", source.display()))?;
        }
        let highlighter = Arc::new(Highlighter::new());
        site.build(checkout, &highlighter);

        let served = Arc::clone(&site);
        thread::spawn(move || {
            for request in server.incoming_requests() {
                let site = Arc::clone(&served);
                // A page that waits for news must not keep others waiting.
                thread::spawn(move || site.answer(request));
            }
        });
        let checkout = checkout.to_owned();
        Ok(Self { address, checkout, site, highlighter, changes, _watcher: watcher })
    }

    /// Builds the book again whenever its sources change.
    pub fn follow(&self) {
        while let Ok(event) = self.changes.recv() {
            let mut changed = self.matters(event);
            loop {
                match self.changes.recv_timeout(SETTLES) {
                    Ok(event) => changed |= self.matters(event),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            if changed {
                self.site.build(&self.checkout, &self.highlighter);
            }
        }
    }

    /// Whether a source has changed: it was not merely read, and is not what an editor keeps beside.
    fn matters(&self, event: notify::Result<Event>) -> bool {
        match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
            Ok(event) => {
                let belongs = |path: &PathBuf| path.strip_prefix(&self.checkout).is_ok_and(belongs);
                event.paths.iter().any(belongs)
            }
            Err(error) => {
                eprintln!("error: watching the sources: {error}");
                false
            }
        }
    }
}

impl Site {
    /// Builds it, and says what is wrong. The server goes on all the same.
    fn build(&self, checkout: &Path, highlighter: &Arc<Highlighter>) {
        let mut failure = self.failure.write().unwrap_or_else(PoisonError::into_inner);
        let built = Checkout::at(checkout)
            .and_then(|checkout| crate::examine(checkout, &self.folder, highlighter));
        *failure = match built {
            Ok(findings) => {
                eprint!("{}", findings.summary());
                None
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                Some(format!("{error:#}"))
            }
        };
        drop(failure);
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    fn version(&self) -> u64 {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version, as soon as it is another one.
    fn next_version(&self, seen: u64) -> u64 {
        let version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(version, POLL, |version| *version == seen);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn answer(&self, request: Request) {
        let url = request.url().to_owned();
        let (path, query) = url.split_once('?').unwrap_or((&url, ""));
        let (status, kind, body) = if path == NEWS {
            let version = self.next_version(query.parse().unwrap_or(0));
            (200, "text/plain", version.to_string().into_bytes())
        } else {
            self.file(path)
        };
        let length = body.len();
        let mut response = Response::new(
            status.into(),
            Vec::new(),
            Box::new(Cursor::new(body)) as Box<dyn Read + Send>,
            Some(length),
            None,
        );
        for (name, value) in [("Content-Type", kind), ("Cache-Control", "no-store")] {
            if let Ok(header) = Header::from_bytes(name, value) {
                response.add_header(header);
            }
        }
        // The browser may have gone.
        let _ = request.respond(response);
    }

    fn file(&self, path: &str) -> (u16, &'static str, Vec<u8>) {
        // Waits while the site is being built.
        let failure = self.failure.read().unwrap_or_else(PoisonError::into_inner);
        let name = if path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
        let name = Path::new(name.trim_start_matches('/'));
        let kind = kind(name);
        if let Some(failure) = failure.as_ref().filter(|_| kind == HTML) {
            let failure = failure.replace('&', "&amp;").replace('<', "&lt;");
            return (500, HTML, self.reloading(format!("<pre>error: {failure}</pre>")));
        }
        let is_inside = name.components().all(|part| matches!(part, Component::Normal(_)));
        match fs::read(self.folder.join(name)) {
            Ok(contents) if is_inside && kind == HTML => {
                (200, kind, self.reloading(String::from_utf8_lossy(&contents).into_owned()))
            }
            Ok(contents) if is_inside => (200, kind, contents),
            _ => (404, HTML, self.reloading("<p>There is no such page.</p>".to_owned())),
        }
    }

    /// The page, and what loads it again when it has changed.
    fn reloading(&self, mut page: String) -> Vec<u8> {
        page += &RELOAD.replace("VERSION", &self.version().to_string());
        page.into_bytes()
    }
}

const HTML: &str = "text/html; charset=utf-8";

fn kind(name: &Path) -> &'static str {
    match name.extension().and_then(|extension| extension.to_str()) {
        Some("html") => HTML,
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}
