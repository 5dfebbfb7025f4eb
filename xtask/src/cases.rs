//! Runs case files through every layer and prints what fails, what is skipped and why, and a sum.
//!
//! Knows nothing of how a case is judged.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use discovery_tests::cases::{Runner, Verdict, read};

/// Runs the files and returns whether nothing failed.
pub(crate) fn run(files: &[PathBuf]) -> Result<bool, Box<dyn Error>> {
    let runner = Runner::with_all_layers()?;
    let (mut passed, mut failed, mut skipped) = (0_usize, 0_usize, 0_usize);
    for file in files {
        let text =
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let cases = read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        for case in cases {
            let report = runner.run(&case);
            for (layer, verdict) in &report.verdicts {
                match verdict {
                    Verdict::Passed => {}
                    Verdict::Failed(found) => {
                        println!("FAILED {} [{layer}] {}", report.id, found.join("; "));
                    }
                    Verdict::Skipped(why) => println!("skipped {} [{layer}] {why}", report.id),
                }
            }
            if report.failed() {
                failed += 1;
            } else if report.skipped() {
                skipped += 1;
            } else {
                passed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(failed == 0)
}
