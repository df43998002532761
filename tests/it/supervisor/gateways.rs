//! Gateways under the supervisor: real processes, real ports, and clients that stay through it all.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use nix::sys::signal::Signal;
use rowcast::sandbox::free_ports;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
};

use super::{forked, spawn, variable_of};
use crate::{
    gateway::{clients_at, event, publisher},
    interop::Node,
    support::{
        Env, PATIENCE, Running, eventually,
        running::{empty_folder, is_gone, pid, said, says, send},
        within,
    },
};

/// A supervisor with gateways on ports that the system chooses, without servers, once they listen.
async fn start(gateways: usize, variables: &[(&str, &str)]) -> (Running, Vec<SocketAddr>) {
    let count = gateways.to_string();
    let own =
        [("ROWCAST_GATEWAYS", count.as_str()), ("ROWCAST_LISTEN", "127.0.0.1:0"), ("ROWCAST_WORKERS", "1")];
    let up = spawn(empty_folder(), &["up"], &[&own, variables].concat());
    let addresses = listening(&up, gateways).await;
    (up, addresses)
}

/// The addresses of the first so many gateways, by slot.
async fn listening(up: &Running, gateways: usize) -> Vec<SocketAddr> {
    let mut lines = up.says("listening", gateways).await;
    lines.sort_by_key(|line| line["slot"].as_u64());
    lines.iter().map(address).collect()
}

fn address(line: &Value) -> SocketAddr {
    line["address"].as_str().unwrap().parse().unwrap()
}

/// Asks for a page on a connection of its own.
async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Asks on a connection of its own, from this address of this machine.
async fn ask_from(client: [u8; 4], address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((client, 0))).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let length = body.len();
    let request = format!("{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(PATIENCE, "an answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// Opens a session on long-polling and says something in it, each on a connection of its own.
async fn keeps_its_session(client: [u8; 4], address: SocketAddr) {
    const PATH: &str = "/socket.io/?EIO=4&transport=polling";
    let opened = ask_from(client, address, "GET", PATH, "").await;
    let sid = opened.split("\"sid\":\"").nth(1).unwrap_or_else(|| panic!("{opened}"));
    let path = format!("{PATH}&sid={}", sid.split('"').next().unwrap());
    for _ in 0..2 {
        let answer = ask_from(client, address, "POST", &path, "40").await;
        assert!(answer.starts_with("HTTP/1.0 200 "), "{client:?}: {answer}");
    }
}

async fn is_well(address: SocketAddr) {
    let answer = within(PATIENCE, "an answer", get(address, "/healthz")).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer:?}");
}

#[tokio::test]
async fn a_gateways_life_is_told_in_the_words_of_the_node_cluster() {
    let (mut up, addresses) = start(1, &[]).await;
    is_well(addresses[0]).await;
    let fork = up.line(|line| says(line, "fork") && line["gateway"].is_string()).await;
    assert_eq!(variable_of(pid(&fork), "ROWCAST_LISTEN").unwrap(), addresses[0].to_string());
    up.drain().await;
    let log = up.whole_log().await;
    let of_it = said(&log, "").into_iter().filter(|line| line["gateway"] == fork["gateway"]);
    let steps: Vec<Value> = of_it.map(|line| json!([line["message"], line["slot"], line["pid"]])).collect();
    let expected = ["fork", "online", "listening", "drain", "disconnect", "exit"];
    assert_eq!(steps, expected.map(|step| json!([step, 1, fork["pid"]])));
}

#[tokio::test]
async fn a_killed_gateway_is_replaced_on_its_port_and_nobody_who_connects_meanwhile_is_refused() {
    let (up, addresses) = start(2, &[]).await;
    let killed = up.slots_of("gateway", "fork");
    assert!(addresses[0] != addresses[1] && killed.len() == 2);
    send(killed[1].1, Signal::SIGKILL);
    // The system has killed it, and whoever connects now waits for its successor.
    eventually(PATIENCE, "it is gone", async || is_gone(killed[1].1).then_some(()).ok_or(())).await;
    is_well(addresses[1]).await;
    let line = up.says("listening", 3).await.remove(2);
    assert_eq!((&line["slot"], address(&line)), (&2.into(), addresses[1]));
    let exit = up.line(|line| says(line, "exit")).await;
    assert_eq!((&exit["signal"], &exit["retry_ms"], &exit["slot"]), (&9.into(), &0.into(), &2.into()));
    is_well(addresses[0]).await;
}

