//! How long a look-up takes, in an atlas of your own:
//!
//! ```text
//! cargo run --release -p nearcast-tracker --example atlas_lookups ATLAS
//! ```

use std::{
    error::Error,
    hint::black_box,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    time::Instant,
};

use nearcast_tracker::atlas_file;

const ADDRESSES: usize = 1 << 20;
const ROUNDS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let path: PathBuf = std::env::args_os().nth(1).ok_or("usage: atlas_lookups ATLAS")?.into();
    let began = Instant::now();
    let atlas = atlas_file::read(&path)?;
    println!("read in {:.2} s, {} bytes in memory", began.elapsed().as_secs_f64(), atlas.resident_bytes());
    // Weyl's sequence: spread evenly, and no help to caches.
    let numbers =
        (1..=ADDRESSES as u128).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let v4: Vec<IpAddr> =
        numbers.clone().map(|number| Ipv4Addr::from_bits((number >> 96) as u32).into()).collect();
    // 2a00::/12, where most of Europe is.
    let v6: Vec<IpAddr> =
        numbers.map(|number| Ipv6Addr::from_bits(number >> 12 | 0x2a0 << 116).into()).collect();
    for (family, addresses) in [("IPv4", v4), ("IPv6", v6)] {
        // The best of many rounds: what else the machine does only adds.
        let round = || {
            let began = Instant::now();
            let found = addresses.iter().filter(|&&ip| black_box(atlas.origin(ip)).is_some()).count();
            (began.elapsed().as_nanos() as f64 / ADDRESSES as f64, found)
        };
        let best = (0..ROUNDS).map(|_| round()).min_by(|a, b| a.0.total_cmp(&b.0));
        let (each, found) = best.ok_or("no round was run")?;
        println!("{family}: {each:.1} ns a look-up, {:.0} % found", found as f64 / ADDRESSES as f64 * 100.0);
    }
    let asn = atlas.links().next().map(|(asn, _, _)| asn).ok_or("this atlas has no links")?;
    let began = Instant::now();
    black_box(atlas.view_from(asn));
    println!("{:.1} ms for the hops to every AS", began.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
