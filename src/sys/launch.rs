//! Starting a program that has nothing to do with this process afterwards.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Stdio};

/// Starts `program` without waiting for its end, in a session of its own, with no open streams and no blocked signals.
/// It becomes nobody's child: there is nothing to reap, and no handler for ended children is needed.
pub fn detached(program: &OsStr, args: &[impl AsRef<OsStr>]) -> io::Result<()> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    leave(&mut command);
    let mut child = command.spawn()?;
    // On Unix this is the short-lived one in between. A host that ignores ended children has reaped it already.
    #[cfg(unix)]
    let _ = child.wait();
    #[cfg(not(unix))]
    let _ = child.try_wait();
    Ok(())
}

#[cfg(unix)]
fn leave(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let between = || {
        // SAFETY: runs in the forked child before exec and calls only functions that are safe there (fork, _exit,
        // setsid, sigemptyset, pthread_sigmask), on memory of its own stack.
        unsafe {
            match libc::fork() {
                -1 => return Err(io::Error::last_os_error()),
                0 => {}
                _ => libc::_exit(0),
            }
            libc::setsid();
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            // Our threads block signals, and a mask is inherited through exec.
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock, as is required between fork and exec.
    unsafe { command.pre_exec(between) };
}

#[cfg(not(unix))]
fn leave(_: &mut Command) {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn starts_and_leaves_no_child() {
        let out = std::env::temp_dir().join(format!("cognite-launch-{}", std::process::id()));
        let script = format!("sleep 0.2; grep SigBlk /proc/self/status > {0}.part; mv {0}.part {0}", out.display());
        detached(OsStr::new("sh"), &["-c", &script]).unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !out.exists() {
            assert!(std::time::Instant::now() < end, "the program did not run");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let text = std::fs::read_to_string(&out).unwrap();
        std::fs::remove_file(&out).unwrap();
        assert!(!cfg!(target_os = "linux") || text.contains("0000000000000000"), "{text}");
        assert!(detached(OsStr::new("/no/such/program"), &["x"]).is_err());
    }
}
