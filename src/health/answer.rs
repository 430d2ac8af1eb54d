//! What is answered over HTTP, on the port and on the admin socket alike: a pure function of method, path and header.

use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::exposition::Format;
use super::monitor::Monitor;

/// What is there.
pub const PATHS: [&str; 4] = ["/", "/livez", "/readyz", "/metrics"];

const INDEX: &str = "pinhole agent\n\n/livez    whether it is alive: 200 or 503\n/readyz   whether it is ready: 200 or 503\n\
                     /metrics  Prometheus\n";

const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers one request. A path's query changes nothing.
#[must_use]
pub fn answer(monitor: &Monitor, method: &Method, path: &str, headers: &HeaderMap) -> Response<String> {
    if !PATHS.contains(&path) {
        return response(
            StatusCode::NOT_FOUND,
            PLAIN,
            "there is /livez, /readyz and /metrics\n".to_owned(),
        );
    }
    if method != Method::GET && method != Method::HEAD {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD\n".to_owned());
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/livez" => {
            let report = monitor.examine();
            verdict(report.is_live(), report.liveness_text())
        }
        "/readyz" => {
            let report = monitor.examine();
            verdict(report.is_ready(), report.readiness_text())
        }
        "/metrics" => {
            let format = Format::accepted(headers.get(ACCEPT).and_then(|value| value.to_str().ok()));
            monitor.metrics(format).map_or_else(
                || response(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, String::new()),
                |text| response(StatusCode::OK, format.content_type(), text),
            )
        }
        _ => response(StatusCode::OK, PLAIN, INDEX.to_owned()),
    }
}

fn verdict(met: bool, text: String) -> Response<String> {
    let status = if met {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    response(status, PLAIN, text)
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::container::Now;
    use crate::health::fixture::{Fixed, facts, limits};

    fn asked(monitor: &Monitor, method: &Method, path: &str) -> (u16, String) {
        let answer = answer(monitor, method, path, &HeaderMap::new());
        (answer.status().as_u16(), answer.into_body())
    }

    #[test]
    fn each_path_says_its_own_and_others_are_not_there() {
        let monitor = Monitor::new(Arc::new(Fixed(Mutex::new(facts()))), limits());
        let get = |path| asked(&monitor, &Method::GET, path);
        let (status, text) = get("/readyz");
        assert_eq!(status, 200);
        assert!(text.ends_with("\nready\n") && text.contains("[+] canary: "), "{text}");
        assert_eq!(get("/livez").0, 200);
        let (status, text) = get("/metrics");
        assert!(status == 200 && text.contains("\npinhole_ready 1\n"), "{text}");
        for path in PATHS {
            assert_eq!(get(path).0, 200, "{path}");
        }
        for path in ["/readyz/", "/pinhole.admin.v1.Admin/GetStatus", "//", "/metrics2", ""] {
            assert_eq!(get(path).0, 404, "{path}");
        }
        assert_eq!(asked(&monitor, &Method::POST, "/readyz").0, 405);
        assert_eq!(asked(&monitor, &Method::HEAD, "/readyz").0, 200);
    }

    #[test]
    fn one_that_is_not_ready_or_not_alive_says_so_by_its_status() {
        let mut harmed = facts();
        harmed.runtimes[0].now = Now::Silent("no answer in time".to_owned());
        let source = Arc::new(Fixed(Mutex::new(harmed)));
        let monitor = Monitor::new(Arc::clone(&source) as _, limits());
        let (status, text) = asked(&monitor, &Method::GET, "/readyz");
        assert_eq!(status, 503);
        assert!(
            text.contains("[-] runtime: not answering") && text.ends_with("\nnot ready\n"),
            "{text}"
        );
        assert_eq!(asked(&monitor, &Method::GET, "/livez").0, 200);
        source.0.lock().unwrap().turn_age = Some(std::time::Duration::from_secs(60));
        assert_eq!(asked(&monitor, &Method::GET, "/livez").0, 503);
        let (status, text) = asked(&monitor, &Method::GET, "/metrics");
        assert!(status == 200 && text.contains("\npinhole_ready 0\n"), "{text}");
    }

    #[test]
    fn metrics_come_in_the_format_that_is_asked_for() {
        let monitor = Monitor::new(Arc::new(Fixed(Mutex::new(facts()))), limits());
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/openmetrics-text;version=1.0.0"),
        );
        let open = answer(&monitor, &Method::GET, "/metrics", &headers);
        assert_eq!(open.headers()[CONTENT_TYPE], Format::OpenMetrics.content_type());
        assert!(open.body().ends_with("# EOF\n"));
        let text = answer(&monitor, &Method::GET, "/metrics", &HeaderMap::new());
        assert_eq!(text.headers()[CONTENT_TYPE], Format::Text.content_type());
        assert!(!text.body().contains("# EOF"));
    }
}
