//! `POST /networks/prune`: the swarm's unused networks first, then dockerd's (`moby: daemon/prune.go`).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gam_core::model::{Network, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::filters::Filters;
use super::super::query::{Query, json};
use super::super::{Api, ApiError};
use super::remove::remove_swarm;
use super::upstream;
use crate::manager::now;
use crate::network::GWBRIDGE;
use crate::network::backing::NETWORK_LABEL;

#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Report {
    networks_deleted: Option<Vec<String>>,
}

/// Removes what nobody uses.
pub async fn prune(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    if !api.node.status().starts_with("active") {
        return Ok(api.proxy.forward(request).await);
    }
    // dockerd says what is wrong with filters.
    let wanted = Query::of(&request).filters().ok().and_then(|filters| Wanted::of(filters, now()));
    let Some(wanted) = wanted else { return Ok(api.proxy.forward(request).await) };
    let mut deleted = Vec::new();
    // On a worker, or without a leader, the swarm's networks stay.
    if let Ok(manager) = api.node.manager()
        && let Ok(state) = manager.read().await
    {
        for network in state.networks().filter(|network| wanted.takes(network)) {
            // A network in use refuses to go, which is all that has to be known.
            if remove_swarm(&api, &manager, network.id).await.is_ok() {
                deleted.push(network.name().to_owned());
            }
        }
    }
    let before = api.networks.reload().await.map_err(super::refused)?;
    let answer = upstream::ask(&api, upstream::retarget(request, &wanted.target())).await?;
    let Some(report) = answer.ok::<Report>() else { return Ok(answer.into_response()) };
    // dockerd's swarm mode has an endpoint on the gateway bridge, so that it is always in use.
    api.networks.gwbridge().await.map_err(super::refused)?;
    let is_backing = |name: &String| {
        *name == GWBRIDGE
            || before.iter().any(|network| network.name == *name && network.labels.contains_key(NETWORK_LABEL))
    };
    deleted.extend(report.networks_deleted.unwrap_or_default().into_iter().filter(|name| !is_backing(name)));
    Ok(json(StatusCode::OK, &Report { networks_deleted: Some(deleted).filter(|names| !names.is_empty()) }))
}

/// Which networks may go.
struct Wanted {
    filters: Filters,
    until: Option<Timestamp>,
}

impl Wanted {
    /// Reads the filters; `None` if dockerd would refuse them.
    fn of(filters: Filters, now: Timestamp) -> Option<Wanted> {
        filters.accept(&["label", "label!", "until"]).ok()?;
        let until = match filters.get("until") {
            [] => None,
            [text] => Some(instant(text, now)?),
            _ => return None,
        };
        Some(Wanted { filters, until })
    }

    fn takes(&self, network: &Network) -> bool {
        let label = |key: &str| network.spec.labels.get(key);
        !network.spec.ingress
            && self.until.is_none_or(|until| network.meta.created_at <= until)
            && self.filters.labels("label", label)
            && !(self.filters.contains("label!") && self.filters.labels("label!", label))
    }

    /// The request for dockerd: backings of stopped containers stay. With a `label!` of the user's own one more would
    /// change its meaning, so then they may go, and are made again with the container's next start.
    fn target(&self) -> String {
        let mut filters = Map::new();
        for key in ["label", "label!", "until"] {
            if self.filters.contains(key) {
                filters.insert(key.into(), self.filters.get(key).to_vec().into());
            }
        }
        filters.entry("label!").or_insert_with(|| vec![NETWORK_LABEL].into());
        format!("/networks/prune?filters={}", encode(&Value::Object(filters).to_string()))
    }
}

/// Percent-encodes a query value.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A point in time as `until` takes it: a Go duration before `now`, seconds since 1970, or RFC 3339 with or without
/// its zone, its time, its seconds (`moby: api/types/time/timestamp.go`). `None` if it is none of them.
fn instant(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(nanos) = duration(text) {
        return Some(now.plus(nanos.checked_neg()?));
    }
    if let Some((seconds, fraction)) = seconds(text) {
        return Some(Timestamp(seconds.checked_mul(1_000_000_000)?.checked_add(fraction)?));
    }
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at(zone_at);
    let time = match time.matches(':').count() {
        0 => format!("{time}:00:00"),
        1 => format!("{time}:00"),
        _ => time.to_owned(),
    };
    format!("{date}T{time}{}", if zone.is_empty() { "Z" } else { zone }).parse().ok()
}

