//! `echo [-n] [WORD]...`

use std::io::{Write, stdout};

use crate::failure::Failure;

pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let mut out = stdout().lock();
    out.write_all(line(arguments).as_bytes())?;
    out.flush()?;
    Ok(0)
}

/// `echo` takes everything else as it is, even what looks like an option.
fn line(arguments: &[String]) -> String {
    match arguments.split_first() {
        Some((first, rest)) if first == "-n" => rest.join(" "),
        _ => arguments.join(" ") + "\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let echo =
            |words: &[&str]| line(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(echo(&[]), "\n");
        assert_eq!(echo(&["a", "b  c", "-n"]), "a b  c -n\n");
        assert_eq!(echo(&["-n", "a"]), "a");
        assert_eq!(echo(&["--", "-x"]), "-- -x\n");
    }
}
