//! The plan as a procedure for hands: for systems that backout does not run on, and for whoever has to see beforehand
//! what will be done. The commands do what a run does, without what makes a run safe.

mod shell;

use backout_protocol::{
    Fingerprint, HostPath, Image, Place, Plan, ServiceName, Step,
    path::encode,
    plan::{PlannedService, Was},
    site::ServiceAccess,
    step::{Source, Way},
};
use shell::Shell;
use std::ffi::OsStr;

/// The whole procedure for this machine.
pub(crate) fn text(plan: &Plan) -> String {
    Book { plan, shell: Shell::here(), out: String::new(), part: 0, back: Vec::new() }.write()
}

/// A word as it is typed here: as it is where nothing in it means anything to a shell.
pub(crate) fn word(word: &OsStr) -> String {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@".contains(c) || (cfg!(windows) && c == '\\');
    match word.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        _ => Shell::here().quoted(word),
    }
}

/// The procedure as it is written.
struct Book<'a> {
    plan: &'a Plan,
    shell: Shell,
    out: String,
    part: usize,
    /// The commands that take the files back, in the order of what they take back.
    back: Vec<String>,
}

impl Book<'_> {
    fn write(mut self) -> String {
        self.line(&format!("Hand procedure: {}, as of now", self.plan.profile.name));
        if self.plan.is_empty() {
            self.line("There is nothing to do: everything is back already.");
            return self.out;
        }
        self.line("For this machine alone, as an administrator. By hand, nothing puts things back by itself: stop at the first");
        self.line("command that fails and go to the last part. Everything must still be as it is now; each `must be` says how.");
        self.begin();
        self.stop();
        self.files();
        self.start();
        self.check();
        self.go_back();
        self.out
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn part(&mut self, title: &str) {
        self.part += 1;
        let n = self.part;
        self.line(&format!("\n{n}. {title}\n"));
    }

    fn remark(&mut self, text: &str) {
        // What a remark names may hold anything, also a line's end.
        let text = self.shell.remark(&encode(text.as_ref()).replace("%25", "%"));
        self.command(&text);
    }

    fn command(&mut self, text: &str) {
        self.line(&format!("    {text}"));
    }

    fn begin(&mut self) {
        self.part("A folder for what goes away");
        for command in self.shell.begin() {
            self.command(&command);
        }
    }

    fn stop(&mut self) {
        self.part("Stop, in this order; see each stopped before the next");
        for service in &self.plan.services {
            match service.was {
                Was::Running | Was::Restarting => self.command(&self.order(service, Order::Stop)),
                Was::Stopped => self.remark(&format!("{} is stopped; see that it is", service.name)),
            }
        }
        for step in &self.plan.steps {
            if let Step::WaitExit { images, under } = step {
                let under: Vec<String> = under.iter().map(|u| u.to_string()).collect();
                self.remark(&format!("none of these may run from below {}:", under.join(", ")));
                images.iter().for_each(|image| self.command(&self.shell.processes(image)));
            }
        }
        for closed in &self.plan.closed {
            self.remark(&format!("must be closed: {}", closed.images.join(", ")));
        }
    }

    fn files(&mut self) {
        self.part("Files");
        for step in &self.plan.steps {
            self.file(step);
        }
    }

    fn file(&mut self, step: &Step) {
        let shell = self.shell;
        let quoted = |place: &Place| shell.path(&place.path());
        match step {
            Step::ReplaceFile { target, source, before, after, differs, .. } => {
                let (to, saved) = (quoted(target), shell.saved(self.back.len() + 1));
                let link = before.fingerprint.is_link() || after.fingerprint.is_link();
                self.remark(&format!("{target} must be {}, will be {}", image(before), image(after)));
                if before.fingerprint.is_absent() {
                    self.back.push(shell.remove(&to));
                } else {
                    self.command(&shell.keep(&to, &saved));
                    self.back.push(if link { shell.keep(&saved, &to) } else { shell.copy(&saved, &to) });
                }
                // What is copied over a link would go where that leads.
                if link && !before.fingerprint.is_absent() {
                    self.command(&shell.remove(&to));
                    self.back.push(shell.remove(&to));
                }
                if !differs.is_empty() {
                    self.remark(&format!("{target}: {}", differs.join(", ")));
                }
                match source {
                    Source::Saved(place) => {
                        self.command(&shell.keep(&quoted(place), &to));
                    }
                    Source::File(place) => self.command(&shell.copy(&quoted(place), &to)),
                    Source::Inline(bytes) => {
                        self.remark(&format!("write these {} bytes into {target}:", bytes.len()));
                        self.remark(&String::from_utf8_lossy(bytes));
                    }
                }
            }
            Step::ConsumeBackup { backup: target, before } | Step::RemoveFile { target, before } => {
                let (from, saved) = (quoted(target), shell.saved(self.back.len() + 1));
                self.remark(&format!("{target} must be {}, will be gone", image(before)));
                self.command(&shell.take_away(&from, &saved));
                self.back.push(shell.take_away(&saved, &from));
            }
            Step::CreateFolder { target, .. } => {
                self.command(&shell.make_folder(&quoted(target)));
                self.back.push(shell.remove_folder(&quoted(target)));
            }
            Step::RemoveFolder { target } => {
                self.command(&shell.remove_folder(&quoted(target)));
                self.back.push(shell.make_folder(&quoted(target)));
            }
            Step::DressFolder { root, rel, like, differs } => {
                let folder = rel.as_ref().map_or_else(|| root.0.clone(), |rel| root.0.join(rel.as_path()));
                let folder = HostPath(folder);
                self.remark(&format!("{folder}: {}; as those of {like}", differs.join(", ")));
            }
            Step::Hold { target, image: is } => {
                self.remark(&format!("{target} is back already and stays; it must be {}", image(is)));
            }
            Step::SetKey { .. } | Step::Configure { .. } => {
                self.remark("by the registry's editor or the manager's own commands, from what stands left of `->` to the right:");
                let words = super::plan::step(step);
                words.lines().for_each(|line| self.remark(line.trim()));
                for line in words.lines().rev() {
                    self.back.push(self.shell.remark(&format!("from right to left: {}", line.trim())));
                }
            }
            Step::Custom { component, action, args, way, .. } => {
                let does = if *way == Way::Forth { "does" } else { "takes back" };
                self.remark(&format!(
                    "the plugin of {component} {does} `{action}` here, by hand only as its author says; its arguments:"
                ));
                self.remark(args);
            }
            Step::StopService { .. } | Step::WaitExit { .. } | Step::StartService { .. } => {}
        }
    }

    /// The services that run in the end, in the order in which they start.
    fn started(&self) -> impl Iterator<Item = &PlannedService> {
        self.plan.start_order().into_iter().filter(|s| s.start)
    }

    fn start(&mut self) {
        self.part("Start, in this order; see each running before the next");
        let orders: Vec<String> = self.started().map(|s| self.order(s, Order::Start)).collect();
        orders.iter().for_each(|order| self.command(order));
    }

    fn check(&mut self) {
        self.part("Check");
        let orders: Vec<String> = self.started().map(|s| self.order(s, Order::Status)).collect();
        orders.iter().for_each(|order| self.command(order));
        for step in &self.plan.steps {
            if let Step::ReplaceFile {
                target,
                after: Image { fingerprint: Fingerprint::File { sha256, .. }, .. },
                ..
            } = step
            {
                self.command(&self.shell.digest(&self.shell.path(&target.path())));
                self.remark(&format!("must be {sha256}"));
            }
        }
        for probe in &self.plan.site.health {
            self.remark(&format!("{} must end with 0:", probe.name));
            self.command(&self.shell.argv(&probe.run));
        }
        for reminder in &self.plan.reminders {
            self.remark(super::text(reminder).as_str());
        }
    }

    fn go_back(&mut self) {
        self.part("If anything failed: stop as in part 2, take back what was done, start as in part 4");
        self.remark("only those whose command in part 3 was carried out, from the first of these on");
        let back = std::mem::take(&mut self.back);
        back.iter().rev().for_each(|command| self.command(command));
    }

    /// The command for a service.
    fn order(&self, service: &PlannedService, order: Order) -> String {
        let name: &ServiceName = &service.name;
        if let ServiceAccess::Commands(sets) = &self.plan.site.services {
            return match (sets.get(name), order) {
                (None, _) => self.shell.remark(&format!("{name}: the site names no commands")),
                (Some(set), Order::Stop) => self.shell.argv(&set.stop),
                (Some(set), Order::Start) => self.shell.argv(&set.start),
                (Some(set), Order::Status) => self.shell.argv(&set.status),
            };
        }
        match self.shell {
            Shell::Cmd => match order {
                Order::Stop => format!("net stop \"{name}\""),
                Order::Start => format!("net start \"{name}\""),
                Order::Status => format!("net start | find \"{name}\""),
            },
            Shell::Posix => {
                let verb = match order {
                    Order::Stop => "stop",
                    Order::Start => "start",
                    Order::Status => "is-active",
                };
                let unit = self.plan.site.units.get(name).cloned().unwrap_or_else(|| name.to_string());
                format!("systemctl {verb} {}", self.shell.quoted(unit.as_ref()))
            }
        }
    }
}

/// What a service is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Stop,
    Start,
    Status,
}

/// A file's state, so that a person can tell it.
fn image(image: &Image) -> String {
    let digest = match image.fingerprint {
        Fingerprint::Absent => return "absent".to_owned(),
        Fingerprint::File { len, sha256 } => format!("{len} bytes, sha256 {sha256}"),
        Fingerprint::Folder { .. } => "a folder".to_owned(),
        Fingerprint::Link { .. } => "a symbolic link".to_owned(),
    };
    image.version.map_or_else(|| digest.clone(), |version| format!("{version} ({digest})"))
}
