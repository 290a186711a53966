use std::{
    collections::{BTreeSet, HashSet},
    path::PathBuf,
};

use super::*;
use crate::bgp::packed::{Meter, open};

/// Where real data is, if it is here.
fn data(name: &str) -> Option<PathBuf> {
    crate::bgp::data(name)
}

fn read(name: &str) -> Option<(Vec<Change>, MrtCounts)> {
    let path = data(name)?;
    let mut reader = MrtReader::new(open(&path, &Arc::new(Meter::default())).unwrap());
    let changes = reader.by_ref().collect::<io::Result<Vec<Change>>>().unwrap();
    Some((changes, reader.counts()))
}

#[test]
fn dbg_counts() {
    for name in [
        "rib.20140523.0600_firstMB.whole-records.mrt.bz2",
        "rib6.20151101.0600_firstMB.whole-records.mrt.bz2",
        "ripe-rrc15-updates.20100227.1600.gz",
        "ripe-rrc15-updates.20100227.1610.gz",
        "ripe-rrc00-updates.20000325.0345.damaged.gz",
    ] {
        let t = std::time::Instant::now();
        let path = data(name).unwrap();
        let mut reader = MrtReader::new(open(&path, &Arc::new(Meter::default())).unwrap());
        let mut raw = HashSet::new();
        let mut peers = BTreeSet::new();
        let mut prefixes = HashSet::new();
        while let Some(r) = reader.routes.next() {
            if let Ok(r) = r {
                raw.insert(r.as_path.clone());
                peers.insert((r.peer_ip, r.peer_asn));
                reader.change(&r);
                prefixes.insert(r.prefix.prefix);
            } else {
                reader.counts.damaged += 1
            }
        }
        println!(
            "{name} {:?} raw {} peers {} prefixes {} {:?}",
            reader.counts(),
            raw.len(),
            peers.len(),
            prefixes.len(),
            t.elapsed()
        );
        let t = std::time::Instant::now();
        let (c, _) = read(name).unwrap();
        let cleaned: HashSet<_> = c
            .iter()
            .filter_map(|c| if let Route::Announced(p) = &c.route { Some(p.clone()) } else { None })
            .collect();
        println!("cleaned {} {:?}", cleaned.len(), t.elapsed());
    }
}
