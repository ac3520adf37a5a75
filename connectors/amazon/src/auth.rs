//! Login with Amazon: a refresh token that stays the same gives access tokens of an hour.

use serde::Deserialize;
use trueup_connect::{CallError, Method, Reply, Request, Secret, Settings, Token, TokenScheme};

use crate::{outcome, settings};

pub const TOKEN_URL: &str = "https://api.amazon.com/auth/o2/token";
pub const TOKEN_HEADER: &str = "x-amz-access-token";

pub static SCHEME: TokenScheme =
    TokenScheme { header: TOKEN_HEADER, request, read, refuses: outcome::refuses_token };

/// `secret` begins with the client secret and the refresh token, divided by a blank; behind them the
/// key of a queue may stand.
fn request(settings: &Settings, secret: &Secret) -> Result<Request, CallError> {
    let not_set_up = |why: &str| CallError::NotSetUp { why: why.to_owned() };
    let client = settings
        .get(settings::CLIENT_ID)
        .ok_or_else(|| not_set_up("the setting `client_id` is missing"))?;
    let mut parts = secret.expose().split_whitespace();
    let (Some(client_secret), Some(refresh_token)) = (parts.next(), parts.next()) else {
        return Err(not_set_up("the secret holds no blank between its two parts"));
    };
    let body = format!(
        "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
        form(client),
        form(client_secret),
        form(refresh_token)
    );
    Ok(Request {
        method: Method::Post,
        path: TOKEN_URL.to_owned(),
        headers: vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())],
        body: body.into_bytes(),
        timeout_ms: 30_000,
    })
}

fn form(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u32,
}

#[derive(Default, Deserialize)]
struct Denied {
    #[serde(default)]
    error: String,
}

fn read(reply: &Reply) -> Result<Token, CallError> {
    match reply.status {
        200 => {}
        429 => return Err(CallError::RateLimited { retry_after_ms: None }),
        408 | 500..=599 => {
            return Err(CallError::Busy { why: format!("HTTP status {}", reply.status) });
        }
        _ => {
            let denied: Denied = serde_json::from_slice(&reply.body).unwrap_or_default();
            return Err(match denied.error.as_str() {
                // The seller took the application's right back, or the token ran out.
                "invalid_grant" | "invalid_client" | "unauthorized_client" => {
                    CallError::Unauthorized
                }
                other => CallError::NotSetUp {
                    why: format!(
                        "no token ({} {})",
                        reply.status,
                        other.chars().take(80).collect::<String>()
                    ),
                },
            });
        }
    }
    let granted: Granted = serde_json::from_slice(&reply.body)
        .map_err(|error| CallError::Unreachable { why: format!("unreadable token: {error}") })?;
    Ok(Token { secret: Secret::new(granted.access_token), lives_s: granted.expires_in })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings([(settings::CLIENT_ID.to_owned(), "amzn1.client".to_owned())].into())
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn the_two_parts_of_the_secret_make_one_request() {
        let asked = request(&settings(), &Secret::new("cs.v1.0 Atzr|a+b\n")).expect("a request");
        assert_eq!(asked.path, TOKEN_URL);
        assert_eq!(
            String::from_utf8_lossy(&asked.body),
            "grant_type=refresh_token&client_id=amzn1.client&client_secret=cs.v1.0\
             &refresh_token=Atzr%7Ca%2Bb"
        );
        let code = |settings: &Settings, secret: &str| {
            request(settings, &Secret::new(secret)).map_err(|error| error.code())
        };
        assert_eq!(code(&settings(), "one"), Err("TU107"));
        assert_eq!(code(&Settings::default(), "one two"), Err("TU107"));
    }

    #[test]
    fn each_reply_has_its_meaning() {
        let token = read(&reply(200, r#"{"access_token":"Atza|1","expires_in":3600}"#));
        let token = token.expect("a token");
        assert_eq!((token.secret.expose(), token.lives_s), ("Atza|1", 3600));
        let code = |status, body: &str| read(&reply(status, body)).map_err(|error| error.code());
        assert_eq!(code(400, r#"{"error":"invalid_grant"}"#), Err("TU105"));
        assert_eq!(code(400, r#"{"error":"invalid_request"}"#), Err("TU107"));
        assert_eq!(code(503, ""), Err("TU106"));
        assert_eq!(code(429, ""), Err("TU101"));
        assert_eq!(code(200, "<html>"), Err("TU102"));
    }
}
