# The recipes of this project. `./justw` finds or installs `just` and runs them; every step of continuous integration is
# one of them.

host := `rustc -vV | sed -n 's/^host: //p'`
release := "target" / host / "release/agent"
# Messages of panics name source files: the same ones wherever the project and the sources of crates lie, so that the same
# commit gives the same binary.
cargo_home := env("CARGO_HOME", home_directory() / ".cargo")
alike := "target." + host + ".rustflags=['--remap-path-prefix=" + justfile_directory() + "=.', '--remap-path-prefix=" + cargo_home + "=cargo']"
# What a test says is what is wrong; frames of the test harness below it would be all that is left of a long output.
export RUST_BACKTRACE := "0"
# The groups of tests/lab/setup that the tests of every change need.
tested := "build fuzz lab oracle schemas vm image browser"

# List the recipes.
default:
    @just --list --unsorted

# Build the agent for development.
build: (setup "build")
    cargo build

# Build the one static binary; say how big it is and that it needs no library.
build-release: (setup "build")
    cargo build --release --config {{ quote(alike) }}
    @printf '%s: %s bytes\n' {{ release }} "$(stat -c %s {{ release }})"
    @ldd {{ release }} 2>&1 | grep -qE 'not a dynamic executable|statically linked' \
        && echo 'ldd: statically linked' || { echo 'ldd: NOT static'; ldd {{ release }}; exit 1; }

# Build the container image of the release build: target/image/layout and, to load it, target/image/pinhole-agent.tar.
image: (setup "image") root cargo-cyclonedx build-release
    image/build {{ release }} target/image

# Watch a real pod: private containerd, a pod, the agent as a non-root user, its doctor; all removed afterwards.
demo: (setup "build" "lab") root clean-lab
    cargo build --bin agent
    cargo run --quiet --example demo

# All that must hold before a change goes in: format, lints, unit tests, integration tests.
test: (setup tested) root clean-lab lint kernels schemas test-unit test-integration (fuzz "20")

# As `test`, and what takes longer: every call on every kernel, every runtime, the release build, licences, sources.
test-full: test test-kernels test-runtimes build-release deny

# Formatting and lints.
lint: (setup "build")
    cargo fmt --all --check
    cargo fmt --check --manifest-path fuzz/Cargo.toml
    cargo clippy --workspace --all-targets -- -D warnings

# Tests of single modules. Without optimisation of the agent's own code they are built in half the time, and run as fast.
test-unit: (setup "build")
    cargo test --workspace --lib --test stable --config 'profile.test.package.pinhole.opt-level=0'

# Tests of the whole agent: real kernel, real containerd, other kernels in virtual machines.
test-integration *args: (setup tested) root clean-lab kernels schemas cargo-cyclonedx
    cargo test --workspace --test integration -- {{ args }}

# Every system call on every kernel of the matrix by both backends; `test` has the oldest kernel and the newest.
test-kernels: (setup tested) root clean-lab kernels
    cargo test --workspace --test integration -- --include-ignored deeds::machines prefilter::machines doctor::machines::linux doctor::machines::newest pod_process

# `test` has the installed containerd and two recordings of CRI-O.
# Containers of every runtime: containerd 1.4 to 2, with and without CRI, Docker, podman, crowds, thousands in a hurry,
# recordings, and runtimes that fail.
test-runtimes: (setup tested "runtimes") root clean-lab runtimes cargo-cyclonedx
    cargo test --workspace --test integration -- --include-ignored --nocapture --test-threads 1 runtimes:: hurry:: faults:: image:: daemonset:: doctor::healthy:: doctor::hosts:: rules::unknown

# Throw bytes at everything between the ring and the output, and at the rule language, for this many seconds in all. Needs
# no nightly compiler.
fuzz seconds="600": (setup "build" "fuzz") cargo-fuzz
    @cargo tree --locked --quiet --manifest-path fuzz/Cargo.toml >/dev/null \
        || { echo 'fuzz/Cargo.lock is behind: cargo update --workspace --manifest-path fuzz/Cargo.toml'; exit 65; }
    for target in wire rules template; do \
        mkdir -p target/fuzz/corpus/$target && PATH="$PATH:$PWD/.tools/bin" cargo fuzz run --sanitizer none \
            --codegen-units 16 --target-dir target/fuzz $target target/fuzz/corpus/$target fuzz/corpus/$target -- \
            -max_total_time=$(({{ seconds }} / 3)) -max_len=32768 -timeout=10 -verbosity=0 -print_final_stats=1 \
            || exit 1; \
    done

# Record the fuzzer's corpus anew, in the ring of this kernel: after every change of the wire format.
fuzz-corpus: (setup "build" "lab") root
    cargo test --quiet --lib write_the_corpus -- --ignored

# Measure the costs, as ratios taken in one run: `bench`, `bench quick`, or one section of it.
bench *args: (setup "build" "lab" "vm" "loads") root kernels loads build-release
    cargo run --release --quiet --config {{ quote(alike) }} --example bench -- {{ args }}

# Licences, duplicates and sources of dependencies.
deny: cargo-deny
    PATH="$PATH:$PWD/.tools/bin" cargo deny check licenses bans sources

# Known vulnerabilities of dependencies; fetches the advisory database.
advisories: cargo-deny
    PATH="$PATH:$PWD/.tools/bin" cargo deny check advisories

[private]
cargo-deny:
    @PATH="$PATH:$PWD/.tools/bin" cargo deny --version >/dev/null 2>&1 || { echo 'building cargo-deny into ./.tools, once, some minutes'; root="$PWD/.tools"; cd / && cargo install cargo-deny --debug --locked --quiet --root "$root"; }

[private]
cargo-cyclonedx:
    @PATH="$PATH:$PWD/.tools/bin" cargo cyclonedx --version >/dev/null 2>&1 || { echo 'building cargo-cyclonedx into ./.tools, once, two minutes'; root="$PWD/.tools"; cd / && cargo install cargo-cyclonedx --debug --locked --quiet --root "$root"; }

[private]
cargo-fuzz:
    @PATH="$PATH:$PWD/.tools/bin" cargo fuzz --version >/dev/null 2>&1 || { echo 'building cargo-fuzz into ./.tools, once, half a minute'; root="$PWD/.tools"; cd / && cargo install cargo-fuzz --debug --locked --quiet --root "$root"; }

# Fetch the kernels that the virtual machines boot, once, into target/lab/kernels.
kernels: (setup "vm")
    tests/lab/kernels

# Fetch the package that a benchmark builds, once, into target/lab/loads.
loads: (setup "loads")
    tests/lab/loads

# Fetch the official schemas of Kubernetes' objects, once, into .tools/schemas.
schemas: (setup "schemas")
    tests/lab/schemas

# Write profiles/*/manifest.yaml anew from profiles/objects, after a change of either.
bless-manifests: (setup "build")
    PINHOLE_BLESS=1 cargo test --lib manifest::

# Fetch the containerds of other generations and Docker, once, into target/lab/runtimes.
runtimes:
    tests/lab/runtimes

# Remove what killed runs of the lab left behind.
clean-lab:
    @tests/lab/clean

[private]
setup +groups:
    @tests/lab/setup {{ groups }}

[private]
root:
    @test "$(id -u)" = 0 || { echo 'This recipe starts containers and loads kernel programs: run it as root (sudo ./justw ...).'; exit 77; }