#[tokio::test]
async fn a_gateway_that_hangs_is_killed_and_replaced() {
    let (up, addresses) = start(1, &[("ROWCAST_STALL_SECONDS", "2")]).await;
    let hung = up.slots_of("gateway", "fork")[0].1;
    send(hung, Signal::SIGSTOP);
    let kill = up.line(|line| says(line, "kill")).await;
    assert_eq!((&kill["reason"], kill["gateway"].is_string()), (&"no progress".into(), true));
    up.says("listening", 2).await;
    assert!(is_gone(hung));
    is_well(addresses[0]).await;
}

#[tokio::test]
async fn the_gateways_of_a_killed_supervisor_end_by_themselves_and_free_their_ports() {
    let (mut up, addresses) = start(2, &[]).await;
    let pids = up.slots_of("gateway", "fork");
    up.kill9().await;
    for (_, pid) in pids {
        eventually(PATIENCE, "it ends", async || is_gone(pid).then_some(()).ok_or(pid)).await;
    }
    assert!(addresses.iter().all(|address| TcpListener::bind(address).is_ok()));
    assert!(!said(&up.whole_log().await, "the supervisor is gone; this gateway").is_empty());
}

#[tokio::test]
async fn ttin_and_ttou_are_for_workers_and_usr2_tells_of_gateways_too() {
    let (up, addresses) = start(2, &[]).await;
    let gateways = up.slots_of("gateway", "fork");
    up.signal(Signal::SIGTTIN);
    forked(&up, 2).await;
    up.signal(Signal::SIGTTOU);
    forked(&up, 1).await;
    assert_eq!(up.slots_of("gateway", "fork"), gateways);
    up.signal(Signal::SIGUSR2);
    let total = up.line(|line| says(line, "status of the supervisor")).await;
    assert_eq!((&total["gateways"], &total["live_gateways"]), (&2.into(), &2.into()));
    let lines = up.lines(2, |line| line["message"] == "status" && line["role"] == "gateway").await;
    for (line, ((slot, pid), address)) in lines.iter().zip(gateways.into_iter().zip(addresses)) {
        let told = json!([line["slot"], line["pid"], line["phase"], line["address"]]);
        assert_eq!(told, json!([slot, pid, "ready", address]));
    }
}

#[tokio::test]
async fn gateways_listen_on_ports_in_a_row_and_too_many_for_them_are_refused() {
    let first = free_ports(None, 2).unwrap();
    let listen = format!("127.0.0.1:{first}");
    let (_up, addresses) = start(2, &[("ROWCAST_LISTEN", &listen)]).await;
    assert_eq!(addresses.iter().map(SocketAddr::port).collect::<Vec<_>>(), [first, first + 1]);

    let variables = [("ROWCAST_LISTEN", "127.0.0.1:65535"), ("ROWCAST_GATEWAYS", "2")];
    let mut refused = spawn(empty_folder(), &["up"], &variables);
    assert_eq!(refused.ended().await.code(), Some(64));
    assert!(refused.whole_log().await[0].contains("ROWCAST_GATEWAYS=\"2\""));
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_once_stops_no_worker_and_is_had_when_it_is_free() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listen = address.to_string();
    let up = spawn(
        empty_folder(),
        &["up"],
        &[("ROWCAST_GATEWAYS", "1"), ("ROWCAST_LISTEN", &listen), ("ROWCAST_WORKERS", "1")],
    );
    up.line(|line| says(line, "online") && line["worker"].is_string()).await;
    // So many tries have failed by then.
    up.line(|line| says(line, "the slot is degraded")).await;
    let told = up.said("the gateway cannot be started");
    assert_eq!(told.len(), 1, "{told:?}");
    let reason = told[0]["message"].as_str().unwrap();
    assert!(reason.contains(&listen) && reason.contains("ROWCAST_LISTEN"), "{reason}");
    assert!(reason.contains("in use"), "{reason}");
    drop(taken);
    up.signal(Signal::SIGHUP);
    assert_eq!(listening(&up, 1).await, [address]);
    is_well(address).await;
}

