//! TLS to both servers, with certificates that a private authority has signed.

use std::{net::TcpListener, path::PathBuf, process::Command};

use nix::sys::signal::Signal;

use crate::support::{Env, Running, new_folder, running::empty_folder};

/// A folder with an authority's certificate, and one for the servers that it has signed. `openssl` makes them.
pub(crate) fn authority() -> PathBuf {
    let folder = empty_folder();
    let script = "set -e; key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        openssl req -x509 $key -keyout ca.key -out ca.pem -days 2 -subj /CN=authority
        openssl req $key -keyout server.key -out server.csr -subj /CN=server
        printf 'subjectAltName=IP:127.0.0.1\\nbasicConstraints=CA:FALSE\\n' > extensions
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions \\
            -out server.pem";
    let made = Command::new("sh").args(["-c", script]).current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// Both servers with TLS, the authority behind them and another one, and the URLs that ask for TLS.
struct Encrypted {
    env: Env,
    ours: PathBuf,
    other: PathBuf,
    redis_url: String,
}

impl Encrypted {
    async fn new() -> Self {
        let (ours, other) = (authority(), authority());
        let file = |name: &str| ours.join(name).to_str().unwrap().to_owned();
        let (ca, cert, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let redis = [
            ["--tls-port", &port],
            ["--tls-ca-cert-file", &ca],
            ["--tls-cert-file", &cert],
            ["--tls-key-file", &key],
            ["--tls-auth-clients", "no"],
        ];
        let sql = [format!("--ssl-ca={ca}"), format!("--ssl-cert={cert}"), format!("--ssl-key={key}")];
        let env = Env::own_servers_as(&redis.concat(), &sql.each_ref().map(String::as_str)).await;
        env.migrate().await;
        // Whoever comes without TLS is refused.
        env.execute("CREATE USER guarded@'%' IDENTIFIED BY 'secret' REQUIRE SSL").await;
        env.execute("GRANT ALL ON *.* TO guarded@'%'").await;
        Self { env, ours, other, redis_url: format!("rediss://127.0.0.1:{port}") }
    }

    fn database_url(&self, authority: &std::path::Path) -> String {
        let ca = authority.join("ca.pem");
        let Env { sql_port, database, .. } = &self.env;
        let query = format!("ssl-mode=VERIFY_CA&ssl-ca={}", ca.display());
        format!("mysql://guarded:secret@127.0.0.1:{sql_port}/{database}?{query}")
    }

    /// A worker that trusts these authorities for Redis and for MySQL.
    fn worker(&self, redis: &std::path::Path, sql: &std::path::Path) -> Running {
        let ca = redis.join("ca.pem");
        let variables = [
            ("REDIS_URL", self.redis_url.as_str()),
            ("ROWCAST_REDIS_CA", ca.to_str().unwrap()),
            ("DATABASE_URL", &self.database_url(sql)),
        ];
        Running::worker(&self.env, &variables)
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        for folder in [&self.ours, &self.other] {
            std::fs::remove_dir_all(folder).ok();
        }
    }
}

#[tokio::test]
async fn jobs_become_rows_and_events_over_tls_with_a_private_authority() {
    let servers = Encrypted::new().await;
    let heard = servers.env.subscribe("socket.io#*").await;
    let worker = servers.worker(&servers.ours, &servers.ours);
    let jobs: Vec<String> = (0..500).map(|n| format!(r#"{{"time":{n},"stamp":"{n}"}}"#)).collect();
    servers.env.push_raw("", &jobs).await;
    let audit = servers.env.done(500).await;
    assert_eq!((audit.inserted, servers.env.count("pre_qqaccount").await), (500, 500));
    heard.rows(500).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_server_that_another_authority_has_signed_is_refused_in_words() {
    let servers = Encrypted::new().await;
    servers.env.push(&[r#"{"time":1,"stamp":"a"}"#]).await;

    let worker = servers.worker(&servers.other, &servers.ours);
    let line = worker.says("waiting for Redis", 1).await.remove(0).to_string();
    assert!(line.contains("certificate") && line.contains("ROWCAST_REDIS_CA"), "{line}");
    worker.stop().await;

    let mut worker = servers.worker(&servers.ours, &servers.other);
    let line = worker.says("waiting for MySQL", 1).await.remove(0).to_string();
    assert!(line.contains("certificate") && !line.contains("secret"), "{line}");
    worker.signal(Signal::SIGTERM);
    worker.ended().await;
    assert_eq!(servers.env.count("pre_qqaccount").await, 0);

    // Nothing is trusted by accident: without a file the world's authorities count.
    let public = [("REDIS_URL", servers.redis_url.as_str()), ("DATABASE_URL", &servers.env.database_url)];
    let worker = Running::spawn("status", &public);
    let log = worker.whole_log().await.join(" ");
    assert!(log.contains("is not trusted") && log.contains("ROWCAST_REDIS_CA"), "{log}");
}

#[tokio::test]
async fn a_file_of_authorities_that_cannot_be_used_is_bad_configuration() {
    let missing = new_folder("none").join("ca.pem");
    let missing = missing.to_str().unwrap();
    let cut = new_folder("cut");
    std::fs::write(&cut, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (url, file, problem) in [
        ("rediss://127.0.0.1:1", missing, "cannot be read"),
        ("rediss://127.0.0.1:1", "/dev/null", "expected a file of certificates in PEM"),
        ("rediss://127.0.0.1:1", cut.to_str().unwrap(), "expected a file of certificates in PEM"),
        ("redis://127.0.0.1:1", missing, "is not rediss://"),
    ] {
        let mut status = Running::spawn("status", &[("REDIS_URL", url), ("ROWCAST_REDIS_CA", file)]);
        assert_eq!(status.ended().await.code(), Some(64));
        let log = status.whole_log().await.join(" ");
        assert!(log.contains(&format!("ROWCAST_REDIS_CA={file:?}")) && log.contains(problem), "{log}");
    }
    std::fs::remove_file(cut).unwrap();
}