fn seconds(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = !fraction.is_empty() && fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = digits.then(|| format!("{fraction:0<9}"))?.parse().ok()?;
    Some((whole.parse().ok()?, fraction))
}

/// Go's `time.ParseDuration`, in nanoseconds; a bare `0` is one too.
fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_f64;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..unit_at].parse().ok()?;
        let units = [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];
        // The longest unit that fits, so that `ms` is not read as minutes.
        let fits = units.iter().filter(|(unit, _)| rest[unit_at..].starts_with(unit));
        let (unit, scale) = fits.max_by_key(|(unit, _)| unit.len())?;
        total += number * scale;
        rest = &rest[unit_at + unit.len()..];
    }
    let total = if negative { -total } else { total };
    (total.abs() < 9.2e18).then_some(total as i64)
}

#[cfg(test)]
mod tests {
    use gam_core::model::{Meta, NetworkSpec};

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000_000_000_000);

    fn wanted(filters: &str) -> Option<Wanted> {
        Wanted::of(Filters::parse(Some(filters)).ok()?, NOW)
    }

    fn network(age: i64, ingress: bool) -> Network {
        Network {
            id: 1.into(),
            meta: Meta::created(1, NOW.plus(-age)),
            spec: NetworkSpec { ingress, labels: [("a".to_owned(), "b".to_owned())].into(), ..NetworkSpec::default() },
            ipam: Vec::new(),
            vni: 0,
        }
    }

    #[test]
    fn until_takes_gos_spellings() {
        let hour = 3_600_000_000_000;
        assert_eq!(instant("24h", NOW), Some(NOW.plus(-24 * hour)));
        assert_eq!(instant("1h30m1.5s", NOW), Some(NOW.plus(-(hour + hour / 2 + 1_500_000_000))));
        assert_eq!(instant("300ms", NOW), Some(NOW.plus(-300_000_000)));
        assert_eq!(instant("1700000000", NOW), Some(Timestamp(1_700_000_000_000_000_000)));
        assert_eq!(instant("1700000000.25", NOW), Some(Timestamp(1_700_000_000_250_000_000)));
        assert_eq!(instant("2001-09-09T01:46:40Z", NOW), Some(NOW));
        assert_eq!(instant("2001-09-09T01:46:40", NOW), Some(NOW));
        assert_eq!(instant("2001-09-09T01:46+00:00", NOW), Some(NOW.plus(-40_000_000_000)));
        assert_eq!(instant("2001-09-09", NOW).map(|at| at.to_string()), Some("2001-09-09T00:00:00Z".into()));
        assert_eq!(instant("24", NOW), Some(Timestamp(24_000_000_000)), "a number without a unit is a time");
        for bad in ["xx", "", "h", "1x", "2001-13-01"] {
            assert_eq!(instant(bad, NOW), None, "{bad}");
        }
    }

    #[test]
    fn the_routing_mesh_stays_and_filters_spare_others() {
        let takes = |filters: &str, age, ingress| wanted(filters).unwrap().takes(&network(age, ingress));
        assert!(takes("{}", 5, false));
        assert!(!takes("{}", 5, true));
        assert!(takes(r#"{"until":["3s"]}"#, 4_000_000_000, false));
        assert!(!takes(r#"{"until":["5s"]}"#, 4_000_000_000, false));
        assert!(takes(r#"{"label":["a"]}"#, 5, false));
        assert!(!takes(r#"{"label":["z"]}"#, 5, false));
        assert!(!takes(r#"{"label!":["a=b"]}"#, 5, false));
        assert!(takes(r#"{"label!":["z"]}"#, 5, false));
    }

    #[test]
    fn what_dockerd_refuses_is_left_to_it() {
        for bad in [r#"{"bogus":["x"]}"#, r#"{"until":["xx"]}"#, r#"{"until":["1h","2h"]}"#] {
            assert!(wanted(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn backings_are_spared() {
        let target = wanted(r#"{"label":["x"]}"#).unwrap().target();
        assert_eq!(
            target,
            "/networks/prune?filters=%7B%22label%22%3A%5B%22x%22%5D%2C%22label%21%22%3A%5B%22gam.network.id%22%5D%7D"
        );
        let target = wanted(r#"{"label!":["x"]}"#).unwrap().target();
        assert!(!target.contains("gam.network.id"), "{target}");
    }
}
