//! Scripts: sent by their hash, loaded when the server does not know them.

use std::sync::OnceLock;

use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, ToRedisArgs};

use super::Link;

/// Lets a script run when memory is out: all of ours only move, delete or take a lease, and a full Redis could never be
/// drained otherwise. Servers before 7 do not know the line; they allow it to a script whose first write deletes.
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

    /// Sends the call, and loads the script when the server does not know it (after a restart or a flush).
    pub(super) async fn send<T: FromRedisValue>(&self) -> RedisResult<T> {
        match self.link.query(&self.command).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.form.load_async(&mut self.link.connection().await?).await?;
                self.link.query(&self.command).await
            }
            result => result,
        }
    }
}
