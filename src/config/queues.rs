//! What a command needs to know that looks after queues: it speaks to Redis alone, so it asks for no database.
//!
//! Where a file holds many routes, `--queue` chooses one of them. (For a worker the two contradict each other.)

use super::{
    ConfigError, Publish, SecretUrl, Settings, Vars,
    settings::{publish, redis_url, routes},
};
use crate::{route::Route, spelling::did_you_mean};

/// What a command needs to know that speaks to Redis alone.
#[derive(Debug, Clone)]
pub struct QueueSettings {
    /// `REDIS_URL`, with `ROWCAST_REDIS_CA`.
    pub redis_url: SecretUrl,
    /// All routes, or the one of the chosen queue.
    pub routes: Vec<Route>,
    /// How events are published.
    pub publish: Publish,
}

impl QueueSettings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first variable that cannot be used, or a chosen queue that no route takes from.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        Ok(Self {
            redis_url: redis_url(vars)?,
            routes: choose(vars, routes(&AllRoutes(vars))?)?,
            publish: publish(vars)?,
        })
    }
}

impl Settings {
    /// Like [`Settings::from_vars`], with the routes that [`QueueSettings`] would choose.
    ///
    /// # Errors
    /// As [`QueueSettings::from_vars`].
    pub fn of_chosen_queue(vars: &dyn Vars) -> Result<Self, ConfigError> {
        let settings = Self::from_vars(&AllRoutes(vars))?;
        Ok(Self { routes: choose(vars, settings.routes)?, ..settings })
    }
}

const FILE: &str = "ROWCAST_ROUTES";
const QUEUE: &str = "ROWCAST_QUEUE";

/// The variables without the queue, where a file holds the routes.
struct AllRoutes<'a>(&'a dyn Vars);

impl Vars for AllRoutes<'_> {
    fn get(&self, name: &str) -> Option<String> {
        if name == QUEUE && self.0.get(FILE).is_some() { None } else { self.0.get(name) }
    }
}

fn choose(vars: &dyn Vars, routes: Vec<Route>) -> Result<Vec<Route>, ConfigError> {
    let Some(queue) = vars.get(QUEUE) else { return Ok(routes) };
    let known: Vec<&str> = routes.iter().map(|route| route.queue.as_str()).collect();
    let known =
        format!("there are routes for {}{}", known.join(", "), did_you_mean(&queue, known.iter().copied()));
    let problem = format!("no route takes from this queue; {known}");
    let chosen: Vec<Route> = routes.into_iter().filter(|route| route.queue == queue).collect();
    if chosen.is_empty() { Err(ConfigError::new(QUEUE, Some(&queue), problem)) } else { Ok(chosen) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn queues(vars: &BTreeMap<String, String>) -> Result<Vec<String>, ConfigError> {
        Ok(QueueSettings::from_vars(vars)?.routes.into_iter().map(|route| route.queue).collect())
    }

    #[test]
    fn a_queue_chooses_among_the_routes_of_a_file() {
        let path = std::env::temp_dir().join(format!("rowcast-routes-{}.toml", ulid::Ulid::generate()));
        let route = |queue: &str| format!("[[route]]\nqueue='{queue}'\ntable='t'\n");
        std::fs::write(&path, ["a", "b", "orders"].map(route).concat()).unwrap();
        let file = path.to_string_lossy();
        assert_eq!(queues(&vars(&[(FILE, &file)])).unwrap(), ["a", "b", "orders"]);
        assert_eq!(queues(&vars(&[(FILE, &file), (QUEUE, "b")])).unwrap(), ["b"]);
        let error = queues(&vars(&[(FILE, &file), (QUEUE, "c")])).unwrap_err().to_string();
        assert!(error.contains("ROWCAST_QUEUE=\"c\"") && error.ends_with("a, b, orders"), "{error}");
        let error = queues(&vars(&[(FILE, &file), (QUEUE, "ordres")])).unwrap_err().to_string();
        assert!(error.ends_with("a, b, orders; did you mean orders?"), "{error}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn without_a_file_any_queue_may_be_named_and_no_database_is_asked_for() {
        assert_eq!(queues(&vars(&[])).unwrap(), ["message"]);
        assert_eq!(queues(&vars(&[(QUEUE, "other")])).unwrap(), ["other"]);
    }
}
