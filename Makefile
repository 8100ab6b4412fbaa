# What people do with this repository. `make` alone explains.
#
# Everything is built with the release profile: a path tracer without optimisation is of no use,
# and demo, tests and bench then share one set of artefacts.

.DEFAULT_GOAL := help
.PHONY: help demo test soak lint fmt clippy deny bench deps

CARGO ?= cargo

# `make test CRATE=tessera-scene` tests one crate; ARGS goes to the test programs.
CRATE ?=
ARGS ?=
packages := $(if $(CRATE),--package $(CRATE),--workspace)
# The tests of the whole system and the bench start these as processes. A program of an older build
# may have another kernel, and is refused.
programs := --bins --package tessera-cli --package tessera-farm-master --package tessera-render-node

say = @printf '\n== %s\n'

help:
	@echo 'make demo    install what is needed, build, start the network on this machine, render a'
	@echo '             short animation through it; leaves PNG, EXR and MP4 in out/'
	@echo 'make test    install what tests need as well, and run every test'
	@echo '             CRATE=tessera-scene     only this crate'
	@echo '             ARGS=name_of_test       only tests whose names contain this'
	@echo 'make lint    formatting, clippy without warnings, and licences, duplicates and bans by'
	@echo '             cargo-deny, which it asks for: cargo install --locked cargo-deny'
	@echo '             make fmt, make clippy and make deny do one of the three'
	@echo 'make bench   print every figure this project claims, measured here and now'
	@echo '             PEERS=folder            also other renderers, see scripts/peers'
	@echo 'make soak    four hundred kills of master and nodes in one run: half an hour'
	@echo 'make deps    only install the system packages that make demo needs'

deps:
	@scripts/deps build

demo:
	$(say) 'Installing what this machine lacks'
	@scripts/deps build
	$(say) 'Building the programs: several minutes the first time, seconds later'
	$(CARGO) build --release --locked $(programs)
	$(say) 'Starting the network on this machine and rendering through it'
	target/release/farm demo

test:
	$(say) 'Installing what this machine lacks, and two Vulkan drivers for tests'
	@scripts/deps test
	$(say) 'Building the programs, which the tests of the whole system start'
	$(CARGO) build --release --locked $(programs)
	$(say) 'Building the tests, then running them: $(if $(CRATE),$(CRATE),all crates)'
	$(CARGO) test --release --locked --no-fail-fast $(packages) -- $(ARGS)

soak:
	@scripts/deps test
	$(say) 'Building the programs, which the test starts and kills'
	$(CARGO) build --release --locked $(programs)
	$(say) 'Four hundred kills in one run'
	$(CARGO) test --release --locked --package tessera-system-tests --features soak --test killed \
	    -- --nocapture $(ARGS)

lint: fmt clippy deny

fmt:
	$(say) 'Formatting'
	$(CARGO) fmt --all --check

clippy:
	$(say) 'Clippy, every warning an error'
	$(CARGO) clippy --release --locked $(packages) --all-targets -- --deny warnings

# Not advisories: a check that needs the network and the day's news cannot pass the same twice.
deny:
	$(say) 'Licences, duplicates and bans'
	@$(CARGO) deny --version >/dev/null 2>&1 || { \
	    echo 'cargo-deny is not here: cargo install --locked cargo-deny (three CPU minutes)'; exit 1; }
	$(CARGO) deny --locked check bans licenses sources

bench:
	@scripts/deps test
	$(say) 'Building, then measuring: figures mean something only on a quiet machine'
	$(CARGO) build --release --locked $(programs) --package tessera-system-tests
	target/release/bench
	$(say) 'Other renderers, paired with ours in one run'
	@scripts/peers
