//! `rowcast emit`: one event to rooms, from a shell.

use std::process::ExitCode;

use super::{
    Variables,
    reach::{self, InWords as _},
    show::{count, say},
};
use crate::{
    config::{ConfigError, QueueSettings},
    emitter::Target,
};

/// Send an event to the browsers in a room
///
/// Publishes through Redis in the format of the official socket.io emitter: every Node socket.io server with the
/// Redis adapter hears it, and passes it on to its clients in the room. JSON is the event's one argument; without
/// it the event has none. Prints how many servers heard it: none means that no server listens on this Redis
/// to this namespace; how many browsers are in the room is for them to know.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "rowcast emit [OPTIONS] ROOM EVENT [JSON]\n       rowcast emit [OPTIONS] --all EVENT [JSON]",
    after_long_help = "\
Examples:
  rowcast emit account:7 greet '{\"text\":\"hello\"}'
  rowcast emit lobby closing --to office --except admins
  rowcast emit --all --namespace /chat restart '{\"in\":60}'

Exit codes: 0 published, 1 Redis is away, 64 arguments or configuration that cannot be used"
)]
pub struct Args {
    /// The room (not with --all), the event's name, and its argument as JSON
    #[arg(required = true, num_args = 1..=3, value_names = ["ROOM", "EVENT", "JSON"], allow_negative_numbers = true)]
    words: Vec<String>,
    /// Another room beside ROOM; may be repeated
    #[arg(long, value_name = "ROOM", conflicts_with = "all")]
    to: Vec<String>,
    /// Leave out whoever is in this room; may be repeated
    #[arg(long, value_name = "ROOM")]
    except: Vec<String>,
    /// To everybody in the namespace; there is no ROOM then
    #[arg(long)]
    all: bool,
    /// The socket.io namespace
    #[arg(long, default_value = "/", value_name = "NAME")]
    namespace: String,
}

/// Publishes the event.
///
/// # Errors
/// Arguments that cannot be used, or a Redis that is away.
pub fn run(args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    let (rooms, event, data) = args.parts()?;
    let target = Target::new().with_key(&settings.publish.key).of(&args.namespace);
    let target = target.to(rooms).except(args.except.clone());
    let message = match &data {
        Some(data) => target.event(event, data),
        None => target.event_args(event, &()),
    };
    let message = message
        .map_err(|error| ConfigError::new("EVENT", Some(event), format!("cannot be sent: {error}")))?;
    reach::block_on(async {
        let link = reach::redis(&settings.redis_url).await?;
        let heard = link.publish(&message.channel, &message.payload).await;
        let heard = heard.in_words(|| "cannot publish".to_owned())?;
        say(format!("published; {} heard it", count(heard, "server")))?;
        Ok(ExitCode::SUCCESS)
    })
}

type Parts<'a> = (Vec<String>, &'a str, Option<serde_json::Value>);

impl Args {
    fn parts(&self) -> Result<Parts<'_>, ConfigError> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let (room, event, data) = match (self.all, words.as_slice()) {
            (true, [event]) => (None, *event, None),
            (true, [event, data]) => (None, *event, Some(*data)),
            (false, [room, event]) => (Some(*room), *event, None),
            (false, [room, event, data]) => (Some(*room), *event, Some(*data)),
            (true, _) => {
                return Err(ConfigError::new("ROOM", None, "there is none with --all, which is everybody"));
            }
            (false, _) => {
                return Err(ConfigError::new(
                    "EVENT",
                    None,
                    "is missing; write ROOM EVENT [JSON], or --all EVENT [JSON]",
                ));
            }
        };
        if room == Some("") {
            return Err(ConfigError::new("ROOM", Some(""), "is empty; --all sends to everybody"));
        }
        let rooms = room.into_iter().map(str::to_owned).chain(self.to.iter().cloned()).collect();
        let parse = |text: &str| {
            let hint = match text.starts_with(['{', '[', '"']) {
                true => "",
                false => "; text needs quotes of its own: '\"text\"'",
            };
            let wrong = |error| format!("is not JSON ({error}){hint}");
            serde_json::from_str(text).map_err(|error| ConfigError::new("JSON", Some(text), wrong(error)))
        };
        Ok((rooms, event, data.map(parse).transpose()?))
    }
}
