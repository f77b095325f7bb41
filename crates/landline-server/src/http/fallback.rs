//! What paths and methods get that no handler is for.

use http::Method;

use crate::error::ApiError;

/// 404 for a path that does not exist. The path is not repeated: it may hold a secret.
pub(super) async fn no_such_path() -> ApiError {
    ApiError::not_found("there is nothing at this path; see docs/protocol.md for those that exist")
}

/// 405 for a method that the path does not know; the router adds `allow`.
pub(super) async fn no_such_method(method: Method) -> ApiError {
    ApiError::method_not_supported(format!("{method} is not supported here; the allow header names what is"))
}
