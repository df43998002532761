//! Commands at a terminal of their own: what a person sees, and what Ctrl-C leaves behind.

use std::{
    io::{Read as _, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
};

use crate::support::{Env, PATIENCE, Running, eventually, new_folder};

/// A shell at a terminal (util-linux's `script`), which runs `rowcast` and then tells its exit code and the state of
/// the terminal.
pub(super) struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    pub(super) fn start(env: &Env, arguments: &str) -> Self {
        // Ctrl-C is for the whole group; the shell goes on.
        let line = format!(
            "trap : INT; stty sane cols 120; stty -g; {} {arguments}; echo \"ended with $?\"; stty -g",
            env!("CARGO_BIN_EXE_rowcast")
        );
        let mut child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .env("REDIS_URL", &env.redis_url)
            .env("ROWCAST_QUEUE", &env.queue)
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let shown = Arc::new(Mutex::new(Vec::new()));
        let sink = shown.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        Self { child, keys, shown }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Types these keys.
    pub(super) fn types(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
    }

    /// Waits until `rowcast` has ended with this code, and returns what was shown.
    pub(super) async fn ended(self, code: i32) -> String {
        self.shows(&format!("ended with {code}"), 1).await;
        self.shown()
    }

    /// Waits until this was shown so often.
    pub(super) async fn shows(&self, text: &str, times: usize) {
        eventually(PATIENCE, &format!("{times} x {text:?} on the terminal"), async || {
            let shown = self.shown();
            if shown.matches(text).count() >= times { Ok(()) } else { Err(shown) }
        })
        .await;
    }

    /// Types Ctrl-C, and checks that `rowcast` ends at once and leaves the terminal as it found it.
    async fn interrupt(mut self) {
        self.types(b"\x03");
        // What a shell calls an end by SIGINT.
        self.shows("ended with 130", 1).await;
        eventually(PATIENCE, "the shell ends", async || self.child.try_wait().unwrap().ok_or("it runs"))
            .await;
        let shown = self.shown();
        let modes: Vec<&str> = shown.lines().map(str::trim).filter(|line| line.contains(":1c:")).collect();
        assert!(modes.len() == 2 && modes[0] == modes[1], "the terminal's modes: {shown:?}");
        let count = |what: &str| shown.matches(what).count();
        assert!(count("\x1b[?25h") >= count("\x1b[?25l"), "the cursor stays hidden: {shown:?}");
        assert_eq!(count("\x1b[?1049h"), count("\x1b[?1049l"), "the other screen stays: {shown:?}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

#[tokio::test]
async fn status_is_shown_again_in_place_until_ctrl_c() {
    let env = Env::new().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[]);
    env.push(&[r#"{"time":1,"stamp":"a"}"#]).await;
    env.done(1).await;
    let terminal = Terminal::start(&env, "status --watch 1");
    terminal.shows(&env.queue, 2).await;
    let shown = terminal.shown();
    assert!(shown.contains("dead letters") && shown.contains("working"), "{shown:?}");
    terminal.shows("\x1b[H\x1b[2J", 2).await;
    terminal.interrupt().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_push_shows_a_bar_that_moves_until_ctrl_c() {
    let env = Env::new().await;
    let file = new_folder("jobs");
    std::fs::write(&file, "{\"time\":1,\"stamp\":\"a\"}\n".repeat(5_000)).unwrap();
    // Nobody takes the jobs, so that it waits for room with some of them pushed.
    let terminal = Terminal::start(&env, &format!("push --limit-queue 1000 {}", file.display()));
    terminal.shows("waiting: the queue holds", 1).await;
    let shown = terminal.shown();
    assert!(shown.contains('█') && shown.contains("/112.30 KiB"), "{shown:?}");
    terminal.interrupt().await;
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_bar_is_gone_when_the_work_is_done() {
    let env = Env::new().await;
    let file = new_folder("jobs");
    std::fs::write(&file, "{\"time\":1,\"stamp\":\"a\"}\n".repeat(20_000)).unwrap();
    let terminal = Terminal::start(&env, &format!("push {}", file.display()));
    terminal.shows("ended with 0", 1).await;
    let shown = terminal.shown();
    let last = shown.split("pushed 20000 jobs").next().unwrap().rsplit(['\r', '\n']).next().unwrap();
    assert!(shown.contains('█') && shown.contains("pushed 20000 jobs") && !last.contains('█'), "{shown:?}");
    std::fs::remove_file(file).unwrap();
}
