//! `render-node renderer`: what `render-node run` starts to have scenes read and rendered. Nobody calls it by hand.

use super::{BackendArguments, log_to_stderr};
use crate::machine;
use crate::render::conformance;
use crate::renderer::serve::{Opened, serve};
use tracing::info;

/// Opens the device, shows what it can, and renders what it is told on standard input until that ends.
pub fn run(arguments: &BackendArguments) -> anyhow::Result<()> {
    machine::become_helper();
    let said = machine::take_stdout()?;
    log_to_stderr();
    let open = || {
        let mut backend = arguments.open()?;
        info!("rendering the conformance scenes on {}", backend.describe().device);
        let conformance = conformance::render_all(backend.as_mut())?;
        Ok(Opened { backend, conformance })
    };
    serve(open, std::io::stdin(), said, || machine::end_at_once());
    Ok(())
}
