//! Whether whoever is to be told of troubles takes a message.

use super::finding::Findings;
use crate::{
    alert::{Alert, Hook},
    config::{AlertSettings, ConfigError, HookSettings, Vars},
};

/// Who is to be called.
///
/// # Errors
/// A variable that cannot be used, or that there is nobody.
pub(super) fn settings(vars: &dyn Vars) -> Result<HookSettings, ConfigError> {
    let nobody =
        || ConfigError::new("ROWCAST_ALERT_URL", None, "is not set, so there is nobody to send a test to");
    AlertSettings::from_vars(vars)?.hook.ok_or_else(nobody)
}

/// Sends a message that says that nothing is wrong.
pub(super) async fn check(settings: &HookSettings, found: &mut Findings) {
    let hook = match Hook::new(settings) {
        Ok(hook) => hook,
        Err(error) => return found.problem("alert", format!("a test cannot be sent: {error:#}")),
    };
    let now = time::OffsetDateTime::now_utc().unix_timestamp().max(0) as u64;
    let answer = match hook.send(Alert::test(now * 1_000).body(0), now).await {
        Ok(answer) => answer,
        Err(error) => return found.problem("alert", format!("a test was not taken: {error:#}")),
    };
    let status = answer.status;
    let said = match answer.beginning().await {
        said if said.is_empty() => String::new(),
        said => format!(", and says: {said}"),
    };
    let signed = if settings.secret.is_some() { "signed" } else { "without a signature" };
    let sent = format!("a test was sent, {signed}: {} answers {status}{said}", hook.url());
    match status.is_success() {
        true => found.ok("alert", sent),
        false if status.is_redirection() => {
            found.problem("alert", format!("{sent}; redirects are not followed"))
        }
        false => found.problem("alert", sent),
    }
}
