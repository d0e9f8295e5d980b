//! A plugin's code runs in a child of the same binary. Whatever it does there (crash, hang, exit, print, eat memory), this
//! process gets its answer or a clean error, and the child is ended and reaped.
//!
//! The thread that asks starts the child and waits for its end, so it outlives it: where the system ends a child with its
//! parent, the parent is a thread.

#[cfg_attr(unix, path = "unix/mod.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;
mod printed;
mod serve;
mod silence;
mod wire;

pub use serve::serve;

use crate::{
    Leave, Pinning,
    conformance::probe::{Probe, Probed},
    error::HostError,
};
use backout_protocol::{
    message::{Answer, Request},
    plan::PluginRef,
};
use printed::Printed;
use silence::Silence;
use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};
use wire::{Order, Reply};

/// How children are made.
#[derive(Debug, Clone)]
pub struct Spawner {
    /// This binary.
    pub program: PathBuf,
    /// What makes it [`serve()`].
    pub arguments: Vec<String>,
    /// How long an answer may take.
    pub deadline: Duration,
}

/// How long a child that says nothing more may take to end, and then what it has printed to arrive: something that it has
/// left behind may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long it may take until orders that have been read whole are known to be sent.
const SENDING: Duration = Duration::from_millis(100);

/// What is seen of a child.
enum Seen {
    Replied(io::Result<Reply>),
    Printed(Vec<u8>),
}

/// Asks a plugin in a child of its own, which keeps `held` open until it and all it has started have ended.
///
/// # Errors
/// What the child found of the plugin, or how it ended.
pub(crate) fn ask(
    spawner: &Spawner,
    plugin: &PluginRef,
    pinning: Pinning,
    request: &Request,
    leave: Leave,
    held: Option<&File>,
) -> Result<Answer, HostError> {
    let broken = |what: String| HostError::Broken { plugin: plugin.id.clone(), what };
    let order =
        Order { plugin: plugin.clone(), pinning, request: request.clone(), leave, keeps: None, probe: None };
    match reply(spawner, order, held)? {
        Reply::Answer(answer) => Ok(*answer),
        Reply::Failed(error) => Err(error),
        Reply::Probed(_) => Err(broken("its process wrote no answer: it was not probed".to_owned())),
    }
}

/// Probes a plugin in a child of its own; `request`: what it is then said to have done, if it gives no answer.
///
/// # Errors
/// As [`ask`].
pub(crate) fn probe(
    spawner: &Spawner,
    plugin: &PluginRef,
    pinning: Pinning,
    request: Request,
    probe: Probe,
    leave: Leave,
) -> Result<Probed, HostError> {
    let order = Order { plugin: plugin.clone(), pinning, request, leave, keeps: None, probe: Some(probe) };
    match reply(spawner, order, None)? {
        Reply::Probed(probed) => Ok(*probed),
        Reply::Failed(error) => Err(error),
        Reply::Answer(_) => Err(HostError::Broken {
            plugin: plugin.id.clone(),
            what: "its process wrote an answer where it was probed".to_owned(),
        }),
    }
}

/// Has an order carried out in a child of its own, which is ended and reaped. `held` is kept open by all that runs its code.
fn reply(spawner: &Spawner, order: Order, held: Option<&File>) -> Result<Reply, HostError> {
    let (plugin, request) = (order.plugin.clone(), order.request.clone());
    let broken = |what: String| HostError::Broken { plugin: plugin.id.clone(), what };
    let named = |what: String| broken(format!("{what}; its file is `{}`", plugin.file));
    let heirloom = held.map(os::heirloom).transpose();
    let heirloom =
        heirloom.map_err(|e| broken(format!("what its process is to hold cannot be shared: {e}")))?;
    let order = Order { keeps: heirloom.as_ref().and_then(os::number), ..order };
    let (mut running, seen) = Running::start(spawner, order)
        .map_err(|e| broken(format!("no process could be started for it: {e}")))?;
    drop(heirloom);
    let mut printed = Printed::new(&plugin.id);
    let replied = listen(&seen, spawner.deadline, &mut printed);
    let grace = if matches!(replied, Err(Silence::Ended)) { LAST_WORDS } else { Duration::ZERO };
    let ended = running.end(grace);
    printed.rest(&seen, LAST_WORDS);
    match replied {
        Ok(Reply::Failed(error)) if error.is_of(&plugin) => Err(error.during(&silence::operation(&request))),
        Ok(Reply::Failed(error)) => Err(named(format!("its process told of something else: {error}"))),
        Ok(reply) => Ok(reply),
        Err(silence) => Err(named(silence.why(&request, ended, printed.last()))),
    }
}

