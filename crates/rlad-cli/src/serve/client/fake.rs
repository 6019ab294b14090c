//! A server on loopback for tests: it answers as it is told, and keeps what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A field of a form.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let form = std::str::from_utf8(&self.body).ok()?;
        let (_, value) = form.split('&').filter_map(|of| of.split_once('=')).find(|(of, _)| *of == name)?;
        Some(percent_encoding::percent_decode_str(value).decode_utf8().ok()?.into_owned())
    }
}

/// Status, headers and body of a reply.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// A reply with no more headers.
pub(crate) fn answer(status: u16, body: &str) -> Answer {
    (status, Vec::new(), body.as_bytes().to_vec())
}

/// The server; its end cuts the connections.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    has_ended: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answer)
    }

    pub(crate) fn start_at(address: SocketAddr, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, streams) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let has_ended = Arc::new(AtomicBool::new(false));
        let answer = Arc::new(answer);
        let of_thread = (Arc::clone(&asked), Arc::clone(&streams), Arc::clone(&has_ended));
        let thread = std::thread::spawn(move || {
            let (asked, streams, has_ended) = of_thread;
            for stream in listener.incoming().map_while(Result::ok) {
                if has_ended.load(Ordering::SeqCst) {
                    break;
                }
                streams.lock().unwrap().push(stream.try_clone().unwrap());
                let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream, &asked, &*answer));
            }
        });
        Self { address, asked, streams, has_ended, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::SeqCst);
        _ = TcpStream::connect(self.address);
        _ = self.thread.take().unwrap().join();
        for stream in self.streams.lock().unwrap().drain(..) {
            _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Answers the requests of one connection until it ends.
fn serve(stream: &TcpStream, asked: &Mutex<Vec<Asked>>, answer: &impl Fn(&Asked) -> Answer) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|n| n > 0) {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let mut headers = Vec::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).is_err() {
                return;
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        line.clear();
        let mut request = Asked { method, target, headers, body: Vec::new() };
        request.body = vec![0; request.header("content-length").map_or(0, |len| len.parse().unwrap())];
        if reader.read_exact(&mut request.body).is_err() {
            return;
        }
        let (status, headers, body) = answer(&request);
        asked.lock().unwrap().push(request);
        let mut head = format!("HTTP/1.1 {status} .\r\n");
        if status != 204 {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head.extend(headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        let reply = [head.as_bytes(), b"\r\n", &body[..]].concat();
        if (&mut &*stream).write_all(&reply).is_err() {
            return;
        }
    }
}
