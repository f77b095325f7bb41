//! How what cannot be changed is spelled in HTTP.

use crate::directory::ChangeError;
use crate::error::ApiError;
use crate::limits::RETRY_AFTER;

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound(message) => Self::not_found(message),
            ChangeError::Conflict(message) => Self::conflict(message),
            ChangeError::Bad(message) => Self::bad_argument(message),
            ChangeError::Unavailable(why) => {
                Self::unavailable("nothing was changed: the store cannot take it now; try again", RETRY_AFTER)
                    .caused_by(why)
            }
            ChangeError::Unknown(why) => {
                let message =
                    "it is not known whether this was kept; look whether it was, and try again if not";
                Self::unavailable(message, RETRY_AFTER).caused_by(why)
            }
        }
    }
}
