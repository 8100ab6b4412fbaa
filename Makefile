# What people do with this repository. `make` alone explains.
#
# Everything is built with the release profile: a path tracer without optimisation is of no use,
# and demo, tests and bench then share one set of artefacts.

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz soak lint fmt clippy deny program web bench deb deps

CARGO ?= cargo

# `make test CRATE=tessera-scene` tests one crate; ARGS goes to the test programs.
CRATE ?=
ARGS ?=
packages := $(if $(CRATE),--package $(CRATE),--workspace)
# The tests of the whole system and the bench start these as processes. A program of an older build
# may have another kernel, and is refused. With all tests they are built anyway, since each has some
# of its own; built apart, most of the workspace would be compiled twice, for other features of crates.
programs := --bins --package tessera-cli --package tessera-farm-master --package tessera-render-node \
    --package tessera-transcoder --package tessera-engine --package tessera-local-chain

say = @printf '\n== %s\n'

help:
	@echo 'make demo    install what is needed, build, start the network on this machine, render a'
	@echo '             short animation through it; leaves PNG, EXR and MP4 in out/'
	@echo 'make test    install what tests need as well, and run every test'
	@echo '             CRATE=tessera-scene     only this crate'
	@echo '             ARGS=name_of_test       only tests whose names contain this'
	@echo 'make fuzz    give each parser that strangers reach a million inputs, by libFuzzer: an hour'
	@echo '             RUNS=100000             so many inputs each'
	@echo 'make lint    formatting, clippy without warnings, and licences, duplicates and bans by'
	@echo '             cargo-deny, which it asks for: cargo install --locked cargo-deny'
	@echo '             make fmt, make clippy and make deny do one of the three'
	@echo 'make program build the on-chain program again and compare it with the one in the repository'
	@echo 'make web     check the portal, build it again and compare it with the one in the repository'
	@echo 'make deb     build a Debian package of render-node; leaves it in target/deb/'
	@echo 'make bench   print every figure this project claims, measured here and now'
	@echo '             PEERS=folder            also other renderers, see scripts/peers'
	@echo '             target/release/bench PART   one part: attacks, alike, nodes, faults, portal, pictures, ladder, live, hour, segments'
	@echo 'make soak    four hundred kills of master and nodes in one run, 10^7 audited pixels of honest'
	@echo '             nodes, and three streams for a minute while their workers are killed: an hour'
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
ifneq ($(CRATE),)
	$(say) 'Building the programs, which tests start'
	$(CARGO) build --release --locked $(programs)
endif
	$(say) 'Building the tests, then running them: $(if $(CRATE),$(CRATE),all crates)'
	$(CARGO) test --release --locked --no-fail-fast $(packages) -- $(ARGS)

fuzz:
	@scripts/deps build
	$(say) 'Building the parsers with every branch counted, then feeding them'
	@scripts/fuzz

soak:
	@scripts/deps test
	$(say) 'Building the programs, which the test starts and kills'
	$(CARGO) build --release --locked $(programs)
	$(say) 'Four hundred kills in one run, 10^7 audited pixels, a minute of streams under kills'
	$(CARGO) test --release --locked --package tessera-system-tests --features soak --test killed \
	    --test honest --test live --test gateway_killed --test exactness -- --nocapture $(ARGS)
	$(CARGO) test --release --locked --package tessera-settlement --features soak --test history -- --nocapture

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

# Debian's compiler and a linker of its own are fetched below target/ the first time.
program:
	$(say) 'Building the on-chain program again, to compare'
	@scripts/program check

# Only who changes the portal needs Node: the built one lies in the repository.
web:
	$(say) 'Checking the portal, and building it again, to compare'
	@scripts/web check

deb:
	$(say) 'Building render-node, then its package'
	$(CARGO) build --release --locked --bins --package tessera-render-node
	@scripts/deb

bench:
	@scripts/deps bench
	$(say) 'Building, then measuring: figures mean something only on a quiet machine'
	$(CARGO) build --release --locked $(programs) --package tessera-system-tests
	target/release/bench
	$(say) 'What it costs to pay nodes, on a chain of this machine'
	$(CARGO) run --release --locked --package tessera-settlement --example epoch_cost
	$(say) 'Other renderers, paired with ours in one run'
	@scripts/peers
