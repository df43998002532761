//! A slot in which nothing is ready, as the other children of its supervisor tell.

use std::collections::BTreeMap;

use serde::Serialize;

use super::life::text;
use crate::{
    control::{Role, Unready},
    queue::Member,
};

/// A slot in which nothing is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// The supervisor's host.
    pub host: Option<String>,
    /// The supervisor's id.
    pub supervisor: String,
    /// What the slot is for, since when nothing in it is ready, and why.
    #[serde(flatten)]
    pub unready: Unready,
}

impl Slot {
    /// The slots that any of these tells of, by supervisor, role and number. Each of a supervisor's children tells of
    /// the same; while one of them is late, what is of the last change counts.
    pub(super) fn of<'a>(members: impl Iterator<Item = &'a Member>) -> Vec<Self> {
        let mut newest: BTreeMap<String, (u128, &Member)> = BTreeMap::new();
        for member in members.filter(|member| !member.fields.is_empty()) {
            let Some(supervisor) = text(member, "supervisor") else { continue };
            let lease = text(member, "lease").and_then(|lease| lease.parse().ok()).unwrap_or(0_u128);
            let silent = lease.saturating_sub(member.left.as_millis());
            let known = newest.entry(supervisor).or_insert((silent, member));
            if silent < known.0 {
                *known = (silent, member);
            }
        }
        let slots = newest.into_iter().flat_map(|(supervisor, (_, member))| {
            let told = text(member, "unready").and_then(|slots| serde_json::from_str(&slots).ok());
            let told: Vec<Unready> = told.unwrap_or_default();
            let host = text(member, "host");
            told.into_iter().map(move |unready| Self {
                host: host.clone(),
                supervisor: supervisor.clone(),
                unready,
            })
        });
        slots.collect()
    }

    /// Whether it is a slot of this role.
    pub fn is_of(&self, role: Role) -> bool {
        self.unready.role == role
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn of_what_a_supervisors_children_tell_that_counts_which_was_told_last() {
        let member = |supervisor: &str, left: u64, unready: &str| Member {
            id: String::new(),
            fields: [("supervisor", supervisor), ("host", "a"), ("lease", "15000"), ("unready", unready)]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            left: Duration::from_secs(left),
        };
        let slot = r#"[{"role":"gateway","slot":2,"since":7,"why":"taken"}]"#;
        let gone = Member { fields: BTreeMap::new(), ..member("1", 0, slot) };
        let told = |members: &[Member]| Slot::of(members.iter());
        assert_eq!(told(&[gone, member("1", 10, slot), member("1", 12, "[]")]), []);
        let slots = told(&[member("1", 12, slot), member("1", 10, ""), member("2", 9, slot)]);
        assert_eq!(slots.len(), 2);
        let json = serde_json::json!({
            "host": "a", "supervisor": "1", "role": "gateway", "slot": 2, "since": 7, "why": "taken",
        });
        assert_eq!(serde_json::json!(slots[0]), json);
    }
}
