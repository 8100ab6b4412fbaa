//! Has the portal looked at before it is put into the program: without it the cause would be hard to read.

use std::path::Path;

fn main() {
    let portal = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/dist");
    println!("cargo::rerun-if-changed={}", portal.display());
    if !portal.join("index.html").is_file() {
        println!(
            "cargo::error=web/dist/index.html is missing: farm-master carries the built portal. Build it \
             with `npm ci && npm run build` in web/, or check out the committed web/dist"
        );
    }
}
