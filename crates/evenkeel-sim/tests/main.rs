//! Every end-to-end test and simulation, as modules of one program: linking one takes seconds,
//! linking each file of its own took minutes. A file's tests are run by its name, as in
//! `cargo nextest run --package evenkeel-sim tcp::`.

use std::fs;
use std::path::Path;

mod acme;
mod auth;
mod bench;
mod checks;
mod choosing;
mod compress;
mod dashboard;
mod dashboards;
mod discovery;
mod drill;
mod explain;
mod export;
mod files;
mod grpc;
mod guards;
mod harness;
mod hostile;
mod http;
mod http2;
mod judging;
mod keepalived;
mod living;
mod logs;
mod names;
mod observe;
mod order;
mod outliers;
mod pair;
mod pair_simulation;
mod pressure;
mod proxy;
mod reload;
mod retries;
mod routes;
mod scraping;
mod servers;
mod shaping;
mod simulation;
mod site;
mod tcp;
mod tls;
mod tls_front;
mod tls_upstream;
mod top;
mod traces;
mod tunnel;
mod upgrade;
mod vip;
mod websockets;
mod zones;

/// A file that is left out would not run, and nobody would know.
#[test]
fn every_file_is_among_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for entry in fs::read_dir(&folder).expect("the folder of this file") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_some_and(|kind| kind == "rs") && name != "main" {
            let line = format!("\nmod {name};\n");
            assert!(include_str!("main.rs").contains(&line), "add `mod {name};` to main.rs");
        }
    }
}
