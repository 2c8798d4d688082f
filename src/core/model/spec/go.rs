//! Readers of values whose types have names of their own in Go: what [`crate::json`] refuses is named by them, as in
//! `moby: api/types` (28.5).

use serde::{Deserialize, Deserializer};

macro_rules! named {
    ($($function:ident $name:literal $type:ty;)*) => {$(
        #[doc = concat!("Reads a `", $name, "`.")]
        pub fn $function<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
            #[derive(Deserialize)]
            #[serde(rename = $name)]
            struct Named($type);
            Named::deserialize(deserializer).map(|read| read.0)
        }
    )*};
}

named! {
    app_armor_mode "swarm.AppArmorMode" String;
    consistency "mount.Consistency" String;
    duration "time.Duration" i64;
    duration_option "time.Duration" Option<i64>;
    external_ca_protocol "swarm.ExternalCAProtocol" String;
    file_mode "fs.FileMode" u32;
    int "int" i64;
    isolation "container.Isolation" String;
    mount_type "mount.Type" String;
    node_availability "swarm.NodeAvailability" String;
    node_role "swarm.NodeRole" String;
    port_protocol "swarm.PortConfigProtocol" String;
    propagation "mount.Propagation" String;
    publish_mode "swarm.PortConfigPublishMode" String;
    resolution_mode "swarm.ResolutionMode" String;
    restart_condition "swarm.RestartPolicyCondition" String;
    runtime_type "swarm.RuntimeType" String;
    seccomp_mode "swarm.SeccompMode" String;
}
