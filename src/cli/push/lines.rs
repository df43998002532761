//! Lines from a file or from standard input, in batches, read ahead by a thread of its own.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;

use crate::{config::ConfigError, queue::check_job};

/// Bytes of one batch; one line may pass it.
const BYTES: usize = 1 << 20;
/// Batches that are read ahead.
const AHEAD: usize = 4;
/// Refused lines that are named.
const NAMED: usize = 20;

/// Where lines come from.
#[derive(Debug)]
pub(super) enum Source {
    File(File),
    Stdin,
}

/// Jobs, and the lines that they stand on.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) jobs: Vec<Vec<u8>>,
    pub(super) first_line: u64,
    pub(super) last_line: u64,
    /// Bytes read for it, with what was passed over.
    pub(super) bytes: u64,
}

impl Source {
    pub(super) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdin) };
        let wrong = |error: io::Error| {
            ConfigError::new("FILE", Some(&path.to_string_lossy()), format!("cannot be read: {error}"))
        };
        let file = File::open(path).map_err(wrong)?;
        if file.metadata().map_err(wrong)?.is_dir() {
            return Err(wrong(io::ErrorKind::IsADirectory.into()).into());
        }
        Ok(Self::File(file))
    }

    /// How many bytes there are, where that is known.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::File(file) => {
                file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
            }
            Self::Stdin => None,
        }
    }

    /// Reads everything once and refuses it when a line is no job. What cannot be read twice is kept meanwhile in a
    /// file without a name.
    pub(super) fn checked(self) -> anyhow::Result<Self> {
        let mut file = match self {
            Self::File(file) if file.metadata()?.is_file() => file,
            Self::File(other) => spool(other)?,
            Self::Stdin => spool(io::stdin().lock())?,
        };
        let mut lines = Lines::new(BufReader::new(&file));
        let mut refused = Vec::new();
        let mut count = 0;
        while let Some(job) = lines.next()? {
            if let Err(problem) = check_job(&job) {
                count += 1;
                if count <= NAMED {
                    refused.push(format!("line {}: {problem}", lines.number));
                }
            }
        }
        if count > 0 {
            if count > NAMED {
                refused.push(format!("and {} more", count - NAMED));
            }
            bail!("nothing was pushed, because these lines are no jobs:\n  {}", refused.join("\n  "));
        }
        drop(lines);
        file.rewind()?;
        Ok(Self::File(file))
    }

    /// Reads batches of up to `most` jobs.
    pub(super) fn batches(self, most: usize) -> anyhow::Result<mpsc::Receiver<anyhow::Result<Batch>>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let read = move || {
            let reader: Box<dyn BufRead> = match self {
                Self::File(file) => Box::new(BufReader::with_capacity(1 << 18, file)),
                Self::Stdin => Box::new(BufReader::with_capacity(1 << 18, io::stdin().lock())),
            };
            let mut lines = Lines::new(reader);
            while let Some(batch) = lines.batch(most).transpose() {
                let ended = batch.is_err();
                if sender.blocking_send(batch).is_err() || ended {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("lines".into()).spawn(read).context("no thread to read with")?;
        Ok(receiver)
    }
}

fn spool(mut from: impl io::Read) -> anyhow::Result<File> {
    let path = std::env::temp_dir().join(format!("rowcast-push-{}", ulid::Ulid::generate()));
    let mut open = File::options();
    let mut file = open.read(true).write(true).create_new(true).open(&path).context("no temporary file")?;
    std::fs::remove_file(&path).context("no temporary file")?;
    io::copy(&mut from, &mut file).context("cannot keep the lines in a temporary file")?;
    file.rewind()?;
    Ok(file)
}

/// Lines that are not empty, with their numbers.
struct Lines<R> {
    reader: R,
    number: u64,
    bytes: u64,
    /// The end was read. A terminal would go on after it, and wait for a second Ctrl-D.
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    fn new(reader: R) -> Self {
        Self { reader, number: 0, bytes: 0, ended: false }
    }

    /// The next line that is not empty, without its end.
    fn next(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        while !self.ended {
            let mut line = Vec::new();
            let read = self.reader.read_until(b'\n', &mut line);
            let read = read.with_context(|| format!("cannot read line {}", self.number + 1))?;
            self.ended = read == 0;
            if self.ended {
                break;
            }
            self.number += 1;
            self.bytes += read as u64;
            let end = line.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |at| at + 1);
            line.truncate(end);
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    fn batch(&mut self, most: usize) -> anyhow::Result<Option<Batch>> {
        let before = self.bytes;
        let (mut jobs, mut size, mut first_line) = (Vec::new(), 0, 0);
        while jobs.len() < most && size < BYTES {
            let Some(job) = self.next()? else { break };
            if jobs.is_empty() {
                first_line = self.number;
            }
            size += job.len();
            jobs.push(job);
        }
        let batch = Batch { jobs, first_line, last_line: self.number, bytes: self.bytes - before };
        Ok((!batch.jobs.is_empty()).then_some(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_bytes_and_numbers_and_empty_ones_are_passed_over() {
        let text = b"{\"a\":1}\r\n\n  \n \xff x \nlast";
        let mut lines = Lines::new(&text[..]);
        let batch = lines.batch(2).unwrap().unwrap();
        assert_eq!(batch.jobs, [b"{\"a\":1}".to_vec(), b" \xff x ".to_vec()]);
        assert_eq!((batch.first_line, batch.last_line), (1, 4));
        let batch = lines.batch(2).unwrap().unwrap();
        assert_eq!((batch.jobs, batch.first_line), (vec![b"last".to_vec()], 5));
        assert!(lines.batch(2).unwrap().is_none());
    }

    #[test]
    fn a_batch_passes_its_bytes_by_one_line_at_most() {
        let line = [vec![b'x'; BYTES - 1], vec![b'\n']].concat();
        let text = line.repeat(3);
        let mut lines = Lines::new(&text[..]);
        assert_eq!(lines.batch(1_000).unwrap().unwrap().jobs.len(), 2);
        assert_eq!(lines.batch(1_000).unwrap().unwrap().jobs.len(), 1);
    }
}
