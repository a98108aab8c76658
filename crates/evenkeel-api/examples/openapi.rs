//! Prints the description of the API that is checked in as `openapi.json`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(evenkeel_api::openapi().as_bytes())
}
