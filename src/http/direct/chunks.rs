//! The chunked form of a body, taken apart as it arrives.

use super::head::Malformed;

/// Bytes of chunk extensions and of trailers at most, for a whole body: nobody reads them.
const MOST_EXTRAS: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first digit of a chunk's size.
    Size,
    Digits,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the beginning of a line of trailers.
    Trailer,
    TrailerLine,
    TrailerLf,
    EndLf,
    Done,
}

#[derive(Debug)]
pub struct Chunks {
    state: State,
    /// Of the chunk that is being read.
    left: u64,
    digits: u32,
    extras: usize,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// So many bytes of the body, of which some may be there already.
    Data(u64),
    /// Everything given was taken, and the body goes on.
    More,
    Done,
}

impl Chunks {
    pub fn new() -> Self {
        Self { state: State::Size, left: 0, digits: 0, extras: 0 }
    }

    /// Told of so many bytes of data that were taken.
    pub fn took(&mut self, n: u64) {
        self.left = self.left.saturating_sub(n);
        if self.left == 0 && self.state == State::Data {
            self.state = State::DataCr;
        }
    }

    /// Reads what stands between the data; advances `input` behind it.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Next, Malformed> {
        loop {
            match self.state {
                State::Data => return Ok(Next::Data(self.left)),
                State::Done => return Ok(Next::Done),
                _ => {}
            }
            let Some((byte, rest)) = input.split_first() else { return Ok(Next::More) };
            *input = rest;
            self.state = self.step(*byte)?;
        }
    }

    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        const SIZE: Malformed = Malformed("invalid chunk size line");
        const END: Malformed = Malformed("a chunk that does not end where it should");
        const TRAILER: Malformed = Malformed("invalid trailer");
        let ended = if self.left == 0 { State::Trailer } else { State::Data };
        Ok(match (self.state, byte) {
            (State::Size | State::Digits, b) if b.is_ascii_hexdigit() => {
                let digit = u64::from((b as char).to_digit(16).unwrap_or(0));
                self.digits += 1;
                if self.digits > 16 || self.left >> 60 != 0 {
                    return Err(Malformed("a chunk size that is too large"));
                }
                self.left = self.left << 4 | digit;
                State::Digits
            }
            (State::Digits | State::Extension, b'\r') => State::SizeLf,
            (State::Digits, b' ' | b'\t' | b';') => self.extra(State::Extension)?,
            // A line end alone within an extension is how requests are smuggled.
            (State::Extension, b) if b != b'\n' && b != 0 => self.extra(State::Extension)?,
            (State::SizeLf, b'\n') => {
                self.digits = 0;
                ended
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size,
            (State::DataCr | State::DataLf, _) => return Err(END),
            (State::Trailer, b'\r') => State::EndLf,
            (State::EndLf, b'\n') => State::Done,
            (State::TrailerLine, b'\r') => self.extra(State::TrailerLf)?,
            (State::TrailerLf, b'\n') => self.extra(State::Trailer)?,
            (State::Trailer | State::TrailerLine, b) if b != b'\n' && b != 0 => self.extra(State::TrailerLine)?,
            (State::Trailer | State::TrailerLine | State::TrailerLf | State::EndLf, _) => return Err(TRAILER),
            _ => return Err(SIZE),
        })
    }

    fn extra(&mut self, then: State) -> Result<State, Malformed> {
        self.extras += 1;
        if self.extras > MOST_EXTRAS {
            return Err(Malformed("chunk extensions or trailers that do not end"));
        }
        Ok(then)
    }
}
