//! dockerd's own events of networks that back swarm networks, told as events of the swarm networks: dockerd's swarm mode
//! tells of them under the swarm's id and as overlays, scope local, and so does Gam.

use axum::body::Bytes;
use serde_json::Value;

use crate::network::{Backing, Networks};

/// What every event of a network holds, and no other line; it spares all other lines the parser.
const MARK: &[u8] = br#""Type":"network""#;

/// Translates whole lines; what is no network's is passed as it is, byte for byte.
pub async fn translate(networks: &Networks, lines: Bytes) -> Bytes {
    if !holds_mark(&lines) {
        return lines;
    }
    let mut out = Vec::with_capacity(lines.len());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        match told_anew(networks, line).await {
            Some(told) => {
                out.extend_from_slice(told.as_bytes());
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    out.into()
}

fn holds_mark(line: &[u8]) -> bool {
    line.windows(MARK.len()).any(|window| window == MARK)
}

async fn told_anew(networks: &Networks, line: &[u8]) -> Option<String> {
    if !holds_mark(line) {
        return None;
    }
    let event: Value = serde_json::from_slice(line).ok()?;
    let id = event["Actor"]["ID"].as_str()?;
    let backing = match networks.backing_ever(id) {
        Some(backing) => backing,
        // A backing that is only just being made is in dockerd's list before anybody here has looked at it.
        None if event["Action"] == "create" => {
            networks.reload().await.ok()?;
            networks.backing_ever(id)?
        }
        None => return None,
    };
    Some(of_the_swarm(event, &backing).to_string())
}

/// The event with the swarm network's id, name and driver; the order of the fields stays dockerd's.
fn of_the_swarm(mut event: Value, backing: &Backing) -> Value {
    if let Some(actor) = event.get_mut("Actor") {
        actor["ID"] = backing.network.to_string().into();
        if let Some(attributes) = actor.get_mut("Attributes") {
            attributes["name"] = backing.name.clone().into();
            attributes["type"] = "overlay".into();
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_a_backing_is_told_as_the_overlay_s() {
        let backing = Backing {
            network: 7_u128.into(),
            name: "net".into(),
            engine_id: "ab".repeat(32),
            engine_name: "net.0000000000ab".into(),
            subnets: Vec::new(),
        };
        let line = format!(
            r#"{{"Type":"network","Action":"connect","Actor":{{"ID":"{}","Attributes":{{"container":"c1","name":"net.0000000000ab","type":"bridge"}}}},"scope":"local","time":1,"timeNano":1500000000}}"#,
            backing.engine_id
        );
        let told = of_the_swarm(serde_json::from_str(&line).unwrap(), &backing).to_string();
        let expected = line
            .replace(&backing.engine_id, &backing.network.to_string())
            .replace("net.0000000000ab", "net")
            .replace("bridge", "overlay");
        assert_eq!(told, expected);
    }

    #[test]
    fn only_lines_of_networks_are_looked_at() {
        assert!(holds_mark(br#"{"Type":"network","Action":"create"}"#));
        assert!(!holds_mark(br#"{"status":"create","Type":"container"}"#));
    }
}
