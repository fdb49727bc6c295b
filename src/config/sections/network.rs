//! The keys of `[network]`.

use std::path::PathBuf;

use outbound::ProxyUrl;

use crate::config::key::{of, section, unset};
use crate::config::kind::{FilePath, Proxy, Text};
use crate::config::variables::Variable;

section! {
    /// `[network]`: the authorities that our connections trust, and the proxies that they go through.
    #[derive(Default)]
    Network, "network",
        "Whom every connection that we open trusts, and through which proxy it goes. TLS is 1.2 or 1.3; the system's\n\
            certificates are trusted, or those that SSL_CERT_FILE and SSL_CERT_DIR name instead of them.";

    ca_file: Option<PathBuf> = unset(&FilePath, r#""/etc/voiced/private-ca.pem""#)
        .doc("A PEM file with certificates of authorities to trust besides the system's: that of a private CA, or a server's own\n\
             self-signed one.");

    https_proxy: Option<ProxyUrl> = unset(&Proxy, r#""http://proxy.example.com:3128""#)
        .variables(&[Variable::plain("HTTPS_PROXY"), Variable::plain("https_proxy")])
        .doc("The HTTP proxy for https:// and wss:// (by CONNECT), http://[user:password@]host:port; \"off\" for none. Media and\n\
             data of a room are WebRTC and go past it, by UDP or TCP, straight to the LiveKit server.");

    http_proxy: Option<ProxyUrl> = unset(&Proxy, r#""http://proxy.example.com:3128""#)
        .variables(&[Variable::plain("HTTP_PROXY"), Variable::plain("http_proxy")])
        .doc("The same for http:// and ws://.");

    no_proxy: String = of(&Text, r#""""#)
        .variables(&[Variable::plain("NO_PROXY"), Variable::plain("no_proxy")])
        .doc("Hosts to go to without a proxy, between commas: names (with all below them), addresses, networks (10.0.0.0/8), or *.\n\
             This machine itself (localhost, 127.0.0.0/8, ::1) never needs to be named.");
}