fn listen(seen: &Receiver<Seen>, deadline: Duration, printed: &mut Printed) -> Result<Reply, Silence> {
    let begun = Instant::now();
    loop {
        // No sum: whoever gives a plugin more time than any clock can tell means that it may take for ever.
        match seen.recv_timeout(deadline.saturating_sub(begun.elapsed())) {
            Ok(Seen::Replied(Ok(reply))) => return Ok(reply),
            Ok(Seen::Replied(Err(e))) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Silence::Ended);
            }
            Ok(Seen::Replied(Err(e))) => return Err(Silence::Nonsense(e.to_string())),
            Ok(Seen::Printed(more)) if printed.take(&more) => {}
            Ok(Seen::Printed(_)) => return Err(Silence::TooMuch),
            Err(RecvTimeoutError::Timeout) => return Err(Silence::TimeUp(deadline)),
            Err(RecvTimeoutError::Disconnected) => return Err(Silence::Ended),
        }
    }
}

/// A child that runs. It is ended and reaped with this.
struct Running {
    child: Child,
    group: os::Group,
    /// The open end of its orders, once they are all with it.
    leash: Receiver<ChildStdin>,
}

impl Running {
    fn start(spawner: &Spawner, order: Order) -> io::Result<(Self, Receiver<Seen>)> {
        let mut command = Command::new(&spawner.program);
        command.args(&spawner.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (child, group) = os::spawn(&mut command)?;
        let (sent, leash) = sync_channel(1);
        let mut running = Self { child, group, leash };
        let pipes = (running.child.stdin.take(), running.child.stdout.take(), running.child.stderr.take());
        let (Some(mut orders), Some(mut replies), Some(prints)) = pipes else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        // So few that whoever prints without end waits for us, and not our memory for him.
        let (tell, seen) = sync_channel(4);
        let told = tell.clone();
        thread::spawn(move || forward(prints, &told));
        thread::spawn(move || {
            let ordered = wire::write(&order, &mut orders);
            // While they have no end, the child is wanted.
            let _ = sent.send(orders);
            let replied = ordered.and_then(|()| wire::read(&mut replies, wire::LONGEST_REPLY));
            let replied = replied.and_then(|reply| wire::ends(&mut replies).map(|()| reply));
            let _ = tell.send(Seen::Replied(replied));
        });
        Ok((running, seen))
    }

    /// Ends it with everything that it has started. Gives how it ended, if it did so by itself within `grace`.
    fn end(&mut self, grace: Duration) -> Option<ExitStatus> {
        let by_itself = os::has_ended(&mut self.child, grace);
        // They are with it, or it has not read them and does nothing yet.
        let leash = self.leash.recv_timeout(SENDING).ok();
        // Before it is reaped: so long its number, and its group's, are its own.
        self.group.end(&mut self.child, leash);
        self.child.wait().ok().filter(|_| by_itself)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

fn forward(mut prints: impl Read, told: &SyncSender<Seen>) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = prints.read(&mut buffer) {
        if told.send(Seen::Printed(buffer[..n].to_vec())).is_err() {
            return;
        }
    }
}
