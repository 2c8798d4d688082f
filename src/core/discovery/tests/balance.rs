use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::balance::{Balance, Texts, drops, is_dropped, render};
use super::*;

fn balance(text: &str) -> Balance {
    Balance::clone(&Balancers::new(&endpoints(text)).of([id("net"), id("other")]))
}

#[test]
fn containers_on_the_same_networks_share_what_they_need() {
    let mut balancers = Balancers::new(&endpoints(START));
    let (net, other) = (balancers.of([id("net")]), balancers.of([id("other")]));
    assert!(Arc::ptr_eq(&net, &balancers.of([id("net")])));
    let mut texts = Texts::default();
    let text = texts.from(None, &net);
    assert!(Arc::ptr_eq(&text, &texts.from(None, &net)) && *text == *render(None, &net));
    assert_eq!(*texts.from(Some(&net), &other), *render(Some(&net), &other));
    balancers.renew(&endpoints(&START.replace("other sick.1 10.0.2.3", "other sick.1 10.0.2.9")));
    assert!(Arc::ptr_eq(&net, &balancers.of([id("net")])), "nothing changed there");
    assert_eq!(other, balancers.of([id("other")]), "nobody is behind it as before");
    balancers.renew(&endpoints(&START.replace("net web.1 10.0.1.3", "net web.1 10.0.1.30")));
    assert_ne!(net, balancers.of([id("net")]));
}

const START: &str = "
    net web.1 10.0.1.3,fd00::3 web=10.0.1.2,fd00::2
    net web.2 10.0.1.4,fd00::4 web=10.0.1.2,fd00::2
    net web.3 10.0.1.5 web=10.0.1.2,fd00::2 down
    net one.1 10.0.1.7 one=10.0.1.6
    net rr.1 10.0.1.8 rr=
    net box 10.0.1.9
    other sick.1 10.0.2.3 sick=10.0.2.2 down
    ingress web.1 10.0.0.3 web=10.0.0.2";

