//! What a session keeps of the request that opened it.
//!
//! The library keeps the whole head for as long as the session, and the head's texts are parts of the buffer that the
//! connection was read into: eight kilobytes for each client, of which hardly anything is looked at again.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    middleware::Next,
    response::Response,
};

/// What is still read when the guards have looked: what an upgrade is answered with, and what a body is.
const READ: [HeaderName; 3] = [header::SEC_WEBSOCKET_KEY, header::CONTENT_TYPE, header::CONTENT_LENGTH];

/// Passes the request on with texts of its own, and only with the headers that are still read.
pub(super) async fn shorten(mut request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/socket.io") {
        let headers = own_headers(request.headers());
        *request.headers_mut() = headers;
        if let Some(uri) = own_uri(request.uri()) {
            *request.uri_mut() = uri;
        }
    }
    next.run(request).await
}

fn own_headers(headers: &HeaderMap) -> HeaderMap {
    let kept = READ.into_iter().filter_map(|name| {
        let value = HeaderValue::from_bytes(headers.get(&name)?.as_bytes()).ok()?;
        Some((name, value))
    });
    let kept: Vec<_> = kept.collect();
    // A map that grows makes room for six.
    let mut own = HeaderMap::with_capacity(kept.len());
    own.extend(kept);
    own
}

fn own_uri(uri: &Uri) -> Option<Uri> {
    uri.path_and_query()?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_reads_stays_and_everything_else_goes() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("content-type", "text/plain"), ("sec-websocket-key", "abc"), ("cookie", "long")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let kept = own_headers(&headers);
        assert_eq!((kept.len(), &kept["sec-websocket-key"]), (2, &headers["sec-websocket-key"]));
        let uri = own_uri(&Uri::from_static("http://a.example/socket.io/?EIO=4&sid=%C3%A9"));
        assert_eq!(uri.unwrap(), Uri::from_static("/socket.io/?EIO=4&sid=%C3%A9"));
    }
}
