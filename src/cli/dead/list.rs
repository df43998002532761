//! `rowcast dead list` and `rowcast dead show`.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::bail;

use super::{
    super::{
        Variables,
        reach::{self, InWords as _},
        show::{say, say_json, shown, table},
    },
    names, none,
};
use crate::{
    config::QueueSettings,
    dead::{Counted, Cursor, Entry, Group, Groups, PAGE, find},
    queue::{Admin, DeadLetter, Form},
};

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

/// So much of a reason stands in its line.
const REASON: usize = 160;

/// Letters without their jobs are small.
const MANY: u64 = 1_000;

pub(super) fn list(args: &ListArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    reach::block_on(async {
        let (mut groups, mut any) = (Groups::default(), false);
        let queues = reach::queues(&settings).await?;
        for (queue, admin) in &queues {
            let failed = || format!("cannot read the dead letters of {queue:?}");
            let mut cursor = Cursor::start(admin).await.in_words(failed)?;
            let (most, form) = if args.all { (PAGE, Form::Whole) } else { (MANY, Form::Facts) };
            loop {
                let page = cursor.next(admin, most, form).await.in_words(failed)?;
                if page.is_empty() {
                    break;
                }
                for entry in &page {
                    if !args.all {
                        groups.add(queue, entry);
                        continue;
                    }
                    if !any && !args.json {
                        say(line(["id", "at", "code", "column", "job"]))?;
                    }
                    any = true;
                    say_entry(entry, args.json)?;
                }
            }
        }
        if !args.all {
            any = say_groups(&groups.into_sorted(), args.json)?;
        }
        if !any && !args.json {
            say(none(&queues))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Returns whether there are any.
fn say_groups(counted: &[Counted], json: bool) -> anyhow::Result<bool> {
    if json {
        say_json(&counted)?;
    }
    if json || counted.is_empty() {
        return Ok(!counted.is_empty());
    }
    let mut rows =
        vec![["letters", "queue", "code", "column", "oldest", "reason"].map(str::to_owned).to_vec()];
    let mut is_cut = false;
    rows.extend(counted.iter().map(|Counted { count, id, whole, group, .. }| {
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
    Ok(true)
}

fn say_entry(entry: &Entry, json: bool) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(&entry.text);
    let Some(letter) = entry.letter() else {
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
        let queues = reach::queues(&settings).await?;
        for (queue, admin) in &queues {
            if let Some(letter) = letter(queue, admin, &args.id).await? {
                return say_letter(&letter, args);
            }
        }
        bail!(
            "there is no dead letter {:?} in {}; `rowcast dead list --all` shows those that there are",
            args.id,
            names(&queues)
        )
    })
}

async fn letter(queue: &str, admin: &Admin, id: &str) -> anyhow::Result<Option<DeadLetter>> {
    let failed = || format!("cannot read the dead letters of {queue:?}");
    let newest = Cursor::start(admin).await.in_words(failed)?.left;
    let found = find(admin, id, newest, newest).await.in_words(failed)?;
    Ok(found.and_then(|entry| entry.letter()))
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
