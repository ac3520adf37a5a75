//! One JSON-2 call: `POST /json/2/<model>/<method>` with named arguments and a context.

use serde_json::{Map, Value, json};
use trueup_connect::limits::{Draw, Limits, Rate, Said};
use trueup_connect::{CallError, Request, Settings};

use crate::settings::DATABASE;

/// Odoo itself retries a call that lost a race, for up to 75 s seen; a proxy may add to that.
const WRITE_TIMEOUT_MS: u64 = 180_000;
const READ_TIMEOUT_MS: u64 = 90_000;

/// Odoo Online documents no rate; who shares a machine with others asks it no more often than this.
/// An Odoo of one's own is asked as fast as it answers.
pub static LIMITS: Limits =
    Limits { draws, says: |reply| Said { refused: reply.status == 429, ..Said::default() } };

const ONLINE: &str = ".odoo.com";

fn draws(base_url: &str, _: &Request) -> Option<Draw> {
    let host = base_url.split_once("://")?.1.split(['/', ':']).next()?;
    let call = Draw::call("calls", Rate::per_second(1, 10));
    host.ends_with(ONLINE).then_some(Draw { ours: true, ..call })
}

/// A company's id as a number: Odoo wants numbers in `allowed_company_ids`.
pub fn id(text: &str) -> Result<i64, CallError> {
    text.parse().ok().filter(|id| *id > 0).ok_or_else(|| CallError::Refused {
        reason_code: "bad_reference".to_owned(),
        reason: format!("`{}` is not an id of Odoo", text.chars().take(40).collect::<String>()),
    })
}

/// No chatter, no followers, no mail and no text message to customers (`POSTING.md` P16); English,
/// because refusals are told apart by their text.
fn context(company: i64) -> Map<String, Value> {
    let quiet = json!({
        "allowed_company_ids": [company],
        "lang": "en_US",
        "tz": "UTC",
        "tracking_disable": true,
        "mail_create_nosubscribe": true,
        "mail_create_nolog": true,
        "skip_sms": true,
        "no_reset_password": true,
    });
    match quiet {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn post(settings: &Settings, model: &str, method: &str, body: Value, timeout_ms: u64) -> Request {
    let mut request = Request::post_json(format!("/json/2/{model}/{method}"), &body);
    request.timeout_ms = timeout_ms;
    if let Some(database) = settings.get(DATABASE) {
        request.headers.push(("x-odoo-database".to_owned(), database.to_owned()));
    }
    request
}

/// A call in the context of one company. `more` adds to the context.
pub fn call(
    settings: &Settings,
    company: i64,
    model: &str,
    method: &str,
    arguments: Value,
    more: &[(&str, Value)],
) -> Request {
    let mut context = context(company);
    for (name, value) in more {
        context.insert((*name).to_owned(), value.clone());
    }
    let mut body = match arguments {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    body.insert("context".to_owned(), Value::Object(context));
    post(settings, model, method, Value::Object(body), WRITE_TIMEOUT_MS)
}

/// Reads records of one company, archived ones too, in order of id unless `order` says otherwise.
pub fn search_read(
    settings: &Settings,
    company: i64,
    model: &str,
    domain: &Value,
    fields: &[&str],
    order: &str,
) -> Request {
    let arguments = json!({ "domain": domain, "fields": fields, "order": order });
    let archived = [("active_test", Value::Bool(false))];
    let mut request = call(settings, company, model, "search_read", arguments, &archived);
    request.timeout_ms = READ_TIMEOUT_MS;
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_odoo_online_is_asked_slowly() {
        let request = Request::get("/json/2/res.partner/read");
        for spared in
            ["https://shop.odoo.com", "https://shop.odoo.com:443/", "https://a.b.odoo.com"]
        {
            assert!(draws(spared, &request).is_some_and(|draw| draw.ours), "{spared}");
        }
        for own in ["https://odoo.example.com", "http://127.0.0.1:8069", "https://notodoo.com", ""]
        {
            assert_eq!(draws(own, &request), None, "{own}");
        }
    }
}
