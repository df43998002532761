//! `rowcast dead list` and `rowcast dead show`.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::bail;
use serde::Serialize;

use super::{
    super::{
        Variables, reach,
        show::{say, say_json, shown, table},
    },
    NONE,
    pages::{Entry, Pages},
};
use crate::{config::QueueSettings, queue::DeadLetter};

/// Show which dead letters there are
///
/// Counts them by code, column and reason, so that one look tells what goes wrong most. What differs in the reasons of
/// a group is left out (...). Each group has the id of its
/// oldest letter, for `rowcast dead show` and `retry`. With --all each letter has a line, oldest first: id, time, code,
/// column and the beginning of the job.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast dead list
  rowcast dead list --all | grep 1406
  rowcast dead list --all --json > letters.ndjson   one whole letter on each line

Exit codes: 0 shown, 1 Redis is away, 64 bad configuration")]
pub(super) struct ListArgs {
    /// One line for each letter
    #[arg(long)]
    all: bool,
    /// Write JSON: an array of groups, or with --all one letter on each line
    #[arg(long)]
    json: bool,
}

/// Show one dead letter whole
///
/// Shows the reason and the job as the producer pushed it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast dead show 01JD0000000000000000000000:7:0
  rowcast dead show --raw 01JD0000000000000000000000:7:0 > job.json

Exit codes: 0 shown, 1 there is no such letter, or Redis is away, 64 bad configuration")]
pub(super) struct ShowArgs {
    /// The letter's id, as `rowcast dead list --all` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// Write the letter as JSON, as it stands in Redis
    #[arg(long, conflicts_with = "raw")]
    json: bool,
    /// Write the job's own bytes and nothing else
    #[arg(long)]
    raw: bool,
}

/// Letters that died of the same.
#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Group {
    queue: String,
    code: String,
    column: Option<String>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Counted {
    count: u64,
    /// The oldest letter's id.
    id: Option<String>,
    /// The reason in all its words, while no other letter has other ones.
    #[serde(skip)]
    whole: Option<String>,
    #[serde(flatten)]
    group: Group,
}

/// So much of a reason stands in its line.
const REASON: usize = 160;

