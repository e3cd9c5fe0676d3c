//! A server that answers all GETs with the same small asset: for measuring clients without the laboratory.

use crate::sh::Res;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

const BODY: &str = "{\"id\":1,\"externalId\":\"asset-1\",\"name\":\"asset 1\",\"description\":\"about two hundred bytes of JSON\",\
    \"metadata\":{\"unit\":\"bar\",\"site\":\"north\"},\"createdTime\":1600000000000,\"lastUpdatedTime\":1600000000000}";

pub fn serve(port: u16) -> Res<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|e| format!("port {port}: {e}"))?;
    for socket in listener.incoming().flatten() {
        thread::spawn(move || answer_all(socket));
    }
    Ok(())
}

fn answer_all(mut socket: TcpStream) {
    let _ = socket.set_nodelay(true);
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}", BODY.len());
    let mut buf = [0; 4096];
    let mut have = 0;
    while let Ok(n) = socket.read(&mut buf[have..]) {
        have += n;
        // Requests have no body; one read is usually one request.
        if buf[..have].ends_with(b"\r\n\r\n") {
            have = 0;
            if socket.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        if n == 0 || have == buf.len() {
            return;
        }
    }
}
