//! A made-up world: workers that become ready, fall silent, crash and grow as a script says, with the fleet's own
//! functions in between and no process anywhere.

use std::time::Duration;

use proptest::prelude::*;
use ulid::Ulid;

use crate::{
    config::SupervisorSettings,
    control::{Report, Role},
    supervisor::{
        exit::Exit,
        fleet::Fleet,
        policy::{Action, decide},
        slot::{Child, Departure, Moment, Phase},
    },
};

pub(super) const KILLED: Exit = Exit { code: None, signal: Some(9) };
pub(super) const DRAINED: Exit = Exit { code: Some(0), signal: None };
pub(super) const REFUSED: Exit = Exit { code: Some(64), signal: None };

pub(super) fn limits() -> SupervisorSettings {
    SupervisorSettings {
        workers: 3,
        stall: Duration::from_secs(60),
        startup: Duration::from_secs(60),
        drain: Duration::from_secs(20),
        max_memory: 1_000,
        max_jobs: 100,
    }
}

/// A fleet with a clock, and what came out of it.
pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) now: Moment,
    pub(super) limits: SupervisorSettings,
    pub(super) spawned: usize,
    pub(super) degraded: usize,
    pub(super) recovered: usize,
}

impl World {
    pub(super) fn new(desired: u32) -> Self {
        Self::of(Role::Worker, desired)
    }

    pub(super) fn of(role: Role, desired: u32) -> Self {
        let fleet = Fleet::new(role, desired);
        let mut world =
            Self { fleet, now: Moment::ZERO, limits: limits(), spawned: 0, degraded: 0, recovered: 0 };
        world.settle();
        world
    }

    /// Does what the policy says until it is quiet; returns when it wants to be asked again.
    pub(super) fn settle(&mut self) -> Option<Moment> {
        for _ in 0..100 {
            let decision = decide(&self.fleet, &self.limits, self.now);
            if decision.actions.is_empty() {
                assert!(decision.wake.is_none_or(|wake| wake > self.now), "a wake that is due is no wake");
                return decision.wake;
            }
            for action in decision.actions {
                self.act(action);
            }
            let rolls = self.fleet.children().any(|child| child.outdated);
            let most = self.fleet.desired as usize + usize::from(rolls);
            assert!(self.fleet.live() <= most, "{} live, {most} allowed", self.fleet.live());
        }
        panic!("the policy never comes to rest");
    }

    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Spawn { slot } => {
                self.spawned += 1;
                self.fleet.spawned(slot, Ulid::generate(), self.now);
            }
            Action::Drain { slot, id, why } => {
                let until = self.now + self.limits.drain;
                self.fleet.sent_off(slot, id, Phase::Draining { until, why });
            }
            Action::Kill { slot, id, why } => {
                self.fleet.sent_off(slot, id, Phase::Killed { why });
            }
            Action::Recover { slot } => {
                let recovered = self.fleet.slots.get_mut(&slot).unwrap().forget_old_troubles(self.now);
                self.recovered += usize::from(recovered);
            }
            Action::Remove { slot } => drop(self.fleet.slots.remove(&slot)),
        }
    }

    pub(super) fn workers(&self) -> Vec<(u32, Ulid, Phase)> {
        let child = |slot: u32| move |child: &Child| (slot, child.id, child.phase);
        self.fleet.slots.iter().flat_map(|(slot, place)| place.children.iter().map(child(*slot))).collect()
    }

    pub(super) fn hear(&mut self, (slot, id, _): (u32, Ulid, Phase), report: Report, memory: u64) {
        self.fleet.heard(slot, id, report, memory, self.now);
        self.settle();
    }

    pub(super) fn all_ready(&mut self) {
        for worker in self.workers() {
            self.hear(worker, Report { ready: true, ..Report::default() }, 1);
        }
    }

    pub(super) fn exit(&mut self, (slot, id, _): (u32, Ulid, Phase), exit: Exit) -> Departure {
        if exit == DRAINED {
            self.fleet.child(slot, id).unwrap().drained = true;
        }
        let departure = self.fleet.exited(slot, id, exit, self.now, 0.5).unwrap().departure;
        self.degraded += usize::from(matches!(departure, Departure::Failed(setback) if setback.degrades));
        self.settle();
        departure
    }

    /// Lets all who were told to go do so, until nobody is left who was.
    pub(super) fn let_go(&mut self) {
        while let Some(worker) =
            self.workers().into_iter().find(|(_, _, phase)| !matches!(phase, Phase::Starting | Phase::Ready))
        {
            let exit = if matches!(worker.2, Phase::Killed { .. }) { KILLED } else { DRAINED };
            self.exit(worker, exit);
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.settle();
    }

    /// Goes to the next moment that the policy asked for.
    pub(super) fn sleep(&mut self) -> bool {
        let Some(wake) = self.settle() else { return false };
        self.now = self.now.max(wake);
        self.settle();
        true
    }

    pub(super) fn crash_first(&mut self, exit: Exit) -> Departure {
        let first = self.workers()[0];
        self.exit(first, exit)
    }
}

pub(super) fn wait(departure: Departure) -> Duration {
    match departure {
        Departure::Failed(setback) => setback.wait,
        Departure::Expected => panic!("it was asked to go"),
    }
}

/// One thing that may happen in the world.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Ready(usize),
    Busy(usize, u64, u64, u64),
    Crash(usize, bool),
    LetGo,
    Pass(u64),
    Sleep,
    Resize(u32),
    Roll,
    Pause(u64),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..8).prop_map(Step::Ready),
        2 => (0usize..8, 0u64..150, 0u64..90_000, 0u64..1_500).prop_map(|(w, j, i, m)| Step::Busy(w, j, i, m)),
        4 => (0usize..8, any::<bool>()).prop_map(|(worker, config)| Step::Crash(worker, config)),
        3 => Just(Step::LetGo),
        2 => (0u64..90).prop_map(Step::Pass),
        3 => Just(Step::Sleep),
        1 => (0u32..6).prop_map(Step::Resize),
        1 => Just(Step::Roll),
        1 => (0u64..600).prop_map(Step::Pause),
    ]
}

pub(super) fn play(world: &mut World, step: Step) {
    let workers = world.workers();
    let pick = |at: usize| workers.get(at % workers.len().max(1)).copied();
    match step {
        Step::Ready(at) => {
            if let Some(worker) = pick(at) {
                world.hear(worker, Report { ready: true, ..Report::default() }, 1);
            }
        }
        Step::Busy(at, jobs, idle_ms, memory) => {
            if let Some(worker) = pick(at) {
                world.hear(worker, Report { ready: true, jobs, idle_ms, ..Report::default() }, memory);
            }
        }
        Step::Crash(at, config) => {
            if let Some(worker) = pick(at) {
                world.exit(worker, if config { REFUSED } else { KILLED });
            }
        }
        Step::LetGo => world.let_go(),
        Step::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
        Step::Sleep => drop(world.sleep()),
        Step::Resize(desired) => {
            world.fleet.resize(desired);
            world.settle();
        }
        Step::Roll => {
            world.fleet.roll(world.now);
            world.settle();
        }
        Step::Pause(seconds) => {
            world.now += Duration::from_secs(seconds);
            world.fleet.forgive(world.now);
            world.settle();
        }
    }
}
