//! Where settings come from: flags, then the environment, then `.env`, then what a command puts behind them.
//!
//! The process environment is never changed, so `.env` can be read again while the process runs, and what is read
//! can be handed to a child as it was checked.

use std::{collections::BTreeMap, path::Path};

use crate::{
    config::{ConfigError, Environment, Overlay, Vars, unknown, unreadable},
    control,
};

/// All variables that a command sees.
#[derive(Debug, Clone)]
pub struct Variables(Overlay<File>);

/// The environment, behind it the lines of `.env`, and behind those what a command gives where neither says anything.
#[derive(Debug, Clone, Default)]
struct File {
    lines: BTreeMap<String, String>,
    defaults: BTreeMap<String, String>,
}

impl Vars for File {
    fn get(&self, name: &str) -> Option<String> {
        let line = || Vars::get(&self.lines, name).or_else(|| Vars::get(&self.defaults, name));
        Environment.get(name).or_else(line)
    }
}

impl Vars for Variables {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name)
    }
}

impl Variables {
    /// Reads `.env` from the working directory, when there is one.
    ///
    /// A child of the supervisor reads none: it was given what the supervisor checked.
    ///
    /// # Errors
    /// When `.env` cannot be read or understood.
    pub fn read(flags: BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let supervised = Environment.get(control::CONTROL).is_some();
        let lines = if supervised { BTreeMap::new() } else { read_file(Path::new(".env"))? };
        Ok(Self(Overlay { flags, vars: File { lines, ..File::default() } }))
    }

    /// The same flags, with a freshly read `.env`; what of it is not known is told.
    ///
    /// # Errors
    /// When `.env` cannot be read or understood.
    pub fn reread(&self) -> Result<Self, ConfigError> {
        let read = Self::read(self.0.flags.clone())?.with_defaults(self.0.vars.defaults.clone());
        read.tell_unknown();
        Ok(read)
    }

    /// Warns of variables that look like rowcast's and that nothing reads. No more than a warning, because another
    /// release may know them. A child of the supervisor is silent: its supervisor has told.
    pub fn tell_unknown(&self) {
        if Environment.get(control::CONTROL).is_some() {
            return;
        }
        let mut names = Environment::names();
        names.extend(self.0.vars.lines.keys().chain(self.0.flags.keys()).cloned());
        names.sort_unstable();
        names.dedup();
        for sentence in unknown(names.iter().map(String::as_str)) {
            tracing::warn!("{sentence}");
        }
    }

    /// Whether the command line gives this variable.
    pub fn is_flag(&self, name: &str) -> bool {
        self.0.flags.contains_key(name)
    }

    /// These variables with others before them, as if they had been given as flags.
    #[must_use]
    pub fn with(mut self, variables: BTreeMap<String, String>) -> Self {
        self.0.flags.extend(variables);
        self
    }

    /// These variables with others behind them, for where neither the environment nor `.env` gives any.
    #[must_use]
    pub fn with_defaults(mut self, variables: BTreeMap<String, String>) -> Self {
        self.0.vars.defaults.extend(variables);
        self
    }

    /// What a child needs beyond the environment that it inherits: the flags, and the lines of `.env` and the defaults
    /// that count.
    pub fn for_children(&self) -> BTreeMap<String, String> {
        let Overlay { flags, vars: File { lines, defaults } } = &self.0;
        let counted = defaults.iter().chain(lines).filter(|(name, _)| Environment.get(name).is_none());
        counted.chain(flags).map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let wrong = |problem: String| ConfigError::new(".env", None, problem);
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(BTreeMap::new()),
        Err(error) => return Err(wrong(not_understood(&error, ""))),
    };
    let mut variables = BTreeMap::new();
    let mut place = "its first line".to_owned();
    for line in lines {
        let (name, value) = line.map_err(|error| wrong(not_understood(&error, &place)))?;
        place = format!("the line after {name}");
        // The first of two lines for the same variable counts, as it does for sqlx-cli.
        variables.entry(name).or_insert(value);
    }
    Ok(variables)
}

/// The library's own words quote the line, which may hold a password: the place is told instead.
fn not_understood(error: &dotenvy::Error, place: &str) -> String {
    match error {
        dotenvy::Error::LineParse(..) => {
            format!(
                "{place} is not understood; write NAME=value, with quotes around a value that holds spaces"
            )
        }
        dotenvy::Error::Io(error) => unreadable(error),
        other => format!("cannot be read: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
        let path = std::env::temp_dir().join(format!("rowcast-env-{}", ulid::Ulid::generate()));
        std::fs::write(&path, text).unwrap();
        let read = read_file(&path);
        std::fs::remove_file(&path).unwrap();
        read
    }

    #[test]
    fn no_file_is_no_variables() {
        assert_eq!(read_file(Path::new("/does/not/exist/.env")).unwrap(), BTreeMap::new());
    }

    #[test]
    fn the_first_of_two_lines_counts() {
        assert_eq!(parse("A=1\n# comment\nA=2\nB='x y'\n").unwrap()["A"], "1");
    }

    #[test]
    fn a_line_that_is_not_understood_is_placed_without_its_text() {
        let error = parse("A=1\nB=a hunter2\n").unwrap_err().to_string();
        assert!(error.starts_with(".env: the line after A") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn children_get_the_flags_and_the_file_but_not_what_they_inherit() {
        let file = BTreeMap::from([("PATH".to_owned(), "x".to_owned()), ("A".to_owned(), "file".to_owned())]);
        let flags = BTreeMap::from([("A".to_owned(), "flag".to_owned())]);
        let variables = Variables(Overlay { flags, vars: File { lines: file, ..File::default() } });
        assert_eq!(variables.for_children(), BTreeMap::from([("A".to_owned(), "flag".to_owned())]));
        assert_eq!(variables.get("A").as_deref(), Some("flag"));
    }

    #[test]
    fn what_a_command_puts_behind_counts_until_the_file_gives_something() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let file = File { lines: map(&[("A", "file")]), ..File::default() };
        let variables = Variables(Overlay { flags: map(&[]), vars: file });
        let variables = variables.with_defaults(map(&[("A", "default"), ("B", "default"), ("PATH", "x")]));
        assert_eq!(variables.get("A").as_deref(), Some("file"));
        assert_eq!(variables.get("B").as_deref(), Some("default"));
        assert_eq!(variables.for_children(), map(&[("A", "file"), ("B", "default")]));
    }
}
