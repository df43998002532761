//! How a process ended, and what that means to whoever reads the log. Pure.

use super::slot::Why;
use crate::{
    config::EXIT_CONFIG,
    control::{EXIT_FENCED, Role},
};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl Exit {
    /// What it means and what comes of it, in words; `why` is the reason for which the process was sent away.
    pub fn meaning(self, role: Role, why: Option<Why>) -> Option<String> {
        const FENCED: i32 = EXIT_FENCED as i32;
        const CONFIG: i32 = EXIT_CONFIG as i32;
        let what = match (self.code, self.signal) {
            (Some(FENCED), _) => {
                let fenced = "fenced: it was silent for longer than its lease, so others took it for dead and finished \
                              its work; nothing is lost, and a new one takes its place";
                return Some(fenced.to_owned());
            }
            (Some(CONFIG), _) => {
                let refused = "its configuration is refused, by its own line above; a new one is tried now and then, \
                               and at once after HUP";
                return Some(refused.to_owned());
            }
            (Some(1), _) => "it did not end in order, for which its own lines above have the reason",
            (Some(101), _) => "it panicked, which is a fault of rowcast; its own lines above say where",
            (_, Some(9)) if why.is_none() => "killed by somebody with -9, or by the kernel for its memory",
            (_, Some(9)) => "killed by the supervisor",
            (_, Some(_)) => "ended by a signal",
            _ => return None,
        };
        let left = match role {
            Role::Worker => "what it held will be rescued",
            Role::Gateway => "its clients connect again by themselves",
        };
        Some(format!("{what}; {left}"))
    }

    /// Why it ended, for people who look from elsewhere: what the supervisor had in mind, what it means, and where
    /// there is neither, the bare code or signal.
    pub fn reason(self, role: Role, why: Option<Why>) -> String {
        let parts = [why.map(|why| why.of(role).to_owned()), self.meaning(role, why)];
        let words = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
        match (words.is_empty(), self.code, self.signal) {
            (false, ..) => words,
            (true, Some(code), _) => format!("ended by itself with code {code}"),
            (true, None, Some(signal)) => format!("ended by signal {signal}"),
            (true, None, None) => "ended".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_told_in_words_with_what_comes_of_it() {
        let code = |code| Exit { code: Some(code), signal: None };
        let killed = Exit { code: None, signal: Some(9) };
        let cases = [
            (code(75), None, "fenced: it was silent for longer than its lease"),
            (code(64), None, "its configuration is refused"),
            (code(101), None, "it panicked, which is a fault of rowcast"),
            (code(1), Some(Why::Stopping), "it did not end in order"),
            (
                killed,
                None,
                "killed by somebody with -9, or by the kernel for its memory; what it held will be rescued",
            ),
            (killed, Some(Why::Stall), "killed by the supervisor; what it held will be rescued"),
            (Exit { code: None, signal: Some(11) }, None, "ended by a signal"),
        ];
        for (exit, why, expected) in cases {
            let told = exit.meaning(Role::Worker, why).unwrap();
            assert!(told.starts_with(expected), "{exit:?}: {told}");
        }
        assert_eq!(code(0).meaning(Role::Worker, Some(Why::Rolling)), None);
        assert_eq!(code(0).reason(Role::Worker, Some(Why::Rolling)), "rolling restart");
        assert_eq!(code(0).reason(Role::Worker, Some(Why::Removed)), "fewer workers wanted");
        assert_eq!(code(0).reason(Role::Gateway, Some(Why::Removed)), "fewer gateways wanted");
        assert_eq!(code(0).reason(Role::Worker, None), "ended by itself with code 0");
        assert!(
            killed.reason(Role::Worker, Some(Why::Stall)).starts_with("no progress: killed by the super")
        );
        assert!(
            killed.meaning(Role::Gateway, None).unwrap().ends_with("its clients connect again by themselves")
        );
    }
}
