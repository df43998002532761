//! What people order from elsewhere, by way of a child: carried out by what signals do too, and answered in words.

use super::{Supervisor, fleet::Fleet, process::Who};
use crate::{
    config::{ConfigError, MOST_WORKERS},
    control::{Answer, Command, FromSupervisor, Order, Role, machine_ms},
    supervisor::Launch,
};

impl Supervisor {
    /// Carries out an order that a child has handed over, and tells that child what came of it.
    pub(super) fn ordered(
        &mut self,
        from: Who,
        order: Order,
        until: u64,
        reload: &impl Fn() -> Result<Launch, ConfigError>,
    ) {
        let Order { id, by, command } = order;
        let outcome = if machine_ms() > until {
            // Whoever gave it has been told that nobody took it.
            Err("it came too late".to_owned())
        } else {
            self.carry_out(command, reload)
        };
        match &outcome {
            Ok(answer) => tracing::info!(order = %id, by, answer, "ordered: {command}"),
            Err(answer) => tracing::warn!(order = %id, by, answer, "ordered and refused: {command}"),
        }
        let accepted = outcome.is_ok();
        let (Ok(message) | Err(message)) = outcome;
        if let Some(process) = self.processes.get(&from.id) {
            process.say(FromSupervisor::Answer(Answer { order: id, accepted, message }));
        }
    }

    /// What is done now, or why it is not.
    fn carry_out(
        &mut self,
        command: Command,
        reload: &impl Fn() -> Result<Launch, ConfigError>,
    ) -> Result<String, String> {
        if self.stopping.is_some() {
            return Err("this supervisor is stopping".to_owned());
        }
        let now = self.now();
        match command {
            Command::ScaleTo(workers) => self.scale(i64::from(workers)),
            Command::ScaleBy(more) => self.scale(i64::from(self.workers.desired) + i64::from(more)),
            Command::Restart { role, slot } => self.restart(role, slot),
            Command::RestartAll => {
                self.workers.roll(now);
                self.gateways.roll(now);
                Ok(format!("{} will be replaced, one by one", self.all()))
            }
            Command::Reload => {
                let before = self.workers.desired;
                self.reload(reload())
                    .map_err(|error| format!("the new configuration is refused: {error}"))?;
                let workers = self.workers.desired;
                let changed = if workers == before { String::new() } else { from_to(before, workers) + "; " };
                Ok(format!("the configuration is read: {changed}{} will be replaced, one by one", self.all()))
            }
        }
    }

    fn scale(&mut self, wanted: i64) -> Result<String, String> {
        let before = self.workers.desired;
        let workers = u32::try_from(wanted).ok().filter(|count| (1..=MOST_WORKERS).contains(count));
        let Some(workers) = workers else {
            let pause = if wanted < 1 { "; `rowcast pause` stops taking jobs" } else { "" };
            return Err(format!(
                "there are {before}, and there can be from 1 to {MOST_WORKERS} workers, not {wanted}{pause}"
            ));
        };
        if workers == before {
            return Ok(format!("{} already", count(workers, "worker")));
        }
        self.resize(workers);
        Ok(from_to(before, workers))
    }

    fn restart(&mut self, role: Role, number: u32) -> Result<String, String> {
        let now = self.now();
        let fleet = self.fleet(role);
        let wanted = fleet.wants(number);
        let Some(slot) = fleet.slots.get_mut(&number).filter(|_| wanted) else {
            return Err(format!("there is no {role} {number}; {}", those_of(fleet)));
        };
        slot.roll(now);
        let old = slot.children.first().map(|child| child.id);
        let Some(pid) = old.and_then(|id| self.processes.get(&id)).map(|process| process.pid) else {
            return Ok(format!("{role} {number} did not run; it is started now"));
        };
        let ends = match role {
            Role::Worker => "finishes what it holds",
            Role::Gateway => "lets go of its clients",
        };
        Ok(format!(
            "{role} {number} is replaced: a new process starts, and then process {pid} {ends} and ends"
        ))
    }

    /// `2 workers and 1 gateway`.
    fn all(&self) -> String {
        let workers = count(self.workers.desired, "worker");
        match self.gateways.desired {
            0 => workers,
            gateways => format!("{workers} and {}", count(gateways, "gateway")),
        }
    }
}

fn those_of(fleet: &Fleet) -> String {
    match (fleet.role, fleet.desired) {
        (role, 0) => format!("this supervisor runs no {role}"),
        (role, 1) => format!("the only one is {role} 1"),
        (role, last) => format!("there are {role}s 1 to {last}"),
    }
}

/// `from 5 to 2 workers`.
fn from_to(before: u32, workers: u32) -> String {
    format!("from {before} to {}", count(workers, "worker"))
}

fn count(number: u32, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
