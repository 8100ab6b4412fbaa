//! A disk in memory that forgets, when its power fails, what was not synced.
//!
//! It is harsher than real file systems. Each change to a folder since its last sync survives or
//! not, alone: even the two halves of a rename, which journals keep together. Bytes appended since
//! a file's last sync are lost, cut short, replaced by zeros, or kept. Which of these happens is
//! one number, so a test can try them all.

use crate::{Access, Disk};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The disk; clones are handles on the same one.
#[derive(Debug, Clone, Default)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

/// An open file of a [`SimulatedDisk`].
#[derive(Debug)]
pub struct SimulatedFile {
    inode: Inode,
}

type Inode = usize;

#[derive(Debug, Clone)]
struct State {
    nodes: Vec<Node>,
    steps: usize,
    syncs: usize,
    stop_at: Option<usize>,
    skipped_sync: Option<usize>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            nodes: vec![Node::Folder(Folder::default())],
            steps: 0,
            syncs: 0,
            stop_at: None,
            skipped_sync: None,
        }
    }
}

#[derive(Debug, Clone)]
enum Node {
    Folder(Folder),
    File(Contents),
}

#[derive(Debug, Clone, Default)]
struct Folder {
    durable: BTreeMap<OsString, Inode>,
    /// Since the last sync, in order: a name that came, or one that went.
    changes: Vec<(OsString, Option<Inode>)>,
}

#[derive(Debug, Clone, Default)]
struct Contents {
    bytes: Vec<u8>,
    durable: usize,
}

impl Folder {
    fn current(&self) -> BTreeMap<OsString, Inode> {
        let mut names = self.durable.clone();
        apply(&mut names, &self.changes);
        names
    }
}

fn apply<'a>(
    names: &mut BTreeMap<OsString, Inode>,
    changes: impl IntoIterator<Item = &'a (OsString, Option<Inode>)>,
) {
    for (name, change) in changes {
        match change {
            Some(inode) => names.insert(name.clone(), *inode),
            None => names.remove(name),
        };
    }
}

impl SimulatedDisk {
    /// An empty disk: the folder `/`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Steps taken so far: every operation that changes or syncs something is one.
    pub fn steps(&self) -> usize {
        self.state().steps
    }

    /// Syncs asked for so far, of files and folders together.
    pub fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// Lets the first `steps` steps happen and fails every later one: the process is dead.
    pub fn stop_at(&self, steps: usize) {
        self.state().stop_at = Some(steps);
    }

    /// The sync of this number, counted from 0, answers `Ok` and does nothing.
    pub fn skip_sync(&self, number: usize) {
        self.state().skipped_sync = Some(number);
    }

    /// Starts the program again on a machine that kept its power: the disk is as it was left,
    /// what was not synced included.
    pub fn restart_program(&self) {
        self.state().stop_at = None;
    }

