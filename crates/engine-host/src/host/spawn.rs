//! Starting children from one thread that lives as long as this process.
//!
//! A child asks the kernel to be killed with its parent, and the kernel means the *thread* that
//! started it. Threads of an async runtime come and go.

use std::io;
use std::sync::{OnceLock, mpsc};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

struct Order {
    command: Command,
    runtime: Handle,
    child: oneshot::Sender<io::Result<Child>>,
}

/// Starts `command`; its child lives no longer than this process.
pub(super) async fn spawn(command: Command) -> io::Result<Child> {
    static ORDERS: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (orders, received) = mpsc::channel();
        // Without the thread the receiver is gone, and the send below says so.
        let _ = std::thread::Builder::new()
            .name("starts engines".to_owned())
            .spawn(move || serve(&received));
        orders
    });
    let gone = || io::Error::other("the thread that starts processes is not there");
    let (child, started) = oneshot::channel();
    let order = Order { command, runtime: Handle::current(), child };
    orders.send(order).map_err(|_| gone())?;
    started.await.map_err(|_| gone())?
}

fn serve(orders: &mpsc::Receiver<Order>) {
    while let Ok(Order { mut command, runtime, child }) = orders.recv() {
        let _within = runtime.enter();
        // Who no longer waits drops the child, which ends it.
        let _ = child.send(command.spawn());
    }
}
