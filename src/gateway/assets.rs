//! socket.io's own client for browsers, as a socket.io server serves it: `/socket.io/socket.io.js` and its siblings.
//!
//! The files are those of the npm package, put in when rowcast was built (see `build.rs`); nothing is read at run time.
//! They are sent as they are: to compress them is for a proxy.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

// The constants VERSION, of the package, and FILES, with their names.
include!(concat!(env!("OUT_DIR"), "/socket_io_client.rs"));

/// Files that were put in, and the version of all of them together.
pub(super) struct Embedded {
    pub(super) version: &'static str,
    pub(super) files: &'static [(&'static str, &'static [u8])],
}

const CLIENT: Embedded = Embedded { version: VERSION, files: FILES };

/// Caches ask each time whether it has changed, as they are told to by Node's server.
const CACHE: &str = "public, max-age=0";

/// Serves them, before the socket.io server takes the path for a client's.
pub(super) async fn serve(request: Request, next: Next) -> Response {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD);
    match name(request.uri().path()).filter(|_| looks) {
        Some(name) => answer(name, &CLIENT, request.headers()),
        None => next.run(request).await,
    }
}

/// The file that a path asks for. What clients of socket.io ask for is the path of the folder.
fn name(path: &str) -> Option<&str> {
    path.strip_prefix("/socket.io/").filter(|name| name.starts_with("socket.io"))
}

fn answer(name: &str, client: &Embedded, headers: &HeaderMap) -> Response {
    let found = client.answer(name, headers);
    found.unwrap_or_else(|| (StatusCode::NOT_FOUND, missing(client.files)).into_response())
}

impl Embedded {
    /// A file, or that whoever asks has it already; `None` where there is none of this name.
    pub(super) fn answer(&self, name: &str, headers: &HeaderMap) -> Option<Response> {
        let (_, bytes) = self.files.iter().find(|(other, _)| *other == name)?;
        let tag = format!("\"{}\"", self.version);
        let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|tags| is_among(&tag, tags));
        let same = [(header::CACHE_CONTROL, CACHE.to_owned()), (header::ETAG, tag)];
        if known {
            return Some((StatusCode::NOT_MODIFIED, same).into_response());
        }
        let kind = [(header::CONTENT_TYPE, format!("{}; charset=utf-8", kind(name)))];
        Some((same, kind, *bytes).into_response())
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("map") => "application/json",
        Some("html") => "text/html",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        _ => "application/javascript",
    }
}

fn is_among(tag: &str, tags: &HeaderValue) -> bool {
    let mut tags = tags.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.any(|other| other == "*" || other.strip_prefix("W/").unwrap_or(other) == tag)
}

fn missing(files: &[(&str, &[u8])]) -> String {
    if files.is_empty() {
        return "this rowcast was built without socket.io's client for browsers; load it from elsewhere, or run \
                scripts/install-tools run and build again\n"
            .to_owned();
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    format!("there is {}\n", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_files_are_taken_from_the_socket_io_server() {
        assert_eq!(name("/socket.io/socket.io.min.js"), Some("socket.io.min.js"));
        for path in
            ["/socket.io/", "/socket.io", "/socket.io/x.js", "/socket.io.js", "/other/socket.io/socket.io.js"]
        {
            assert_eq!(name(path), None, "{path}");
        }
    }

    #[test]
    fn a_build_without_the_client_answers_404_and_says_what_to_run() {
        assert_eq!(
            answer("socket.io.js", &Embedded { version: "", files: &[] }, &HeaderMap::new()).status(),
            StatusCode::NOT_FOUND
        );
        assert!(missing(&[]).contains("scripts/install-tools run"));
        assert_eq!(missing(&[("a.js", b""), ("b.js", b"")]), "there is a.js, b.js\n");
    }

    #[test]
    fn a_tag_is_known_alone_weak_or_in_a_list() {
        let among = |tags: &'static str| is_among("\"4.8.3\"", &HeaderValue::from_static(tags));
        assert!(["\"4.8.3\"", "W/\"4.8.3\"", "\"1\", \"4.8.3\"", "*"].into_iter().all(among));
        assert!(!["", "\"4.8\"", "4.8.3", "W/\"4\""].into_iter().any(among));
    }
}
