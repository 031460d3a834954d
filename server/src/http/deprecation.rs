//! How a client learns that a route will go away: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a
//! link to what to do. The version of the interface stands in the path, so a whole version retires by
//! putting this layer on its router.

use axum::response::Response;
use http::header::LINK;
use http::{HeaderName, HeaderValue};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tower::util::MapResponseLayer;

use crate::time::Timestamp;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// IMF-fixdate of RFC 9110 section 5.6.7.
const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// A layer for `Router::route_layer`: the routes are deprecated since `since`, stop to answer at `sunset`,
/// and `link` explains the way to their successor.
pub fn deprecated(since: Timestamp, sunset: Timestamp, link: &str) -> MapResponseLayer<impl Fn(Response) -> Response + Clone> {
    let headers: Vec<(HeaderName, HeaderValue)> = [
        (DEPRECATION, format!("@{}", since.as_secs())),
        (SUNSET, http_date(sunset)),
        (LINK, format!("<{link}>; rel=\"deprecation\"; type=\"text/html\"")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)))
    .collect();
    MapResponseLayer::new(move |mut response: Response| {
        response.headers_mut().extend(headers.iter().cloned());
        response
    })
}

fn http_date(at: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(at.as_secs()).ok().and_then(|at| at.format(HTTP_DATE).ok()).unwrap_or_default()
}
