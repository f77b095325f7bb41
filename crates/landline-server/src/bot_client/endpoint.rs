//! Where a bot is, checked once.

use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Uri};
use landline_outbound::{AddressPolicy, Authorities, Refused};
use url::Url;

/// Why an address cannot be that of a bot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Neither `http` nor `https`.
    #[error("its address begins with {0}:, write http:// or https://")]
    Scheme(String),
    /// Nothing to connect to.
    #[error("its address names no host")]
    NoHost,
    /// A user name or password stands in it; we would not send them, and they would end up in logs.
    #[error("its address holds a user name or password; take them out, they would not be sent")]
    Credentials,
    /// An IP address that is not connected to.
    #[error("its address {0}")]
    Refused(#[from] Refused),
    /// It cannot be written into a request.
    #[error("its address cannot be used in a request")]
    NotUsable,
}

/// Whether an address can be that of a bot, and may be connected to as far as that can be told without looking a name
/// up. It is checked again whenever a connection is made.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_endpoint(url: &Url, addresses: &AddressPolicy) -> Result<(), EndpointError> {
    check_shape(url)?;
    Ok(url.host().map_or(Ok(()), |host| addresses.check_host(&host))?)
}

/// The same without a look at what is connected to.
pub(crate) fn check_shape(url: &Url) -> Result<(), EndpointError> {
    Endpoint::new(url).map(drop)
}

/// What every request to a bot begins with.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Where to connect.
    pub(crate) uri: Uri,
    /// Whose certificate may be shown there; `None`: one that is trusted anyway.
    pub(crate) only: Option<Authorities>,
    /// What stands in the request line: path and query.
    pub(crate) target: Uri,
    /// What stands on every request.
    pub(crate) headers: HeaderMap,
}

impl Endpoint {
    pub(crate) fn new(url: &Url) -> Result<Self, EndpointError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        if url.host().is_none() {
            return Err(EndpointError::NoHost);
        }

        let mut url = url.clone();
        url.set_fragment(None);
        let uri: Uri = url.as_str().parse().map_err(|_| EndpointError::NotUsable)?;
        let authority = uri.authority().ok_or(EndpointError::NoHost)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| EndpointError::NotUsable)?;
        headers.insert(HOST, host);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("landline/", env!("CARGO_PKG_VERSION"))));
        let target = target.parse().map_err(|_| EndpointError::NotUsable)?;
        Ok(Self { uri, only: None, target, headers })
    }

    /// With certificates of these authorities alone.
    pub(crate) fn with_only(self, only: Option<Authorities>) -> Self {
        Self { only, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Result<(), EndpointError>) {
        assert_eq!(check_endpoint(&url.parse().unwrap(), &AddressPolicy::default()), expected, "{url}");
    }

    #[test]
    fn addresses_of_bots() {
        check("http://localhost:3978/api/messages", Ok(()));
        check("https://bot.example.org/api/messages?code=1", Ok(()));
        check("http://[::1]:3978/", Ok(()));
        check("ftp://bot.example.org/", Err(EndpointError::Scheme("ftp".into())));
        check("http://user:pass@bot.example.org/", Err(EndpointError::Credentials));
        check("http://169.254.169.254/latest/meta-data", Err(Refused::Metadata.into()));
        check("http://0xA9FEA9FE/", Err(Refused::Metadata.into()));
        check("http://2852039166/", Err(Refused::Metadata.into()));
        check("http://[fe80::1]/", Err(Refused::Metadata.into()));
        check("http://[::ffff:169.254.169.254]/", Err(Refused::Metadata.into()));
    }

    #[test]
    fn a_request_names_host_and_target_as_the_standard_wants() {
        let endpoint = Endpoint::new(&"http://localhost:3978/api/messages?x=1#y".parse().unwrap()).unwrap();
        assert_eq!(endpoint.target, "/api/messages?x=1");
        assert_eq!(endpoint.headers[HOST], "localhost:3978");
        let endpoint = Endpoint::new(&"https://bot.example.org:443".parse().unwrap()).unwrap();
        assert_eq!(endpoint.target, "/");
        assert_eq!(endpoint.headers[HOST], "bot.example.org");
    }
}