#[test]
fn a_first_program_is_whole() {
    insta::assert_snapshot!(render(None, &balance(START)), @r"
    add table inet gam
    delete table inet gam
    table inet gam {
    	map v4 { type ipv4_addr : verdict; }
    	map v6 { type ipv6_addr : verdict; }
    	set idle4 { type ipv4_addr; }
    	set idle6 { type ipv6_addr; }
    	chain own {
    		type nat hook output priority -101; policy accept;
    		ip daddr vmap @v4
    		ip6 daddr vmap @v6
    	}
    	chain passing {
    		type nat hook prerouting priority -101; policy accept;
    		ip daddr vmap @v4
    		ip6 daddr vmap @v6
    	}
    	chain refuse {
    		meta l4proto tcp reject with tcp reset
    		reject
    	}
    	chain own_idle {
    		type filter hook output priority 0; policy accept;
    		ip daddr @idle4 goto refuse
    		ip6 daddr @idle6 goto refuse
    	}
    	chain passing_idle {
    		type filter hook forward priority 0; policy accept;
    		ip daddr @idle4 goto refuse
    		ip6 daddr @idle6 goto refuse
    	}
    }
    add chain inet gam vip-10.0.1.2
    add rule inet gam vip-10.0.1.2 dnat ip to numgen random mod 2 map { 0 : 10.0.1.3, 1 : 10.0.1.4 }
    add element inet gam v4 { 10.0.1.2 : goto vip-10.0.1.2 }
    add chain inet gam vip-10.0.1.6
    add rule inet gam vip-10.0.1.6 dnat ip to 10.0.1.7
    add element inet gam v4 { 10.0.1.6 : goto vip-10.0.1.6 }
    add element inet gam idle4 { 10.0.2.2 }
    add chain inet gam vip-fd00.0.0.0.0.0.0.2
    add rule inet gam vip-fd00.0.0.0.0.0.0.2 dnat ip6 to numgen random mod 2 map { 0 : fd00::3, 1 : fd00::4 }
    add element inet gam v6 { fd00::2 : goto vip-fd00.0.0.0.0.0.0.2 }
    ");
}

#[test]
fn a_change_touches_what_changed_only() {
    let old = balance(START);
    assert_eq!(render(Some(&old), &old), "");
    let next = |text: &str, replaced: &str| render(Some(&old), &balance(&START.replace(text, replaced)));
    let told = [
        ("up", next("fd00::2 down", "fd00::2")),
        ("down", next("10.0.1.4,fd00::4 web=10.0.1.2,fd00::2", "10.0.1.4,fd00::4 web=10.0.1.2,fd00::2 down")),
        ("nobody left", next("one=10.0.1.6", "one=10.0.1.6 down")),
        ("the first one", next("sick=10.0.2.2 down", "sick=10.0.2.2")),
        ("gone", next("net one.1 10.0.1.7 one=10.0.1.6", "")),
        ("idle and gone", next("other sick.1 10.0.2.3 sick=10.0.2.2 down", "")),
        ("moved", next("one=10.0.1.6", "one=10.0.1.66")),
    ];
    insta::assert_snapshot!(told.map(|(why, text)| format!("-- {why}\n{text}")).concat(), @r"
    -- up
    flush chain inet gam vip-10.0.1.2
    add rule inet gam vip-10.0.1.2 dnat ip to numgen random mod 3 map { 0 : 10.0.1.3, 1 : 10.0.1.4, 2 : 10.0.1.5 }
    -- down
    flush chain inet gam vip-10.0.1.2
    flush chain inet gam vip-fd00.0.0.0.0.0.0.2
    add rule inet gam vip-10.0.1.2 dnat ip to 10.0.1.3
    add rule inet gam vip-fd00.0.0.0.0.0.0.2 dnat ip6 to fd00::3
    -- nobody left
    delete element inet gam v4 { 10.0.1.6 }
    flush chain inet gam vip-10.0.1.6
    delete chain inet gam vip-10.0.1.6
    add element inet gam idle4 { 10.0.1.6 }
    -- the first one
    delete element inet gam idle4 { 10.0.2.2 }
    add chain inet gam vip-10.0.2.2
    add rule inet gam vip-10.0.2.2 dnat ip to 10.0.2.3
    add element inet gam v4 { 10.0.2.2 : goto vip-10.0.2.2 }
    -- gone
    delete element inet gam v4 { 10.0.1.6 }
    flush chain inet gam vip-10.0.1.6
    delete chain inet gam vip-10.0.1.6
    -- idle and gone
    delete element inet gam idle4 { 10.0.2.2 }
    -- moved
    delete element inet gam v4 { 10.0.1.6 }
    flush chain inet gam vip-10.0.1.6
    delete chain inet gam vip-10.0.1.6
    add chain inet gam vip-10.0.1.66
    add rule inet gam vip-10.0.1.66 dnat ip to 10.0.1.7
    add element inet gam v4 { 10.0.1.66 : goto vip-10.0.1.66 }
    ");
}

#[test]
fn flows_to_who_is_not_behind_any_more_are_dropped() {
    let new = balance(START);
    let dropped = |old: Option<&Balance>, virtual_ip: &str, behind: &str| {
        is_dropped(old, &new, virtual_ip.parse().unwrap(), behind.parse().unwrap())
    };
    assert!(!dropped(None, "10.0.1.2", "10.0.1.3"));
    assert!(dropped(None, "10.0.1.2", "10.0.1.5"), "it is down");
    assert!(dropped(None, "10.0.1.2", "10.0.1.2"), "it began before there were rules");
    assert!(!dropped(None, "192.0.2.1", "192.0.2.1"), "that is none of ours");
    let mut old = new.clone();
    assert!(!drops(Some(&old), &new) && drops(None, &new));
    old.get_mut(&"10.0.1.2".parse().unwrap()).unwrap().pop_first();
    assert!(!drops(Some(&old), &new), "one has come");
    assert!(drops(Some(&new), &old), "one has left");
    old.insert("10.0.1.99".parse().unwrap(), BTreeSet::from(["10.0.1.3".parse().unwrap()]));
    assert!(drops(Some(&old), &new) && dropped(Some(&old), "10.0.1.99", "10.0.1.3"), "of who is no more all go");
}

/// A kernel for the handful of statements that `render` uses; strict where the real one is.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kernel {
    chains: BTreeMap<String, Vec<String>>,
    elements: BTreeMap<(String, String), String>,
}

impl Kernel {
    fn run(&mut self, text: &str) {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["add", "table", ..] => {}
                ["delete", "table", ..] => *self = Kernel::default(),
                ["table", ..] => while lines.next() != Some("}") {},
                ["add", "chain", _, _, chain] => {
                    assert!(self.chains.insert(chain.into(), Vec::new()).is_none(), "{line}");
                }
                ["flush", "chain", _, _, chain] => self.chains.get_mut(chain).expect(line).clear(),
                ["delete", "chain", _, _, chain] => {
                    assert!(!self.elements.values().any(|value| value == chain), "in use: {line}");
                    assert_eq!(self.chains.remove(chain).expect(line), [""; 0], "not empty: {line}");
                }
                ["add", "rule", _, _, chain, ..] => self.chains.get_mut(chain).expect(line).push(words[5..].join(" ")),
                ["add", "element", _, _, map, "{", key, ":", "goto", chain, "}"] => {
                    assert!(self.chains.contains_key(chain), "{line}");
                    assert!(self.elements.insert((map.into(), key.into()), chain.into()).is_none(), "{line}");
                }
                ["add", "element", _, _, set, "{", key, "}"] => {
                    assert!(self.elements.insert((set.into(), key.into()), String::new()).is_none(), "{line}");
                }
                ["delete", "element", _, _, map, "{", key, "}"] => {
                    self.elements.remove(&(map.into(), key.into())).expect(line);
                }
                _ => panic!("not understood: {line}"),
            }
        }
    }
}

fn some_balance() -> impl Strategy<Value = Balance> {
    let ip = |v6: bool, host: u8| -> IpAddr {
        if v6 { format!("fd00::{host}").parse().unwrap() } else { [10, 0, 1, host].into() }
    };
    let hosts = prop::collection::btree_set(1..6_u8, 0..4);
    prop::collection::btree_map((any::<bool>(), 100..104_u8), hosts, 0..6).prop_map(move |text| {
        let behind = |v6, hosts: BTreeSet<u8>| hosts.into_iter().map(|host| ip(v6, host)).collect();
        text.into_iter().map(|((v6, host), hosts)| (ip(v6, host), behind(v6, hosts))).collect()
    })
}

proptest! {
    /// Whatever way of changes led there, the kernel holds what a program from nothing would give it.
    #[test]
    fn changes_lead_where_a_whole_program_leads(ways in prop::collection::vec(some_balance(), 1..6)) {
        let mut kernel = Kernel::default();
        let mut held: Option<Balance> = None;
        for wanted in ways {
            kernel.run(&render(held.as_ref(), &wanted));
            let mut anew = Kernel::default();
            anew.run(&render(None, &wanted));
            prop_assert_eq!(&kernel, &anew);
            prop_assert_eq!(render(Some(&wanted), &wanted), "");
            held = Some(wanted);
        }
    }
}
