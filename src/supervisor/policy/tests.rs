//! Assertions about the policy, in a made-up world.

mod world;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    control::{Report, Role},
    supervisor::troubles::{DEGRADED_AFTER, HEALTHY, SLOWEST},
};
use world::{DRAINED, KILLED, REFUSED, World, play, step, wait};

proptest! {
    #[test]
    fn whatever_happened_all_wanted_workers_run_again_in_the_end(
        desired in 1u32..5,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new(desired);
        for step in steps {
            play(&mut world, step);
        }
        // From here on nothing goes wrong any more.
        for _ in 0..20 {
            world.let_go();
            world.all_ready();
            world.pass(SLOWEST / 2);
        }
        world.let_go();
        world.all_ready();
        let fleet = &world.fleet;
        prop_assert_eq!(fleet.slots.len(), fleet.desired as usize);
        prop_assert!(fleet.slots.values().all(|slot| slot.children.len() == 1));
        prop_assert!(fleet.children().all(|c| !c.outdated));
    }

    #[test]
    fn no_wait_between_two_tries_is_longer_than_the_slowest(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new(2);
        for step in steps {
            play(&mut world, step);
            for slot in world.fleet.slots.values() {
                prop_assert!(slot.troubles.retry_at <= world.now + SLOWEST);
            }
        }
    }

    #[test]
    fn whatever_happened_the_end_comes_within_the_deadline(steps in prop::collection::vec(step(), 0..40)) {
        let mut world = World::new(3);
        for step in steps {
            play(&mut world, step);
        }
        world.fleet.end();
        world.settle();
        let deadline = world.now + world.limits.drain;
        // Nobody drains by itself; the policy kills, and what it has killed is gone.
        while world.now < deadline && world.sleep() {}
        for worker in world.workers() {
            let killed = matches!(worker.2, Phase::Killed { .. });
            prop_assert!(killed);
            world.exit(worker, KILLED);
        }
        prop_assert!(world.fleet.is_gone());
    }
}

#[test]
fn the_first_crash_is_answered_at_once_and_the_next_ones_after_waits_that_grow() {
    let mut world = World::new(1);
    let waits: Vec<Duration> = (0..8)
        .map(|_| {
            let wait = wait(world.crash_first(KILLED));
            world.sleep();
            wait
        })
        .collect();
    assert_eq!(waits[0], Duration::ZERO);
    assert!(waits[1..5].is_sorted() && waits[1] > Duration::ZERO, "{waits:?}");
    assert!(waits[5..].iter().all(|wait| *wait >= SLOWEST / 2), "{waits:?}");
}

#[test]
fn a_healthy_minute_makes_the_next_crash_the_first_again() {
    let mut world = World::new(1);
    for _ in 0..3 {
        world.crash_first(KILLED);
        world.sleep();
    }
    world.all_ready();
    world.pass(HEALTHY / 2);
    world.all_ready();
    world.pass(HEALTHY / 2);
    assert_eq!(wait(world.crash_first(KILLED)), Duration::ZERO);
}

#[test]
fn a_minute_that_was_only_spent_starting_is_not_a_healthy_one() {
    let mut world = World::new(1);
    world.crash_first(KILLED);
    world.pass(HEALTHY - Duration::from_secs(1));
    world.all_ready();
    world.pass(Duration::from_secs(2));
    assert!(wait(world.crash_first(KILLED)) > Duration::ZERO);
}

#[test]
fn a_slot_degrades_once_keeps_trying_and_is_called_well_once() {
    let mut world = World::new(1);
    for _ in 0..50 {
        world.crash_first(KILLED);
        world.sleep();
    }
    assert_eq!((world.degraded, world.recovered, world.spawned), (1, 0, 51));
    for _ in 0..10 {
        world.all_ready();
        world.pass(HEALTHY / 3);
    }
    assert_eq!((world.degraded, world.recovered), (1, 1));
    for _ in 0..=DEGRADED_AFTER {
        world.crash_first(KILLED);
        world.sleep();
    }
    assert_eq!(world.degraded, 2);
}

#[test]
fn bad_configuration_is_retried_slowly_from_the_start() {
    let mut world = World::new(1);
    assert!(wait(world.crash_first(REFUSED)) >= SLOWEST / 2);
    assert_eq!(world.degraded, 1);
    assert!(world.workers().is_empty());
    world.sleep();
    assert_eq!(world.workers().len(), 1);
}

#[test]
fn a_worker_that_is_not_ready_in_time_is_killed_and_counts_as_a_failure() {
    let mut world = World::new(1);
    world.sleep();
    assert_eq!(world.now, world.limits.startup);
    assert!(matches!(world.workers()[0].2, Phase::Killed { why: Why::Startup }));
    assert_eq!(wait(world.crash_first(KILLED)), Duration::ZERO);
    assert_eq!(world.workers().len(), 1);
}

#[test]
fn a_silent_worker_is_killed_and_a_talking_one_is_not() {
    let mut world = World::new(2);
    world.all_ready();
    let [silent, talking] = world.workers()[..] else { panic!("two") };
    for _ in 0..6 {
        world.pass(world.limits.stall / 5);
        world.hear(talking, Report { ready: true, ..Report::default() }, 1);
    }
    let phases: Vec<Phase> = world.workers().iter().map(|worker| worker.2).collect();
    assert_eq!(phases, [Phase::Killed { why: Why::Stall }, Phase::Ready], "{silent:?}");
}

