//! What cargo does not do by itself: it sees that a folder is read whose files a macro embeds, the migrations; and it
//! puts in what npm has made for browsers, for the gateway to serve: socket.io's client and the dashboard.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
};

const CLIENT: &str = "client/node_modules/socket.io-client";
const DASHBOARD: &str = "dashboard/dist";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=migrations");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let client = found(CLIENT, "client", package(&root.join(CLIENT)));
    let dashboard = found(DASHBOARD, "dashboard", page(&root.join(DASHBOARD)));
    let missing: Vec<&str> = [("socket.io's client for browsers", &client), ("the dashboard", &dashboard)]
        .iter()
        .filter_map(|(name, found)| found.1.is_empty().then_some(*name))
        .collect();
    if !missing.is_empty() {
        println!(
            "cargo:warning=built without {}, which the gateway serves; run `scripts/install-tools run` and build again",
            missing.join(" and ")
        );
    }
    embed("socket_io_client.rs", &client)?;
    embed("dashboard.rs", &dashboard)
}

/// What was read of a folder, its version and its files; nothing where npm has not made it.
fn found(folder: &str, parent: &str, read: io::Result<(String, Vec<PathBuf>)>) -> (String, Vec<PathBuf>) {
    // A path that is not there would count as changed at each build.
    println!("cargo:rerun-if-changed={}", if read.is_ok() { folder } else { parent });
    read.unwrap_or_default()
}

/// Writes the constants VERSION and FILES.
fn embed(name: &str, (version, files): &(String, Vec<PathBuf>)) -> io::Result<()> {
    let file = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        format!("    ({name:?}, include_bytes!({path:?})),\n")
    };
    let files: String = files.iter().map(file).collect();
    let text = format!("const VERSION: &str = {version:?};\nconst FILES: &[(&str, &[u8])] = &[\n{files}];\n");
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join(name), text)
}

/// The version of the package, and its files for browsers with their maps.
fn package(folder: &Path) -> io::Result<(String, Vec<PathBuf>)> {
    let about = fs::read_to_string(folder.join("package.json"))?;
    let version =
        about.lines().find_map(|line| line.trim().strip_prefix("\"version\": \"")?.split('"').next());
    let version = version.ok_or_else(|| io::Error::other("its package.json names no version"))?;
    let mut files = files(&folder.join("dist"))?;
    files.retain(|path| path.to_str().is_some_and(|path| path.ends_with(".js") || path.ends_with(".js.map")));
    Ok((version.to_owned(), files))
}

/// The page's files; their version is what they hold.
fn page(folder: &Path) -> io::Result<(String, Vec<PathBuf>)> {
    let files = files(folder)?;
    let mut hasher = DefaultHasher::new();
    for path in &files {
        fs::read(path)?.hash(&mut hasher);
    }
    Ok((format!("{:016x}", hasher.finish()), files))
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.sort();
    Ok(files)
}
