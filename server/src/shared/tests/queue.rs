//! What waits for the line: bounded in bytes, and what is short is never behind what is long.

use keystead::shared::Message;
use keystead::shared::queue::Queue;

const BULK: &[&str] = &["bulk"];

fn message(topic: &'static str, length: usize) -> Message {
    Message { topic, payload: vec![0; length] }
}

#[test]
fn bulk_is_bounded_in_bytes_and_costs_short_messages_nothing() {
    let queue = Queue::new(BULK);
    let queued = (0..4_000).filter(|_| queue.push(message("bulk", 280_000), true)).count();
    assert!((10..100).contains(&queued), "{queued}");
    assert!(queue.bytes() <= 16 * 1024 * 1024, "{}", queue.bytes());
    for _ in 0..4_000 {
        assert!(queue.push(message("sessions", 24), true), "there is room for what is short");
    }
    let first = queue.take(128);
    assert!(first.len() == 128 && first.iter().all(|message| message.topic == "sessions"), "and it goes first");
}

#[test]
fn bulk_does_not_wait_for_a_lost_line() {
    let queue = Queue::new(BULK);
    assert!(queue.push(message("bulk", 100), true));
    assert!(!queue.push(message("bulk", 100), false));
    assert!(queue.push(message("sessions", 24), false));
    assert_eq!(queue.forget_bulk(), 1);
    let left: Vec<_> = queue.take(10).into_iter().map(|message| message.topic).collect();
    assert_eq!(left, ["sessions"]);
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn a_batch_is_small_and_keeps_the_order() {
    let queue = Queue::new(BULK);
    for n in 0..10_usize {
        assert!(queue.push(message("bulk", 100_000 + n), true));
    }
    let mut lengths = Vec::new();
    loop {
        let batch = queue.take(128);
        assert!(batch.len() <= 6, "half a MiB at once");
        if batch.is_empty() {
            break;
        }
        lengths.extend(batch.iter().map(|message| message.payload.len() - 100_000));
    }
    assert_eq!(lengths, (0..10).collect::<Vec<_>>());
    // One always goes, however long it is.
    assert!(queue.push(message("sessions", 3_000_000), true));
    assert_eq!(queue.take(128).len(), 1);
}
