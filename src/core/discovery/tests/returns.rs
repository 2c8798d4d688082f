//! Numbers of nodes, and the marks made of them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::returns::{Returns, is_neighbour, mark, neighbour, neighbour_number, number, numbers, render};
use crate::model::NodeId;

#[test]
fn a_connection_is_marked_by_where_it_comes_from() {
    let nodes = numbers([NodeId::from(0x01_0203_0405), NodeId::from(0x01_0203_0506)]);
    let returns = Returns { address: "10.0.0.3".parse().unwrap(), nodes };
    insta::assert_snapshot!(render(&returns), @r"
    add table inet gam_returns
    delete table inet gam_returns
    table inet gam_returns {
    	map nodes { type ether_addr : mark; elements = { 06:01:02:03:04:05 : 0x67610505, 06:01:02:03:05:06 : 0x67610606 }; }
    	chain arriving {
    		type filter hook prerouting priority -150; policy accept;
    		ip daddr 10.0.0.3 ct direction original ct mark 0 ct mark set ether saddr map @nodes
    		ct direction reply ct mark & 0xffff0000 == 0x67610000 meta mark set ct mark
    	}
    	chain answering {
    		type route hook output priority -150; policy accept;
    		ct direction reply ct mark & 0xffff0000 == 0x67610000 meta mark set ct mark
    	}
    }
    ");
    let nobody = Returns { nodes: Default::default(), ..returns };
    assert_eq!(render(&nobody), "add table inet gam_returns\ndelete table inet gam_returns\n");
}

#[test]
fn a_neighbour_tells_its_number_and_others_have_none() {
    let nodes = numbers([NodeId::from(0x01_0203_0405)]);
    let (mac, known) = nodes.first_key_value().unwrap();
    assert_eq!(neighbour_number(neighbour(*known), *mac), Some(*known));
    assert_eq!(neighbour_number(neighbour(*known), [0x02, 1, 2, 3, 4, 5]), None, "somebody else's entry");
    for other in ["10.0.0.1", "169.254.0.9", "169.254.255.1"] {
        assert!(!is_neighbour(other.parse().unwrap()), "{other}");
        assert_eq!(neighbour_number(other.parse().unwrap(), *mac), None, "{other}");
    }
}

#[test]
fn the_metadata_service_of_clouds_is_no_node() {
    let node = NodeId::from(0xa9fe - 256);
    let number = *numbers([node]).values().next().unwrap();
    assert_eq!(neighbour(number).to_string(), "169.254.169.255");
}

proptest! {
    #[test]
    fn each_node_has_a_number_of_its_own(nodes in proptest::collection::btree_set(0..=0x2_0000_u128, 0..300)) {
        let all = numbers(nodes.iter().copied().map(NodeId::from));
        prop_assert_eq!(all.len(), nodes.len());
        prop_assert_eq!(all.values().collect::<BTreeSet<_>>().len(), nodes.len());
        for found in all.values() {
            prop_assert_eq!(number(mark(*found)), Some(*found));
            let [.., high, _] = neighbour(*found).octets();
            prop_assert!((1..=254).contains(&high));
        }
    }
}
