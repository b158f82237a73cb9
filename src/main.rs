//! Parses the command line, runs it, and turns errors into exit codes.

fn main() {}