    /// How many bits [`Self::fail_power`] reads to decide what survives.
    pub fn undecided_bits(&self) -> u32 {
        let state = self.state();
        let bits = state.nodes.iter().map(|node| match node {
            Node::Folder(folder) => folder.changes.len(),
            Node::File(file) if file.durable < file.bytes.len() => 2,
            Node::File(_) => 0,
        });
        u32::try_from(bits.sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// The disk after a power failure. Each bit of `survival` decides over one change that was not
    /// synced; 0 loses all of them, as those beyond the 64th bit are. This disk stays as it is, so that another failure can be
    /// tried.
    pub fn fail_power(&self, mut survival: u64) -> Self {
        let mut decide = |bits: u32| {
            let decision = survival & ((1 << bits) - 1);
            survival >>= bits;
            decision
        };
        let mut state = self.state().clone();
        for node in &mut state.nodes {
            match node {
                Node::Folder(folder) => {
                    let kept: Vec<_> =
                        folder.changes.drain(..).filter(|_| decide(1) == 1).collect();
                    apply(&mut folder.durable, &kept);
                }
                Node::File(file) if file.durable < file.bytes.len() => {
                    match decide(2) {
                        0 => file.bytes.truncate(file.durable),
                        1 => file.bytes.truncate(usize::midpoint(file.durable, file.bytes.len())),
                        2 => file.bytes[file.durable..].fill(0),
                        _ => {}
                    }
                    file.durable = file.bytes.len();
                }
                Node::File(_) => {}
            }
        }
        state.stop_at = None;
        state.skipped_sync = None;
        Self(Arc::new(Mutex::new(state)))
    }

    /// Another disk in the same state; what is done to one does not touch the other.
    pub fn duplicate(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// A file's bytes, as a program sees them.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        match &state.nodes[state.find(path)?] {
            Node::File(file) => Ok(file.bytes.clone()),
            Node::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is half done when a step panics, so a poisoned lock guards a sound state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for one step; an error once the program was stopped.
    fn step(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.stop_at.is_some_and(|limit| state.steps >= limit) {
            return Err(io::Error::other("the simulated program was stopped"));
        }
        state.steps += 1;
        Ok(state)
    }
}

impl State {
    fn find(&self, path: &Path) -> io::Result<Inode> {
        let mut at = 0;
        for name in path.iter().filter(|name| *name != "/") {
            at = *self
                .folder(at)?
                .current()
                .get(name)
                .ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        }
        Ok(at)
    }

    fn folder(&self, inode: Inode) -> io::Result<&Folder> {
        match &self.nodes[inode] {
            Node::Folder(folder) => Ok(folder),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The folder that holds `path`, and the name in it.
    fn split<'a>(&self, path: &'a Path) -> io::Result<(Inode, &'a OsStr)> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let name = path.file_name().ok_or_else(invalid)?;
        Ok((self.find(path.parent().ok_or_else(invalid)?)?, name))
    }

    fn change(&mut self, folder: Inode, name: &OsStr, to: Option<Inode>) -> io::Result<()> {
        match &mut self.nodes[folder] {
            Node::Folder(folder) => folder.changes.push((name.to_os_string(), to)),
            Node::File(_) => return Err(io::ErrorKind::NotADirectory.into()),
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<Inode> {
        let (folder, name) = self.split(path)?;
        if self.folder(folder)?.current().contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = self.nodes.len();
        self.nodes.push(node);
        self.change(folder, name, Some(inode))?;
        Ok(inode)
    }

    fn contents(&mut self, file: &SimulatedFile) -> io::Result<&mut Contents> {
        match &mut self.nodes[file.inode] {
            Node::File(contents) => Ok(contents),
            Node::Folder(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// Counts a sync and says whether it is to do nothing.
    fn is_skipped_sync(&mut self) -> bool {
        self.syncs += 1;
        self.skipped_sync == Some(self.syncs - 1)
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn create_new(&self, path: &Path, _: Access) -> io::Result<SimulatedFile> {
        let inode = self.step()?.add(path, Node::File(Contents::default()))?;
        Ok(SimulatedFile { inode })
    }

    fn append(&self, file: &mut SimulatedFile, bytes: &[u8]) -> io::Result<()> {
        self.step()?.contents(file)?.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync_file(&self, file: &mut SimulatedFile) -> io::Result<()> {
        let mut state = self.step()?;
        if !state.is_skipped_sync() {
            let contents = state.contents(file)?;
            contents.durable = contents.bytes.len();
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.find(from)?;
        let (source, old_name) = state.split(from)?;
        let (target, new_name) = state.split(to)?;
        state.change(source, old_name, None)?;
        state.change(target, new_name, Some(inode))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        state.find(path)?;
        let (folder, name) = state.split(path)?;
        state.change(folder, name, None)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?.add(path, Node::Folder(Folder::default())).map(|_| ())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step()?;
        let inode = state.find(path)?;
        if !state.is_skipped_sync()
            && let Node::Folder(folder) = &mut state.nodes[inode]
        {
            let changes = std::mem::take(&mut folder.changes);
            apply(&mut folder.durable, &changes);
        }
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.state().find(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let state = self.state();
        let inode = state.find(folder)?;
        Ok(state.folder(inode)?.current().into_keys().collect())
    }
}
