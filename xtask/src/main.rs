//! The project's own commands. `cargo xtask help` lists them.

mod abi;
mod bench;
mod browser;
mod checks;
mod compared;
mod conformance;
mod demo;
mod emulator;
mod faults;
mod fuzz;
mod hazards;
mod header;
mod header_text;
mod inventory;
mod json;
mod ledger;
mod setup;
mod sh;
mod steps;
mod throughput;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  help                  this text
  setup                 look for the programs and headers the commands need; install what is missing (Debian, Ubuntu)
  demo [--release]      write this machine's signals through the C API into an emulator and read them back, 10 s
  test [STEP ...]       all checks, or only the named steps
  conformance           replay what the official Python SDK was recorded doing, through the C API
      [--vectors DIR] [--area NAME] [--only TEXT] [--without REQUIREMENT] [--strict-quirks] [--verbose] [--release]
      [--driver COMMAND]     another implementation's driver instead of the one for this library
  parity                run the scripts of tests/parity through the official Python SDK and through the library, and compare
      [--record]             also write what the SDK did to tests/parity/recorded.json
      [--recorded]           compare with that file instead of running the SDK
      [--only TEXT] [--verbose]
  emulator js            flows of the official JavaScript SDK against the emulator
  emulator throughput   requests and datapoints a second, and memory, beside a server that only answers
  emulator compared [--write]
                        which operations of the emulator the SDKs and the library call: hold emulator/tests/compared.txt and the
                        table in its README against that, or write them
  faults [--fast] [--only TEXT]
                        every phase of a request hit by every fault, through the C API; counts what reached the server
  fuzz [--seconds N] [--keep] [TARGET ...]
                        hostile texts, answers and sequences of calls, 600 s each; --keep: renew the committed corpora
  hazards [--short] [--hosts] [--asan] [--tsan] [--miri] [--windows]
                        the library as a guest: signals, fork, exit, unloading, defects (hosts), under the address and the
                        thread sanitizer, under Miri, on Windows by Wine; without an option all of it; --short: a little of
                        the hosts
  aggregates [--rounds N] [--seed N]
                        the emulator's datapoints, aggregates and states, compared with exact arithmetic and the Python SDK
  abi [--header-only]   programs of the last release go on working; size and needs of the release build
  header [--check]      make include/cognite/cognite.h and the ledger abi/symbols.txt from the source, or compare them with it
  inventory --resources FILE [--write]
                        what an inventory of the API has that the table of operations has not, and the reverse
  bench requests [--rounds N]    cost of small requests, side by side with libcurl and other clients
  bench http2 [--rounds N]       HTTP/1.1 and HTTP/2 side by side, near and 30 ms away
  bench list [--rounds N]        a million items page by page, side by side; needs the laboratory
  bench throttle [--seconds N]   how much of an allowance is used under 429, and how often it is refused
";

fn main() -> ExitCode {
    sh::forget_cargo_library_path();
    sh::forget_own_package();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or(&[]);
    let done = match args.first().map(String::as_str) {
        Some("help" | "--help" | "-h") | None => {
            print!("{HELP}");
            Ok(())
        }
        Some("abi") => abi::command(rest),
        Some("aggregates") => steps::aggregates(rest),
        Some("bench") => bench::command(rest),
        Some("conformance") => conformance::command(rest),
        Some("demo") => demo::command(rest),
        Some("emulator") => compared::command(rest),
        Some("faults") => faults::command(rest),
        Some("fuzz") => fuzz::command(rest),
        Some("hazards") => hazards::command(rest),
        Some("parity") => conformance::parity::command(rest),
        Some("header") => header::command(rest),
        Some("inventory") => inventory::command(rest),
        Some("setup") => setup::command(rest),
        Some("test") => checks::command(rest),
        Some(other) => Err(format!("unknown command {other}\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e}");
            ExitCode::FAILURE
        }
    }
}
