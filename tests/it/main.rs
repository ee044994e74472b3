//! One binary with all tests that look at the finished program from outside.

mod support;

mod architecture;
mod attacks;
mod bad_input;
mod boundary;
mod command_line;
mod definitions;
mod dependencies;
mod documents;
mod durable;
mod edits;
mod failures;
mod faults;
mod fields;
mod fleet;
mod formats;
mod from_yaml;
mod guards;
mod host;
mod images;
mod interrupt;
mod journal;
mod lifecycle;
mod lossless;
mod managed;
mod migration;
mod payload;
mod races;
mod scale;
mod showing;
mod terminal;
mod traps;
mod trim;
mod trouble;
mod watching;
