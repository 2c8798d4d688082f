use super::*;

fn version(text: &str) -> ApiVersion {
    text.parse().expect("a version")
}

fn stripped(uri: &str) -> (String, Option<String>) {
    let mut request = Request::get(uri).body(Body::empty()).expect("a request");
    strip(&mut request);
    let asked = request.extensions().get::<Asked>().map(|asked| asked.0.to_string());
    (request.uri().to_string(), asked)
}

#[test]
fn a_prefix_is_taken_off_and_remembered() {
    let (uri, asked) = stripped("/v1.41/services?filters=%7B%7D");
    assert_eq!((uri.as_str(), asked.as_deref()), ("/services?filters=%7B%7D", Some("1.41")));
    assert_eq!(stripped("/v1.41/"), ("/".into(), Some("1.41".into())));
    assert_eq!(stripped("http://host/v1.24/info").0, "/info");
}

#[test]
fn what_is_no_prefix_stays() {
    for uri in
        ["/services", "/v1.41", "/version", "/volumes/v1.41", "/vx/info", "/v/info", "/v1.4a/info", "/V1.41/info"]
    {
        assert_eq!(stripped(uri), (uri.to_owned(), None), "{uri}");
    }
}

#[test]
fn the_engine_is_asked_for_what_the_client_asked() {
    let mut request = Request::get("/v1.41/info?x=1").body(Body::empty()).expect("a request");
    strip(&mut request);
    assert_eq!(engine_path(&request), "/v1.41/info?x=1");
    let plain = Request::get("/info").body(Body::empty()).expect("a request");
    assert_eq!(engine_path(&plain), "/info");
}

#[test]
fn versions_compare_as_dockerd_compares_them() {
    assert!(version("1.9") < version("1.24"));
    assert!(version("1") < version("1.24"));
    assert!(version("...") < version("1.24"));
    assert!(version("1.51.1") > version("1.51"));
    assert!(version("1.51.0") == version("1.51"));
    assert!(version("01.051") == version("1.51"));
    assert!(version("1.99999999999999999999999") > version("1.51"));
    assert!("".parse::<ApiVersion>().is_err() && "1.x".parse::<ApiVersion>().is_err());
}

fn engine(min: &str) -> EngineVersion {
    EngineVersion { min_api: version(min), ..EngineVersion::assumed() }
}

#[test]
fn only_versions_between_our_minimum_and_the_engines_are_lifted() {
    let lifted = |uri: &str, min| lift(&uri.parse().expect("a URI"), &engine(min)).map(|uri| uri.to_string());
    assert_eq!(lifted("/v1.41/info?a=b", "1.44").as_deref(), Some("/v1.44/info?a=b"));
    assert_eq!(lifted("http://host/v1.24/info", "1.44").as_deref(), Some("http://host/v1.44/info"));
    for same in ["/v1.23/info", "/v1.44/info", "/v1.99/info", "/info"] {
        assert_eq!(lifted(same, "1.44"), None, "{same}");
    }
    assert_eq!(lifted("/v1.24/info", "1.24"), None);
}

#[test]
fn an_engine_is_read_from_its_answer() {
    let answer = br#"{"Version":"28.5.2","ApiVersion":"1.51","MinAPIVersion":"1.24","Experimental":true,"Os":"linux"}"#;
    let engine = EngineVersion::from_answer(answer).expect("an answer");
    assert_eq!(engine.version, "28.5.2");
    assert_eq!((engine.api, engine.min_api, engine.experimental), (version("1.51"), version("1.24"), true));
    assert_eq!(EngineVersion::from_answer(b"{}"), None);
    assert_eq!(EngineVersion::from_answer(br#"{"Version":"x","ApiVersion":"later"}"#), None);
}

/// dockerd's refusals, recorded from 28.5.2.
#[tokio::test]
async fn versions_are_refused_in_dockerds_words() {
    async fn refused(path: &str) -> Option<(StatusCode, String, String)> {
        let original = OriginalUri(path.parse().expect("a URI"));
        let asked = ApiVersion::of_digits(split(path).expect("a prefix").0);
        let response = refusal(asked, &EngineVersion::assumed(), Some(&original))?;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 4096).await.expect("a body");
        let kind = parts.headers[CONTENT_TYPE].to_str().expect("text").to_owned();
        Some((parts.status, kind, String::from_utf8(body.to_vec()).expect("text")))
    }
    let old = "client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version\n";
    assert_eq!(
        refused("/v1.10/swarm").await,
        Some((StatusCode::BAD_REQUEST, "text/plain; charset=utf-8".into(), old.into()))
    );
    let new = "{\"message\":\"client version 1.99 is too new. Maximum supported API version is 1.51\"}\n";
    assert_eq!(refused("/v1.99/swarm").await, Some((StatusCode::BAD_REQUEST, "application/json".into(), new.into())));
    assert_eq!(refused("/v1.24/swarm").await, None);
    assert_eq!(refused("/v1.51/swarm").await, None);
}

#[test]
fn headers_come_as_dockerd_sends_them() {
    let mut engine = EngineVersion::assumed();
    engine.version = "28.5.2".into();
    let response = (StatusCode::OK, [(CONTENT_TYPE, "application/json")], "[]\n").into_response();
    let dressed = dress(response, &engine, true);
    let names: Vec<&str> = dressed.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["api-version", "content-type", "docker-experimental", "ostype", "server", "date"]);
    assert_eq!(dressed.headers()["api-version"], "1.51");
    assert_eq!(dressed.headers()["docker-experimental"], "false");
    assert_eq!(dressed.headers()["server"], "Docker/28.5.2 (linux)");
    let refused = dress(StatusCode::BAD_REQUEST.into_response(), &EngineVersion::assumed(), false);
    assert!(!refused.headers().contains_key("docker-experimental") && !refused.headers().contains_key("server"));
}

#[test]
fn a_date_is_written_as_http_wants_it() {
    let at = time::OffsetDateTime::from_unix_timestamp(784_111_777).expect("a time");
    assert_eq!(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
}
