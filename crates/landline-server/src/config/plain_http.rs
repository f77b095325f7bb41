//! Who may listen without TLS: whoever only this machine reaches, and others when the operator has said so.
//!
//! Secrets and tokens are all that this protocol knows by way of credentials, and whoever reads one on the way has it.

use std::net::SocketAddr;

use super::{Config, ConfigError};

impl Config {
    /// Whether these two sockets may be served as this configuration says. They may be others than those that it names:
    /// sockets can be handed over.
    ///
    /// # Errors
    /// Which of them other machines reach over plain HTTP, and what can be done.
    pub fn check_listeners(&self, public: SocketAddr, admin: SocketAddr) -> Result<(), ConfigError> {
        if self.allow_plain_http {
            return Ok(());
        }
        if self.tls.is_none() && !is_of_this_machine(public) {
            let problem = format!(
                "other machines reach {public}, and over plain http whoever is on the way reads secrets and tokens. Do \
                 one of these: name a certificate and its key ([tls] in the file, or --tls-certificate and --tls-key); \
                 listen on a loopback address such as 127.0.0.1:{port}, with a proxy on this machine that does https; \
                 or, where the network between is trusted, allow_plain_http = true (--allow-plain-http)",
                port = public.port()
            );
            return Err(ConfigError::new("listen", problem));
        }
        if !is_of_this_machine(admin) {
            let problem = format!(
                "other machines reach {admin}, where the admin token travels over plain http and /metrics has no access \
                 control. Do one of these: listen on a loopback address such as 127.0.0.1:{port}, and come by a tunnel \
                 (ssh -L); put a proxy on this machine in front of it that does https (the table [tls] is for the \
                 public listener alone); or, where the network between is trusted, allow_plain_http = true \
                 (--allow-plain-http)",
                port = admin.port()
            );
            return Err(ConfigError::new("admin", problem));
        }
        Ok(())
    }
}

/// What is allowed and still worth a look.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.tls.is_none() && !is_of_this_machine(config.listen) {
        warnings.push(format!(
            "listen: other machines reach {} over plain http, as allow_plain_http says; secrets and tokens can be read \
             on the way",
            config.listen
        ));
    }
    if !is_of_this_machine(config.admin) {
        warnings.push(format!(
            "admin: other machines reach {} over plain http, as allow_plain_http says; the admin token can be read on \
             the way, and /metrics has no access control",
            config.admin
        ));
    }
    warnings
}

/// `::ffff:127.0.0.1` is, `0.0.0.0` and `::` are not.
fn is_of_this_machine(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
