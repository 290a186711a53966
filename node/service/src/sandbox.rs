//! The sandbox, which a service closes before it hears a stranger. It blocks files that the service
//! does not need (Landlock), running programs, and system calls that the service never makes
//! (seccomp). A systemd unit does the same from outside; this also works in containers, from
//! archives, and when started by hand.
//!
//! Invariant: the sandbox only removes rights, and settings alone decide which, not input met
//! later.

mod calls;
mod files;

use std::path::PathBuf;

/// Whether to use the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// As far as the system can; what it cannot do is logged.
    #[default]
    Auto,
    /// Not at all.
    Off,
    /// All of it, or the service does not start.
    Require,
}

/// The rights that a service needs inside the sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Whether to use the sandbox.
    pub wanted: Wanted,
    /// Files and folders that the service reads, with everything below. What every program reads to
    /// resolve names and check certificates is added.
    pub reads: Vec<PathBuf>,
    /// Folders that the service writes to. Missing ones are made, accessible only to us.
    pub writes: Vec<PathBuf>,
    /// The service checks which files other processes have open. Landlock would hide that from it.
    pub looks_at_others: bool,
}

/// Parses a word of the setting.
pub fn wanted(word: &str) -> Wanted {
    match word {
        "off" => Wanted::Off,
        "require" => Wanted::Require,
        _ => Wanted::Auto,
    }
}

/// The valid words of the setting.
pub const WORDS: [&str; 3] = ["auto", "off", "require"];

/// What the sandbox restricts, as text for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Restrictions on files, or what is lacking.
    files: Result<String, String>,
    /// Restrictions on system calls, or what is lacking.
    calls: Result<String, String>,
}

impl Held {
    /// One line for the log.
    pub fn sentence(&self) -> String {
        let [files, calls] = [&self.files, &self.calls].map(|part| match part {
            Ok(held) => held.clone(),
            Err(lack) => format!("not held ({lack})"),
        });
        format!("sandbox: files {files}; system calls {calls}")
    }

    /// Whether files are restricted.
    pub fn holds_files(&self) -> bool {
        self.files.is_ok()
    }
}

impl Sandbox {
    /// Closes the sandbox around the calling thread and all threads that it starts later. Call it
    /// while this is the only thread. `None`: the sandbox is off.
    ///
    /// # Errors
    /// What is lacking, if the sandbox is required. Part of it may be closed already, so the
    /// process should end.
    pub fn close(&self) -> Result<Option<Held>, String> {
        if self.wanted == Wanted::Off {
            return Ok(None);
        }
        let required = self.wanted == Wanted::Require;
        let files = if self.looks_at_others && !required {
            let lack = "publishing has to see which files others still write to; --sandbox require holds them all the same";
            Err(lack.to_owned())
        } else {
            files::hold(self)
        };
        let held = Held { files, calls: calls::hold() };
        match held {
            Held { files: Err(lack), .. } | Held { calls: Err(lack), .. } if required => {
                Err(format!("a sandbox is required, and cannot be had: {lack}"))
            }
            held => Ok(Some(held)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io, path::Path, process::Command, thread};

    use super::*;

    /// Restrictions belong to a thread, so each test runs in a thread of its own.
    fn inside<T: Send>(sandbox: &Sandbox, act: impl FnOnce(Held) -> T + Send) -> Option<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| match sandbox.close() {
                Ok(Some(held)) => Some(act(held)),
                Ok(None) => panic!("it was not off"),
                Err(lack) => {
                    println!("skipped: {lack}");
                    None
                }
            });
            inside.join().unwrap()
        })
    }

    fn is_denied<T>(result: io::Result<T>) -> bool {
        result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    }

    fn write(folder: &Path) -> io::Result<()> {
        fs::write(folder.join("new"), "new")?;
        fs::rename(folder.join("new"), folder.join("renamed"))
    }

    #[test]
    fn what_is_served_is_read_only_the_state_is_written_and_nothing_else_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let [root, elsewhere, state] = ["root", "elsewhere", "state"].map(|name| folder.path().join(name));
        for folder in [&root, &elsewhere] {
            fs::create_dir_all(folder.join("below")).unwrap();
            fs::write(folder.join("below/file"), "data").unwrap();
        }
        let sandbox = Sandbox {
            wanted: Wanted::Require,
            reads: vec![root.clone()],
            writes: vec![state.clone()],
            looks_at_others: false,
        };
        inside(&sandbox, |held| {
            assert!(held.holds_files() && held.sentence().contains("seccomp"), "{}", held.sentence());
            assert_eq!(fs::read_to_string(root.join("below/file")).unwrap(), "data");
            assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
            assert!(is_denied(write(&root)) && is_denied(fs::remove_file(root.join("below/file"))));
            write(&state).expect("the state folder was made, and can be written to");
            assert!(is_denied(fs::read(elsewhere.join("below/file"))), "neither read");
            assert!(
                is_denied(fs::read_dir(&elsewhere)) && is_denied(write(&elsewhere)),
                "nor listed nor written"
            );
            assert!(fs::read("/etc/passwd").is_ok() && fs::read("/proc/self/status").is_ok());
        });
        write(&elsewhere).expect("other threads are as free as before");
    }

    #[test]
    fn no_program_is_run_and_no_dangerous_call_made_and_ordinary_ones_work() {
        let sandbox = Sandbox { wanted: Wanted::Require, ..Sandbox::default() };
        inside(&sandbox, |_| {
            assert!(is_denied(Command::new("/bin/true").status()));
            let unshared = rustix::process::chroot("/");
            assert_eq!(unshared, Err(rustix::io::Errno::PERM));
            // The usual work of a service.
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let other = thread::spawn(move || std::net::TcpStream::connect(address).is_ok());
            assert!(listener.accept().is_ok() && other.join().unwrap());
        });
        let ran = Command::new("/bin/true").status();
        assert!(ran.is_ok_and(|status| status.success()), "other threads are as free as before");
    }

    #[test]
    fn who_has_to_see_others_keeps_seeing_them_unless_a_sandbox_is_required() {
        let watching = Sandbox { wanted: Wanted::Auto, looks_at_others: true, ..Sandbox::default() };
        inside(&watching, |held| {
            assert!(!held.holds_files() && held.sentence().contains("publishing"), "{}", held.sentence());
            assert!(fs::read_dir("/").is_ok());
        });
        let required = Sandbox { wanted: Wanted::Require, ..watching };
        inside(&required, |held| assert!(held.holds_files()));
    }

    #[test]
    fn off_is_off() {
        assert_eq!(Sandbox { wanted: Wanted::Off, ..Sandbox::default() }.close(), Ok(None));
        assert_eq!(WORDS.map(wanted), [Wanted::Auto, Wanted::Off, Wanted::Require]);
    }
}
