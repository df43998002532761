//! What cargo does not do by itself: it sees that a folder is read whose files a macro embeds, the migrations; and it
//! puts in socket.io's client for browsers, which npm has installed, for the gateway to serve.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

const CLIENT: &str = "client/node_modules/socket.io-client";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=migrations");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let (version, files) = match package(&root.join(CLIENT)) {
        Ok(package) => {
            println!("cargo:rerun-if-changed={CLIENT}");
            package
        }
        Err(error) => {
            println!(
                "cargo:warning=built without socket.io's client for browsers, which the gateway serves; run \
                 `scripts/install-tools run` and build again ({CLIENT}: {error})"
            );
            // A path that is not there would count as changed at each build.
            println!("cargo:rerun-if-changed=client");
            Default::default()
        }
    };
    let file = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        format!("    ({name:?}, include_bytes!({path:?})),\n")
    };
    let files: String = files.iter().map(file).collect();
    let text = format!("const VERSION: &str = {version:?};\nconst FILES: &[(&str, &[u8])] = &[\n{files}];\n");
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("socket_io_client.rs"), text)
}

/// The version of the package, and its files for browsers with their maps.
fn package(folder: &Path) -> io::Result<(String, Vec<PathBuf>)> {
    let about = fs::read_to_string(folder.join("package.json"))?;
    let version =
        about.lines().find_map(|line| line.trim().strip_prefix("\"version\": \"")?.split('"').next());
    let version = version.ok_or_else(|| io::Error::other("its package.json names no version"))?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.join("dist"))? {
        files.push(entry?.path());
    }
    files.retain(|path| path.to_str().is_some_and(|path| path.ends_with(".js") || path.ends_with(".js.map")));
    files.sort();
    Ok((version.to_owned(), files))
}
