//! What the files of the project must say: sizes, maps, what is generated from the sources, and the corpus.

mod corpus;
mod dissector;
mod generated;
mod tidy;
