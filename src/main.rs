//! The daemon: reads its settings, opens its node, serves the API, and stops cleanly when told to.

use std::process::ExitCode;

use gam::api::listen::Inherited;
use gam::config::{Cli, Settings};
use gam::manager::chain;
use gam::start;

fn main() -> ExitCode {
    let cli = Cli::read();
    let settings = match Settings::load(cli.options) {
        Ok(settings) => settings,
        Err(error) => return fail(start::EXIT_SETTINGS, &error),
    };
    if let Err(error) = gam::logging::init(settings.log_level, settings.log_format) {
        return fail(start::EXIT_FAILURE, &error);
    }
    // Before the runtime has threads.
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => return fail(start::EXIT_LISTEN, &error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(start::EXIT_FAILURE, &error),
    };
    match runtime.block_on(start::serve(settings, inherited)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.exit_code(), &error),
    }
}

/// One sentence for the operator, and a code for the script that started us.
fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("gam: {}", chain(error));
    ExitCode::from(code)
}
