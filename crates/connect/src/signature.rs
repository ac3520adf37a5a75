//! Requests to an address beside a connection's own that carry a signature, such as those to a queue.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::call_error::CallError;
use crate::conversation::Request;
use crate::settings::{Secret, Settings};

pub type Headers = Vec<(String, String)>;

/// How requests to one further host prove who we are. Only whole addresses of that very host are
/// signed: whatever else a reply points at is asked for without credentials.
#[derive(Debug)]
pub struct Signature {
    /// The setting that holds an address of the host.
    pub setting: &'static str,
    /// The headers that sign a request; `secret` is the connection's own.
    pub headers: fn(&Request, &Secret, Timestamp) -> Result<Headers, CallError>,
}

impl Signature {
    /// The request as it goes out.
    ///
    /// # Errors
    /// [`CallError::NotSetUp`] if it has to be signed and there is nothing to sign with.
    pub fn signed<'a>(
        &self,
        request: &'a Request,
        settings: &Settings,
        secret: Option<&Secret>,
        now: Timestamp,
    ) -> Result<Cow<'a, Request>, CallError> {
        let meant = settings.get(self.setting).and_then(origin);
        if meant.is_none() || origin(&request.path) != meant {
            return Ok(Cow::Borrowed(request));
        }
        let lacks = || CallError::NotSetUp { why: "no secret".to_owned() };
        let headers = (self.headers)(request, secret.ok_or_else(lacks)?, now)?;
        let mut request = request.clone();
        request.headers.extend(headers);
        Ok(Cow::Owned(request))
    }
}

/// Scheme and host of a whole address: `https://queue.example`.
pub fn origin(address: &str) -> Option<&str> {
    let host = address.strip_prefix("https://")?;
    let end = host.find(['/', '?', '#']).unwrap_or(host.len());
    // What stands before an `@` is no host, and nobody writes it there for a good reason.
    (end > 0 && !host[..end].contains('@')).then(|| &address[.."https://".len() + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    static SIGNATURE: Signature = Signature {
        setting: "queue_url",
        headers: |_, secret, _| Ok(vec![("x-signed".to_owned(), secret.expose().to_owned())]),
    };

    fn signed(path: &str) -> Vec<(String, String)> {
        let queue = "https://queue.example/1/orders".to_owned();
        let settings = Settings([("queue_url".to_owned(), queue)].into());
        let (request, secret) = (Request::get(path), Secret::new("s"));
        let signed = SIGNATURE.signed(&request, &settings, Some(&secret), Timestamp::UNIX_EPOCH);
        signed.expect("signed").headers.clone()
    }

    #[test]
    fn h10_only_the_host_that_is_meant_sees_a_signature() {
        assert_eq!(signed("https://queue.example/").len(), 1);
        assert_eq!(signed("https://queue.example/1/orders?x=1").len(), 1);
        for other in [
            "/orders",
            "http://queue.example/",
            "https://queue.example.evil.example/",
            "https://queue.example@evil.example/",
            "https://evil.example/https://queue.example/",
            "https://queue.example:8443/",
        ] {
            assert!(signed(other).is_empty(), "{other}");
        }
    }

    #[test]
    fn nothing_is_signed_without_the_setting_or_a_secret() {
        let request = Request::get("https://queue.example/");
        let now = Timestamp::UNIX_EPOCH;
        let secret = Secret::new("s");
        let plain = SIGNATURE.signed(&request, &Settings::default(), Some(&secret), now);
        assert!(plain.expect("as it is").headers.is_empty());
        let settings =
            Settings([("queue_url".to_owned(), "https://queue.example/q".to_owned())].into());
        let refused = SIGNATURE.signed(&request, &settings, None, now);
        assert!(matches!(refused, Err(CallError::NotSetUp { .. })), "{refused:?}");
    }
}
