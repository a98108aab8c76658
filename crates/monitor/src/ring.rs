//! Consistent hashing as ketama does it: every node has many points on a ring, and a key belongs to
//! the node whose point comes next. A node that leaves gives up only its own share.

/// Points of a node, as in ketama: with 160 the shares differ by a few percent.
const POINTS: usize = 160;

/// Nodes on a ring.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Sorted; each with the index of its node.
    points: Vec<(u32, usize)>,
    nodes: usize,
}

impl Ring {
    /// A ring of the nodes named, which are told apart by their names alone.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut points = Vec::new();
        let mut nodes = 0;
        for (node, name) in names.into_iter().enumerate() {
            nodes += 1;
            let mut turn = 0_usize;
            while points.len() < nodes * POINTS {
                let digest = hmac_sha256::Hash::hash(format!("{name}-{turn}").as_bytes());
                points.extend(numbers(&digest).map(|point| (point, node)));
                turn += 1;
            }
        }
        points.sort_unstable();
        Self { points, nodes }
    }

    /// All nodes, the one that `key` belongs to first, then in the order in which they would take
    /// its place.
    pub fn order(&self, key: &str) -> Vec<usize> {
        let digest = hmac_sha256::Hash::hash(key.as_bytes());
        let place = numbers(&digest).next().unwrap_or(0);
        let start = self.points.partition_point(|(point, _)| *point < place);
        let (before, after) = self.points.split_at(start);
        let mut order = Vec::with_capacity(self.nodes);
        for (_, node) in after.iter().chain(before) {
            if !order.contains(node) {
                order.push(*node);
                if order.len() == self.nodes {
                    break;
                }
            }
        }
        order
    }
}

/// The eight numbers that a digest is made of.
fn numbers(digest: &[u8; 32]) -> impl Iterator<Item = u32> {
    digest.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: usize = 10_000;

    fn owners(names: &[&str]) -> Vec<String> {
        let ring = Ring::new(names.iter().copied());
        (0..KEYS).map(|key| names[ring.order(&format!("session {key}"))[0]].to_owned()).collect()
    }

    #[test]
    fn shares_are_about_even() {
        let owners = owners(&["a:6379", "b:6379", "c:6379"]);
        for name in ["a:6379", "b:6379", "c:6379"] {
            let share = owners.iter().filter(|owner| *owner == name).count();
            assert!((2600..=4100).contains(&share), "{name}: {share}");
        }
    }

    #[test]
    fn a_node_that_is_lost_moves_its_own_share_only() {
        let before = owners(&["a:6379", "b:6379", "c:6379"]);
        let after = owners(&["a:6379", "c:6379"]);
        for (before, after) in before.iter().zip(&after) {
            assert!(before == "b:6379" || before == after);
        }
    }

    #[test]
    fn the_order_has_every_node_once_and_is_where_keys_go_next() {
        let three = Ring::new(["a", "b", "c"]);
        let two = Ring::new(["a", "c"]);
        for key in (0..100).map(|key| key.to_string()) {
            let order = three.order(&key);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2]);
            let without_b: Vec<usize> = order.into_iter().filter(|node| *node != 1).collect();
            let expected: Vec<usize> = two.order(&key).into_iter().map(|node| node * 2).collect();
            assert_eq!(without_b, expected, "{key}");
        }
    }

    /// Every process has to agree, also with one of another version.
    #[test]
    fn the_ring_is_the_same_for_good() {
        let ring = Ring::new(["redis0:6379", "redis1:6379", "redis2:6379"]);
        let orders: Vec<Vec<usize>> = (0..6).map(|key| ring.order(&format!("key{key}"))).collect();
        assert_eq!(orders, GOLDEN);
    }

    const GOLDEN: [[usize; 3]; 6] =
        [[2, 1, 0], [1, 0, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0], [1, 0, 2]];
}
