//! Creates an SQL server's data directory, all or nothing.
//!
//! It is made under another name and renamed when it is whole: a data directory that exists is never half of one,
//! whatever was killed when.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;
use tokio::process::Command;
use tokio::task::spawn_blocking;

use super::binary::{Flavour, SqlBinary, find_program};

/// In the names of folders that are being filled.
const UNFINISHED: &str = ".unfinished-";

/// Makes sure that `data` exists: by a copy of the template if there is to be one, else by the server's own means.
pub(super) async fn ensure(data: &Path, binary: &SqlBinary, template: Option<&Path>) -> Result<()> {
    if data.exists() {
        return Ok(());
    }
    remove_unfinished(data)?;
    let Some(template) = template else { return create(data, binary).await };
    if !template.exists() {
        create(template, binary).await?;
    }
    let (from, to) = (template.to_owned(), data.to_owned());
    spawn_blocking(move || make_whole(&to, |unfinished| copy(&from, unfinished)))
        .await?
        .with_context(|| format!("cannot copy the prepared data directory {}", template.display()))
}

/// Removes what a killed first start left behind. The folder around the data is this process's alone.
fn remove_unfinished(data: &Path) -> Result<()> {
    let parent = data.parent().context("a data directory needs a folder around it")?;
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains(UNFINISHED)) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Lets the server's own tool create its system tables.
async fn create(data: &Path, binary: &SqlBinary) -> Result<()> {
    let unfinished = unfinished(data);
    let parent = data.parent().context("a data directory needs a folder around it")?;
    fs::create_dir_all(parent)?;
    // Its own, because a starting MariaDB removes the temporary tables that it finds, whoever's they are.
    let temporary = unfinished.with_added_extension("tmp");
    fs::create_dir(&temporary)?;
    let mut command = installer(&unfinished, binary)?;
    command.env("TMPDIR", &temporary);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {:?}", command.as_std().get_program()))?;
    remove(&temporary)?;
    if !output.status.success() {
        remove(&unfinished)?;
        bail!(
            "cannot create the SQL server's data directory {}: {:?} ended with {}\n{}{}",
            data.display(),
            command.as_std().get_program(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }
    finish(&unfinished, data)
}

/// The command that fills an empty folder with system tables, and a root without a password.
fn installer(data: &Path, binary: &SqlBinary) -> Result<Command> {
    let mut command = match binary.flavour {
        Flavour::MariaDb => {
            let mut command = Command::new(mariadb_install_db(&binary.path)?);
            command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
            command
        }
        Flavour::MySql => {
            let mut command = Command::new(&binary.path);
            command.args(["--no-defaults", "--initialize-insecure"]);
            command
        }
    };
    if geteuid().is_root() {
        command.arg("--user=root");
    }
    // A name without its folder: mariadb-install-db splits a path at its spaces.
    let (folder, name) =
        data.parent().zip(data.file_name()).context("a data directory needs a folder around it")?;
    let mut option = OsString::from("--datadir=./");
    option.push(name);
    command.arg(option).current_dir(folder);
    Ok(command)
}

/// The tool that belongs to this server: beside it, else in `PATH`.
fn mariadb_install_db(server: &Path) -> Result<PathBuf> {
    let real = server.canonicalize()?;
    let home = real.parent().and_then(Path::parent).unwrap_or(Path::new("/usr"));
    let beside = ["bin", "scripts"].map(|folder| home.join(folder).join("mariadb-install-db"));
    match beside.into_iter().find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => find_program("mariadb-install-db"),
    }
}

/// Fills a folder under another name, then gives it its own.
fn make_whole(target: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let unfinished = unfinished(target);
    fill(&unfinished)?;
    finish(&unfinished, target)
}

/// Gives a finished folder its name. Somebody else may have been quicker: then theirs is as good.
fn finish(unfinished: &Path, target: &Path) -> Result<()> {
    match fs::rename(unfinished, target) {
        Ok(()) => Ok(()),
        Err(_) if target.exists() => remove(unfinished),
        Err(error) => Err(error).with_context(|| format!("cannot create {}", target.display())),
    }
}

/// A name beside the target that nobody else uses at the same time.
fn unfinished(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!("{UNFINISHED}{}", ulid::Ulid::generate()));
    target.with_file_name(name)
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Copies a folder of plain files and folders.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
