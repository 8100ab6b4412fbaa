//! What a hostile engine would try. A test runs the real program with `probe …` after its limits, so
//! that what holds is shown of the very process that decodes.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Tries what `words` say, in a process that is shut in: `open PATH`, `create PATH`, `connect
/// HOST:PORT`, `listen`, `unix PATH`, `exec PROGRAM`, `thread`, `signal PID`, `code`, `stack`, `memory
/// MIB` or `spin`. Prints `done …` or `refused: …`; `spin` never returns.
pub fn run(words: &[OsString]) -> ExitCode {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let (text, code) = match attempt(&words) {
        Ok(()) => ("done".to_owned(), ExitCode::SUCCESS),
        Err(because) => (format!("refused: {because}"), ExitCode::FAILURE),
    };
    // Nobody may be listening any more, which is no reason to panic.
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}

/// The same in this process, whatever it may do. The error is why it was refused.
pub fn attempt(words: &[&str]) -> Result<(), String> {
    match *words {
        ["open", path] => said(std::fs::File::open(path)),
        ["create", path] => said(std::fs::File::create(path)),
        ["list", path] => said(std::fs::read_dir(path)),
        ["connect", address] => said(std::net::TcpStream::connect(address)),
        ["listen"] => said(std::net::TcpListener::bind("127.0.0.1:0")),
        ["udp"] => said(std::net::UdpSocket::bind("127.0.0.1:0")),
        ["unix", path] => said(std::os::unix::net::UnixStream::connect(path)),
        ["exec", program] => said(std::process::Command::new(program).spawn()),
        ["thread"] => {
            said(std::thread::Builder::new().spawn(|| ()).map(std::thread::JoinHandle::join))
        }
        ["signal", pid] => said(signal(pid)),
        ["code"] => said(map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, 0)),
        ["stack"] => said(map(libc::PROT_READ | libc::PROT_WRITE, libc::MAP_GROWSDOWN)),
        ["memory", mib] => said(memory(mib)),
        ["spin"] => loop {
            std::hint::spin_loop();
        },
        _ => Err(format!("there is no probe {words:?}")),
    }
}

fn said<T, E: Display>(outcome: Result<T, E>) -> Result<(), String> {
    outcome.map(drop).map_err(|error| error.to_string())
}

fn signal(pid: &str) -> Result<(), String> {
    let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw).ok_or("no process")?;
    rustix::process::test_kill_process(pid).map_err(|error| error.to_string())
}

/// A page of its own: one that could be run, or one that counts as a stack.
fn map(protection: libc::c_int, also: libc::c_int) -> Result<(), std::io::Error> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | also;
    // SAFETY: a new mapping of its own, at an address the kernel chooses.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
    if page == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// So much memory, every page of it touched.
fn memory(mib: &str) -> Result<(), String> {
    let bytes = mib.parse::<usize>().map_err(|error| error.to_string())? << 20;
    let mut pages: Vec<u8> = Vec::new();
    pages.try_reserve_exact(bytes).map_err(|error| error.to_string())?;
    pages.resize(bytes, 1);
    std::hint::black_box(&pages);
    Ok(())
}
