//! What each request passes before it is done: it names its host, its method is one of the path's, and whoever asks may.

use std::sync::Arc;

use axum::{
    extract::{ConnectInfo, Request, State},
    handler::Handler,
    http::{HeaderMap, Method, StatusCode, Uri, Version, header},
    middleware::{self, Next},
    response::Response,
    routing::{MethodRouter, get, post},
};

use super::{
    Api, No,
    body::{OF_OPERATORS, bounded},
    refuse,
};
use crate::gateway::{
    lines::LineRef,
    login,
    operators::{self, Asker, Refused, Wants},
};

/// A route for those who may look.
pub(super) fn looking<H, T>(api: &Arc<Api>, handler: H) -> MethodRouter<Arc<Api>>
where
    H: Handler<T, Arc<Api>>,
    T: 'static,
{
    get(handler).route_layer(middleware::from_fn_with_state((api.clone(), Wants::Look), permitted))
}

/// A route for those who may act.
pub(super) fn acting<H, T>(api: &Arc<Api>, handler: H) -> MethodRouter<Arc<Api>>
where
    H: Handler<T, Arc<Api>>,
    T: 'static,
{
    let permitted = middleware::from_fn_with_state((api.clone(), Wants::Act), permitted);
    bounded(post(handler), OF_OPERATORS).route_layer(permitted)
}

async fn permitted(
    State((api, wants)): State<(Arc<Api>, Wants)>,
    ConnectInfo(line): ConnectInfo<LineRef>,
    headers: HeaderMap,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(peer) = line.peer() else { return login::hung_up() };
    let client = api.login.client(peer, &headers);
    let cookie = api.login.right(&headers);
    match operators::check(&api.operators, wants, &headers, peer, cookie) {
        Ok(right) => {
            request.extensions_mut().insert(Asker { right, client, logged_in: cookie.is_some() });
            // Only from here on: whoever may not act has no more read than anybody.
            let _freely = (wants == Wants::Act).then(|| line.read_freely());
            next.run(request).await
        }
        Err(refused) if refused.is_guess && !api.login.may_try(client) => login::too_many(),
        Err(Refused { status, why, .. }) => refuse(status, "not_permitted", why),
    }
}

/// Refuses requests that do not say for which host they are, as HTTP/1.1 demands: that is what tells a page of our own
/// from one of somebody else's whose name leads here. HTTP/1.0 knows no hosts, and no browser speaks it.
pub(super) async fn hosted(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 || hosts == 0 && request.version() >= Version::HTTP_11 {
        let why = "a request names one host, in its header Host";
        return refuse(StatusCode::BAD_REQUEST, "bad_request", why);
    }
    next.run(request).await
}

/// The answer to a method that is not the path's; the header `Allow` says which are.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> No {
    let message = format!("{} does not take {method}; the header Allow says what it takes", uri.path());
    No { status: StatusCode::METHOD_NOT_ALLOWED, code: "wrong_method", message }
}
