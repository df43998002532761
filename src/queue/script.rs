//! Scripts: sent by their hash, loaded when the server does not know them.

use std::sync::OnceLock;

use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind, ToRedisArgs};

use super::Link;

/// Lets a script run when memory is out: all of ours only move, delete, take a lease or count, and a full Redis could never be
/// drained otherwise. Servers before 7 do not know the line. They allow it to a script whose first write deletes, so
/// not to a lease: when such a server is full its workers wait.
const FLAGS: &str = "#!lua flags=allow-oom\n";

/// A script, in the form that the server at hand knows.
pub(super) struct Script {
    body: &'static str,
    /// Without flags, and with them.
    forms: OnceLock<[redis::Script; 2]>,
}

/// A call of a script, to which arguments are added.
pub(super) struct Call<'a> {
    form: &'a redis::Script,
    link: &'a Link,
    command: Cmd,
}

impl Script {
    /// A script from its text.
    pub(super) const fn new(body: &'static str) -> Self {
        Self { body, forms: OnceLock::new() }
    }

    /// Begins a call with its keys.
    pub(super) async fn on<'a>(&'a self, link: &'a Link, keys: &[&str]) -> RedisResult<Call<'a>> {
        let forms = self.forms.get_or_init(|| {
            [redis::Script::new(self.body), redis::Script::new(&format!("{FLAGS}{}", self.body))]
        });
        let form = &forms[usize::from(link.is_modern().await?)];
        let mut command = redis::cmd("EVALSHA");
        command.arg(form.get_hash()).arg(keys.len()).arg(keys);
        Ok(Call { form, link, command })
    }
}

impl Call<'_> {
    /// Adds an argument.
    pub(super) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        self.command.arg(argument);
        self
    }

    /// Sends the call.
    pub(super) async fn send<T: FromRedisValue>(&self) -> RedisResult<T> {
        match self.link.query(&self.command).await {
            Err(error) if self.is_missing(&error) => {
                self.load().await?;
                self.link.query(&self.command).await
            }
            result => result,
        }
    }

    /// Sends the call and a command that reads what the script has written, in one round trip.
    pub(super) async fn send_and<T, U>(&self, command: &Cmd) -> RedisResult<(T, U)>
    where
        T: FromRedisValue,
        U: FromRedisValue,
    {
        let mut both = redis::pipe();
        both.add_command(self.command.clone()).add_command(command.clone());
        match self.link.pipeline(&both).await {
            Err(error) if self.is_missing(&error) => {
                self.load().await?;
                self.link.pipeline(&both).await
            }
            result => result,
        }
    }

    /// Sends a command, the call, and a command that reads what the script has written, in one round trip. Returns the
    /// last two replies. Unlike the others it does not load a script that the server does not know.
    pub(super) async fn send_between<T, U>(&self, before: &Cmd, after: &Cmd) -> RedisResult<(T, U)>
    where
        T: FromRedisValue,
        U: FromRedisValue,
    {
        let mut all = redis::pipe();
        all.add_command(before.clone()).ignore();
        all.add_command(self.command.clone()).add_command(after.clone());
        self.link.pipeline(&all).await
    }

    /// The server does not know the script: it was restarted, or its scripts were flushed.
    fn is_missing(&self, error: &RedisError) -> bool {
        error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
    }

    async fn load(&self) -> RedisResult<()> {
        self.link.ask(async |connection| self.form.load_async(connection).await).await.map(|_| ())
    }
}
