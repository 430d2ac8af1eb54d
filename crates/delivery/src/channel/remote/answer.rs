//! What an answer means for the alerts that were posted.

use std::time::{Duration, SystemTime};

use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::header::RETRY_AFTER;
use hyper::{Response, StatusCode};

use crate::account::shortened;
use crate::alert::is_hostile;
use crate::channel::{Failure, Kind};

/// An answer, read as far as anybody wants it.
#[derive(Debug)]
pub(in crate::channel) struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    /// The beginning of the body.
    pub(in crate::channel) body: Bytes,
}

/// The kinds of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::channel) enum Verdict {
    /// 2xx.
    Taken,
    /// The receiver is overloaded or has a fault, or address or credentials are not right: it may take the same later.
    Later,
    /// Something of what was sent is not to its liking, so parts of it may be.
    Content,
    /// It will never take anything like this.
    Never,
}

impl Answer {
    pub(super) fn new<B>(response: &Response<B>, body: Bytes) -> Self {
        Self {
            status: response.status(),
            retry_after: retry_after(response.headers(), SystemTime::now()),
            body,
        }
    }

    /// What becomes of the alerts.
    pub(in crate::channel) fn verdict(&self) -> Verdict {
        match self.status.as_u16() {
            200..=299 => Verdict::Taken,
            status if is_about_the_way(status) => Verdict::Later,
            // Request Timeout, Too Early, Too Many Requests, and whatever the receiver is to blame for but cannot speak at all.
            408 | 425 | 429 | 500 | 502..=504 | 507..=599 => Verdict::Later,
            // Bad Request, Content Too Large, Unprocessable Content.
            400 | 413 | 422 => Verdict::Content,
            _ => Verdict::Never,
        }
    }

    /// The same for OTLP, which says itself what may be tried again (OTLP 1.7, "OTLP/HTTP Response").
    pub(in crate::channel) fn otlp_verdict(&self) -> Verdict {
        match self.status.as_u16() {
            429 | 502..=504 => Verdict::Later,
            status if is_about_the_way(status) => Verdict::Later,
            // It may be one of the records that a collector fails at.
            500 => Verdict::Content,
            408 | 425 | 505..=599 => Verdict::Never,
            _ => self.verdict(),
        }
    }

    /// The failure that a refusal in these words is.
    pub(super) fn failure(&self, url: &str, verdict: Verdict, words: &str) -> Failure {
        let separator = if words.is_empty() { "" } else { ": " };
        Failure {
            taken: 0,
            kind: match verdict {
                Verdict::Taken | Verdict::Later => Kind::Later(self.retry_after),
                Verdict::Content => Kind::RefusedTogether,
                Verdict::Never => Kind::RefusedAll,
            },
            error: format!("{url} answers {}{separator}{words}", self.status),
        }
    }
}

/// What a receiver says, fit for the log: its beginning, on one line.
pub(super) fn words(text: &str) -> String {
    shortened(text.trim())
        .chars()
        .map(|letter| if is_hostile(letter) { ' ' } else { letter })
        .collect()
}

/// Redirects, Unauthorized, Forbidden, Not Found, Proxy Authentication Required: they tell of the address or the credentials and
/// not of the alerts. Somebody can put that right, and until then every alert would be refused.
const fn is_about_the_way(status: u16) -> bool {
    matches!(status, 300..=399 | 401 | 403 | 404 | 407)
}

/// How long the receiver wants to be left alone: seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let response = Response::builder()
            .status(status)
            .header(RETRY_AFTER, "7")
            .body(())
            .unwrap();
        Answer::new(&response, Bytes::from(body.to_owned()))
    }

    #[test]
    fn each_status_has_its_verdict() {
        for (verdict, statuses) in [
            (Verdict::Taken, &[200, 201, 202, 204][..]),
            (Verdict::Later, &[408, 425, 429, 500, 502, 503, 504, 520]),
            (Verdict::Later, &[301, 308, 401, 403, 404, 407]),
            (Verdict::Content, &[400, 413, 422]),
            (Verdict::Never, &[405, 410, 415, 501, 505]),
        ] {
            for status in statuses {
                assert_eq!(answer(*status, "").verdict(), verdict, "{status}");
            }
        }
    }

    #[test]
    fn otlp_has_verdicts_of_its_own() {
        for (verdict, statuses) in [
            (Verdict::Taken, &[200, 202][..]),
            (Verdict::Later, &[429, 502, 503, 504]),
            (Verdict::Later, &[307, 401, 403, 404, 407]),
            (Verdict::Content, &[400, 413, 422, 500]),
            (Verdict::Never, &[405, 408, 415, 425, 501, 505, 507, 520]),
        ] {
            for status in statuses {
                assert_eq!(answer(*status, "").otlp_verdict(), verdict, "{status}");
            }
        }
    }

    #[test]
    fn a_failure_says_what_the_receiver_said() {
        let failure = answer(429, "").failure("http://h/", Verdict::Later, &words(" slow\ndown "));
        assert_eq!(failure.error, "http://h/ answers 429 Too Many Requests: slow down");
        assert_eq!(failure.kind, Kind::Later(Some(Duration::from_secs(7))));
        let failure = answer(404, "").failure("http://h/", Verdict::Later, "");
        assert_eq!(failure.error, "http://h/ answers 404 Not Found");
    }

    #[test]
    fn both_forms_of_retry_after() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:00 GMT").unwrap();
        let after = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(37)));
        assert_eq!(after("Sun, 06 Nov 1994 08:48:37 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
