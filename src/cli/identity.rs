//! Who the supervisor says that this process is.

use std::str::FromStr;

use ulid::Ulid;

use crate::{
    config::{ConfigError, Vars},
    control::{self, Identity},
};

/// Who the supervisor says this is; without one, someone new.
pub(super) fn identity(vars: &dyn Vars) -> Result<Identity, ConfigError> {
    let id = |name, text: &str| {
        text.parse::<Ulid>().map_err(|_| ConfigError::new(name, Some(text), "expected a ULID"))
    };
    let predecessors = vars.get(control::PREDECESSORS).unwrap_or_default();
    Ok(Identity {
        id: vars
            .get(control::WORKER_ID)
            .map_or_else(|| Ok(Ulid::generate()), |text| id(control::WORKER_ID, &text))?,
        supervisor: vars.get(control::SUPERVISOR).map(|text| id(control::SUPERVISOR, &text)).transpose()?,
        slot: number(vars, control::SLOT)?,
        restarts: number(vars, control::RESTARTS)?,
        predecessors: predecessors
            .split(',')
            .filter(|text| !text.is_empty())
            .map(|text| id(control::PREDECESSORS, text))
            .collect::<Result<_, _>>()?,
    })
}

fn number<N: FromStr>(vars: &dyn Vars, name: &'static str) -> Result<Option<N>, ConfigError> {
    let number =
        |text: String| text.parse().map_err(|_| ConfigError::new(name, Some(&text), "expected a number"));
    vars.get(name).map(number).transpose()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_identity_is_what_the_supervisor_says() {
        let [me, dead, supervisor] = [Ulid::generate(), Ulid::generate(), Ulid::generate()];
        let vars = BTreeMap::from([
            (control::WORKER_ID.to_owned(), me.to_string()),
            (control::SUPERVISOR.to_owned(), supervisor.to_string()),
            (control::SLOT.to_owned(), "3".to_owned()),
            (control::RESTARTS.to_owned(), "7".to_owned()),
            (control::PREDECESSORS.to_owned(), format!("{dead},{me}")),
        ]);
        let expected = Identity {
            id: me,
            supervisor: Some(supervisor),
            slot: Some(3),
            restarts: Some(7),
            predecessors: vec![dead, me],
        };
        assert_eq!(identity(&vars).unwrap(), expected);
    }

    #[test]
    fn without_a_supervisor_it_is_someone_new() {
        let nothing = BTreeMap::new();
        let identity = identity(&nothing).unwrap();
        assert_eq!((identity.supervisor, identity.slot, identity.predecessors), (None, None, vec![]));
    }
}
