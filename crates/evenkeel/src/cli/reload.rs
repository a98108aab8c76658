//! `evenkeel reload`

use std::process::ExitCode;

use anyhow::Result;

use super::{apply, client};
use crate::args;

pub(crate) fn reload(args: &args::Reload) -> Result<ExitCode> {
    let args::Reload { both, target, json } = args;
    apply::tell(client(target)?.reload(*both)?, *json)
}
