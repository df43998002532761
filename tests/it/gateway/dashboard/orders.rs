//! What a person orders from the page.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use rowcast::{
    config::SecretUrl,
    queue::{Link, Registry},
};
use serde_json::json;

use super::{Page, READ};
use crate::{
    gateway::Gateway,
    support::{
        Env, PATIENCE, Running, eventually,
        running::{says, send},
    },
};

/// A supervisor with two workers and a gateway.
async fn up(env: &Env, variables: &[(&str, &str)]) -> Gateway {
    env.migrate().await;
    let own = [
        ("ROWCAST_QUEUE", env.queue.as_str()),
        ("ROWCAST_WORKERS", "2"),
        ("ROWCAST_GATEWAYS", "1"),
        ("ROWCAST_LISTEN", "127.0.0.1:0"),
    ];
    let gateway = Gateway::running(Running::on(env, "up", "", &[&own, variables].concat())).await;
    gateway.ready().await;
    gateway
}

fn host() -> String {
    nix::unistd::gethostname().unwrap().into_string().unwrap()
}

const WORKERS: &str = "table[aria-label=Workers] tbody tr";

impl Page {
    /// The slots of the workers with their states and processes, as they are shown.
    async fn workers(&mut self) -> Vec<(String, String, String)> {
        let rows = self.texts(WORKERS).await;
        let cells = rows.iter().map(|row| row.split('\t').map(|cell| cell.trim().to_owned()).collect());
        cells.map(|cells: Vec<String>| (cells[0].clone(), cells[1].clone(), cells[3].clone())).collect()
    }