#[test]
fn a_worker_whose_route_stands_still_is_killed_though_it_talks() {
    let mut world = World::new(1);
    world.all_ready();
    let worker = world.workers()[0];
    world.hear(worker, Report { ready: true, idle_ms: 60_001, ..Report::default() }, 1);
    assert_eq!(world.workers()[0].2, Phase::Killed { why: Why::Stall });
}

#[test]
fn recycling_drains_one_worker_at_a_time_and_replaces_it() {
    let mut world = World::new(3);
    world.all_ready();
    world.pass(HEALTHY / 2);
    let done = Report { ready: true, jobs: 100, ..Report::default() };
    for worker in world.workers() {
        world.hear(worker, done.clone(), 1);
    }
    let draining = |world: &World| world.workers().iter().filter(|w| w.2 != Phase::Ready).count();
    assert_eq!((draining(&world), world.spawned), (1, 3));
    world.let_go();
    assert_eq!(world.spawned, 4);
    world.all_ready();
}

#[test]
fn a_memory_limit_that_every_fresh_worker_exceeds_lets_each_do_some_work_and_does_not_spin() {
    let mut world = World::new(1);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let worker = world.workers()[0];
        world.hear(worker, Report { ready: true, ..Report::default() }, 1_000);
        assert_eq!(world.workers()[0].2, Phase::Ready);
        world.hear(worker, Report { ready: true, jobs: 1, ..Report::default() }, 1_000);
        assert_ne!(world.workers()[0].2, Phase::Ready);
        waits.push(wait(world.crash_first(DRAINED)));
        if world.workers().is_empty() {
            world.sleep();
        }
    }
    assert!(waits[1] > Duration::ZERO && waits[2] > waits[1], "{waits:?}");
}

#[test]
fn a_rolling_restart_drains_an_old_worker_only_when_its_successor_is_ready() {
    let mut world = World::new(2);
    world.all_ready();
    let old = world.workers();
    world.fleet.roll(world.now);
    world.settle();
    assert_eq!(world.workers().len(), 3);
    assert!(world.workers().iter().filter(|worker| old.contains(worker)).count() == 2);
    for _ in 0..2 {
        world.all_ready();
        world.let_go();
    }
    world.all_ready();
    world.let_go();
    assert_eq!((world.workers().len(), world.spawned), (2, 4));
    assert!(world.workers().iter().all(|worker| !old.iter().any(|before| before.1 == worker.1)));
}

#[test]
fn successors_that_fail_leave_the_old_worker_and_are_tried_in_one_slot_only() {
    let mut world = World::new(2);
    world.all_ready();
    world.pass(HEALTHY / 2);
    world.all_ready();
    let old = world.workers();
    world.fleet.roll(world.now);
    world.settle();
    for _ in 0..20 {
        let fresh = world.workers().into_iter().find(|worker| !old.contains(worker));
        if let Some(fresh) = fresh {
            assert_eq!(fresh.0, 1);
            world.exit(fresh, REFUSED);
        }
        let now = world.now;
        for worker in &old {
            world.hear(*worker, Report { ready: true, ..Report::default() }, 1);
        }
        world.sleep();
        assert!(world.now > now, "a failing successor is not tried without a wait");
    }
    assert!(old.iter().all(|worker| world.workers().contains(worker)));
    assert_eq!((world.degraded, world.recovered), (1, 0));
}

#[test]
fn a_dead_worker_is_named_to_its_successors_until_one_reports_it_rescued() {
    let mut world = World::new(1);
    world.all_ready();
    let dead = world.workers()[0].1;
    world.crash_first(KILLED);
    assert_eq!(world.fleet.slots[&1].predecessors, [dead]);
    world.crash_first(DRAINED);
    assert_eq!(world.fleet.slots[&1].predecessors, [dead], "a drained worker left nothing to rescue");
    world.sleep();
    let worker = world.workers()[0];
    world.hear(worker, Report { ready: true, rescued: vec![dead], ..Report::default() }, 1);
    assert!(world.fleet.slots[&1].predecessors.is_empty());
}

#[test]
fn a_second_request_to_end_kills_those_who_drain() {
    let mut world = World::new(2);
    world.fleet.end();
    world.settle();
    assert!(world.workers().iter().all(|worker| matches!(worker.2, Phase::Draining { .. })));
    world.fleet.end();
    world.settle();
    assert!(world.workers().iter().all(|worker| worker.2 == Phase::Killed { why: Why::AtOnce }));
}

#[test]
fn there_is_always_one_worker() {
    let mut world = World::new(1);
    world.fleet.resize(0);
    world.settle();
    assert_eq!((world.fleet.desired, world.workers().len()), (1, 1));
}

#[test]
fn there_may_be_no_gateway_at_all() {
    let mut world = World::of(Role::Gateway, 2);
    world.all_ready();
    world.fleet.resize(0);
    world.settle();
    world.let_go();
    assert!(world.fleet.slots.is_empty() && world.spawned == 2);
}

#[test]
fn why_none_could_be_spawned_is_news_once_and_again_after_one_was() {
    let mut world = World::of(Role::Gateway, 1);
    let mut refused = |reason: &str, now| world.fleet.not_spawned(1, reason.to_owned(), now, 0.5).1;
    assert!(refused("port taken", Duration::from_secs(1)) && !refused("port taken", Duration::from_secs(2)));
    assert!(refused("no such address", Duration::from_secs(3)));
    world.fleet.spawned(1, ulid::Ulid::generate(), world.now);
    assert!(world.fleet.not_spawned(1, "no such address".to_owned(), world.now, 0.5).1);
}
