//! The object that a path names, read as Go's router reads it; and what that router does not bring to a handler.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use super::Api;
use super::query::unescape;

/// The second part of a path, `/services/{this}/logs`, unescaped; also where a fixed word such as `create` stands.
pub struct Named(pub String);

impl<S: Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Named, Infallible> {
        Ok(Named(unescape(parts.uri.path().split('/').nth(2).unwrap_or_default(), false)))
    }
}

/// Paths that Go's router would clean or split otherwise (an escaped slash, `.` and `..`) are dockerd's to answer: it
/// redirects or refuses them before any handler sees them. So is `HEAD`: axum would give it to the handler of `GET`,
/// dockerd knows it for few pages, and of those only `/_ping` is also Gam's.
pub async fn straight(State(api): State<Api>, request: Request, next: Next) -> Response {
    let crooked = request.uri().path().split('/').skip(1).any(|part| {
        let part = unescape(part, false);
        part.contains('/') || matches!(part.as_str(), "." | "..")
    });
    let unknown = request.method() == Method::HEAD && request.uri().path() != "/_ping";
    if crooked || unknown { api.proxy.forward(request).await } else { next.run(request).await }
}
