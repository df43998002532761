//! All that `rowcast up` and the processes that it starts read of the variables, read at once: for `up`, before
//! anything is started, and for `rowcast check`, which refuses what `up` would refuse.

use super::{Address, ConfigError, Fanout, Settings, SupervisorSettings, Vars, gateway_addresses};

/// What `rowcast up` needs to know.
#[derive(Debug, Clone)]
pub struct UpSettings {
    /// What the workers read.
    pub workers: Settings,
    /// What the supervisor reads.
    pub supervisor: SupervisorSettings,
    /// Where each gateway listens, after all that gateways read was found good; none where there are none.
    pub gateways: Vec<Address>,
}

impl UpSettings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        Self::with(Settings::from_vars(vars)?, vars)
    }

    /// The same, with the routes of the chosen queue: see [`Settings::of_chosen_queue`].
    ///
    /// # Errors
    /// The first variable that cannot be used, or a chosen queue that no route takes from.
    pub fn of_chosen_queue(vars: &dyn Vars) -> Result<Self, ConfigError> {
        Self::with(Settings::of_chosen_queue(vars)?, vars)
    }

    fn with(workers: Settings, vars: &dyn Vars) -> Result<Self, ConfigError> {
        let supervisor = SupervisorSettings::from_vars(vars)?;
        let gateways = gateway_addresses(vars)?;
        if workers.publish.fanout == Fanout::Local && gateways.is_empty() {
            let problem = "events would go to the gateways of this supervisor alone, and with ROWCAST_GATEWAYS=0 there \
                           are none; have some, or let events go through Redis (ROWCAST_FANOUT=redis)";
            return Err(ConfigError::new("ROWCAST_FANOUT", Some("local"), problem));
        }
        Ok(Self { workers, supervisor, gateways })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_any_of_its_processes_could_not_use_is_refused_whoever_reads_it() {
        let cases = [
            ("ROWCAST_BATCH", "many"),
            ("ROWCAST_WORKERS", "three"),
            ("ROWCAST_GATEWAYS", "many"),
            ("ROWCAST_LISTEN", "0.0.0.0:80"),
            ("ROWCAST_JWT_SECRET", "short"),
            ("ROWCAST_ORIGINS", "app.example"),
            ("ROWCAST_ADMIN_TOKEN", "short"),
            ("ROWCAST_ALERT_URL", "hooks.example"),
            ("ROWCAST_ALERT_SECRET", "short"),
            ("ROWCAST_FANOUT", "here"),
        ];
        for (name, value) in cases {
            let vars = [("DATABASE_URL", "mysql://root@localhost/app"), (name, value)];
            let vars: BTreeMap<String, String> =
                vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(UpSettings::from_vars(&vars).unwrap_err().variable, name);
            assert_eq!(UpSettings::of_chosen_queue(&vars).unwrap_err().variable, name);
        }
    }

    #[test]
    fn events_that_no_gateway_would_hear_are_refused() {
        let vars = |gateways: &str| -> BTreeMap<String, String> {
            let url = ("DATABASE_URL", "mysql://root@localhost/app");
            let vars = [url, ("ROWCAST_FANOUT", "local"), ("ROWCAST_GATEWAYS", gateways)];
            vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        assert!(UpSettings::from_vars(&vars("1")).is_ok());
        let refused = UpSettings::from_vars(&vars("0")).unwrap_err().to_string();
        assert!(refused.starts_with("ROWCAST_FANOUT=\"local\": ") && refused.contains("ROWCAST_GATEWAYS=0"));
    }
}
