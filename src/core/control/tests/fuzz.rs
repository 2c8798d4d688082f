//! Whatever decodes is answered: no request makes a panic, a refused one leaves nothing, a kept spec is a fixed point.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::Rotate;
use super::*;

/// A service with every field that a spec can have.
fn everything() -> Value {
    json!({
        "Name": "web", "Labels": {"a": "b"},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "busybox:latest", "Labels": {"a": "b"}, "Command": ["sh"], "Args": ["-c"], "Hostname": "h",
                "Env": ["A=b"], "Dir": "/", "User": "u", "Groups": ["g"], "Init": true, "StopSignal": "SIGTERM",
                "TTY": true, "OpenStdin": true, "ReadOnly": true, "StopGracePeriod": 1, "Hosts": ["1.2.3.4 a"],
                "Privileges": {
                    "CredentialSpec": {"Config": "a", "File": "", "Registry": ""}, "NoNewPrivileges": true,
                    "SELinuxContext": {"Disable": true, "User": "u", "Role": "r", "Type": "t", "Level": "l"},
                    "Seccomp": {"Mode": "custom", "Profile": "e30="}, "AppArmor": {"Mode": "disabled"}
                },
                "Mounts": [
                    {"Type": "bind", "Source": "/a", "Target": "/a", "ReadOnly": true, "Consistency": "cached",
                     "BindOptions": {"Propagation": "rshared", "NonRecursive": true}},
                    {"Type": "volume", "Source": "v", "Target": "/b",
                     "VolumeOptions": {"NoCopy": true, "Labels": {"a": "b"}, "Subpath": "s",
                                       "DriverConfig": {"Name": "local", "Options": {"a": "b"}}}},
                    {"Type": "tmpfs", "Target": "/c", "TmpfsOptions": {"SizeBytes": 1, "Mode": 511, "Options": [["a", "b"]]},
                     "ImageOptions": {"Subpath": "s"}}
                ],
                "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1000000, "Timeout": 1000000, "StartPeriod": 1000000,
                                "StartInterval": 1000000, "Retries": 3},
                "DNSConfig": {"Nameservers": ["1.1.1.1"], "Search": ["a"], "Options": ["b"]},
                "Secrets": [{"File": {"Name": "s", "UID": "0", "GID": "0", "Mode": 292}, "SecretID": "i", "SecretName": "n"}],
                "Configs": [{"Runtime": {}, "ConfigID": "a", "ConfigName": "n"}],
                "Isolation": "default", "Sysctls": {"a": "b"}, "CapabilityAdd": ["ALL"], "CapabilityDrop": ["ALL"],
                "Ulimits": [{"Name": "nofile", "Hard": 2, "Soft": 1}], "OomScoreAdj": 5
            },
            "PluginSpec": {"name": "p"}, "NetworkAttachmentSpec": {"ContainerID": "c"},
            "Resources": {
                "Limits": {"NanoCPUs": 1000000, "MemoryBytes": 4194304, "Pids": 5},
                "Reservations": {"NanoCPUs": 1000000, "MemoryBytes": 4194304,
                                 "GenericResources": [{"DiscreteResourceSpec": {"Kind": "k", "Value": 1}}]},
                "SwapBytes": 1, "MemorySwappiness": 1
            },
            "RestartPolicy": {"Condition": "any", "Delay": 1, "MaxAttempts": 1, "Window": 1},
            "Placement": {"Constraints": ["node.id==x"], "Preferences": [{"Spread": {"SpreadDescriptor": "node.id"}}],
                          "MaxReplicas": 1, "Platforms": [{"Architecture": "x", "OS": "linux"}]},
            "Networks": [{"Target": "ov", "Aliases": ["a"], "DriverOpts": {"a": "b"}}],
            "LogDriver": {"Name": "json-file", "Options": {"a": "b"}}, "ForceUpdate": 1, "Runtime": "container"
        },
        "Mode": {"Replicated": {"Replicas": 1}, "Global": {}, "ReplicatedJob": {"MaxConcurrent": 1}, "GlobalJob": {}},
        "UpdateConfig": {"Parallelism": 1, "Delay": 1, "FailureAction": "pause", "Monitor": 1, "MaxFailureRatio": 0.5, "Order": "stop-first"},
        "RollbackConfig": {"Parallelism": 1, "Delay": 1, "FailureAction": "pause", "Monitor": 1, "MaxFailureRatio": 0.5, "Order": "stop-first"},
        "Networks": [{"Target": "ov2"}],
        "EndpointSpec": {"Mode": "vip", "Ports": [{"Name": "n", "Protocol": "tcp", "TargetPort": 80, "PublishedPort": 80, "PublishMode": "host"}]}
    })
}

