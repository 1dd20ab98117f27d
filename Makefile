# `make` alone explains itself. What a target needs from elsewhere it gets by itself, except rustup and Python with pip.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build demo tour test test-native test-wasm test-envoy test-services services conformance bench envoy test-modules lint clean fuzz xtask

# A conformance suite's cases.json, for `make conformance`.
CONFORMANCE_CASES ?=
NODE := $(shell command -v node 2>/dev/null)
# Pure crates, tested natively and again in Wasm's 32-bit world.
PURE := -p pointsman-wire -p pointsman-http -p pointsman-host -p pointsman-routes -p routing -p fault-injection -p rate-limit -p telemetry

help: ## Explain the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: xtask ## Build the modules into dist/
	cargo xtask dist

demo: build envoy ## Show what it does in a real Envoy, which then keeps serving until Ctrl-C
	cargo run -p envoy-test --bin tour -- --serve

tour: build envoy ## The same once, on free ports; fails if anything differs from what it should be
	cargo run -p envoy-test --bin tour

test: build test-modules envoy test-native test-wasm test-envoy ## Run every test: native, in Wasm, in a real Envoy
	@echo
	@echo "make test ran:"
	@echo "  all crates' own tests, natively, and the exports of the modules in dist/"
ifdef NODE
	@echo "  the pure crates' tests again, in Wasm"
endif
	@echo "  the modules of dist/ in a real Envoy"
	@echo "make test did NOT run:"
	@echo "  global rate limits with real services: make test-services, which needs Go and Redis (Debian: apt-get install golang redis-server)"
ifndef NODE
	@echo "  the pure crates' tests in Wasm, which need Node.js (Debian: apt-get install nodejs)"
endif

# By itself, because `cargo xtask` is quiet and this takes a while the first time.
xtask:
	cargo build --package xtask

test-native:
	cargo test --no-fail-fast --workspace --exclude envoy-test --exclude limitador-server

# Sequences with `&&`, because an export on a line of its own would be gone on the next one.
test-wasm: xtask
ifdef NODE
	runner=$$(cargo xtask wasm-test-runner) && \
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$$runner WASM_BINDGEN_TEST_ONLY_NODE=1 \
	cargo test --no-fail-fast --tests --target wasm32-unknown-unknown $(PURE)
endif

# The conformance suite has a target of its own; here the runner is tested alone.
test-envoy:
	env -u CONFORMANCE_CASES cargo test --no-fail-fast -p envoy-test

test-services: services build envoy ## Test global rate limits with real services: ratelimit and limitador (needs Go and Redis)
	cargo clippy -p limitador-server --all-targets -- -D warnings
	cargo test --no-fail-fast -p envoy-test --lib -- --ignored
	cargo test --no-fail-fast -p envoy-test --test services

# First of all, so that what is missing is said before anything else is built.
services: xtask
	@cargo xtask ratelimit
	cargo build -p limitador-server

conformance: build envoy ## Run the conformance cases of CONFORMANCE_CASES=path/to/cases.json
ifeq ($(wildcard $(CONFORMANCE_CASES)),)
	@echo "conformance: NOT run, it needs CONFORMANCE_CASES=path/to/cases.json$(if $(CONFORMANCE_CASES), (there is no file $(CONFORMANCE_CASES)))"
else
	CONFORMANCE_CASES="$(abspath $(CONFORMANCE_CASES))" cargo test -p envoy-test --test conformance
endif

bench: build test-modules envoy ## Measure what the modules cost in a real Envoy (needs valgrind)
	cargo run --release -p envoy-test --bin bench

fuzz: ## Run each fuzz target for FUZZ_SECONDS (60), two at a time; gets the nightly Rust that it needs
	@fuzz/run

envoy: xtask ## Get Envoy, or find that of ENVOY_BIN
	@cargo xtask envoy

test-modules: xtask ## Build the modules that only tests use
	cargo xtask test-modules

lint: ## Formatting and lints, natively and for Wasm
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --exclude limitador-server --all-targets -- -D warnings
	cargo clippy -p envoy-test --test services -- -D warnings
	cargo clippy --target wasm32-wasip1 -- -D warnings

clean: ## Remove what was built; what was downloaded stays in ~/.cache/pointsman
	cargo clean
	rm -rf dist
