//! The node as a service of a machine: which files it is made of, and how they come and go.
//!
//! Nothing here starts anything or asks anybody; that is the commands'. Every path lies below a root, so
//! that a package can be made of it and a test can look at it.
//!
//! | file | what |
//! |---|---|
//! | `/usr/local/bin/render-node` | the program, unless a package brought it |
//! | `/etc/systemd/system/tessera-node.service` | [`unit`] |
//! | `/etc/tessera-node/node.env` | whom it works for, under which name, with what |
//! | `/etc/tessera-node/token` | what lets it join; only root reads it, systemd hands it over |
//! | `/etc/tessera-node/update-key` | whose releases it takes in place of its program ([`crate::update`]), if any |
//! | `/var/lib/private/tessera-node` | its state: its key above all |

pub mod unit;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tessera_durable::{Access, OsDisk, Writer, create_dir, write_file};
use tessera_protocol::ReleaseKey;

/// What systemd calls it.
pub const SERVICE: &str = "tessera-node";
/// Where packages put programs: such a one is neither copied nor removed.
const PACKAGED: &str = "/usr/bin/render-node";

/// What a service is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Whom it works for.
    pub master: String,
    /// What lets it join.
    pub token: String,
    /// What people call it; the machine's name by default.
    pub name: Option<String>,
    /// Whose releases it takes; none without.
    pub update_key: Option<ReleaseKey>,
    /// Further options of `render-node run`.
    pub options: Vec<String>,
}

/// What could not be installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A wish that no file can hold.
    #[error("{what} may hold neither line breaks nor the characters \" $ ` and \\")]
    Unwritable {
        /// Which one.
        what: &'static str,
    },
    /// Options are told apart by spaces, so none may hold one.
    #[error("the option {0:?} holds a space, and the service could not tell where it ends")]
    Spaced(String),
    /// A file.
    #[error("could not {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that was to be written durably.
    #[error(transparent)]
    Durable(#[from] tessera_durable::Error),
}

/// Where everything lies.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    /// Where the program lies, seen from inside the root.
    program: &'static str,
}

impl Layout {
    /// Below `root`, for the program that lies at `own`: one that a package brought stays where it is.
    pub fn new(root: &Path, own: &Path) -> Self {
        let packaged = own == Path::new(PACKAGED);
        let program = if packaged { PACKAGED } else { "/usr/local/bin/render-node" };
        Self { root: root.to_owned(), program }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The program.
    pub fn program(&self) -> PathBuf {
        self.at(self.program)
    }

    /// The service's description.
    pub fn unit(&self) -> PathBuf {
        self.at("/etc/systemd/system").join(format!("{SERVICE}.service"))
    }

    /// What starts it with the machine.
    fn wanted(&self) -> PathBuf {
        self.at("/etc/systemd/system/multi-user.target.wants").join(format!("{SERVICE}.service"))
    }

    fn settings(&self) -> PathBuf {
        self.at("/etc/tessera-node")
    }

    /// The folder of its state, and the name that systemd gives it.
    pub fn state(&self) -> [PathBuf; 2] {
        ["/var/lib/private", "/var/lib"].map(|folder| self.at(folder).join(SERVICE))
    }

    /// That of this machine, wherever its program lies.
    pub fn of_this_machine() -> Self {
        Self::new(Path::new("/"), Path::new(""))
    }

    /// What the environment of a command that is about the service says: whom it works for, what lets it
    /// join, and where its state is; as much of it as the user may read.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let settings = fs::read_to_string(self.settings().join("node.env")).unwrap_or_default();
        let master = settings.lines().find_map(|line| line.strip_prefix("TESSERA_MASTER=\""));
        let master = master.and_then(|rest| rest.strip_suffix('"')).map(str::to_owned);
        let token = fs::read_to_string(self.settings().join("token")).ok();
        let state = self.state().into_iter().find(|folder| folder.join("node.key").exists());
        let key = Some(self.settings().join("update-key")).filter(|file| file.exists());
        let words = [
            ("TESSERA_MASTER", master),
            ("TESSERA_TOKEN", token.map(|token| token.trim().to_owned())),
            ("TESSERA_NODE_STATE", state.map(|folder| folder.display().to_string())),
            ("TESSERA_UPDATE_KEY", key.map(|file| file.display().to_string())),
        ];
        words.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }

