//! The protocol as a table of steps, and the model that takes them in every order.

use std::fmt;

use stateright::{Model, Property};

use super::properties;
use super::rules::Rules;
use super::state::{CLAIMS, Claimer, JOBS, Job, Life, RESCUERS, Seq, State, WORKERS};

/// Where a step is taken: by which process or for which worker, and for which claim and job if that matters. Number
/// `JOBS` is no job; for a claim `JOBS + 1` and so on are job 0 and so on alone, the others being pushed a moment
/// later.
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
    ("claim: reply lost", State::claim_reply_lost),
    ("block: reply lost", State::move_reply_lost),
    ("Redis moves nothing", State::redis_moves_nothing),
    ("insert", State::insert),
    ("rolled back", State::rolled_back),
    ("commit", State::commit),
    ("MySQL commits", State::mysql_commits),
    ("commit: reply", State::commit_replied),
    ("commit: refused", State::commit_refused),
    ("commit: reply lost", State::commit_reply_lost),
    ("fence itself", State::fence_itself),
    ("look_up", State::look_up),
    ("hand_on", State::hand_on),
    ("settle", State::settle),
    ("settle: reply lost", State::settle_reply_lost),
    ("hand_back", State::hand_back),
    ("stop", State::stop),
    ("leave", State::leave),
    ("exit", State::exit),
    ("crash", State::crash),
];

/// Steps of Redis on behalf of one worker, with one job or none.
const REDIS_STEPS: &[(&str, Take)] =
    &[("Redis claims", State::redis_claims), ("Redis moves", State::redis_moves)];

/// The same for requests that the worker has given up. One that is lost for good needs no step: it is never taken.
const LATE_STEPS: &[(&str, Take)] = &[
    ("Redis claims, late", State::redis_claims_late),
    ("Redis claims ahead, late", State::redis_claims_ahead_late),
    ("Redis moves, late", State::redis_moves_late),
];

/// The same of MySQL.
const LATE_COMMIT: (&str, Take) = ("MySQL commits, late", State::mysql_commits_late);

/// Steps of a rescuer.
const RESCUER_STEPS: &[(&str, Take)] = &[
    ("fence", State::fence),
    ("read_checkpoint", State::read_checkpoint),
    ("list_open_claims", State::list_open_claims),
    ("hand_on", State::rescuer_hands_on),
    ("settle", State::rescuer_settles),
    ("isolate", State::isolate),
    ("give_back", State::give_back),
    ("leave_for", State::leave_for),
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
            "worker" if self.is_of_redis() && job < JOBS => write!(f, " job {job} for claim {seq}"),
            "worker" if self.is_of_redis() && job > JOBS => {
                write!(f, " job {} alone for claim {seq}", job - JOBS - 1)
            }
            "worker" if self.is_of_redis() => write!(f, " no more for claim {seq}"),
            "rescuer" if seq != 0 => write!(f, " worker {}", seq - 1),
            _ => Ok(()),
        }
    }
}

impl Step {
    fn is_of_redis(&self) -> bool {
        REDIS_STEPS.iter().chain(LATE_STEPS).any(|&(name, _)| name == self.name)
    }
}

fn step(process: &'static str, name: &'static str, at: At, take: Take) -> Step {
    Step { process, name, at, take }
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
            condemned_together: false,
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
            steps.extend(WORKER_STEPS.iter().map(|&(name, take)| step("worker", name, at, take)));
            let worker = &state.workers[who];
            for seq in (1..=CLAIMS as Seq).filter(|&seq| worker.late_commits.has(seq)) {
                let (name, take) = LATE_COMMIT;
                steps.push(step("worker", name, At { who, seq, job: 0 }, take));
            }
            for job in 0..=if self.0.batch > 1 { 2 * JOBS } else { JOBS } {
                if matches!(worker.claimer, Claimer::Asking | Claimer::Blocking) {
                    let at = At { who, seq: worker.claiming, job };
                    steps.extend(REDIS_STEPS.iter().map(|&(name, take)| step("worker", name, at, take)));
                }
                for seq in (0..=CLAIMS as Seq).filter(|&seq| worker.late().has(seq)) {
                    let at = At { who, seq, job };
                    steps.extend(LATE_STEPS.iter().map(|&(name, take)| step("worker", name, at, take)));
                }
            }
        }
        for who in 0..RESCUERS {
            if state.rescuers[who].step == 0 {
                steps.extend((0..WORKERS).map(|target| {
                    let at = At { who, seq: target as Seq + 1, job: 0 };
                    step("rescuer", "take up and fence", at, State::take_up)
                }));
                continue;
            }
            let at = At { who, ..At::default() };
            steps.extend(RESCUER_STEPS.iter().map(|&(name, take)| step("rescuer", name, at, take)));
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
