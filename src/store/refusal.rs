//! Why there is no connection, and what to do about it. No password is in any of these sentences.

use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;

use super::{
    advice,
    errors::{self, Refusal},
    session::{database_error, describe, is_end},
};

/// An error of connecting, in words for whoever must act on it.
pub(super) fn in_words(error: &sqlx::Error, options: &MySqlConnectOptions) -> String {
    let text = describe(error);
    match what_to_do(error, options) {
        Some(advice) => format!("{text}: {advice}"),
        None => text,
    }
}

fn what_to_do(error: &sqlx::Error, options: &MySqlConnectOptions) -> Option<String> {
    let (place, user) = (place(options), options.get_username());
    let refusal = database_error(error).and_then(|error| errors::refusal(error.number()));
    let advice = match (error, refusal) {
        (_, Some(Refusal::NoPasswordAsked)) => format!(
            "the user {user:?} signs in as a user of the server's machine and not by a password; name another one in \
             DATABASE_URL, or ALTER USER it to have a password"
        ),
        (_, Some(Refusal::Password)) => format!(
            "the user {user:?} or the password in DATABASE_URL is wrong; special characters of a password must be \
             percent-encoded there (@ is %40, : is %3A, / is %2F)"
        ),
        (_, Some(Refusal::Denied)) => {
            format!("let an administrator {}, or name another database in DATABASE_URL", grant(options))
        }
        (_, Some(Refusal::NoDatabase)) => {
            "`rowcast migrate` creates it; or name another database in DATABASE_URL".to_owned()
        }
        (_, Some(Refusal::Host)) => {
            format!("the user {user:?} may not connect from this machine: CREATE USER for its address")
        }
        (sqlx::Error::Io(io), _) if is_end(io) => format!(
            "something at {place} takes connections and ends them before a session has begun: the server is starting \
             or ending, or a proxy is there with no server behind it"
        ),
        (sqlx::Error::Io(_), _) => {
            format!("does a server run at {place}? Host and port come from DATABASE_URL")
        }
        (sqlx::Error::Tls(_), _) => format!(
            "the server at {place} and DATABASE_URL do not agree on TLS; ?ssl-mode=DISABLED, REQUIRED or VERIFY_CA \
             with ssl-ca=FILE at its end say what is wanted"
        ),
        (sqlx::Error::Protocol(text), _) if text.contains("authentication plugin") => format!(
            "rowcast signs in with a password alone: ALTER USER {user:?} to caching_sha2_password or \
             mysql_native_password"
        ),
        _ => return None,
    };
    Some(advice)
}

/// What an administrator must do so that the user has what rowcast needs.
pub(super) fn grant(options: &MySqlConnectOptions) -> String {
    let (database, user) = (options.get_database().unwrap_or_default(), options.get_username());
    format!("GRANT {} to the user {user:?} (CREATE is for `rowcast migrate` alone)", advice::rights(database))
}

/// Why there is no connection after so long, in words for whoever must act on it. A server of MySQL's kind speaks
/// first; one that says nothing may wait for us to do so.
pub(super) fn silence(options: &MySqlConnectOptions, after: Duration) -> String {
    format!(
        "the server at {} does not answer within {} s: it hangs, or it is no MySQL (a Redis, say); host and port come \
         from DATABASE_URL",
        place(options),
        after.as_secs()
    )
}

fn place(options: &MySqlConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_refused_is_named_by_its_place_and_without_the_password() {
        let options: MySqlConnectOptions = "mysql://app:hunter2@db:3307/shop".parse().unwrap();
        let cases = [
            (sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into()), "does a server run at db:3307?"),
            (
                sqlx::Error::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "expected to read 4 bytes")),
                "the server closed the connection: something at db:3307 takes connections and ends them",
            ),
            (sqlx::Error::Tls("bad certificate".into()), "ssl-mode"),
            (sqlx::Error::Protocol("unknown authentication plugin: x".into()), "ALTER USER \"app\""),
        ];
        for (error, advice) in cases {
            let text = in_words(&error, &options);
            assert!(text.contains(advice) && !text.contains("hunter2") && !text.contains("bytes"), "{text}");
        }
        assert_eq!(in_words(&sqlx::Error::RowNotFound, &options), sqlx::Error::RowNotFound.to_string());
    }
}
