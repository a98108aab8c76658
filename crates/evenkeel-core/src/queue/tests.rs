use std::time::Duration;

use super::*;

fn queue(length: u32) -> Queue {
    Queue::new(QueueLimits { length, wait: Duration::from_millis(5) })
}

fn at(millis: u64) -> Moment {
    Moment::from_micros(millis * 1_000)
}

/// Waits, or the test is wrong.
fn wait(queue: &mut Queue, now: Moment) -> (Ticket, Moment) {
    queue.join(now).expect("there is a place")
}

#[test]
fn the_oldest_is_next_and_nobody_overtakes() {
    let mut queue = queue(3);
    let (first, until) = wait(&mut queue, at(0));
    assert_eq!(until, at(5));
    let (second, _) = wait(&mut queue, at(1));
    assert_eq!(queue.next(at(2)), Some(first));
    assert_eq!(queue.next(at(2)), Some(second));
    assert_eq!(queue.next(at(2)), None);
    assert!(queue.is_empty());
}

#[test]
fn a_full_queue_refuses() {
    let mut small = queue(1);
    let (ticket, _) = wait(&mut small, at(0));
    assert_eq!(small.join(at(0)), None);
    assert!(small.leave(ticket));
    wait(&mut small, at(0));
    assert_eq!(queue(0).join(at(0)), None);
}

#[test]
fn who_has_waited_too_long_is_passed_over() {
    let mut queue = queue(3);
    let (late, _) = wait(&mut queue, at(0));
    let (next, _) = wait(&mut queue, at(4));
    assert_eq!(queue.next(at(5)), Some(next));
    assert!(!queue.leave(late), "it was taken out");
    assert_eq!(queue.len(), 0);
}

#[test]
fn one_that_leaves_after_its_call_hands_the_room_on() {
    let mut queue = queue(3);
    let (first, _) = wait(&mut queue, at(0));
    let (second, _) = wait(&mut queue, at(0));
    assert_eq!(queue.next(at(1)), Some(first));
    assert!(!queue.leave(first));
    assert!(queue.leave(second));
    assert!(!queue.leave(second));
}

#[test]
fn a_room_that_one_cannot_use_is_offered_down_the_line() {
    let mut queue = queue(4);
    let (first, until) = wait(&mut queue, at(0));
    let (second, _) = wait(&mut queue, at(0));
    let (late, _) = wait(&mut queue, at(0));
    assert_eq!(queue.next(at(1)), Some(first));
    assert_eq!(queue.next_behind(first, at(1)), Some(second));
    queue.put_back(first, until);
    queue.put_back(second, until);
    assert_eq!(queue.next_behind(second, at(1)), Some(late));
    assert_eq!(queue.next_behind(late, at(1)), None, "not up again");
    assert_eq!(queue.next_behind(first, at(5)), None, "it has waited too long");
    assert_eq!(queue.next(at(1)), Some(first));
}

#[test]
fn one_that_found_no_room_keeps_its_place() {
    let mut queue = queue(3);
    let (first, until) = wait(&mut queue, at(0));
    wait(&mut queue, at(0));
    assert_eq!(queue.next(at(1)), Some(first));
    queue.put_back(first, until);
    assert_eq!(queue.next(at(2)), Some(first));
}

#[test]
fn new_limits_hold_for_newcomers() {
    let mut queue = queue(1);
    wait(&mut queue, at(0));
    queue.reconfigure(QueueLimits { length: 2, wait: Duration::from_millis(9) });
    assert_eq!(wait(&mut queue, at(1)).1, at(10));
    assert_eq!(queue.len(), 2);
}

#[test]
fn the_oldest_tells_how_long_it_has_waited() {
    let mut queue = queue(10);
    assert_eq!(queue.oldest_wait(at(0)), Duration::ZERO);
    let (first, _) = wait(&mut queue, at(100));
    wait(&mut queue, at(102));
    assert_eq!(queue.oldest_wait(at(103)), Duration::from_millis(3));
    queue.leave(first);
    assert_eq!(queue.oldest_wait(at(103)), Duration::from_millis(1));
}
