//! Where a bot is, checked once.

use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Uri};
use url::{Host, Url};

use super::addresses::is_forbidden;

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
    /// See [`is_forbidden`].
    #[error("its address is link-local or a metadata service; those are never connected to")]
    Forbidden,
    /// It cannot be written into a request.
    #[error("its address cannot be used in a request")]
    NotUsable,
}

/// Whether an address can be that of a bot.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_endpoint(url: &Url) -> Result<(), EndpointError> {
    Endpoint::new(url).map(|_| ())
}

/// What every request to a bot begins with.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Where to connect.
    pub(crate) uri: Uri,
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
        let address = match url.host() {
            None => return Err(EndpointError::NoHost),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(v4)) => Some(v4.into()),
            Some(Host::Ipv6(v6)) => Some(v6.into()),
        };
        if address.is_some_and(is_forbidden) {
            return Err(EndpointError::Forbidden);
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
        Ok(Self { uri, target, headers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Result<(), EndpointError>) {
        assert_eq!(check_endpoint(&url.parse().unwrap()), expected, "{url}");
    }

    #[test]
    fn addresses_of_bots() {
        check("http://localhost:3978/api/messages", Ok(()));
        check("https://bot.example.org/api/messages?code=1", Ok(()));
        check("http://[::1]:3978/", Ok(()));
        check("ftp://bot.example.org/", Err(EndpointError::Scheme("ftp".into())));
        check("http://user:pass@bot.example.org/", Err(EndpointError::Credentials));
        check("http://169.254.169.254/latest/meta-data", Err(EndpointError::Forbidden));
        check("http://0xA9FEA9FE/", Err(EndpointError::Forbidden));
        check("http://2852039166/", Err(EndpointError::Forbidden));
        check("http://[fe80::1]/", Err(EndpointError::Forbidden));
        check("http://[::ffff:169.254.169.254]/", Err(EndpointError::Forbidden));
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
