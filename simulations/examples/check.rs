fn main() {
    for check in nearcast_sim::check::all() {
        let begun = std::time::Instant::now();
        let found = (check.run)();
        println!("{} {:.1?}: {found:?}", check.name, begun.elapsed());
    }
}
