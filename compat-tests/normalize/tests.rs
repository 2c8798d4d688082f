//! Each redaction on text as the CLI and the API print it.

use super::*;

const NODE: &str = "r1gry8xterac6nyj1bkzrvtc6";
const SERVICE: &str = "wup1a4kftuint2dbyyscy13qa";
const CONTAINER: &str = "59b4104b3cd06a0c25d4237ace890091c7e7bfed613f9ce68772e61c8d344019";

fn facts() -> Facts {
    let mut kinds = Kinds::default();
    kinds.ids.insert(NODE.into(), "node");
    kinds.ids.insert(SERVICE.into(), "service");
    kinds.ids.insert(CONTAINER.into(), "container");
    kinds.ids.insert("c".repeat(25), "cluster");
    Facts {
        kinds,
        prefixes: vec![(NODE.into(), NODE[..4].into())],
        addresses: vec!["198.19.1.1".into(), "198.19.1.2".into()],
        lab_dir: "/tmp/gamlab-x".into(),
        engine: "28.5.2+dfsg4".into(),
        api: "1.51".into(),
        kernel: "6.18.44-fc".into(),
        memory: 25_000_000_000,
        cpus: 2,
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(normalize(text, &facts()).trim_end_matches('\n'), expected);
}

#[test]
fn the_same_id_is_the_same_name_in_full_short_and_as_a_prefix() {
    let text =
        format!("{SERVICE} {NODE} {} web.1.{NODE} {CONTAINER} {} {}", &SERVICE[..12], &CONTAINER[..12], &NODE[..4]);
    check(&text, "<service:1> <node:1> <service:1> web.1.<node:1> <container:1> <container:1> <node:1~4>");
}

#[test]
fn unknown_ids_keep_identity_and_other_words_stay() {
    let (a, b) = ("a".repeat(25), "b".repeat(25));
    check(
        &format!("{a} {b} {a} {} mississippi1 unknownnnnnn", "b".repeat(12)),
        "<id:1> <id:2> <id:1> <id:2> mississippi1 unknownnnnnn",
    );
    check("sha256:59b4104b3cd06a0c25d4237ace890091c7e7bfed613f9ce68772e61c8d344019", "<digest:1>");
}

#[test]
fn tokens_name_root_and_secret_apart() {
    let root = "1".repeat(50);
    let (one, two) = ("2".repeat(25), "3".repeat(25));
    check(
        &format!("SWMTKN-1-{root}-{one} SWMTKN-1-{root}-{two} SWMKEY-1-{}", "k".repeat(43)),
        "SWMTKN-1-<root:1>-<token:1> SWMTKN-1-<root:1>-<token:2> SWMKEY-1-<key:1>",
    );
}

#[test]
fn a_certificate_is_itself_in_lines_and_in_json() {
    check(
        "  -----BEGIN CERTIFICATE-----\n  MIIB\n  AAAA\n  -----END CERTIFICATE-----\n\"TrustRoot\": \"-----BEGIN CERTIFICATE-----\\nMIIB\\nAAAA\\n-----END CERTIFICATE-----\\n\"",
        "  <pem:1>\n\"TrustRoot\": \"<pem:1>\\n\"",
    );
    let key = format!("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA{}==", "E".repeat(87));
    check(&format!("\"CertIssuerPublicKey\": \"{key}\""), "\"CertIssuerPublicKey\": \"<public-key:1>\"");
}

#[test]
fn times_go_and_zero_times_stay() {
    check(
        "2026-11-23T05:06:02.735470848Z 0001-01-01T00:00:00Z 2026-11-23 05:06:02.7 +0000 UTC 2026-11-23 05:06:02.7 +0000 utc 2026-11-23T05:06:02.7+01:00 \"time\": 1763888888",
        "<time> 0001-01-01T00:00:00Z <time> <time> <time> \"time\": <time>",
    );
    check(
        "Running 5 seconds ago, Running less than a second ago, Less than a second ago; Up 3 minutes; Exited (0) 1 second ago; 10 seconds",
        "Running <ago>, Running <ago>, <ago>; Up <ago>; Exited (0) <ago>; 10 seconds",
    );
}

#[test]
fn indexes_become_ranks_of_their_object() {
    let object = |id: &str, index: u64| {
        format!("{{\n  \"ID\": \"{id}\",\n  \"Version\": {{\n    \"Index\": {index}\n  }}\n}}\n")
    };
    let text = format!("{}{}{}", object(NODE, 15), object(SERVICE, 11), object(NODE, 9));
    let seen = normalize(&text, &facts());
    let ranks: Vec<&str> = seen.lines().filter(|line| line.contains("Index")).map(str::trim).collect();
    assert_eq!(ranks, ["\"Index\": <index:2>", "\"Index\": <index:1>", "\"Index\": <index:1>"]);
}

#[test]
fn updates_name_the_rank_that_was_seen_and_made_up_numbers_stay() {
    let mut facts = facts();
    facts.kinds.indexes.insert((SERVICE.into(), 11));
    facts.kinds.indexes.insert(("c".repeat(25), 8));
    let text = format!(
        "POST /services/{SERVICE}/update?version=11 POST /services/web/update?version=11 POST /services/web/update?version=999 POST /swarm/update?rotateWorkerToken=true&version=8"
    );
    assert_eq!(
        normalize(&text, &facts).trim_end(),
        "POST /services/<service:1>/update?version=<index:1> POST /services/web/update?version=<index:1> POST /services/web/update?version=999 POST /swarm/update?rotateWorkerToken=true&version=<index:1>",
    );
}

#[test]
fn the_lab_and_the_machine_are_named() {
    check("198.19.1.1:2377 198.19.1.2 198.19.1.11", "<ip:h1>:2377 <ip:h2> <ip:11>");
    check(
        "unix:///tmp/gamlab-x/h1/api.sock http://%2Ftmp%2Fgamlab-x%2Fh1%2Fapi.sock/v1.51/info /tmp/gamlab-x/case/f",
        "<socket> http://<socket>/v<api>/info <dir>/f",
    );
    check("Engine 28.5.2+dfsg4 on 6.18.44-fc", "Engine <engine> on <kernel>");
    check(
        "\"NanoCPUs\": 2000000000,\n      \"MemoryBytes\": 25000000000",
        "\"NanoCPUs\": <cpus>,\n      \"MemoryBytes\": <memory>",
    );
    check(
        "*  \"NanoCPUs\": 2000000000,\n*  \"MemoryBytes\": 25000000000",
        "*  \"NanoCPUs\": <cpus>,\n*  \"MemoryBytes\": <memory>",
    );
    check("   CPUs:\t\t2\n   Memory:\t23.54GiB", "   CPUs:\t\t<cpus>\n   Memory:\t<memory>");
    check(
        "\"NanoCPUs\": 2000000000,\n      \"MemoryBytes\": 1024",
        "\"NanoCPUs\": 2000000000,\n      \"MemoryBytes\": 1024",
    );
}

#[test]
fn columns_lose_their_width_and_indentation_stays() {
    check("  ID                NAME    \n*     \"a\":   1\n    {", "  ID  NAME\n*     \"a\":  1\n    {");
}

#[test]
fn addresses_of_the_network_without_a_host_and_ports_of_near_ends() {
    check("198.19.1.77:2377 198.19.1.2:2377 198.19.2.1", "<ip:77>:2377 <ip:h2>:2377 198.19.2.1");
    check("read udp 127.0.0.1:60407->127.0.0.1:53: refused", "read udp 127.0.0.1:<port>->127.0.0.1:53: refused");
    check("read tcp 198.19.1.1:60407->198.19.1.2:2377:", "read tcp <ip:h1>:<port>-><ip:h2>:2377:");
    check("0.0.0.0:8099->80/tcp", "0.0.0.0:8099->80/tcp");
}
