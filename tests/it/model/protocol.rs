//! The protocol as a table of steps, and the model that takes them in every order.

use std::fmt;

use stateright::{Model, Property};

use super::properties;
use super::rules::Rules;
use super::state::{JOBS, Job, Life, RESCUERS, Seq, State, WORKERS};

/// Where a step is taken: by which process or for which worker, and for which claim and job if that matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub who: usize,
    pub seq: Seq,
    pub job: usize,
}

type Take = fn(&mut State, &Rules, At) -> Option<()>;

/// Steps of a worker and of MySQL on its behalf.
const WORKER_STEPS: &[(&str, Take)] = &[
    ("register", State::register),
    ("claim", State::claim),
    ("isolate", State::isolate),
    ("claim: reply", State::claim_replied),
    ("claim: reply lost", State::claim_reply_lost),
    ("lookup_open_claims", State::lookup_open_claims),
    ("insert", State::insert),
    ("checkpoint", State::checkpoint),
    ("rolled back", State::rolled_back),
    ("commit", State::commit),
    ("MySQL commits", State::mysql_commits),
    ("MySQL rolls back", State::mysql_rolls_back),
    ("commit: reply", State::commit_replied),
    ("commit: reply lost", State::commit_reply_lost),
    ("lookup_checkpoint", State::lookup_checkpoint),
    ("settle", State::settle),
    ("settle: reply lost", State::settle_reply_lost),
    ("hand_back", State::hand_back),
    ("stop", State::stop),
    ("exit", State::exit),
    ("crash", State::crash),
];

/// Steps of Redis on behalf of one claim of one worker, with one job.
const REDIS_STEPS: &[(&str, Take)] = &[
    ("Redis moves", State::redis_moves),
    ("Redis moves, late", State::redis_moves_late),
    ("Redis isolates", State::redis_isolates),
    ("Redis tops up", State::redis_tops_up),
    ("Redis finds nothing", State::redis_finds_nothing),
];

/// Steps of a rescuer.
const RESCUER_STEPS: &[(&str, Take)] = &[
    ("fence", State::fence),
    ("read_checkpoint", State::read_checkpoint),
    ("list_open_claims", State::list_open_claims),
    ("settle", State::rescuer_settles),
    ("hand_back", State::rescuer_hands_back),
    ("delete_checkpoint", State::delete_checkpoint),
    ("crash", State::rescuer_crashes),
];

/// One step of one process; what a path is made of.
#[derive(Clone, Copy)]
pub(super) struct Step {
    process: &'static str,
    name: &'static str,
    at: At,
    take: Take,
}

impl PartialEq for Step {
    fn eq(&self, other: &Step) -> bool {
        (self.process, self.name, self.at) == (other.process, other.name, other.at)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let At { who, seq, job } = self.at;
        write!(f, "{} {who}: {}", self.process, self.name)?;
        match self.process {
            "worker" if seq != 0 => write!(f, " job {job} for claim {seq}"),
            "rescuer" if seq != 0 => write!(f, " worker {}", seq - 1),
            _ => Ok(()),
        }
    }
}

/// The protocol under its rules.
#[derive(Clone, Copy)]
pub(super) struct Protocol(pub Rules);

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut start = State {
            jobs: Default::default(),
            workers: Default::default(),
            rescuers: Default::default(),
            faults: self.0.faults,
            rescues: self.0.rescues,
            fenced_commit: false,
        };
        for job in &mut start.jobs[..self.0.jobs] {
            *job = Job { exists: true, queued: 1, ..Job::default() };
        }
        for absent in &mut start.workers[self.0.workers..] {
            absent.life = Life::Gone;
        }
        vec![start]
    }

    /// Every step that could be; the ones that cannot be taken now say so themselves in `next_state`.
    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for who in 0..self.0.workers {
            let at = At { who, ..At::default() };
            steps.extend(WORKER_STEPS.iter().map(|&(name, take)| Step { process: "worker", name, at, take }));
            for seq in (1..=state.workers[who].seq).filter(|&seq| state.workers[who].awaits_redis(seq)) {
                for job in 0..JOBS {
                    let at = At { who, seq, job };
                    steps.extend(REDIS_STEPS.iter().map(|&(name, take)| Step {
                        process: "worker",
                        name,
                        at,
                        take,
                    }));
                }
            }
        }
        for who in 0..RESCUERS {
            if state.rescuers[who].step == 0 {
                steps.extend((0..WORKERS).map(|target| Step {
                    process: "rescuer",
                    name: "take up",
                    at: At { who, seq: target as Seq + 1, job: 0 },
                    take: State::take_up,
                }));
                continue;
            }
            let at = At { who, ..At::default() };
            steps.extend(RESCUER_STEPS.iter().map(|&(name, take)| Step {
                process: "rescuer",
                name,
                at,
                take,
            }));
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut next = last.clone();
        (step.take)(&mut next, &self.0, step.at)?;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Protocol>> {
        properties::all(&self.0)
    }
}
