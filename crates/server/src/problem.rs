//! Refusals as problem details (RFC 9457): a stable code, one sentence, a page that says more.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use trueup_hub::receive::Refusal;
use trueup_store::StoreError;

/// Senders that are told to come back do so after this many seconds.
const RETRY_AFTER: &str = "5";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub title: String,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, title: impl Into<String>) -> Self {
        Self { status, code, title: title.into() }
    }

    /// TU401
    pub fn not_signed_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "TU401", "this needs the token of this server")
    }

    /// TU402
    pub fn other_site() -> Self {
        Self::new(StatusCode::FORBIDDEN, "TU402", "the request comes from another site")
    }

    /// TU403
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "TU403", format!("{what} is not known here"))
    }

    /// TU404
    pub fn unreadable(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "TU404", why)
    }

    /// TU405
    pub fn encoded() -> Self {
        let title = "send the body as it is: no content encoding is taken";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "TU405", title)
    }

    /// TU406; the cause is for the log, not for the caller.
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "the store could not serve a request");
        let title = "the store is not available; nothing was acknowledged";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "TU406", title)
    }

    /// TU407
    pub fn does_not_apply(why: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "TU407", why)
    }

    /// TU408
    pub fn too_slow() -> Self {
        let title = "the body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "TU408", title)
    }

    /// TU409: a defect of ours. Nothing was acknowledged, so the caller may come again.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request ran into a defect");
        let title = "the server ran into a defect of its own; nothing was acknowledged";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "TU409", title)
    }

    /// TU410
    pub fn no_room() -> Self {
        let title = "the disk of the store is nearly full; nothing was acknowledged";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "TU410", title)
    }

    /// The page of the code, on this server.
    pub fn page(&self) -> String {
        format!("/errors/{}", self.code)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_)
            | StoreError::Damaged(_)
            | StoreError::Conflict(_)
            | StoreError::Collided(_)
            | StoreError::LeaseLost
            | StoreError::Crashed => Self::unavailable(error),
            StoreError::Corrupt(_) => Self::internal(error),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::NotAuthentic(_) => StatusCode::UNAUTHORIZED,
            Refusal::OtherAccount(_) => StatusCode::FORBIDDEN,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::NotTaken(_) => StatusCode::NOT_FOUND,
            Refusal::Incomplete(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refusal.code(), refusal.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": self.page(),
            "title": self.title,
            "status": self.status.as_u16(),
            "code": self.code,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
