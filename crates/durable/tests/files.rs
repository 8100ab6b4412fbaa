//! The same operations on a real file system: names, contents, rights, and what is left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tessera_durable::simulated::SimulatedDisk;
use tessera_durable::{
    Access, OsDisk, Writer, create_dir, exists_durably, remove, sweep, write_file,
};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_written_replaced_and_removed() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("a/b/c");
    create_dir(&OsDisk, &folder).unwrap();
    create_dir(&OsDisk, &folder).unwrap();
    let path = folder.join("file");
    assert!(!exists_durably(&OsDisk, &path).unwrap());
    for bytes in [&b"long contents"[..], b"short", b""] {
        write_file(&OsDisk, &path, bytes, Access::Umask).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    assert!(exists_durably(&OsDisk, &path).unwrap());
    assert_eq!(names(&folder), ["file"]);
    remove(&OsDisk, &path).unwrap();
    remove(&OsDisk, &path).unwrap();
    assert_eq!(names(&folder), [""; 0]);
}

#[test]
fn a_key_is_its_owners_alone_even_where_it_replaces_a_public_file() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("key");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    write_file(&OsDisk, &path, b"public", Access::Umask).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    write_file(&OsDisk, &path, b"secret", Access::OwnerOnly).unwrap();
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_writer_shows_nothing_before_its_commit_and_leaves_nothing_when_dropped() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("file");
    let mut writer = Writer::create(OsDisk, scratch.path(), Access::Umask).unwrap();
    writer.write(b"half").unwrap();
    assert!(!path.exists());
    drop(writer);
    assert_eq!(names(scratch.path()), [""; 0]);
}

#[test]
fn sweeping_removes_temporary_files_and_no_others() {
    let scratch = tempfile::tempdir().unwrap();
    write_file(&OsDisk, &scratch.path().join("kept"), b"kept", Access::Umask).unwrap();
    let mut writer = Writer::create(OsDisk, scratch.path(), Access::Umask).unwrap();
    writer.write(b"left by a killed program").unwrap();
    std::mem::forget(writer);
    assert_eq!(names(scratch.path()).len(), 2);
    assert_eq!(sweep(&OsDisk, scratch.path()).unwrap(), 1);
    assert_eq!(names(scratch.path()), ["kept"]);
}

#[test]
fn a_name_that_would_be_swept_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let error = write_file(&OsDisk, &scratch.path().join(".tmp-mine"), b"lost", Access::Umask);
    assert!(error.unwrap_err().to_string().contains("would be swept"));
    assert_eq!(names(scratch.path()), [""; 0]);
}

#[test]
fn a_file_with_a_chunk_missing_is_never_committed() {
    let disk = SimulatedDisk::new();
    let mut writer = Writer::create(disk.clone(), Path::new("/"), Access::Umask).unwrap();
    writer.write(b"first").unwrap();
    disk.stop_at(disk.steps());
    assert!(writer.write(b"second").is_err());
    disk.restart_program();
    writer.write(b"third").unwrap();
    assert!(writer.commit(Path::new("/file")).is_err());
    assert!(!exists_durably(&disk, Path::new("/file")).unwrap());
}

#[test]
fn an_error_says_what_failed_and_where() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("missing/file");
    let message = write_file(&OsDisk, &path, b"", Access::Umask).unwrap_err().to_string();
    assert!(message.starts_with("could not create "), "{message}");
    assert!(message.contains("missing/.tmp-"), "{message}");
}

#[test]
fn writers_of_one_folder_do_not_meet() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for n in 0..8 {
                    let text = format!("{thread}-{n}");
                    write_file(&OsDisk, &folder.join(&text), text.as_bytes(), Access::Umask)
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(names(folder).len(), 32);
    for name in names(folder) {
        assert_eq!(fs::read_to_string(folder.join(&name)).unwrap(), name);
    }
}
