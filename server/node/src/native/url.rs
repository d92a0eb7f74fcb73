//! The native functions of the binding `url`.

use hostd_engine::{Invocation, JsResult, NativeCall, Runtime, Value};
use url::{Position, Url, quirks};

use super::bytes::argument;

pub(crate) const FUNCTIONS: &[(&str, NativeCall)] = &[
    ("parse", parse),
    ("update", update),
    ("canParse", can_parse),
    ("domainToASCII", domain_to_ascii),
    ("domainToUnicode", domain_to_unicode),
    ("format", format),
    ("getOrigin", origin),
];

/// The parts of a URL that are not there.
const ABSENT: u32 = u32::MAX;

/// A text argument, if it is one.
fn text(rt: Runtime, call: &Invocation<'_>, index: usize) -> JsResult<Option<String>> {
    let value = argument(call, index);
    if value.is_undefined() {
        return Ok(None);
    }
    Ok(Some(rt.utf8(value)?.as_str().to_owned()))
}

/// The number of a scheme in Node's scripts.
fn scheme_number(scheme: &str) -> u32 {
    match scheme {
        "http" => 0,
        "https" => 2,
        "ws" => 3,
        "ftp" => 4,
        "wss" => 5,
        "file" => 6,
        _ => 1,
    }
}

/// The text of a URL with the places of its parts, as an array.
fn described(rt: Runtime, url: &Url) -> JsResult {
    let at = |position: Position| u32::try_from(url[..position].len()).unwrap_or(ABSENT);
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let protocol_end = at(Position::AfterScheme) + 1;
    let (username_end, host_start, host_end) = if url.has_authority() {
        // The host begins with the character before it that ends the credentials.
        let host = at(Position::BeforeHost) - u32::from(has_credentials);
        (at(Position::AfterUsername), host, at(Position::AfterHost))
    } else {
        (protocol_end, protocol_end, protocol_end)
    };
    let numbers = [
        protocol_end,
        username_end,
        host_start,
        host_end,
        url.port().map_or(ABSENT, u32::from),
        at(Position::BeforePath),
        url.query()
            .map_or(ABSENT, |_| at(Position::BeforeQuery) - 1),
        url.fragment()
            .map_or(ABSENT, |_| at(Position::BeforeFragment) - 1),
        scheme_number(url.scheme()),
    ];
    let mut all = vec![rt.string_utf8(url.as_str().as_bytes())?];
    all.extend(numbers.map(|number| Value::from(f64::from(number))));
    rt.array_from(all)
}

fn parsed(input: &str, base: Option<&str>) -> Option<Url> {
    match base {
        None => Url::parse(input).ok(),
        Some(base) => Url::parse(base).ok()?.join(input).ok(),
    }
}

/// `parse(input, base or undefined)`: undefined if it is invalid.
fn parse(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let input = text(rt, call, 0)?.unwrap_or_default();
    let base = text(rt, call, 1)?;
    match parsed(&input, base.as_deref()) {
        Some(url) => described(rt, &url),
        None => Ok(Value::UNDEFINED),
    }
}

/// `canParse(input, base or undefined)`.
fn can_parse(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let input = text(rt, call, 0)?.unwrap_or_default();
    let base = text(rt, call, 1)?;
    Ok(Value::from(parsed(&input, base.as_deref()).is_some()))
}

/// `update(href, part, value)`: undefined if the whole cannot have that value; a part that cannot
/// stays as it is.
fn update(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let href = text(rt, call, 0)?.unwrap_or_default();
    let value = text(rt, call, 2)?.unwrap_or_default();
    let Ok(mut url) = Url::parse(&href) else {
        return Ok(Value::UNDEFINED);
    };
    let _: Result<(), ()> = match argument(call, 1).as_i32() {
        Some(0) => quirks::set_protocol(&mut url, &value),
        Some(1) => quirks::set_host(&mut url, &value),
        Some(2) => quirks::set_hostname(&mut url, &value),
        Some(3) => quirks::set_port(&mut url, &value),
        Some(4) => quirks::set_username(&mut url, &value),
        Some(5) => quirks::set_password(&mut url, &value),
        Some(6) => {
            quirks::set_pathname(&mut url, &value);
            Ok(())
        }
        Some(7) => {
            quirks::set_search(&mut url, &value);
            Ok(())
        }
        Some(8) => {
            quirks::set_hash(&mut url, &value);
            Ok(())
        }
        _ => {
            if quirks::set_href(&mut url, &value).is_err() {
                return Ok(Value::UNDEFINED);
            }
            Ok(())
        }
    };
    described(rt, &url)
}

/// `domainToASCII(domain)`: empty if it is invalid.
fn domain_to_ascii(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let domain = text(rt, call, 0)?.unwrap_or_default();
    rt.string_utf8(quirks::domain_to_ascii(&domain).as_bytes())
}

/// `domainToUnicode(domain)`: empty if it is invalid.
fn domain_to_unicode(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let domain = text(rt, call, 0)?.unwrap_or_default();
    rt.string_utf8(quirks::domain_to_unicode(&domain).as_bytes())
}

/// `format(href, hasHash, isUnicode, hasSearch, hasAuth)`.
fn format(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let href = text(rt, call, 0)?.unwrap_or_default();
    let Ok(mut url) = Url::parse(&href) else {
        return rt.string_utf8(href.as_bytes());
    };
    let wanted = |index| rt.to_bool(argument(call, index));
    if !wanted(1) {
        url.set_fragment(None);
    }
    if !wanted(3) {
        url.set_query(None);
    }
    if !wanted(4) {
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    let host = url.host_str().filter(|_| wanted(2));
    let Some(host) = host else {
        return rt.string_utf8(url.as_str().as_bytes());
    };
    let unicode = quirks::domain_to_unicode(host);
    rt.string_utf8(url.as_str().replacen(host, &unicode, 1).as_bytes())
}

/// `getOrigin(href)`.
fn origin(rt: Runtime, call: &Invocation<'_>) -> JsResult {
    let href = text(rt, call, 0)?.unwrap_or_default();
    match Url::parse(&href) {
        Ok(url) => rt.string_utf8(quirks::origin(&url).as_bytes()),
        Err(_) => Ok(Value::UNDEFINED),
    }
}
