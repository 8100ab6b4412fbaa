//! What an epoch costs: `epoch_cost [NODES …]`, for 1, 16 and 1,000 nodes where none are given.
//!
//! Measured on a local chain with the built program, in virtual time: windows take none.

#[path = "../tests/chain/cost.rs"]
mod cost;
#[allow(dead_code, reason = "its faults are for the tests")]
#[path = "../tests/chain/endpoint.rs"]
mod endpoint;
#[allow(dead_code, reason = "guardians, and ends of jobs, are for the tests")]
#[path = "../tests/chain/world.rs"]
mod world;

const JOBS: u8 = 16;

fn main() {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|n| n.parse().ok()).collect();
    let counts = if asked.is_empty() { vec![1, 16, 1_000] } else { asked };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime of this thread alone");
    for nodes in counts {
        cost::print(nodes, &runtime.block_on(cost::measure(nodes, JOBS)));
    }
}
