//! The way of clients through the engine's firewall, which drops what comes from one of its bridges, or from outside, and
//! goes to another bridge. A rule of another table cannot overrule that; one in `DOCKER-USER`, which the engine calls first
//! and leaves to its users, can.
//!
//! The rules stand behind those of the host's administrator, who may so keep clients out, and let pass only connections
//! that were turned to a task, and what is answered on them: an engine before 28 asks from which bridge to which a packet
//! goes before it asks whether it is an answer, and would drop those to containers.

use std::io;

use tokio::process::Command;

/// The program that the engine itself uses, so that both speak to the same tables of the kernel.
const IPTABLES: &str = "iptables";
const CHAIN: &str = "DOCKER-USER";

/// How long it waits for others that change rules, in seconds.
const PATIENCE: &str = "5";

/// Lets connections that were turned through to this bridge, and to no other of Gam's. Where the engine has no such chain, it
/// has no rules either that would have to be passed. Tells whether a change of these rules counts as one of the kernel's rule
/// set ([`crate::network::generation`]): those of an older `iptables` are kept elsewhere.
pub async fn admit(bridge: Option<&str>) -> io::Result<bool> {
    let is_counted = is_counted(&iptables(&["-V"]).await?);
    let rules = match iptables(&["-S", CHAIN]).await {
        Err(_) if !has_chain().await? => return Ok(is_counted),
        rules => rules?,
    };
    let (gone, missing, place) = steps(&rules, bridge);
    for rule in gone {
        let arguments: Vec<&str> = rule.split(' ').collect();
        iptables(&[&["-D", CHAIN], &arguments[..]].concat()).await?;
    }
    for (rule, place) in missing.iter().zip(place..) {
        let (place, arguments) = (place.to_string(), rule.split(' ').collect::<Vec<&str>>());
        iptables(&[&["-I", CHAIN, &place], &arguments[..]].concat()).await?;
    }
    Ok(is_counted)
}

/// Whether the program that tells this version of itself speaks to `nf_tables`.
fn is_counted(version: &str) -> bool {
    version.contains("(nf_tables)")
}

/// To a task, and back.
fn rules(bridge: &str) -> [String; 2] {
    [
        format!("-o {bridge} -m conntrack --ctstate DNAT -j ACCEPT"),
        format!("-i {bridge} -m conntrack --ctstate DNAT --ctdir REPLY -j ACCEPT"),
    ]
}

/// The rules that are to go, those that are missing, and then the place of the first of these: the last, but before a plain
/// return.
fn steps(listed: &str, bridge: Option<&str>) -> (Vec<String>, Vec<String>, usize) {
    let present: Vec<&str> =
        listed.lines().filter_map(|line| line.strip_prefix("-A DOCKER-USER ")).map(str::trim).collect();
    let name = |rule: &str| Some(rule.split(' ').nth(1)?.to_owned()).filter(|name| name.starts_with("gam-"));
    let ours = |text: &&str| name(text).is_some_and(|name| rules(&name).iter().any(|rule| rule == text));
    let wanted: Vec<String> = bridge.map(rules).into_iter().flatten().collect();
    let gone: Vec<String> = present
        .iter()
        .filter(|rule| ours(rule) && !wanted.iter().any(|one| one == *rule))
        .map(|rule| (*rule).to_owned())
        .collect();
    let missing = wanted.into_iter().filter(|rule| !present.contains(&rule.as_str())).collect();
    let returns = present.last().is_some_and(|rule| *rule == "-j RETURN");
    let place = present.len() - gone.len() + usize::from(!returns);
    (gone, missing, place)
}

async fn has_chain() -> io::Result<bool> {
    let all = iptables(&["-S"]).await?;
    Ok(all.lines().any(|line| line.strip_prefix("-N ") == Some(CHAIN)))
}

async fn iptables(arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(IPTABLES).args(["--wait", PATIENCE]).args(arguments).output().await?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{IPTABLES}: {}", complaint.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: &str = "-A DOCKER-USER -o gam-abc -m conntrack --ctstate DNAT -j ACCEPT";
    const BACK: &str = "-A DOCKER-USER -i gam-abc -m conntrack --ctstate DNAT --ctdir REPLY -j ACCEPT";

    fn bare(rule: &str) -> String {
        rule.strip_prefix("-A DOCKER-USER ").unwrap().to_owned()
    }

    #[test]
    fn the_rules_stand_behind_the_users_and_before_a_return() {
        let user = "-N DOCKER-USER\n-A DOCKER-USER ! -s 192.0.2.0/24 -i eth0 -j DROP\n";
        let both = || vec![bare(TO), bare(BACK)];
        assert_eq!(steps("-N DOCKER-USER\n", Some("gam-abc")), (vec![], both(), 1));
        assert_eq!(steps(user, Some("gam-abc")), (vec![], both(), 2));
        assert_eq!(steps(&format!("{user}-A DOCKER-USER -j RETURN\n"), Some("gam-abc")), (vec![], both(), 2));
        assert_eq!(steps(&format!("{user}{TO}\n"), Some("gam-abc")), (vec![], vec![bare(BACK)], 3));
        assert_eq!(steps(&format!("{user}{TO}\n{BACK}\n"), Some("gam-abc")).1, Vec::<String>::new());
    }

    #[test]
    fn only_rules_of_the_newer_program_are_counted_by_the_kernel() {
        assert!(is_counted("iptables v1.8.9 (nf_tables)\n"));
        assert!(!is_counted("iptables v1.8.9 (legacy)\n") && !is_counted("iptables v1.6.1\n"));
    }

    #[test]
    fn that_of_another_bridge_goes_and_what_others_wrote_stays() {
        let old = || vec![bare(TO), bare(BACK)];
        let listed = format!("{TO}\n{BACK}\n-A DOCKER-USER -o gam-abc -j DROP\n-A DOCKER-USER -j RETURN\n");
        let new = rules("gam-new").to_vec();
        assert_eq!(steps(&listed, Some("gam-new")), (old(), new, 2));
        assert_eq!(steps(&listed, None), (old(), vec![], 2));
    }
}
