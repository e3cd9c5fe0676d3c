//! What is fuzzed. Plain functions of bytes, that panic when something is wrong: libFuzzer calls them, and so does
//! tests/fuzz_corpus.rs with the files of `corpus`, on any compiler.

pub mod abi;
mod answers;
mod http;
mod text;

pub struct Target {
    /// Of the program in fuzz_targets and of the folder in corpus.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

pub const TARGETS: [Target; 11] = [
    Target { name: "abi", run: abi::calls },
    Target { name: "authority", run: answers::authority },
    Target { name: "config", run: text::config },
    Target { name: "credentials", run: text::credentials },
    Target { name: "error_body", run: answers::error_body },
    Target { name: "http_answer", run: http::answer },
    Target { name: "list_page", run: answers::list_page },
    Target { name: "protobuf", run: answers::protobuf },
    Target { name: "retry_after", run: answers::retry_after },
    Target { name: "settings", run: text::settings },
    Target { name: "token_answer", run: answers::token_answer },
];

pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|t| t.name == name).expect("a target of this name");
    (target.run)(data);
}
