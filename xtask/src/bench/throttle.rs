//! `cargo xtask bench throttle`: how much of the emulator's allowance the library uses once it is told 429, and how often
//! it is told so.

use crate::emulator::Emulator;
use crate::json::Json;
use crate::setup;
use crate::sh::{self, Res};
use std::process::Command;

/// Allowances a second, with what may come at once.
const BUDGETS: [(u32, u32); 3] = [(50, 20), (200, 50), (1000, 50)];

pub fn run(seconds: u32) -> Res<()> {
    setup::for_bench(false)?;
    let dir = sh::scratch("bench")?;
    let lib = sh::build_library(false)?;
    let program = dir.join("throttle");
    let source = sh::root().join("benches/throttle.c");
    sh::compile_c(
        &[source],
        &program,
        &lib,
        &["-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic", "-Werror", "-pthread"],
    )?;
    println!("{seconds} s each, 20 calls in flight");
    println!("allowance/s  burst  retry-after   answered  of allowance   refused  of requests  failed");
    let mut short = Vec::new();
    for (rate, burst) in BUDGETS {
        for pause in [None, Some(1)] {
            let emulator = Emulator::start()?;
            let after = pause.map_or(String::new(), |s: u32| format!(",\"retry_after_seconds\":{s}"));
            emulator.faults(&format!(
                "[{{\"match\":{{\"path\":\"/timeseries\"}},\"action\":{{\"kind\":\"budget\",\"rate\":{rate},\"burst\":{burst}{after}}}}}]"
            ))?;
            let mut c = Command::new(&program);
            c.arg(seconds.to_string()).envs(emulator.env());
            let said = sh::output(&mut c)?;
            let said = Json::parse(said.trim()).map_err(|e| format!("throttle: {e}"))?;
            let number = |name: &str| said.get(name).and_then(Json::as_f64).ok_or(format!("throttle: no {name}"));
            let (answered, refused, failed, took) =
                (number("answered")?, number("refused")?, number("failed")?, number("seconds")?);
            let share = answered / (f64::from(rate) * took + f64::from(burst));
            let no = refused / (answered + refused).max(1.0);
            let after = pause.map_or("-".to_owned(), |s| format!("{s} s"));
            println!(
                "{rate:>11}  {burst:>5}  {after:>11}  {answered:>9}  {share:>12.3}  {refused:>8}  {no:>11.4}  {failed:>6}"
            );
            if failed > 0.0 || share < 0.90 || no >= 0.01 {
                short.push(format!("{rate}/s (retry-after {after})"));
            }
        }
    }
    if short.is_empty() {
        Ok(())
    } else {
        Err(format!("short of 0.90 of the allowance with under 0.01 refused: {}", short.join(", ")))
    }
}
