//! What a target refuses, and what its steps leave alone.

use serde_json::json;

use super::*;
use crate::emitter::decode;

#[test]
fn reserved_names_are_refused_with_what_to_do() {
    for name in RESERVED_EVENTS {
        let refused = Target::new().event(name, &1).unwrap_err().to_string();
        assert!(refused.contains(name) && refused.contains("choose another"), "{refused}");
    }
    for name in ["connection", "new_namespace", "error"] {
        assert!(Target::new().event(name, &1).is_ok(), "{name} is an ordinary event for clients");
        assert!(matches!(Target::new().server_side_event(name, &()), Err(EmitError::Reserved(_))));
    }
}

#[test]
fn a_pattern_is_that_of_all_channels_of_its_namespace() {
    assert_eq!(Target::new().pattern(), "socket.io#/#*");
    assert_eq!(Target::new().with_key("a*").of("chat").to("room").pattern(), "a\\*#/chat#*");
    assert_eq!(Target::new().to("room").event("e", &1).unwrap().channel, "socket.io#/#room#");
}

#[test]
fn a_message_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let overhead = Target::new().event("e", &"x".repeat(100_000)).unwrap().payload.len() - 100_000;
    let fits = "x".repeat(MAX_MESSAGE_BYTES - overhead);
    assert_eq!(Target::new().event("e", &fits).unwrap().payload.len(), MAX_MESSAGE_BYTES);
    assert!(matches!(Target::new().event("e", &(fits + "x")), Err(EmitError::TooLarge(_))));
}

#[test]
fn arguments_are_a_list_and_a_single_value_is_refused() {
    assert!(matches!(Target::new().event_args("e", "text"), Err(EmitError::NotArguments)));
    let many: Vec<u8> = (0..100).collect();
    let more: Vec<u32> = (0..70_000).collect();
    for count in [16, 99] {
        let packed = Target::new().event_args("e", &many[..count]).unwrap().payload;
        assert!(decode("socket.io", "socket.io#/#", &packed).is_ok(), "{count} arguments");
    }
    let packed = Target::new().event_args("e", &more).unwrap().payload;
    assert!(decode("socket.io", "socket.io#/#", &packed).is_ok());
}

#[test]
fn a_value_nested_to_the_limit_is_sent_and_read_and_a_deeper_one_is_refused() {
    let nested = |depth| (1..depth).fold(json!([]), |inner, _| json!([inner]));
    // The list of arguments is one level of its own.
    let deepest = Target::new().event("e", &nested(crate::emitter::MAX_DEPTH - 1)).unwrap();
    assert!(decode("socket.io", "socket.io#/#", &deepest.payload).is_ok());
    let refused = Target::new().event("e", &nested(crate::emitter::MAX_DEPTH));
    assert!(matches!(refused, Err(EmitError::Encode(EncodeError::TooDeep))));
}

#[test]
fn a_step_leaves_the_target_it_was_taken_from_as_it_was() {
    let base = Target::new().to("a");
    let steps = [base.to("b"), base.except("c"), base.of("x"), base.volatile(), base.with_key("k")];
    assert!(steps.iter().all(|step| *step != base));
    assert_eq!(base, Target::new().to("a"));
    assert_eq!(base.to("a"), base, "a room named twice is one room");
}
