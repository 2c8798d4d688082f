//! What the core is given to decide a root rotation with.

use gam_core::control::authority_needs;
use gam_core::model::{CaConfig, Cluster, RootRotation, SwarmSpec};

use super::*;

#[tokio::test]
async fn a_forced_rotation_gets_a_new_root_that_the_old_one_vouches_for() {
    let root = new_root().unwrap();
    let config = CaConfig { force_rotate: 1, ..CaConfig::default() };
    assert!(authority_needs(&root, &config).make);
    let next = prepare(&root, &config, "", "").await.unwrap().next.unwrap();
    assert_eq!((next.root.digest.as_str(), &next.signed_by), (digest(&next.root.cert).as_str(), &root.cert));
    // Until it has taken over, nodes get certificates of the new root that lead to the old one as well.
    let rotating = RootCa { rotation: Some(Box::new(next.root.clone())), ..root.clone() };
    let (cluster, node) = ids();
    let chain = issue(&rotating, cluster, node, Role::Worker);
    assert!(leads_to(&chain, &[&root.cert]) && leads_to(&chain, &[&next.root.cert]));
    let described = describe(&root.cert, &chain, NodeDescription::default()).unwrap();
    assert_eq!(described.cert_issuer_public_key, next.root.public_key);
    assert_eq!(prepare(&root, &CaConfig::default(), "", "").await.unwrap(), Default::default());
}

#[tokio::test]
async fn an_own_root_is_read_and_refused_in_dockers_words() {
    let root = new_root().unwrap();
    let (cert, key) = own_root(&PKCS_ECDSA_P384_SHA384, |_| {});
    let config = CaConfig { signing_ca_cert: cert.clone(), signing_ca_key: key.clone(), ..CaConfig::default() };
    let RootRotation { cross_signed, public_key, .. } =
        prepare(&root, &config, "", "").await.unwrap().next.unwrap().root;
    assert_eq!(pem(&cross_signed).unwrap().parse_x509().unwrap().issuer().to_string(), "CN=swarm-ca");
    assert_eq!(public_key, read_root(&cert, &key).unwrap().0.public_key);
    let config = CaConfig { signing_ca_key: new_root().unwrap().key, ..config };
    let refusal = prepare(&root, &config, "", "").await.unwrap_err();
    assert_eq!(refusal.message, "rpc error: code = InvalidArgument desc = certificate key mismatch");
}

#[tokio::test]
async fn a_cluster_signs_itself_unless_an_external_authority_does() {
    let (cluster, node) = ids();
    let root_ca = new_root().unwrap();
    let mut spec = SwarmSpec::default();
    spec.ca_config.node_cert_expiry = HOUR;
    let mut cluster = Cluster {
        id: cluster,
        meta: Default::default(),
        spec,
        root_ca,
        join_tokens: Default::default(),
        unlock_key: String::new(),
        default_addr_pool: Vec::new(),
        subnet_size: 24,
        data_path_port: 4789,
    };
    let (key, csr) = new_key_and_csr().unwrap();
    let own = sign_for(&cluster, &csr, node, Role::Manager, "", "").await.unwrap();
    assert!(leads_to(&own, &[&cluster.root_ca.cert]));
    let root = cluster.root_ca.clone();
    let url = external::authority(&root, external::obey).await;
    cluster.spec.ca_config.external_cas =
        vec![gam_core::model::ExternalCa { protocol: "cfssl".into(), url, ..Default::default() }];
    cluster.root_ca.key = String::new();
    let theirs = sign_for(&cluster, &csr, node, Role::Worker, &own, &key).await.unwrap();
    assert!(leads_to(&theirs, &[&cluster.root_ca.cert]));
    // The next root is Gam's own again: the external authority vouches for it, if it can be reached.
    let config = CaConfig { force_rotate: 1, ..cluster.spec.ca_config.clone() };
    assert_eq!(prepare(&cluster.root_ca, &config, &own, &key).await.unwrap().reachable.len(), 1);
}
