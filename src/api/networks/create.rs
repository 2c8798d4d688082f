//! `POST /networks/create`: a swarm network goes to the managers, every other one to dockerd.
//!
//! dockerd checks names and address pools of both kinds in the same place. Its words for what is wrong with a swarm
//! network are had by asking it for a swarm network of a local driver: outside its own swarm mode it checks everything
//! and then makes nothing (`moby: libnetwork/controller.go`, `NewNetwork`).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gam_core::control::{Request as Change, Response as Done};
use gam_core::error::{Code, Error, Kind};
use gam_core::json::coerced;
use gam_core::model::{Driver, IpamConfig, IpamOptions, NetworkSpec, StringMap};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::query::{json as answer, read_body};
use super::super::version::ApiVersion;
use super::super::{Api, ApiError, gates};
use super::upstream::{self, Outline};

/// dockerd's last word on a swarm network when it is in no swarm: everything else was right.
const VALID: &str = "cannot create a swarm scoped network when swarm is not active";
/// Makes a name that dockerd has not of one that it has; nothing is made under it.
const PROBE_SUFFIX: &str = "gam-probe";

/// `moby: api/types/network.CreateRequest`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct CreateRequest {
    name: String,
    driver: String,
    scope: String,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: Option<bool>,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: Option<bool>,
    #[serde(rename = "IPAM")]
    ipam: Option<Ipam>,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_only: bool,
    config_from: Option<ConfigReference>,
    options: StringMap,
    labels: StringMap,
    /// What an old client asks for, and always has.
    #[serde(rename = "CheckDuplicate")]
    _check_duplicate: Option<bool>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Ipam {
    driver: String,
    options: StringMap,
    config: Vec<Pool>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Pool {
    subnet: String,
    #[serde(rename = "IPRange")]
    range: String,
    gateway: String,
    #[serde(rename = "AuxiliaryAddresses")]
    auxiliary_addresses: StringMap,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ConfigReference {
    network: String,
}

impl CreateRequest {
    /// Whether the managers make it. A configuration-only network is always local.
    fn is_swarm(&self) -> bool {
        (self.driver == "overlay" || self.scope == "swarm") && !self.config_only
    }

    /// What dockerd is asked to check in its place: the same name, pools and references, with a driver that it has.
    fn probe(&self) -> Value {
        let driver = if self.driver == "overlay" { "bridge" } else { &self.driver };
        let mut probe = json!({ "Name": self.name, "Driver": driver, "Scope": "swarm" });
        if let Some(enabled) = self.enable_ipv6 {
            probe["EnableIPv6"] = enabled.into();
        }
        if let Some(ipam) = &self.ipam {
            probe["IPAM"] = json!(ipam);
        }
        if let Some(reference) = &self.config_from {
            probe["ConfigFrom"] = json!(reference);
        }
        probe
    }

    /// The same as the managers keep it (`moby: daemon/cluster/convert/network.go`, `BasicNetworkCreateToGRPC`).
    fn spec(self) -> NetworkSpec {
        let ipam_options = self.ipam.map(|ipam| IpamOptions {
            driver: Driver {
                name: if ipam.driver.is_empty() { "default".into() } else { ipam.driver },
                options: ipam.options,
            },
            configs: ipam
                .config
                .into_iter()
                .map(|pool| IpamConfig {
                    subnet: pool.subnet,
                    range: pool.range,
                    gateway: pool.gateway,
                    auxiliary_addresses: pool.auxiliary_addresses,
                })
                .collect(),
        });
        NetworkSpec {
            name: self.name,
            labels: self.labels,
            driver_configuration: Some(Driver { name: self.driver, options: self.options }),
            ipv6_enabled: self.enable_ipv6.unwrap_or_default(),
            internal: self.internal,
            attachable: self.attachable,
            ingress: self.ingress,
            ipam_options,
            scope: "swarm".into(),
        }
    }
}

#[derive(Serialize)]
struct Created {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Warning")]
    warning: &'static str,
}

/// Outside a swarm all of it is dockerd's, its refusal of overlays included.
pub async fn create(State(api): State<Api>, request: Request) -> Result<Response, ApiError> {
    let Ok(manager) = api.node.manager() else { return create_locally(&api, request).await };
    let version = gates::version(&request);
    let (outline, body) = Outline::of(request);
    let body = read_body(body).await?;
    // dockerd says what is wrong with a body that cannot be read.
    let Ok(mut create) = gam_core::json::from_slice::<CreateRequest>(&body) else {
        return Ok(api.proxy.forward(outline.with(body)).await);
    };
    if version < ApiVersion::new(1, 48) {
        create.enable_ipv4 = None;
    }
    let name = create.name.clone();
    // The swarm has a `host` and a `bridge` of its own, for services, that are never shown.
    let is_predefined = matches!(name.as_str(), "bridge" | "host");
    if is_predefined || manager.read().await.is_ok_and(|state| state.network_named(&name).is_some()) {
        return Err(ApiError::new(StatusCode::CONFLICT, format!("network with name {name} already exists")));
    }
    if !create.is_swarm() {
        return Ok(api.proxy.forward(outline.with(local_body(&create, body))).await);
    }
    if let Some(refusal) = check(&api, &outline, &create).await? {
        return Ok(refusal);
    }
    match manager.submit(Change::NetworkCreate { spec: Box::new(create.spec()) }).await? {
        Done::Network(id) => Ok(answer(StatusCode::CREATED, &Created { id: id.to_string(), warning: "" })),
        other => Err(Error::internal(format!("unexpected answer to the creation of a network: {other:?}")).into()),
    }
}

/// What is no manager's makes dockerd's networks only. dockerd says so of an overlay in the same words in a swarm and
/// outside; of other swarm networks it has words of its own on a worker.
async fn create_locally(api: &Api, request: Request) -> Result<Response, ApiError> {
    let answer = upstream::ask(api, request).await?;
    if answer.message().as_deref() == Some(VALID) && api.node.status() == "active/worker" {
        let sentence =
            "Cannot create a multi-host network from a worker node. Please create the network from a manager node.";
        return Err(ApiError::new(answer.status(), sentence));
    }
    Ok(answer.into_response())
}

/// A configuration-only network has no driver, whatever was asked for, but dockerd refuses the word `overlay`.
fn local_body(create: &CreateRequest, body: bytes::Bytes) -> bytes::Bytes {
    if create.driver != "overlay" {
        return body;
    }
    let Ok(Value::Object(mut document)) = serde_json::from_slice::<Value>(&coerced(&body)) else { return body };
    document.retain(|key, _| !key.eq_ignore_ascii_case("driver"));
    Value::Object(document).to_string().into()
}

/// What dockerd, or libnetwork beneath it, has against a swarm network, in the order in which they look.
async fn check(api: &Api, outline: &Outline, create: &CreateRequest) -> Result<Option<Response>, ApiError> {
    let mut checked = upstream::ask(api, outline.with(create.probe().to_string())).await?;
    if checked.status() == StatusCode::CONFLICT && !is_local(api, &create.name).await? {
        // What has the name is the backing of a network that is gone, whose last containers are stopping: nobody else sees it.
        let probe = CreateRequest { name: format!("{}-{PROBE_SUFFIX}", create.name), ..create.clone() }.probe();
        checked = upstream::ask(api, outline.with(probe.to_string())).await?;
    }
    if checked.status() == StatusCode::CREATED {
        // Not the dockerd that this was written for: it made the network. Take it away again and go on.
        if let Err(error) = api.engine.remove_network(&create.name).await {
            tracing::warn!(%error, name = %create.name, "the engine made a network that it was only to check");
        }
    } else if checked.message().as_deref() != Some(VALID) && checked.status() != StatusCode::SERVICE_UNAVAILABLE {
        // A dockerd that is away checks nothing, and a manager goes on without one.
        return Ok(Some(checked.into_response()));
    }
    refusal(create).map_or(Ok(None), Err)
}

/// Whether dockerd has a network of its own of this name.
async fn is_local(api: &Api, name: &str) -> Result<bool, ApiError> {
    Ok(super::local_networks(api).await?.iter().any(|network| network.name == name))
}

/// What the swarm has against a request by itself.
fn refusal(create: &CreateRequest) -> Option<ApiError> {
    let has_config_from = create.config_from.as_ref().is_some_and(|reference| !reference.network.is_empty());
    Some(if create.scope == "local" {
        ApiError::new(StatusCode::FORBIDDEN, "cannot downgrade network scope for overlay networks")
    } else if create.ingress && create.driver != "overlay" {
        ApiError::new(StatusCode::FORBIDDEN, "Ingress network can only be global scope network")
    } else if create.enable_ipv4 == Some(false) {
        ApiError::invalid("IPv4 cannot be disabled in a Swarm scoped network")
    } else if create.driver.is_empty() {
        Error::rpc(Code::InvalidArgument, "driver name: if driver is specified name is required").into()
    } else if has_config_from {
        let sentence = "--config-from on swarm networks is not honoured by gam yet; give the options themselves";
        Error::new(Kind::Unimplemented, sentence).into()
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> CreateRequest {
        gam_core::json::from_slice(body.as_bytes()).unwrap()
    }

    #[test]
    fn overlays_and_swarm_scope_go_to_the_managers() {
        assert!(read(r#"{"Name":"o","Driver":"overlay"}"#).is_swarm());
        assert!(read(r#"{"name":"o","scope":"swarm","driver":"macvlan"}"#).is_swarm());
        assert!(!read(r#"{"Name":"o","Driver":"overlay","ConfigOnly":true}"#).is_swarm());
        assert!(!read(r#"{"Name":"o","Attachable":true}"#).is_swarm());
    }

    #[test]
    fn what_is_not_honoured_is_refused() {
        let refused = |body: &str| refusal(&read(body)).map(|error| (error.status.as_u16(), error.message));
        let sentence = "--config-from on swarm networks is not honoured by gam yet; give the options themselves";
        assert_eq!(
            refused(r#"{"Name":"o","Driver":"overlay","ConfigFrom":{"Network":"c"}}"#),
            Some((501, sentence.into()))
        );
        let (status, _) = refused(r#"{"Name":"o","Driver":"overlay","Scope":"local"}"#).unwrap();
        assert_eq!(status, 403);
        assert_eq!(refused(r#"{"Name":"o","Driver":"overlay","ConfigFrom":{"Network":""}}"#), None);
    }

    #[test]
    fn the_probe_can_make_nothing() {
        let create = read(
            r#"{"Name":"o","Driver":"overlay","ConfigOnly":false,"Ingress":true,"EnableIPv4":false,"EnableIPv6":true,
                "Scope":"local","IPAM":{"Config":[{"Subnet":"10.1.2.3/24"}]},"Options":{"a":"b"}}"#,
        );
        let probe = create.probe();
        assert_eq!(probe["Scope"], "swarm", "in no swarm, dockerd makes no network of this scope");
        assert_eq!(probe["Driver"], "bridge");
        assert_eq!(probe["IPAM"]["Config"][0]["Subnet"], "10.1.2.3/24");
        assert_eq!(probe["EnableIPv6"], true);
        for absent in ["Ingress", "ConfigOnly", "EnableIPv4", "Options"] {
            assert_eq!(probe.get(absent), None, "{absent}");
        }
    }

    #[test]
    fn the_spec_is_what_dockerd_hands_to_swarmkit() {
        let spec = read(
            r#"{"Name":"o","Driver":"overlay","Attachable":true,"Labels":null,"Options":{"a":"b"},"CheckDuplicate":true,
                "IPAM":{"Config":[{"Subnet":"10.5.0.0/24","IPRange":"10.5.0.128/25","Gateway":"10.5.0.9"}]}}"#,
        )
        .spec();
        let driver = spec.driver_configuration.unwrap();
        assert_eq!((driver.name.as_str(), driver.options["a"].as_str()), ("overlay", "b"));
        let ipam = spec.ipam_options.unwrap();
        assert_eq!(ipam.driver.name, "default");
        assert_eq!(ipam.configs[0].range, "10.5.0.128/25");
        assert!(spec.attachable && !spec.ingress);
        assert_eq!(read(r#"{"Name":"o"}"#).spec().ipam_options, None);
    }

    #[test]
    fn a_configuration_only_network_loses_its_driver() {
        let body = r#"{"Name":"o","driver":"overlay","ConfigOnly":true}"#;
        let out = local_body(&read(body), body.into());
        assert_eq!(out, r#"{"Name":"o","ConfigOnly":true}"#);
    }
}