#[tokio::test]
async fn told_to_end_a_gateway_closes_its_port_while_it_still_answers_who_is_there() {
    let (mut up, addresses) = start(1, &[("ROWCAST_DRAIN_SECONDS", "60")]).await;
    let gateway = up.slots_of("gateway", "fork")[0].1;
    // Half a request is under way, and is waited for.
    let mut there = TcpStream::connect(addresses[0]).await.unwrap();
    there.write_all(b"GET /healthz HT").await.unwrap();
    is_well(addresses[0]).await;
    up.signal(Signal::SIGTERM);
    eventually(PATIENCE, "the port is closed", async || match TcpStream::connect(addresses[0]).await {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        other => Err(other),
    })
    .await;
    assert!(!is_gone(gateway));
    there.write_all(b"TP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within(PATIENCE, "the answer", there.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer:?}");
    assert!(up.ended().await.success());
}

#[tokio::test]
async fn a_gateway_that_does_not_start_any_more_has_its_port_closed_until_one_does() {
    let folder = empty_folder();
    let routes = folder.join("routes.toml");
    let good = "[[route]]\nqueue = \"message\"\ntable = \"pre_qqaccount\"\n";
    std::fs::write(&routes, good).unwrap();
    let variables = [("ROWCAST_GATEWAYS", "1"), ("ROWCAST_LISTEN", "127.0.0.1:0"), ("ROWCAST_WORKERS", "1")];
    let up = spawn(folder, &["up", "--routes", "routes.toml"], &variables);
    let address = listening(&up, 1).await[0];
    std::fs::write(&routes, "[[route]]\n").unwrap();
    send(up.slots_of("gateway", "fork")[0].1, Signal::SIGKILL);
    up.line(|line| says(line, "the gateway refuses its configuration")).await;
    eventually(PATIENCE, "clients are refused", async || match TcpStream::connect(address).await {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        other => Err(other),
    })
    .await;
    std::fs::write(&routes, good).unwrap();
    up.signal(Signal::SIGHUP);
    assert_eq!(listening(&up, 2).await[1], address);
    is_well(address).await;
}

#[tokio::test]
async fn a_rolling_restart_of_one_gateway_never_refuses_a_connection() {
    let (up, addresses) = start(1, &[]).await;
    let before = up.slots_of("gateway", "fork");
    let (stop, mut stopped) = oneshot::channel();
    let address = addresses[0];
    let visitor = tokio::spawn(async move {
        let mut visits = 0;
        while stopped.try_recv().is_err() {
            is_well(address).await;
            visits += 1;
        }
        visits
    });
    for round in 1..=3 {
        up.signal(Signal::SIGHUP);
        // Of one worker and one gateway.
        up.says("exit", 2 * round).await;
    }
    let lines = up.says("listening", 4).await;
    assert!(lines.iter().all(|line| self::address(line) == address), "{lines:?}");
    assert_ne!(up.slots_of("gateway", "fork"), before);
    stop.send(()).unwrap();
    assert!(visitor.await.unwrap() > 3);
}

#[tokio::test]
async fn hup_moves_gateways_to_other_ports_and_changes_their_number() {
    let (first, folder) = (free_ports(None, 3).unwrap(), empty_folder());
    let configure = |text: String| std::fs::write(folder.join(".env"), text).unwrap();
    configure(format!("ROWCAST_GATEWAYS=2\nROWCAST_LISTEN=127.0.0.1:{first}\n"));
    // Empty is not set, so that the file counts.
    let unset = [("ROWCAST_GATEWAYS", ""), ("ROWCAST_WORKERS", "1")];
    let up = spawn(folder.clone(), &["up"], &unset);
    let addresses = listening(&up, 2).await;

    // The second gateway's port is the first one's now.
    configure(format!("ROWCAST_GATEWAYS=2\nROWCAST_LISTEN=127.0.0.1:{}\n", first + 1));
    up.signal(Signal::SIGHUP);
    up.lines(2, |line| says(line, "exit") && line["gateway"].is_string()).await;
    let moved: Vec<u16> = up.says("listening", 4).await[2..].iter().map(|l| address(l).port()).collect();
    assert_eq!(moved, [first + 1, first + 2]);
    assert!(get(addresses[0], "/healthz").await.is_err());
    is_well(addresses[1]).await;

    configure("ROWCAST_GATEWAYS=0\n".to_owned());
    up.signal(Signal::SIGHUP);
    let exits = up.lines(4, |line| says(line, "exit") && line["gateway"].is_string()).await;
    assert!(exits[2..].iter().all(|line| line["reason"] == "fewer gateways wanted"), "{exits:#?}");
    assert!(up.slots_of("gateway", "fork").is_empty());
    assert!(get(addresses[1], "/healthz").await.is_err());
}