    /// Waits until the workers are these: slot, and whether it is another process than before.
    async fn shows_workers(&mut self, before: &[(String, String, String)], expected: &[(&str, bool)]) {
        eventually(PATIENCE, &format!("the workers are {expected:?}"), async || {
            let workers = self.workers().await;
            let is_new = |pid: &String| before.iter().all(|(_, _, other)| other != pid);
            let seen: Vec<(&str, bool)> =
                workers.iter().map(|(slot, _, pid)| (slot.as_str(), is_new(pid))).collect();
            let is_so = seen == expected && workers.iter().all(|(_, state, _)| state == "working");
            if is_so { Ok(()) } else { Err(workers) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_slot_is_restarted_from_the_page_which_asks_first_and_shows_it_heal() {
    let env = Env::new().await;
    let gateway = up(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({"axe": true})).await;
    page.shows_workers(&[], &[("1", true), ("2", true)]).await;
    let before = page.workers().await;
    let button = format!("Restart worker 2 on {}", host());

    page.press(&button).await;
    page.sees("A new process starts, and then this one").await;
    assert_eq!(page.order(json!({"rules": true})).await, json!([]));
    page.press("Cancel").await;
    assert!(gateway.process.said("ordered").is_empty());

    // By the keyboard alone: the answer that changes nothing has it.
    page.focused(&format!("[aria-label='{button}']")).await;
    page.key("Enter").await;
    page.focused("dialog .bar button").await;
    page.key("Tab").await;
    page.focused("dialog .bar button:last-child").await;
    assert_eq!(page.texts("dialog .bar button").await, ["Cancel", "Restart"]);
    page.key("Enter").await;
    page.sees("worker 2 is replaced: a new process starts").await;
    page.sees("finishes what it holds and ends. Done.").await;
    page.shows_workers(&before, &[("1", false), ("2", true)]).await;
    assert_eq!(page.order(json!({"keyboard": true})).await, json!(button), "the keyboard is where it was");
    page.sees("rolling restart").await;
    assert_eq!(gateway.process.said("ordered: restart worker 2")[0]["by"], "this machine, over HTTP");

    page.press(&format!("Add a worker on {}", host())).await;
    page.sees("from 2 to 3 workers").await;
    page.shows_workers(&before, &[("1", false), ("2", true), ("3", true)]).await;
    // What nobody asked for is told with its reason.
    send(gateway.process.workers()[0], Signal::SIGKILL);
    page.sees("killed by somebody with -9").await;
    assert_eq!(page.order(json!({"rules": true})).await, json!([]));
    assert_eq!(page.complaints("").await, [""; 0]);
    gateway.process.stop().await;
}

#[tokio::test]
async fn the_gateway_that_serves_the_page_is_restarted_from_it_and_the_page_goes_on() {
    let env = Env::new().await;
    let gateway = up(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({"width": 390, "theme": "dark"})).await;
    page.sees("working").await;
    page.press(&format!("Restart all processes on {}", host())).await;
    page.press("Restart all").await;
    page.sees("2 workers and 1 gateway will be replaced, one by one").await;
    gateway.process.lines(3, |line| says(line, "exit")).await;
    page.sees("will be replaced, one by one. Done.").await;
    gateway.process.stop().await;
}

#[tokio::test]
async fn a_slot_whose_process_is_being_replaced_is_one_worker_with_two_processes() {
    let env = Env::new().await;
    let registry = Registry::new(Link::new(&SecretUrl::new(&env.redis_url)).unwrap());
    for (id, slot) in [("01A", 1), ("01B", 2), ("01C", 2)] {
        let fields = [("supervisor", "01S"), ("host", "db-1"), ("pid", "7"), ("state", "working")];
        let mut fields = fields.map(|(name, value)| (name, value.to_owned())).to_vec();
        fields.push(("slot", slot.to_string()));
        registry.renew(id, &fields, &BTreeMap::new(), 10 * PATIENCE).await.unwrap();
    }
    let gateway = Gateway::start(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.shows("table[aria-label=Supervisors] td", "db-1").await;
    assert_eq!(page.texts("table[aria-label=Supervisors] td:nth-child(2)").await, ["2"]);
    let slots: Vec<String> = page.workers().await.into_iter().map(|(slot, ..)| slot).collect();
    assert_eq!(slots, ["1", "2", "2"]);
}

#[tokio::test]
async fn a_sentence_about_workers_leads_to_the_supervisor_that_can_be_told_to_have_some() {
    let env = Env::new().await;
    let link = Link::new(&SecretUrl::new(&env.redis_url)).unwrap();
    let fields = [("supervisor", "01S"), ("host", "db-1"), ("slot", "1")];
    let fields = fields.map(|(name, value)| (name, value.to_owned()));
    Registry::of_gateways(link).renew("01G", &fields, &BTreeMap::new(), 10 * PATIENCE).await.unwrap();
    let gateway = Gateway::start(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.sees("No worker runs: ").await;
    page.order(json!({"click": ".trouble .here a"})).await;
    assert_eq!(page.texts("section:target, :target").await, ["Supervisors"]);
    page.sees("Rows per second").await;
}

#[tokio::test]
async fn who_may_only_look_sees_what_happened_and_no_button() {
    let env = Env::new().await;
    let gateway = up(&env, &[("ROWCAST_READ_TOKEN", READ)]).await;
    let later = json!({"now": "2100-01-02T03:04:05Z", "zone": "Asia/Kolkata"});
    let mut page = Page::open(&gateway, later).await;
    page.fill("Token", READ).await;
    page.press("Log in").await;
    page.sees("working").await;
    let shown = page.sees("What happened to processes").await;
    assert!(!shown.contains("Supervisors") && !shown.contains("Restart worker"), "{shown}");
    let buttons = eventually(PATIENCE, "the page is there", async || {
        let buttons = page.texts("button").await;
        if buttons.is_empty() { Err(buttons) } else { Ok(buttons) }
    });
    assert_eq!(buttons.await, ["Log out"]);
    // What was not today has its day; and all times their zone.
    let time = page.texts(".log time").await.remove(0);
    let parts: Vec<&str> = time.split(' ').collect();
    assert!(matches!(parts[..], [day, clock, "UTC"] if day.len() == 10 && clock.len() == 8), "{time}");
    let here = page.order(json!({"hint": ".log time"})).await;
    assert!(here.as_str().is_some_and(|here| here.len() == 25 && here.ends_with("+05:30")), "{here}");
    gateway.process.stop().await;
}
