//! `.env.example` holds every variable that the code reads, and nothing else; so `names` knows them all. Only a test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{
    GatewaySettings, Settings, SupervisorSettings,
    names::{EXAMPLE, example},
};

/// What processes of rowcast tell each other, and what tests use: nobody sets these by hand.
const INTERNAL: [&str; 9] = [
    "ROWCAST_CONTROL",
    "ROWCAST_FANOUT_SOCKET",
    "ROWCAST_WORKER_ID",
    "ROWCAST_SUPERVISOR",
    "ROWCAST_SLOT",
    "ROWCAST_RESTARTS",
    "ROWCAST_PREDECESSORS",
    "ROWCAST_FAULT",
    "ROWCAST_FAULT_POISON",
];

/// The variables of the example with their values.
fn documented() -> BTreeMap<String, String> {
    example().map(|(name, value)| (name.into(), value.into())).collect()
}

/// The names of variables that stand as a literal of their own in the source.
fn read_by(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_by(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let is_name = |word: &&str| {
                ["REDIS_URL", "DATABASE_URL", "RUST_LOG"].contains(word)
                    || word.strip_prefix("ROWCAST_").is_some_and(|rest| {
                        !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_uppercase() || c == b'_')
                    })
            };
            names.extend(text.split('"').filter(is_name).map(str::to_owned));
        }
    }
}

#[test]
fn the_example_has_every_variable_that_the_code_reads_and_nothing_else() {
    let mut names = BTreeSet::new();
    read_by(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
    for internal in INTERNAL {
        names.remove(internal);
    }
    let documented: BTreeSet<String> = documented().into_keys().collect();
    assert_eq!(documented, names);
}

#[test]
fn the_examples_values_are_valid_and_the_route_is_the_default_one() {
    let mut vars = documented();
    vars.remove("ROWCAST_ROUTES");
    vars.remove("ROWCAST_DEDUPE");
    vars.remove("ROWCAST_REDIS_CA");
    vars.remove("ROWCAST_GATEWAY_NAMESPACES");
    vars.remove("ROWCAST_ORIGINS");
    vars.remove("ROWCAST_ALERT_URL");
    vars.remove("ROWCAST_ALERT_CA");
    vars.remove("ROWCAST_ALERT_SECRET");
    vars.retain(|name, _| !name.contains("_JWT_") && !name.ends_with("_TOKEN"));
    let settings = Settings::from_vars(&vars).unwrap();
    assert_eq!(settings.routes, [crate::route::Route::original()]);
    let least = BTreeMap::from([("DATABASE_URL".to_owned(), vars["DATABASE_URL"].clone())]);
    let default = Settings::from_vars(&least).unwrap();
    assert_eq!(format!("{settings:?}"), format!("{default:?}"));
    assert_eq!(GatewaySettings::from_vars(&vars).unwrap(), GatewaySettings::from_vars(&least).unwrap());
    assert_eq!(SupervisorSettings::from_vars(&vars).unwrap(), SupervisorSettings::from_vars(&least).unwrap());
}

#[test]
fn the_example_is_a_file_that_can_be_read() {
    let lines: Result<Vec<_>, _> = dotenvy::from_read_iter(EXAMPLE.as_bytes()).collect();
    assert_eq!(lines.unwrap().len(), 1, "only DATABASE_URL must be set");
}