    /// Writes every file, replacing those of an earlier installation.
    pub fn install(&self, wish: &Wish, own: &Path) -> Result<(), InstallError> {
        let settings = settings_text(wish)?;
        if self.program != PACKAGED {
            copy_program(own, &self.program())?;
        }
        create_dir(&OsDisk, &self.settings())?;
        let token = self.settings().join("token");
        write_file(&OsDisk, &token, format!("{}\n", wish.token).as_bytes(), Access::OwnerOnly)?;
        let file = self.settings().join("node.env");
        write_file(&OsDisk, &file, settings.as_bytes(), Access::Umask)?;
        let file = self.settings().join("update-key");
        match wish.update_key {
            Some(key) => {
                write_file(&OsDisk, &file, format!("{key}\n").as_bytes(), Access::Umask)?;
            }
            None => remove_file(&file)?,
        }
        let groups = fs::read_to_string(self.at("/etc/group")).unwrap_or_default();
        let unit =
            unit::text(self.program, &unit::device_groups(&groups), wish.update_key.is_some());
        create_dir(&OsDisk, parent(&self.unit()))?;
        Ok(write_file(&OsDisk, &self.unit(), unit.as_bytes(), Access::Umask)?)
    }

    /// Removes every file but, unless `purge`, the state: the node's key signs for what it earned. Programs
    /// in it go. What is not there is removed already.
    pub fn uninstall(&self, purge: bool) -> Result<(), InstallError> {
        remove_file(&self.wanted())?;
        remove_file(&self.unit())?;
        remove_folder(&self.settings())?;
        for state in self.state() {
            remove_folder(&state.join(crate::update::folder::FOLDER))?;
        }
        if purge {
            let [folder, name] = self.state();
            remove_folder(&folder)?;
            // A link where systemd made it, a folder where somebody else did.
            match fs::symlink_metadata(&name) {
                Ok(found) if found.is_dir() => remove_folder(&name)?,
                _ => remove_file(&name)?,
            }
        }
        if self.program == PACKAGED { Ok(()) } else { remove_file(&self.program()) }
    }

    /// Whether there is a state that only `purge` removes.
    pub fn has_state(&self) -> bool {
        self.state().iter().any(|folder| folder.exists())
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("every file of an installation lies in a folder")
}

/// The program's own bytes, under its name at once or not at all: the one that runs may be older.
fn copy_program(own: &Path, to: &Path) -> Result<(), InstallError> {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;
    let unreadable = |source| InstallError::File { action: "read", path: own.to_owned(), source };
    let same = fs::canonicalize(to).ok().zip(fs::canonicalize(own).ok());
    if same.is_some_and(|(to, own)| to == own) {
        return Ok(());
    }
    create_dir(&OsDisk, parent(to))?;
    let mut writer = Writer::create(OsDisk, parent(to), Access::Umask)?;
    let mut file = fs::File::open(own).map_err(unreadable)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => break,
            n => writer.write(&piece[..n])?,
        }
    }
    writer.commit(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))
        .map_err(|source| InstallError::File { action: "make executable", path: to.into(), source })
}

