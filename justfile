# The everyday commands; `just` lists them. Each line can also be typed by hand.

# List the commands.
default:
    @just --list --unsorted

# Build and run the demo.
demo:
    cargo run --release --locked -- demo --out target/demo

# Run all tests.
test:
    cargo test --workspace --locked

# Check format, lints, documentation, tests and the book: what a change must pass.
check: lint doc test book

# Check format and lints.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Build the library's documentation; warnings are errors.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

# Format all code.
format:
    cargo fmt --all

# Look through snapshots that have changed (needs cargo-insta).
review:
    cargo insta review

# Build the book (needs mdbook 0.5) into target/book.
book:
    mdbook build docs

# Build the book, open it, and build it anew at each change.
read:
    mdbook serve docs --open

# Run the quick suite and print its table.
bench:
    cargo run --release --locked -- bench quick --out target/quick
    cat target/quick/results.md

# Check licences and advisories of dependencies (needs cargo-deny).
deny:
    cargo deny check

# Build every crate from its archive, as a registry would.
package:
    cargo publish --workspace --dry-run --locked
