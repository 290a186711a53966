//! Writes the inputs that fuzzing begins with: `seeds FOLDER` makes `FOLDER/TARGET/seed-N`. Without
//! a folder, it prints the names of the targets.

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1);
    for target in targets::all() {
        let Some(folder) = &folder else {
            println!("{}", target.name);
            continue;
        };
        let folder = Path::new(folder).join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