fn remove_file(path: &Path) -> Result<(), InstallError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(InstallError::File { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn remove_folder(path: &Path) -> Result<(), InstallError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(InstallError::File { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn settings_text(wish: &Wish) -> Result<String, InstallError> {
    let writable = |what: &'static str, text: &str| {
        let bad = |letter: char| letter.is_control() || "\"$`\\".contains(letter);
        if text.contains(bad) { Err(InstallError::Unwritable { what }) } else { Ok(()) }
    };
    writable("the master's address", &wish.master)?;
    writable("the token", &wish.token)?;
    let mut text = format!(
        "# Whom this node works for; read when it starts: systemctl restart {SERVICE}\n\
         TESSERA_MASTER=\"{}\"\n",
        wish.master
    );
    if let Some(name) = &wish.name {
        writable("the name", name)?;
        text.push_str(&format!("TESSERA_NODE_NAME=\"{name}\"\n"));
    }
    for option in &wish.options {
        writable("an option", option)?;
        if option.contains(char::is_whitespace) {
            return Err(InstallError::Spaced(option.clone()));
        }
    }
    text.push_str(&format!(
        "# Further options, see render-node run --help\nRENDER_NODE_OPTIONS=\"{}\"\n",
        wish.options.join(" ")
    ));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn wish() -> Wish {
        Wish {
            master: "https://farm.example".into(),
            token: "t0ken".into(),
            name: Some("Otto's machine".into()),
            update_key: Some(ReleaseKey([7; 32])),
            options: vec!["--backend".into(), "wgpu".into()],
        }
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut all = Vec::new();
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => open.push(entry.path()),
                    false => all.push(entry.path()),
                }
            }
        }
        let relative = |path: PathBuf| path.strip_prefix(folder).unwrap().display().to_string();
        let mut all: Vec<_> = all.into_iter().map(relative).collect();
        all.sort();
        all
    }

    #[test]
    fn what_is_installed_twice_is_removed_whole() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("downloaded");
        fs::write(&own, b"#!/bin/sh\n").unwrap();
        let layout = Layout::new(root.path(), &own);
        for _ in 0..2 {
            layout.install(&wish(), &own).unwrap();
            assert_eq!(
                files(root.path()),
                [
                    "downloaded",
                    "etc/systemd/system/tessera-node.service",
                    "etc/tessera-node/node.env",
                    "etc/tessera-node/token",
                    "etc/tessera-node/update-key",
                    "usr/local/bin/render-node",
                ]
            );
        }
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(layout.settings().join("token")), 0o600);
        assert_eq!(mode(layout.program()), 0o755);
        let settings = fs::read_to_string(layout.settings().join("node.env")).unwrap();
        assert!(settings.contains("TESSERA_NODE_NAME=\"Otto's machine\"\n"), "{settings}");
        assert!(settings.contains("RENDER_NODE_OPTIONS=\"--backend wgpu\"\n"), "{settings}");
        assert!(!settings.contains("t0ken"), "the token lies where only root reads it");

        let [state, _] = layout.state();
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("node.key"), b"signs").unwrap();
        fs::create_dir(state.join("program")).unwrap();
        fs::write(state.join("program/a"), b"a release").unwrap();
        let key = layout.settings().join("update-key");
        assert_eq!(fs::read_to_string(&key).unwrap(), "07".repeat(32) + "\n");
        let said = [
            ("TESSERA_MASTER", "https://farm.example".to_owned()),
            ("TESSERA_TOKEN", "t0ken".to_owned()),
            ("TESSERA_NODE_STATE", state.display().to_string()),
            ("TESSERA_UPDATE_KEY", key.display().to_string()),
        ];
        assert_eq!(layout.words(), said);
        layout.uninstall(false).unwrap();
        assert_eq!(files(root.path()), ["downloaded", "var/lib/private/tessera-node/node.key"]);
        assert!(layout.has_state());
        assert_eq!(layout.words(), [said[2].clone()]);
        for _ in 0..2 {
            layout.uninstall(true).unwrap();
            assert_eq!(files(root.path()), ["downloaded"]);
        }
        assert!(!layout.has_state());
    }

    #[test]
    fn whoever_wants_no_updates_any_more_gets_none() {
        let root = tempfile::tempdir().unwrap();
        let own = Path::new(PACKAGED);
        let layout = Layout::new(root.path(), own);
        layout.install(&wish(), own).unwrap();
        let unit = || fs::read_to_string(layout.unit()).unwrap();
        assert!(
            unit().contains(" --update-key ${CREDENTIALS_DIRECTORY}/update-key "),
            "{}",
            unit()
        );
        layout.install(&Wish { update_key: None, ..wish() }, own).unwrap();
        assert!(!unit().contains("update"), "{}", unit());
        assert!(!layout.settings().join("update-key").exists());
    }

    #[test]
    fn a_packages_program_stays_the_packages() {
        let root = tempfile::tempdir().unwrap();
        let own = Path::new(PACKAGED);
        let layout = Layout::new(root.path(), own);
        layout.install(&wish(), own).unwrap();
        let unit = fs::read_to_string(layout.unit()).unwrap();
        assert!(unit.contains("ExecStart=/usr/bin/render-node run"), "{unit}");
        layout.uninstall(true).unwrap();
        assert_eq!(files(root.path()), [""; 0]);
    }

    #[test]
    fn nothing_that_a_shell_would_read_gets_into_the_settings() {
        let change = |change: fn(&mut Wish)| {
            let mut wish = wish();
            change(&mut wish);
            settings_text(&wish)
        };
        assert!(change(|wish| wish.name = Some("a\nTESSERA_MASTER=b".into())).is_err());
        assert!(change(|wish| wish.name = Some("a\" b".into())).is_err());
        assert!(change(|wish| wish.token = "a$b".into()).is_err());
        assert!(change(|wish| wish.master = "http://`x`".into()).is_err());
        assert!(change(|wish| wish.options.push("a b".into())).is_err());
    }
}
