use nearcast_sim::{run::*, scenario::shipped};
fn main() {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap();
    let mut scenario = shipped::find(&name).unwrap();
    let mut options = RunOptions::default();
    options.checked = false;
    let mut seed = 1;
    for a in args {
        if a == "pulled" {
            options.fidelity = Fidelity::Pulled
        } else if let Some(s) = a.strip_prefix("seed=") {
            seed = s.parse().unwrap()
        } else {
            scenario.set(&a).unwrap()
        }
    }
    let o = run(&scenario, seed, &options, &mut |p| {
        eprint!(
            "\r{:.0} s in {:.0} s, {}/{} {} M  ",
            p.simulated.as_secs_f64(),
            p.wall.as_secs_f64(),
            p.completed,
            p.peers,
            p.inputs / 1_000_000
        )
    })
    .unwrap();
    let s = &o.summary;
    eprintln!();
    println!(
        "{name} {}: {} of {} done, p50 {:.1} p95 {:.1} last {:.1} bound {:.1?}; origin {:.2}, wasted {:.2} of {}; {:.1} s simulated in {:.2} s, {} inputs ({:.2} M/s), {} MB; {}",
        options.fidelity,
        s.completed,
        s.peers,
        s.completion_seconds.p50,
        s.completion_seconds.p95,
        s.completion_seconds.last,
        s.bound_seconds,
        s.origin_copies,
        s.wasted_copies,
        s.peers,
        s.simulated_seconds,
        s.wall_seconds,
        s.inputs,
        s.inputs as f64 / s.wall_seconds / 1e6,
        s.peak_rss_bytes >> 20,
        s.trace_hash
    );
    for g in s.groups.iter().take(4) {
        print!(
            "  [AS{} n{} imports {:.2} frontier {:.2?} last {:.1?}]",
            g.asn, g.members, g.imports, g.frontier_imports, g.last_seconds
        );
    }
    println!("\n  {:?}", s.checks.iter().filter(|x| !*x.1).collect::<Vec<_>>());
}
