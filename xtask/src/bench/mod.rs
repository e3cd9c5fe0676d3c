//! `cargo xtask bench requests`: what small requests cost through the C API, measured side by side with other clients.
//!
//! The laboratory in ../shared/perf, where it is there, brings the server and the peers. Without it the peer is a libcurl
//! program of this project and the server a few lines in this crate.

mod datapoints;
mod lab;
mod list;
mod measure;
pub mod server;
mod throttle;

use crate::setup;
use crate::sh::{self, Res};
use measure::{Client, Run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const TASKS: [(&str, u32); 3] = [("t1", 20_000), ("t2", 50_000), ("t7", 1)];
/// Starts of a process in each round: one takes milliseconds, and differs by a quarter from the next.
const STARTS: u32 = 10;

/// The server of a measurement; killed when dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn command(args: &[String]) -> Res<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["requests"] => requests(5),
        ["requests", "--rounds", n] => requests(n.parse().map_err(|_| format!("--rounds {n}: not a number"))?),
        ["list"] => list::run(5),
        ["list", "--rounds", n] => list::run(n.parse().map_err(|_| format!("--rounds {n}: not a number"))?),
        ["pages"] => list::pages(),
        ["throttle"] => throttle::run(60),
        ["throttle", "--seconds", n] => throttle::run(n.parse().map_err(|_| format!("--seconds {n}: not a number"))?),
        ["datapoints"] => datapoints::run(5),
        ["datapoints", "--rounds", n] => datapoints::run(n.parse().map_err(|_| format!("--rounds {n}: not a number"))?),
        ["swallow", port] => datapoints::swallow(port.parse().map_err(|_| format!("port {port}"))?),
        ["http2"] => http2(3),
        ["http2", "--rounds", n] => http2(n.parse().map_err(|_| format!("--rounds {n}: not a number"))?),
        // What this command starts for itself.
        ["serve", port] => server::serve(port.parse().map_err(|_| format!("port {port}"))?),
        _ => {
            Err("usage: cargo xtask bench requests|list|datapoints|http2 [--rounds N] | pages | throttle [--seconds N]"
                .into())
        }
    }
}

/// HTTP/1.1 and HTTP/2 side by side: a program of its own, as the library is built without HTTP/2.
fn http2(rounds: u32) -> Res<()> {
    let mut c = sh::cargo();
    c.args(["run", "--quiet", "--release", "--manifest-path"]).arg(sh::root().join("benches/http2/Cargo.toml"));
    c.arg("--target-dir").arg(sh::target().join("bench/http2"));
    sh::run(c.args(["--", "--rounds", &rounds.to_string()]))
}

fn requests(rounds: u32) -> Res<()> {
    let lab = lab::folder();
    setup::for_bench(lab.is_some())?;
    let dir = sh::scratch("bench")?;
    let lib = installed_library(&sh::build_library(true)?, &dir)?;
    let ours = dir.join("requests");
    let source = sh::root().join("benches/requests.c");
    sh::compile_c(&[source], &ours, &lib, &["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror"])?;
    let mut clients = vec![Client { label: "libcognite", program: ours }];
    let port = free_port()?;
    let server = match lab {
        Some(from) => {
            let built = lab::build(&from, &dir)?;
            for peer in built.clients {
                clients.push(Client { program: installed(&peer.program, &dir.join("installed"))?, ..peer });
            }
            start(&built.server, &["--port", &port.to_string()], port)?
        }
        None => {
            println!("no ../shared/perf: the peer is libcurl only, the server one of this crate");
            clients.push(Client { label: "libcurl", program: own_peer(&dir)? });
            let this = std::env::current_exe().map_err(|e| e.to_string())?;
            start(&this, &["bench", "serve", &port.to_string()], port)?
        }
    };
    let mut runs: Vec<Run> = Vec::new();
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        for (task, n) in TASKS {
            let times = if task == "t7" { STARTS } else { 1 };
            for k in 0..times {
                // Each round begins with another client, so that none always has the same neighbour.
                for i in 0..clients.len() {
                    let client = &clients[(i + round as usize) % clients.len()];
                    if task == "t7" {
                        // The programs come from memory: reading them from the disk is not what is compared.
                        measure::run(client, task, n, round, &server)?;
                    }
                    runs.push(measure::run(client, task, n, round * times + k, &server)?);
                }
            }
        }
    }
    drop(server);
    let labels: Vec<&str> = clients.iter().map(|c| c.label).collect();
    TASKS.iter().for_each(|(task, _)| measure::table(task, &labels, &runs));
    Ok(())
}

/// A copy of a program or library as an installer writes it. What a linker has just written lies scattered over the memory,
/// in the smallest pieces, until it is next read from the disk: for a library of some megabytes that is a fifth of the time to
/// a first answer, and its users do not have it.
fn installed(file: &Path, folder: &Path) -> Res<PathBuf> {
    let to = folder.join(file.file_name().ok_or_else(|| format!("{}: no file", file.display()))?);
    let say = |e: std::io::Error| format!("{}: {e}", to.display());
    fs::create_dir_all(folder).map_err(say)?;
    let _ = fs::remove_file(&to);
    fs::write(&to, fs::read(file).map_err(say)?).map_err(say)?;
    fs::set_permissions(&to, fs::metadata(file).map_err(say)?.permissions()).map_err(say)?;
    Ok(to)
}

/// The library in `built`, installed with the name that programs ask for; the folder it is in.
fn installed_library(built: &Path, dir: &Path) -> Res<PathBuf> {
    let folder = dir.join("lib");
    installed(&built.join("libcognite.so"), &folder)?;
    sh::link_soname(&folder)?;
    Ok(folder)
}

fn own_peer(dir: &Path) -> Res<PathBuf> {
    let out = dir.join("peer_curl");
    let mut c = Command::new(sh::cc());
    c.args(["-std=c99", "-O2", "-o"]).arg(&out).arg(sh::root().join("benches/peer_curl.c")).arg("-lcurl");
    sh::run(&mut c)?;
    Ok(out)
}

fn free_port() -> Res<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    listener.local_addr().map(|a| a.port()).map_err(|e| e.to_string())
}

/// Starts a server on the second core and waits until it takes connections.
fn start(program: &Path, args: &[&str], port: u16) -> Res<Server> {
    let mut c = Command::new("taskset");
    c.args(["-c", measure::SERVER_CORE]).arg(program).args(args).stdin(Stdio::null()).stdout(Stdio::null());
    let child = c.spawn().map_err(|e| format!("{}: {e}", sh::words(&c)))?;
    let server = Server { child, port };
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(server);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err(format!("{} does not listen on port {port}", program.display()))
}