pub(super) fn list(args: &ListArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    reach::block_on(async {
        let (mut groups, mut any) = (BTreeMap::<Group, Counted>::new(), false);
        for (queue, admin) in reach::queues(&settings).await? {
            let mut pages = Pages::begin(&queue, &admin).await?;
            while let Some(page) = pages.next().await? {
                for entry in &page {
                    match args.all {
                        true => {
                            if !any && !args.json {
                                say(line(["id", "at", "code", "column", "job"]))?;
                            }
                            any = true;
                            say_entry(entry, args.json)?;
                        }
                        false => {
                            let group = group(&queue, entry);
                            let id = entry.letter.as_ref().map(|letter| letter.id.clone());
                            let whole = entry.letter.as_ref().map(|letter| letter.reason.clone());
                            let first = Counted { count: 0, id, whole: whole.clone(), group: group.clone() };
                            let counted = groups.entry(group).or_insert(first);
                            counted.count += 1;
                            counted.whole = counted.whole.take().filter(|same| Some(same) == whole.as_ref());
                        }
                    }
                }
            }
        }
        if !args.all {
            say_groups(groups.into_values().collect(), args.json)?;
        } else if !any && !args.json {
            say(NONE)?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn group(queue: &str, entry: &Entry) -> Group {
    let queue = queue.to_owned();
    match &entry.letter {
        Some(DeadLetter { code, column, reason, .. }) => {
            Group { queue, code: code.clone(), column: column.clone(), reason: general(reason) }
        }
        None => {
            Group { queue, code: "unreadable".into(), column: None, reason: "not written by rowcast".into() }
        }
    }
}

/// A reason without the values and row numbers in it, which differ from letter to letter: names of columns and keys
/// stay.
fn general(reason: &str) -> String {
    let mut text = String::new();
    for (at, part) in reason.split('\'').enumerate() {
        let names = ["column ", "Field ", "key "].iter().any(|word| text.ends_with(word));
        if at > 0 {
            text.push('\'');
        }
        text.push_str(if at % 2 == 1 && !names { "..." } else { part });
    }
    text.rsplit_once(" at row ").map(|(before, _)| before.to_owned()).unwrap_or(text)
}

fn say_groups(mut counted: Vec<Counted>, json: bool) -> anyhow::Result<()> {
    counted.sort_by_key(|line| std::cmp::Reverse(line.count));
    if json {
        return say_json(&counted);
    }
    if counted.is_empty() {
        return Ok(say(NONE)?);
    }
    let mut rows =
        vec![["letters", "queue", "code", "column", "oldest", "reason"].map(str::to_owned).to_vec()];
    let mut is_cut = false;
    rows.extend(counted.iter().map(|Counted { count, id, whole, group }| {
        let column = group.column.clone().unwrap_or_else(|| "-".into());
        let id = id.clone().unwrap_or_else(|| "-".into());
        let Group { queue, code, reason, .. } = group.clone();
        let reason = shown(whole.as_ref().unwrap_or(&reason), REASON);
        is_cut |= reason.ends_with("...") || whole.is_none() && reason.contains("'...'");
        vec![count.to_string(), queue, code, column, id, reason]
    }));
    say(table(&rows))?;
    if is_cut {
        say(
            "\n... stands for what differs from letter to letter, or is too long; `rowcast dead show ID` shows it whole.",
        )?;
    }
    Ok(())
}

fn say_entry(entry: &Entry, json: bool) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(&entry.text);
    let Some(letter) = &entry.letter else {
        let line = || line(["-", "-", "(unreadable)", "-", &shown(&text, 60)]);
        return Ok(say(if json { text.clone().into_owned() } else { line() })?);
    };
    if json {
        return Ok(say(letter.to_json())?);
    }
    let column = letter.column.as_deref().unwrap_or("-");
    let raw = letter.raw_bytes();
    let raw = String::from_utf8_lossy(&raw[..raw.len().min(400)]);
    Ok(say(line([&letter.id, &letter.at, &letter.code, column, &shown(&raw, 80)]))?)
}

/// A letter's line, as wide as ids, times and codes usually are: all letters would not fit into memory to be measured.
fn line([id, at, code, column, job]: [&str; 5]) -> String {
    format!("{id:<32}  {at:<20}  {code:<16}  {column:<12}  {job}")
}

pub(super) fn show(args: &ShowArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    reach::block_on(async {
        for (queue, admin) in reach::queues(&settings).await? {
            let mut pages = Pages::begin(&queue, &admin).await?;
            while let Some(page) = pages.next().await? {
                let mut letters = page.into_iter().filter_map(|entry| entry.letter);
                if let Some(letter) = letters.find(|letter| letter.id == args.id) {
                    return say_letter(&letter, args);
                }
            }
        }
        bail!("there is no dead letter {:?}; `rowcast dead list --all` shows those that there are", args.id)
    })
}

fn say_letter(letter: &DeadLetter, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let raw = letter.raw_bytes();
    if args.raw {
        io::stdout().lock().write_all(&raw)?;
    } else if args.json {
        say(letter.to_json())?;
    } else {
        let DeadLetter { id, queue, code, column, reason, at, attempts, .. } = letter;
        say(format!(
            "id:        {id}\nqueue:     {queue}\nat:        {at}\nattempts:  {attempts}\ncode:      {code}"
        ))?;
        if let Some(column) = column {
            say(format!("column:    {column}"))?;
        }
        say(format!("reason:    {}", shown(reason, 10_000)))?;
        say(match std::str::from_utf8(&raw) {
            Ok(text) => format!("job ({} bytes):\n{}", raw.len(), shown(text, usize::MAX)),
            Err(_) => format!("job ({} bytes, not UTF-8):\n{}", raw.len(), raw.escape_ascii()),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_values_alone_are_one_group() {
        let long = |row: u32| general(&format!("Data too long for column 'openid' at row {row}"));
        assert_eq!(long(1), "Data too long for column 'openid'");
        assert_eq!(long(1), long(2));
        let twice = |value: &str| general(&format!("Duplicate entry '{value}' for key 'openid'"));
        assert_eq!(twice("a"), twice("b"));
        assert_eq!(twice("a"), "Duplicate entry '...' for key 'openid'");
    }
}
