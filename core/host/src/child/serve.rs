//! The child's end.

use super::{
    os,
    wire::{self, Order, Reply},
};
use crate::{error::HostError, plugins::Plugins};
use std::io::Read;

/// Carries out one order of a host: confines this process, loads the plugin and asks it. Returns when the host wants no
/// more, or is gone; the exit code means nothing, only a reply does.
///
/// Whatever the plugin prints goes to standard error from here on.
///
/// # Errors
/// The host cannot be heard or told.
pub fn serve() -> std::io::Result<()> {
    let (mut orders, mut replies) = os::take_channel()?;
    let order: Order = wire::read(&mut orders)?;
    let reply = match os::confine(order.parent, order.leave) {
        Ok(()) => carry_out(&order),
        Err(e) => Reply::Failed(HostError::Broken {
            plugin: order.plugin.id,
            what: format!("its process cannot be confined: {e}"),
        }),
    };
    wire::write(&reply, &mut replies)?;
    // What the plugin has registered for the end of a process is not run: the host ends this one.
    orders.read_to_end(&mut Vec::new()).map(drop)
}

fn carry_out(order: &Order) -> Reply {
    if let Some(probe) = &order.probe {
        return match probe.carry_out(&order.plugin, order.pinning) {
            Ok(probed) => Reply::Probed(Box::new(probed)),
            Err(error) => Reply::Failed(error),
        };
    }
    match Plugins::here(order.pinning).ask(&order.plugin, &order.request, order.leave) {
        Ok(answer) => Reply::Answer(Box::new(answer)),
        Err(error) => Reply::Failed(error),
    }
}
