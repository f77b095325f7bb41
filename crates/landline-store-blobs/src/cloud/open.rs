//! From a URL and an environment to a bucket that can be used.

use std::str::FromStr;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::http::Connector;
use crate::limits::{CLOUD_CONNECT_TIMEOUT, CLOUD_LONGEST_PAUSE, CLOUD_RETRIES, CLOUD_RETRY_TIMEOUT};

/// By what a managed identity of Azure is asked for tokens, where it has another address than usual.
const AZURE_IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";

/// The settings that `environment` has for the provider of `place`; other variables are passed over.
///
/// # Errors
/// What is missing, or cannot be, and what to do.
pub(super) fn store(
    place: &Url,
    environment: Vec<(String, String)>,
    connector: Connector,
) -> Result<Arc<dyn ObjectStore>, String> {
    let bucket = place.host_str().filter(|host| !host.is_empty());
    let bucket = bucket.ok_or("it names no bucket; write one such as s3://bucket/prefix")?;
    match place.scheme() {
        "s3" => {
            // Not every server that speaks like S3 can delete many at once, and nothing here deletes many at once.
            let builder = AmazonS3Builder::new().with_config(AmazonS3ConfigKey::DisableBulkDelete, "true");
            let builder = settings("AWS_", &environment)
                .fold(builder, |builder, (key, value)| builder.with_config(key, value))
                .with_bucket_name(bucket)
                .with_client_options(options("AWS_", &environment)?)
                .with_retry(retries())
                .with_http_connector(connector);
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| why(&error))
        }
        "az" => {
            let mut builder = settings("AZURE_", &environment)
                .fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| builder.with_config(key, value))
                .with_container_name(bucket)
                .with_client_options(options("AZURE_", &environment)?)
                .with_retry(retries())
                .with_http_connector(connector);
            if let Some((_, endpoint)) = environment.iter().find(|(name, _)| name == AZURE_IDENTITY_ENDPOINT)
            {
                builder = builder.with_msi_endpoint(endpoint);
            }
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| why(&error))
        }
        "gs" => {
            let builder = settings("GOOGLE_", &environment)
                .fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| {
                    builder.with_config(key, value)
                })
                .with_bucket_name(bucket)
                .with_client_options(options("GOOGLE_", &environment)?)
                .with_retry(retries())
                .with_http_connector(connector);
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| why(&error))
        }
        scheme => Err(format!("{scheme}:// is not known; write s3://, az:// or gs://, or a folder")),
    }
}

/// What the environment says under names that the library knows.
fn settings<'a, K: FromStr>(
    provider: &'static str,
    environment: &'a [(String, String)],
) -> impl Iterator<Item = (K, &'a str)> {
    let ours = environment.iter().filter(move |(name, _)| name.starts_with(provider));
    ours.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.as_str())))
}

/// Of all that the library can be told about its connections, one thing is for the operator: that the endpoint speaks
/// no TLS.
fn options(provider: &str, environment: &[(String, String)]) -> Result<ClientOptions, String> {
    let name = format!("{provider}ALLOW_HTTP");
    let allowed = environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    let allowed = match allowed.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "false" | "0") => false,
        Some("true" | "1") => true,
        Some(_) => return Err(format!("{name} is neither true nor false")),
    };
    Ok(ClientOptions::new().with_allow_http(allowed).with_connect_timeout(CLOUD_CONNECT_TIMEOUT))
}

fn retries() -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: CLOUD_LONGEST_PAUSE, ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: CLOUD_RETRIES, retry_timeout: CLOUD_RETRY_TIMEOUT }
}

/// These errors are of the settings and name the missing one.
fn why(error: &object_store::Error) -> String {
    format!("{error}; see the variables AWS_…, AZURE_… and GOOGLE_… in the environment of the server")
}
