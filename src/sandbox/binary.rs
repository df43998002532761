//! Finds the SQL server's program, and tells MariaDB from MySQL.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// How to get what is missing; the end of each error of this module.
const INSTALL: &str =
    "install it with `apt-get install redis-server mariadb-server`, or let `make run` do so";

/// Which of the two SQL servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// MariaDB, as Debian packages it.
    MariaDb,
    /// Oracle's MySQL.
    MySql,
}

impl Flavour {
    /// The name of its folder and of the value in the environment: `mariadb` or `mysql`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
        }
    }

    /// Reads the first line of `mysqld --version`.
    fn of_version(version: &str) -> Self {
        // Debian's MariaDB answers to the name `mysqld` too, so only the version tells.
        if version.contains("MariaDB") { Self::MariaDb } else { Self::MySql }
    }
}

/// Which SQL server the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// MariaDB if there is one, else MySQL.
    Any,
    /// The first one of this flavour.
    Flavour(Flavour),
    /// This very program.
    Program(&'a Path),
}

/// An SQL server's program that can be run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlBinary {
    /// The program, as an absolute path.
    pub path: PathBuf,
    /// What it is.
    pub flavour: Flavour,
    /// The line that it prints for `--version`.
    pub version: String,
}

impl SqlBinary {
    /// Finds the wanted server: in `PATH`, in /usr/sbin (which is often not in a user's `PATH`), and in
    /// `.mysql/bin` of the current directory, where `scripts/install-mysql` unpacks one.
    pub fn find(wanted: Wanted<'_>) -> Result<Self> {
        let found = match wanted {
            Wanted::Program(path) => return Self::probe(path),
            Wanted::Any => Self::first_of(Flavour::MariaDb).or_else(|| Self::first_of(Flavour::MySql)),
            Wanted::Flavour(flavour) => Self::first_of(flavour),
        };
        found.with_context(|| match wanted {
            Wanted::Flavour(Flavour::MySql) => {
                "no MySQL server found (mysqld in PATH, /usr/sbin or .mysql/bin): unpack one with scripts/install-mysql"
                    .to_owned()
            }
            _ => format!("no SQL server found (mariadbd or mysqld in PATH or /usr/sbin): {INSTALL}"),
        })
    }

    /// The first program of this flavour. One that does not run is passed over: another may.
    fn first_of(flavour: Flavour) -> Option<Self> {
        ["mariadbd", "mysqld"]
            .iter()
            .flat_map(|name| candidates(name))
            .filter_map(|path| Self::probe(&path).ok())
            .find(|binary| binary.flavour == flavour)
    }

    /// Asks one program what it is.
    fn probe(path: &Path) -> Result<Self> {
        let asked = Command::new(path).args(["--no-defaults", "--version"]).output();
        let output =
            asked.with_context(|| format!("cannot run the SQL server {}: {INSTALL}", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.lines().next().unwrap_or_default().trim().to_owned();
        if !output.status.success() || !version.contains("Ver ") {
            bail!("{} is no SQL server: asked for its `--version` it does not answer as one", path.display());
        }
        let path = std::path::absolute(path)?;
        Ok(Self { path, flavour: Flavour::of_version(&version), version })
    }
}

/// Finds a program that belongs to the servers, or says how to install it.
pub(super) fn find_program(name: &str) -> Result<PathBuf> {
    candidates(name).into_iter().next().with_context(|| format!("no {name} found: {INSTALL}"))
}

/// Every file of this name where servers are kept, in the order of preference.
fn candidates(name: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let fixed = ["/usr/sbin", "/usr/local/sbin", ".mysql/bin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(fixed)
        .map(|folder| folder.join(name))
        .filter(|file| file.is_file())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_line_tells_mariadb_from_mysql() {
        let mariadb = "/usr/sbin/mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64";
        assert_eq!(Flavour::of_version(mariadb), Flavour::MariaDb);
        assert_eq!(Flavour::of_version("/usr/sbin/mysqld  Ver 9.4.0 for Linux on x86_64"), Flavour::MySql);
    }

    #[test]
    fn a_missing_program_says_how_to_install_it() {
        let error = SqlBinary::find(Wanted::Program(Path::new("/nowhere/mysqld"))).unwrap_err();
        assert!(format!("{error:#}").contains("apt-get install"), "{error:#}");
    }

    #[test]
    fn a_program_that_is_no_sql_server_is_refused() {
        let error = SqlBinary::find(Wanted::Program(Path::new("/bin/true"))).unwrap_err();
        assert!(error.to_string().contains("is no SQL server"), "{error:#}");
    }
}