/// What a fuzzed place may hold instead.
fn nasty() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!([])),
        Just(json!("")),
        Just(json!("{{")),
        Just(json!("host")),
        Just(json!("ingress")),
        Just(json!("dnsrr")),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9:/@._=!{}\\[\\] \u{e9}\u{0}-]{0,12}".prop_map(Value::from),
    ]
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Object(fields) => fields.values().map(places).sum(),
        Value::Array(elements) => elements.iter().map(places).sum(),
        _ => 0,
    }
}

/// Puts `new` at the place of that number, or takes what is there out.
fn put(value: &mut Value, at: &mut usize, new: &Option<Value>) -> bool {
    if *at == 0 {
        *value = new.clone().unwrap_or(Value::Null);
        return true;
    }
    *at -= 1;
    match value {
        Value::Object(fields) => fields.values_mut().any(|field| put(field, at, new)),
        Value::Array(elements) => elements.iter_mut().any(|element| put(element, at, new)),
        _ => false,
    }
}

/// The same without what Gam refuses.
fn all_that_is_honoured() -> Value {
    let mut value = everything();
    value["Mode"] = json!({"Replicated": {"Replicas": 2}});
    let task = &mut value["TaskTemplate"];
    task["ContainerSpec"]["Secrets"] = Value::Null;
    task["ContainerSpec"]["Configs"] = Value::Null;
    task["ContainerSpec"]["Privileges"]["CredentialSpec"] = Value::Null;
    value
}

#[test]
fn all_that_is_honoured_is_taken_and_kept() {
    let mut world = World::new();
    let id = world.create(json::from_value(&all_that_is_honoured()).unwrap()).unwrap();
    let kept = world.service(id).spec.clone();
    world.update(id, (*kept).clone()).unwrap();
    assert_eq!(world.service(id).spec, kept);
}

/// A spec with some places changed; half of them would be taken but for that, so that many get through to the end.
fn fuzzed() -> impl Strategy<Value = Value> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(nasty())), 0..12);
    (edits, any::<bool>()).prop_map(|(edits, is_plain)| {
        let mut value = if is_plain { all_that_is_honoured() } else { everything() };
        for (place, new) in edits {
            let mut at = place.index(places(&value));
            put(&mut value, &mut at, &new);
        }
        value
    })
}

proptest! {
    #[test]
    fn every_service_is_answered(one in fuzzed(), other in fuzzed(), rollback: bool, version in 0_u64..9) {
        let (Ok(one), Ok(other)) = (json::from_value::<ServiceSpec>(&one), json::from_value::<ServiceSpec>(&other)) else {
            return Ok(());
        };
        let mut world = World::new();
        let id = match world.create(one) {
            Ok(id) => id,
            Err(refusal) => {
                prop_assert!(!refusal.message.is_empty());
                world.create(web("")).unwrap()
            }
        };
        let kept = world.service(id).spec.clone();
        let text = serde_json::to_string(&*kept).unwrap();
        world.update(id, spec(&text)).unwrap();
        prop_assert_eq!(&world.service(id).spec, &kept);
        let _ = world.ask(updated(id, other, version, rollback));
        world.ask(Request::ServiceRemove { id }).unwrap();
    }

    #[test]
    fn every_node_and_swarm_is_answered(words in prop::collection::vec("[a-zA-Z\"\u{e9}]{0,8}", 3), numbers: [i64; 6], version in 0_u64..4, flags: [bool; 4]) {
        let mut world = World::empty();
        let id = world.add_node("n1", &words[0], NodeState::Ready, flags[0]);
        let node = NodeSpec { role: words[1].clone(), availability: words[2].clone(), ..NodeSpec::default() };
        let _ = world.ask(Request::NodeUpdate { id, spec: Box::new(node), version });
        let _ = world.ask(Request::NodeRemove { id, force: flags[1] });
        let swarm = json!({
            "Orchestration": {"TaskHistoryRetentionLimit": numbers[0]},
            "Raft": {"ElectionTick": numbers[1], "HeartbeatTick": numbers[2]},
            "Dispatcher": {"HeartbeatPeriod": numbers[3]},
            "CAConfig": {"NodeCertExpiry": numbers[4]},
            "EncryptionConfig": {"AutoLockManagers": flags[2]}
        });
        let swarm = json::from_value(&swarm).unwrap();
        let rotate = Rotate { worker_token: flags[2], manager_token: flags[3], unlock_key: flags[0] };
        let _ = world.ask(Request::SwarmUpdate { spec: Box::new(swarm), version, rotate, authority: None });
    }
}
