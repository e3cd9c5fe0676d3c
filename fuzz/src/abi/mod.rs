//! The ABI: sequences of calls of any exported function, with arguments that are right, or wrong in every way that a caller
//! gets them wrong and the library promises to notice: NULL, the wrong kind of handle, a pointer that is not aligned, text
//! that is not UTF-8, impossible lengths, sizes of structs from other versions.
//!
//! Checked: a status and its error agree, outputs are set on success and cleared on failure, text that is given out can be
//! read, nothing is a defect (INTERNAL), every accepted call is told once, and every `destroy` runs once.

mod draw;
mod host;
mod scene;
mod structs;
mod table;

use arbitrary::Unstructured;

/// Calls of one sequence at most.
const STEPS: usize = 64;

pub fn calls(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let mut scene = scene::Scene::begin();
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let functions = table::FUNCTIONS;
        let Ok(chosen) = input.choose(functions) else { break };
        let (name, function) = chosen;
        scene.call(name, *function, &mut input);
    }
    scene.end();
}

/// The functions that may be called.
pub fn functions() -> Vec<&'static str> {
    table::FUNCTIONS.iter().map(|(name, _)| *name).collect()
}