#[tokio::test]
async fn a_rolling_restart_leaves_every_client_connected_and_subscribed() {
    let env = Env::new().await;
    let own = [("ROWCAST_GATEWAYS", "2"), ("ROWCAST_LISTEN", "127.0.0.1:0"), ("ROWCAST_WORKERS", "1")];
    let up = Running::on(&env, "up", "", &own);
    let addresses = listening(&up, 2).await;
    let specs = ["/#room,one", "/#room,two", "/#room,three"];
    let options: [&[&str]; 3] =
        [&["--transport", "websocket"], &["--transport", "polling"], &["--version", "2"]];
    let mut all = Vec::new();
    for address in &addresses {
        for options in options {
            let options = [options, &["--resubscribe"]].concat();
            all.push(clients_at(&address.to_string(), &[&options[..], &specs].concat()).await.0);
        }
    }
    for node in &mut all {
        for spec in specs {
            let rooms: Vec<&str> = spec[2..].split(',').collect();
            node.tell(json!({"client": spec, "emit": ["subscribe", rooms]})).await;
        }
        answered(node, &specs).await;
    }
    let (stop, stopped) = oneshot::channel();
    let producer = tokio::spawn(produce(publisher(&env).await, stopped));

    up.signal(Signal::SIGHUP);
    // Each client loses its connection once, comes back, and is subscribed again.
    for node in &mut all {
        answered(node, &specs).await;
    }
    up.lines(2, |line| says(line, "exit") && line["gateway"].is_string()).await;
    stop.send(()).unwrap();
    producer.await.unwrap();

    publisher(&env).await.to("room").emit("after", &1).await.unwrap();
    for node in &mut all {
        let mut missing: BTreeSet<String> =
            specs.iter().map(|spec| event(spec, "after", json!([1]))).collect();
        while !missing.is_empty() {
            let line = node.line().await;
            assert!(line["disconnected"].is_null(), "one more time: {line}");
            missing.remove(&line.to_string());
        }
    }
}

/// Reads until each client's subscription has been answered.
async fn answered(node: &mut Node, specs: &[&str]) {
    let mut missing: BTreeSet<&str> = specs.iter().copied().collect();
    while !missing.is_empty() {
        let line = node.line().await;
        assert_ne!(line["disconnected"], "io server disconnect", "it would not come back by itself");
        if line["answer"].is_array() {
            assert_eq!(line["answer"][0]["ok"], true, "{line}");
            missing.remove(line["client"].as_str().unwrap());
        }
    }
}

/// Publishes to everybody's room until it is told to stop.
async fn produce(
    emitter: rowcast::emitter::Emitter<redis::aio::MultiplexedConnection>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    while stopped.try_recv().is_err() {
        emitter.to("room").emit("row", &json!({"id": 1})).await.unwrap();
        pace.tick().await;
    }
}

#[tokio::test]
async fn gateways_that_share_a_port_have_each_client_come_to_the_one_that_has_its_session() {
    let (mut up, addresses) = start(2, &[("ROWCAST_GATEWAY_PORTS", "one")]).await;
    assert_eq!(addresses[0], addresses[1]);
    let clients = || (1..=16).map(|last| [127, 0, 8, last]);
    for client in clients() {
        keeps_its_session(client, addresses[0]).await;
    }
    // Also when one was replaced.
    let gateway = up.slots_of("gateway", "online")[0].1;
    send(gateway, Signal::SIGKILL);
    assert_eq!(listening(&up, 3).await[2], addresses[0]);
    for client in clients() {
        keeps_its_session(client, addresses[0]).await;
    }
    // Nobody else is given clients of theirs.
    let port = addresses[0].to_string();
    let listen = [
        ("ROWCAST_GATEWAYS", "1"),
        ("ROWCAST_LISTEN", port.as_str()),
        ("ROWCAST_GATEWAY_PORTS", "one"),
        ("ROWCAST_WORKERS", "1"),
    ];
    let mut other = spawn(empty_folder(), &["up"], &listen);
    let refused = other.says("the gateway cannot be started", 1).await.remove(0);
    assert!(refused.to_string().contains("Address already in use"), "{refused}");
    other.drain().await;
    up.drain().await;
}
