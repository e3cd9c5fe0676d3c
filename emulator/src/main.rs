//! The command line of the emulator.

use std::io::Write;
use std::process::ExitCode;

use cognite_emulator::{Config, start};
use tokio::io::AsyncReadExt;

const HELP: &str = "\
cognite-emulator: an emulator of Cognite Data Fusion for tests and demonstrations

Usage: cognite-emulator [options]

  --host ADDRESS          address to listen on (127.0.0.1)
  --port N                port to listen on (a free one)
  --project NAME          the one project there is (demo)
  --client-id ID          OAuth client id the token endpoint accepts (emulator-client)
  --client-secret SECRET  and its secret (emulator-secret)
  --token-lifetime SECS   lifetime of tokens (3600)
  --job-ms N              time until a job, a call or an execution is done (100)
  --openapi FILE          hold requests and answers against this API description; see GET /_emulator/violations
  --tls                   HTTPS, with an authority of its own made at every start
  --tls-dir FOLDER        the same, and its certificate is written to FOLDER/ca.pem
  --faults FILE           fault rules there are from the start (JSON, as POST /_emulator/faults takes them)
  --seed demo[:NUMBER]    begin with a plant: assets, time series with three days of data, and more
  --lag MS                lists, searches and aggregates see what was written so much later; reads by id at once (0)
  --clock MS              what the emulator's clock shows at the start, in milliseconds since the epoch (now)
  --journal N             most requests kept in the journal (1000)
  --token TEXT            a token that is always valid (none)
  --max-datapoints N      most datapoints kept in memory (200000000)
  --max-resources N       most resources and RAW rows kept in memory (2000000)
  --exit-with-parent      end when standard input ends
  --help                  this text

When it is ready it prints one line of JSON on standard output: url, port, project, token_url, client_id,
client_secret and scopes; with TLS also ca_pem, and ca_file if there is a folder. It ends on SIGINT and SIGTERM. Nothing is kept on disk.
";

struct Options {
    config: Config,
    exit_with_parent: bool,
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options { config: Config::default(), exit_with_parent: false };
    while let Some(arg) = args.next() {
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (arg, None),
        };
        match name.as_str() {
            "--help" | "-h" => return Ok(None),
            "--exit-with-parent" => {
                options.exit_with_parent = true;
                continue;
            }
            "--tls" => {
                options.config.tls = true;
                continue;
            }
            _ => {}
        }
        let config = &mut options.config;
        let mut value = || inline.clone().or_else(|| args.next()).ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--host" => config.host = value()?,
            "--port" => config.port = number(&name, &value()?)?,
            "--project" => config.project = value()?,
            "--client-id" => config.client_id = value()?,
            "--client-secret" => config.client_secret = value()?,
            "--token-lifetime" => config.token_lifetime = u64::from(number::<u32>(&name, &value()?)?),
            "--job-ms" => config.job_ms = u64::from(number::<u32>(&name, &value()?)?),
            "--openapi" => config.openapi = Some(value()?.into()),
            "--tls-dir" => {
                config.tls = true;
                config.tls_dir = Some(value()?.into());
            }
            "--faults" => config.faults = Some(value()?.into()),
            "--lag" => config.lag_ms = number(&name, &value()?)?,
            "--seed" => config.seed = Some(value()?),
            "--clock" => config.clock = Some(number(&name, &value()?)?),
            "--journal" => config.journal = number(&name, &value()?)?,
            "--token" => config.token = Some(value()?),
            "--max-datapoints" => config.limits.datapoints = number(&name, &value()?)?,
            "--max-resources" => config.limits.resources = number(&name, &value()?)?,
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(Some(options))
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name}: '{text}' is not a number in range"))
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("cognite-emulator: {message}; see --help");
            return ExitCode::from(2);
        }
    };
    let outcome = tokio::runtime::Builder::new_multi_thread().enable_all().build().and_then(|runtime| {
        let outcome = runtime.block_on(run(options));
        // A read of standard input cannot be cancelled; do not wait for it.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("cognite-emulator: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> std::io::Result<()> {
    let server = start(options.config).await?;
    // Before the line is out: whoever reads it may send a signal at once.
    let terminated = terminated()?;
    {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", server.ready())?;
        out.flush()?;
    }
    tokio::select! {
        () = terminated => {}
        () = parent_gone(), if options.exit_with_parent => {}
    }
    server.stop().await;
    Ok(())
}

/// Takes the signals over at once; the future resolves when one arrives.
#[cfg(unix)]
fn terminated() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(windows)]
fn terminated() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// Standard input ends when whoever holds its other end does.
async fn parent_gone() {
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 256];
    while !matches!(input.read(&mut buffer).await, Ok(0) | Err(_)) {}
}
