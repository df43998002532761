//! Embedding the migrations is a macro's work, and cargo does not know that it reads a folder.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
