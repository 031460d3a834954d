//! Where the password of a new account comes from.

use std::io::{self, BufRead, IsTerminal, Read};

use secrecy::SecretString;

use super::Failure;
use super::users::Create;

/// Longest line that is read as a password, in bytes; longer ones are refused by the policy anyway.
const LONGEST_LINE: u64 = 4096;

/// The password of a new account.
#[derive(Debug)]
pub enum Password {
    /// Somebody chose it.
    Given(SecretString),
    /// We made it; show it once.
    Generated(SecretString),
    /// A hash of another system.
    Hash(String),
}

/// Standard input as this command sees it.
pub struct Terminal<R> {
    /// The input.
    pub input: R,
    /// A person sits in front of it.
    pub is_terminal: bool,
}

impl Terminal<io::BufReader<io::Stdin>> {
    /// Standard input of this process.
    pub fn process() -> Self {
        Self { is_terminal: io::stdin().is_terminal(), input: io::BufReader::new(io::stdin()) }
    }
}

/// The hash when one is given, else a line of the input unless a person sits there, else a fresh password.
///
/// # Errors
/// `--password-stdin` and no line, or a line that is no text.
pub fn choose<R: BufRead>(create: &Create, terminal: &mut Terminal<R>, fresh: impl FnOnce() -> [u8; 20]) -> Result<Password, Failure> {
    if let Some(hash) = &create.password_hash {
        return Ok(Password::Hash(hash.clone()));
    }
    let line = if create.password_stdin || !terminal.is_terminal { first_line(&mut terminal.input)? } else { String::new() };
    match line.is_empty() {
        false => Ok(Password::Given(line.into())),
        true if create.password_stdin => Err(Failure::usage(
            "There is no password on standard input.",
            "Pipe it in, such as: keystead users create … --password-stdin < file",
        )),
        true => Ok(Password::Generated(generate(&fresh()).into())),
    }
}

fn first_line(input: &mut impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    match input.take(LONGEST_LINE).read_line(&mut line) {
        Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(Failure::failed(
            format!("Standard input cannot be read: {}.", error.kind()),
            "Pass the password as one line of UTF-8 text.",
        )),
    }
}

/// Four groups of five letters and digits (95 bits) that always hold an upper-case letter and a digit.
fn generate(random: &[u8; 20]) -> String {
    // 32 characters: a byte's low five bits choose without bias. Nothing that looks like something else.
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
    const UPPER: &[u8; 16] = b"ABCDEFGHJKLMNPQR";
    const DIGITS: &[u8; 8] = b"23456789";
    let mut text = String::with_capacity(23);
    for (index, byte) in random.iter().enumerate() {
        if index > 0 && index.is_multiple_of(5) {
            text.push('-');
        }
        let chosen = match index {
            0 => UPPER[usize::from(byte % 16)],
            1 => b"abcdefgh"[usize::from(byte % 8)],
            19 => DIGITS[usize::from(byte % 8)],
            _ => ALPHABET[usize::from(byte % 32)],
        };
        text.push(char::from(chosen));
    }
    text
}
