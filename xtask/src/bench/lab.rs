//! The performance laboratory beside the workspace: its server and its clients, built in a folder of our own.

use super::measure::Client;
use crate::sh::{self, Res};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Built {
    pub server: PathBuf,
    pub clients: Vec<Client>,
}

pub fn folder() -> Option<PathBuf> {
    Some(sh::root().parent()?.join("shared/perf")).filter(|p| p.join("rs/loadserver").is_dir())
}

pub fn build(lab: &Path, dir: &Path) -> Res<Built> {
    let rs = dir.join("lab");
    copy(&lab.join("rs"), &rs)?;
    // The official Rust SDK takes longer to build than all the rest and is not among the peers here.
    edit(&rs.join("clients/Cargo.toml"), |line| !line.starts_with("cognite-sdk"))?;
    let _ = fs::remove_file(rs.join("clients/src/bin/sdkc.rs"));
    let workspace = "[workspace]\nresolver = \"2\"\nmembers = [\"loadserver\", \"clients\"]\n";
    let profile = "[profile.release]\nopt-level = 3\nlto = \"thin\"\ncodegen-units = 4\npanic = \"abort\"\n";
    fs::write(rs.join("Cargo.toml"), format!("{workspace}{profile}")).map_err(|e| e.to_string())?;
    let target = dir.join("lab-target");
    let mut c = sh::cargo();
    c.current_dir(&rs).env("CARGO_TARGET_DIR", &target);
    sh::run(c.args(["build", "--quiet", "--release", "--ignore-rust-version"]))?;
    let rust = |name: &str| target.join("release").join(name);
    let c = |name: &str, libraries: &[&str]| -> Res<PathBuf> {
        let out = dir.join(name);
        let mut cc = Command::new(sh::cc());
        cc.args(["-O3", "-march=native", "-o"]).arg(&out).arg(lab.join("c").join(format!("{name}.c"))).args(libraries);
        sh::run(&mut cc).map(|()| out)
    };
    let clients = vec![
        Client {
            label: "raw socket",
            program: c("rawbench", &["-lisal", "-ldeflate", "-lz", "-lm"])?,
            project: "p",
            more: &[],
        },
        Client { label: "hyper", program: rust("hyperc"), project: "p", more: &[] },
        Client { label: "reqwest", program: rust("reqwestc"), project: "p", more: &[] },
        Client { label: "libcurl", program: c("curlbench", &["-lcurl", "-lm"])?, project: "p", more: &[] },
    ];
    Ok(Built { server: rust("loadserver"), clients })
}

fn copy(from: &Path, to: &Path) -> Res<()> {
    let say = |e: std::io::Error| format!("{}: {e}", from.display());
    fs::create_dir_all(to).map_err(say)?;
    for entry in fs::read_dir(from).map_err(say)? {
        let entry = entry.map_err(say)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            // Read and written, not copied: the permissions of the laboratory may forbid writing.
            fs::read(entry.path()).and_then(|data| fs::write(&target, data)).map_err(say)?;
        }
    }
    Ok(())
}

fn edit(file: &Path, keep: impl Fn(&str) -> bool) -> Res<()> {
    let say = |e: std::io::Error| format!("{}: {e}", file.display());
    let text = fs::read_to_string(file).map_err(say)?;
    let kept: Vec<&str> = text.lines().filter(|l| keep(l)).collect();
    fs::write(file, kept.join("\n") + "\n").map_err(say)
}
