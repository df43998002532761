//! What the documents say is so: variables, links, and the README's own example.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use rowcast::{
    config::{SecretUrl, Settings},
    pipeline::decode::{Batch, Plan},
    route::{Route, parse_file},
    store::Store,
};

use nix::sys::signal::Signal;

use super::{
    commands::run::{Ran, bare, run},
    support::{Env, PATIENCE, Running, eventually, new_folder, running::send},
};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(project().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The blocks of a language, in order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fences = text.split("\n```").skip(1).step_by(2);
    fences.filter_map(|block| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned())).collect()
}

/// The block of a language that begins like this.
pub(crate) fn block(text: &str, language: &str, start: &str) -> String {
    blocks(text, language).into_iter().find(|block| block.contains(start)).unwrap()
}

/// The route of the README's example, with its columns in one order.
fn in_order(mut route: Route) -> Route {
    if let Some(columns) = &mut route.columns {
        columns.sort_by(|one, other| one.column.cmp(&other.column));
    }
    route
}

#[test]
fn the_readme_names_every_variable_of_the_example_file_and_no_other() {
    let readme = read("README.md");
    let section = readme.split("\n## Configuration\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let told: BTreeSet<&str> = rows.collect();
    let example = read(".env.example");
    let set = example.lines().filter_map(|line| line.trim_start_matches(['#', ' ']).split_once('='));
    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let known: BTreeSet<&str> = set.map(|(name, _)| name).filter(is_name).collect();
    assert_eq!(told, known, "on the left the README's table, on the right .env.example");
}

#[test]
fn every_relative_link_of_a_document_leads_to_a_file_or_a_heading() {
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "client/README.md",
        "docs/realtime.md",
    ];
    let mut broken = Vec::new();
    for name in documents {
        let text = read(name);
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let document = project().join(name);
            let path: PathBuf =
                if file.is_empty() { document } else { document.parent().unwrap().join(file) };
            let found = path.exists()
                && (heading.is_empty() || headings(&fs::read_to_string(&path).unwrap()).contains(heading));
            if !found {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The anchors that a reader's browser makes of headings.
fn headings(text: &str) -> BTreeSet<String> {
    let titles = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
    let anchor = |title: &str| -> String {
        let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        title.trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    titles.map(anchor).collect()
}

#[test]
fn the_readmes_route_is_the_same_from_a_file_and_from_variables() {
    let readme = read("README.md");
    let file = parse_file(&blocks(&readme, "toml")[0]).unwrap().remove(0);
    let block = block(&readme, "ini", "ROWCAST_QUEUE=");
    let lines = dotenvy::from_read_iter(block.as_bytes());
    let mut variables: BTreeMap<String, String> = lines.map(Result::unwrap).collect();
    variables.insert("DATABASE_URL".into(), "mysql://root@localhost/app".into());
    let single = Settings::from_vars(&variables).unwrap().routes.remove(0);
    assert_eq!(in_order(single), in_order(file));
}

#[tokio::test]
async fn the_readmes_jobs_become_rows_of_its_table_by_its_route() {
    let readme = read("README.md");
    let env = Env::new().await;
    env.execute(&block(&readme, "sql", "CREATE TABLE orders")).await;
    let route = parse_file(&blocks(&readme, "toml")[0]).unwrap().remove(0);
    let mut store = Store::new(&SecretUrl::new(env.database_url.clone())).unwrap();
    let schema = store.schema(&route.table).await.unwrap();
    let plan = Plan::new(&route, &schema, 1 << 20).unwrap();
    let jobs: Vec<Vec<u8>> =
        blocks(&readme, "json")[0].lines().map(|line| line.as_bytes().to_vec()).collect();
    let batch = Batch::decode(&plan, &jobs);
    let rows: Vec<usize> = batch.jobs.iter().map(|job| job.as_ref().unwrap().count).collect();
    assert_eq!(rows, [1, 2], "one object, and one array of two");
}

/// A worker that was killed is rescued by the next one: that reads, fences and deletes the checkpoint of another.
#[tokio::test]
async fn the_rights_that_the_readme_names_are_enough_to_migrate_to_check_to_work_and_to_rescue() {
    let readme = read("README.md");
    let env = Env::own_servers().await;
    env.execute(&block(&readme, "sql", "CREATE TABLE orders")).await;
    let grants = block(&readme, "sql", "GRANT").replace("app.", &format!("`{}`.", env.database));
    let grants: String = grants.lines().filter(|line| !line.starts_with("--")).collect();
    let grant = async |user: &str| {
        for host in ["127.0.0.1", "localhost"] {
            env.execute(&format!("CREATE USER {user}@{host}")).await;
            for grant in grants.split(';').filter(|grant| grant.ends_with(&format!(" TO {user}"))) {
                env.execute(&format!("{grant}@{host}")).await;
            }
        }
    };
    let url = |user: &str| env.database_url.replace("root@", &format!("{user}@"));
    grant("migrator").await;
    run_as(&env, &["migrate"], &url("migrator"), "").await.ended(0).says("applied 20261120000001");
    grant("worker").await;

    let route = blocks(&readme, "toml")[0].replace("\"orders\"\nt", "\"{q}\"\non_duplicate = \"update\"\nt");
    let file = new_folder("rights.toml");
    fs::write(&file, route.replace("{q}", &env.queue)).unwrap();
    let jobs = block(&readme, "json", "A-1001");
    let jobs: Vec<&str> = jobs.lines().collect();
    let checked = run_as(&env, &["check", "--sample", jobs[0]], &url("worker"), file.to_str().unwrap()).await;
    checked.ended(0).says("No problems.").says("would be inserted");
    let up = Running::on(&env, "up", &route, &[("DATABASE_URL", &url("worker")), ("ROWCAST_WORKERS", "1")]);
    env.push(&jobs).await;
    env.done(2).await;
    send(up.workers()[0], Signal::SIGKILL);
    up.says("online", 2).await;
    env.push(&jobs).await;
    let audit = env.done(4).await;
    assert_eq!((audit.inserted, audit.duplicate, audit.rows), (2, 2, 3));
    let checkpoints = async || match env.count("rowcast_checkpoints").await {
        1 => Ok(()),
        other => Err(other),
    };
    eventually(PATIENCE, "the dead worker's checkpoint is gone", checkpoints).await;
    assert!(up.said("waiting for").is_empty(), "{:#?}", up.log());
    up.stop().await;
    fs::remove_file(file).unwrap();
}

/// Runs a command on the test's servers as another user of the database.
async fn run_as(env: &Env, arguments: &[&str], database_url: &str, routes: &str) -> Ran {
    let mut command = bare();
    command.args(arguments).env("REDIS_URL", &env.redis_url);
    command.env("DATABASE_URL", database_url).env("ROWCAST_ROUTES", routes);
    run(command).await
}

#[test]
fn the_routes_of_the_deployment_files_can_be_read() {
    let text = read("docker/k8s/configmap.yaml");
    let indented = text.split("routes.toml: |\n").nth(1).unwrap();
    let toml: String = indented.lines().map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(in_order(parse_file(&toml).unwrap().remove(0)).queue, "message");
}
