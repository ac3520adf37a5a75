//! Listens to what SQLite does to its files: a copy of the default VFS of which opening is replaced,
//! and of each file's methods writing, truncating, syncing and closing. Everything else is SQLite's
//! own, and so is everything that it calls.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};

/// What happened, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Write {
        file: String,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: String,
        size: usize,
    },
    /// Everything that was done to the file before is on the disk.
    Sync {
        file: String,
    },
    /// A sync that has begun, the so-manieth, and is not over.
    Syncing(u64),
    Delete {
        file: String,
    },
    /// Somebody was told that this is kept.
    Told(u32),
}

struct Recorder {
    /// Only files in here are listened to.
    folder: PathBuf,
    events: Vec<Event>,
    /// Files by the address of what SQLite knows them by.
    files: BTreeMap<usize, (String, &'static sqlite3_io_methods)>,
}

static RECORDER: Mutex<Option<Recorder>> = Mutex::new(None);
static SYNCS: AtomicU64 = AtomicU64::new(0);
static BASE: OnceLock<Vfs> = OnceLock::new();

struct Vfs(*mut sqlite3_vfs);

// SAFETY: a registered VFS lives for ever, and SQLite calls it from any thread.
unsafe impl Send for Vfs {}
// SAFETY: as above.
unsafe impl Sync for Vfs {}

fn recorder() -> MutexGuard<'static, Option<Recorder>> {
    RECORDER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens to every file that this process opens in `folder` from now on. Once for each process.
///
/// # Panics
/// If it listens already, or SQLite has no default VFS.
pub fn listen(folder: &Path) {
    let recorder =
        Recorder { folder: folder.to_owned(), events: Vec::new(), files: BTreeMap::new() };
    assert!(self::recorder().replace(recorder).is_none(), "it listens already");
    // SAFETY: without a name it is the default one, which is static.
    let base = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
    assert!(!base.is_null() && BASE.set(Vfs(base)).is_ok(), "a default VFS");
    // SAFETY: the copy is leaked, so it and its name live for ever; its methods find the data of the
    // original where they look for it.
    unsafe {
        let own = Box::leak(Box::new(*base));
        own.zName = c"listening".as_ptr();
        own.xOpen = Some(open);
        own.xDelete = Some(delete);
        assert_eq!(ffi::sqlite3_vfs_register(own, 1), ffi::SQLITE_OK);
    }
}

/// Somebody is told now that this is kept.
pub fn told(number: u32) {
    if let Some(recorder) = recorder().as_mut() {
        recorder.events.push(Event::Told(number));
    }
}

/// What was heard until now; nothing more is.
///
/// # Panics
/// If nobody listened.
pub fn stop() -> Vec<Event> {
    let mut recorder = recorder();
    let recorder = recorder.as_mut().expect("somebody listens");
    recorder.folder = PathBuf::from("/nowhere");
    std::mem::take(&mut recorder.events)
}

/// What SQLite knows the file by, if it is listened to.
fn heard(file: *mut sqlite3_file) -> Option<(String, &'static sqlite3_io_methods)> {
    recorder().as_ref()?.files.get(&(file as usize)).cloned()
}

fn push(event: Event) {
    if let Some(recorder) = recorder().as_mut() {
        recorder.events.push(event);
    }
}

/// The name of a file in the folder, which has no others below it.
fn name_of(path: *const c_char) -> Option<String> {
    if path.is_null() {
        return None;
    }
    // SAFETY: SQLite ends its names with a zero.
    let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
    let folder = recorder().as_ref()?.folder.clone();
    let name = Path::new(path).strip_prefix(folder).ok()?.to_str()?.to_owned();
    // What is shared between processes is made anew when the file is opened.
    (!name.ends_with("-shm")).then_some(name)
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    path: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let base = BASE.get().expect("set before it is registered").0;
    // SAFETY: the arguments are SQLite's own, for the VFS that this one is a copy of.
    let code = unsafe {
        match (*base).xOpen {
            Some(open) => open(base, path, file, flags, out),
            None => ffi::SQLITE_CANTOPEN,
        }
    };
    let Some(name) = name_of(path).filter(|_| code == ffi::SQLITE_OK) else { return code };
    // SAFETY: what was opened has its methods, which are static; the copy is leaked.
    unsafe {
        let Some(methods) = (*file).pMethods.as_ref() else { return code };
        let mut own = *methods;
        own.xWrite = Some(write);
        own.xTruncate = Some(truncate);
        own.xSync = Some(sync);
        own.xClose = Some(close);
        if let Some(recorder) = recorder().as_mut() {
            recorder.files.insert(file as usize, (name, methods));
            (*file).pMethods = Box::leak(Box::new(own));
        }
    }
    code
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, path: *const c_char, synced: c_int) -> c_int {
    let base = BASE.get().expect("set before it is registered").0;
    // SAFETY: as in `open`.
    let code = unsafe {
        match (*base).xDelete {
            Some(delete) => delete(base, path, synced),
            None => ffi::SQLITE_IOERR_DELETE,
        }
    };
    if let (ffi::SQLITE_OK, Some(file)) = (code, name_of(path)) {
        push(Event::Delete { file });
    }
    code
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    let Some((name, methods)) = heard(file) else { return ffi::SQLITE_IOERR_WRITE };
    // SAFETY: SQLite hands over so many bytes.
    let copy = unsafe {
        let length = usize::try_from(length).unwrap_or(0);
        std::slice::from_raw_parts(bytes.cast::<u8>(), length).to_vec()
    };
    let at_byte = usize::try_from(at).unwrap_or(0);
    push(Event::Write { file: name, at: at_byte, bytes: copy });
    // SAFETY: the file's own method, with what it was called with.
    unsafe { methods.xWrite.map_or(ffi::SQLITE_IOERR_WRITE, |own| own(file, bytes, length, at)) }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    let Some((name, methods)) = heard(file) else { return ffi::SQLITE_IOERR_TRUNCATE };
    push(Event::Truncate { file: name, size: usize::try_from(size).unwrap_or(0) });
    // SAFETY: as in `write`.
    unsafe { methods.xTruncate.map_or(ffi::SQLITE_IOERR_TRUNCATE, |own| own(file, size)) }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    let Some((name, methods)) = heard(file) else { return ffi::SQLITE_IOERR_FSYNC };
    // What is written while it syncs need not be on the disk afterwards.
    let begun = Event::Syncing(SYNCS.fetch_add(1, Ordering::Relaxed));
    push(begun.clone());
    // SAFETY: as in `write`.
    let code = unsafe { methods.xSync.map_or(ffi::SQLITE_IOERR_FSYNC, |own| own(file, flags)) };
    if code == ffi::SQLITE_OK
        && let Some(recorder) = recorder().as_mut()
        && let Some(own) = recorder.events.iter_mut().rfind(|event| **event == begun)
    {
        *own = Event::Sync { file: name };
    }
    code
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let Some((_, methods)) = heard(file) else { return ffi::SQLITE_IOERR_CLOSE };
    if let Some(recorder) = recorder().as_mut() {
        recorder.files.remove(&(file as usize));
    }
    // SAFETY: as in `write`; its methods are its own again, for whoever opens it next.
    unsafe {
        (*file).pMethods = methods;
        methods.xClose.map_or(ffi::SQLITE_IOERR_CLOSE, |own| own(file))
    }
}
