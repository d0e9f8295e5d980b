//! The child's end.

use super::{
    os,
    wire::{self, Order, Reply},
};
use crate::{error::HostError, plugins::Plugins};
use std::{convert::Infallible, io};

/// Carries out one order of a host: confines the plugin's process, loads the plugin and asks it. That process ends when it
/// has replied; its exit code means nothing, only a reply does. Begun before this process has more than one thread, and
/// whatever it had opened is gone.
///
/// Whatever the plugin prints goes to standard error from here on.
///
/// # Errors
/// The host cannot be heard or told; otherwise this does not return.
pub fn serve() -> io::Result<Infallible> {
    let (mut orders, replies) = os::take_channel()?;
    let order: Order = wire::read(&mut orders, wire::LONGEST_ORDER)?;
    os::isolate(orders, replies, order.keeps, |keeper, replies| {
        let reply = match os::confine(keeper, order.leave) {
            Ok(()) => carry_out(&order),
            Err(e) => Reply::Failed(HostError::Broken {
                plugin: order.plugin.id,
                what: format!("its process cannot be confined: {e}"),
            }),
        };
        wire::write(&reply, replies)
    })
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
