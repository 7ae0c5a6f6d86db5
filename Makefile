# Everything that is done with this project, by name. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

STARTED := $(shell date +%s)
# Root installs for everybody, anybody else for themselves.
PREFIX ?= $(if $(filter 0,$(shell id -u)),/usr/local,$(HOME)/.local)
DESTDIR ?=
# Seconds for each fuzz target.
SECONDS_EACH ?= 60

# Says that an install made the group of the stamp, so that uninstalling removes it.
MADE_GROUP = $(DESTDIR)$(PREFIX)/share/glassdome/made-group

# The target is named on each call: .cargo/config.toml asks for one (so that the flags for static
# programs do not reach procedural macros), and its name is part of the path of what is built.
# Where there is no compiler (`sudo make install`), it is that of what was built.
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
BUILT := $(notdir $(patsubst %/release/ctl,%,$(firstword $(wildcard $(TARGET_DIR)/*/release/ctl))))
TRIPLE := $(or $(CARGO_BUILD_TARGET),$(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p'),$(BUILT))
BIN := $(TARGET_DIR)/$(TRIPLE)/release
PROGRAMS := ctl glassdome_start glassdomed
COMPLETIONS := bash-completion/completions/ctl zsh/site-functions/_ctl fish/vendor_completions.d/ctl.fish
# bash and fish look a completion up by the program's name; one file serves them all.
OTHER_NAMES := bash-completion/completions/glassdome bash-completion/completions/glassdome_start \
    fish/vendor_completions.d/glassdome.fish fish/vendor_completions.d/glassdome_start.fish

export CARGO_TARGET_DIR := $(TARGET_DIR)
export CARGO_BUILD_TARGET := $(TRIPLE)

.PHONY: help
help: ## this list
	@echo "Glassdome. Targets:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'
	@echo "PREFIX=$(PREFIX)  DESTDIR=$(DESTDIR)  CARGO_TARGET_DIR=$(TARGET_DIR)"

# Two things at a time: what is linked as a whole keeps one processor busy for minutes, and the second has what the
# first leaves of the others.
define beside
@nice -n 19 $(2) & other=$$!; $(1) || { kill $$other; exit 1; }; wait $$other
endef

.PHONY: build
build: ## the programs: ctl, glassdome_start, glassdomed
	cargo build --release --locked -p glassdomed -p glassdome-client --bins

# What Python loads cannot be static: the flags of .cargo/config.toml for static programs are replaced here, the
# choices of cryptography stay.
WHEELS := $(TARGET_DIR)/wheels
EXTENSION_FLAGS := --cfg getrandom_backend="linux_getrandom" --cfg poly1305_backend="soft"

.PHONY: wheel
wheel: ## the Python package, as a wheel for every Python from 3.10 on
	@scripts/prepare wheel
	@rm -rf "$(WHEELS)"
	cd python-bindings && RUSTFLAGS='$(EXTENSION_FLAGS)' "$$(../scripts/prepare --maturin)" build --quiet --release --locked --out "$(WHEELS)"
	@ls "$(WHEELS)"/*.whl

.PHONY: demo
demo: build ## the main job from first password to audit log, in a home that is thrown away
	@scripts/prepare demo
	python3 scripts/demo.py $(BIN)

.PHONY: test
test: build ## every test; as root it installs the programs that some of them drive
	@scripts/prepare wheel
	@scripts/prepare test
	$(call beside,$(MAKE) --no-print-directory wheel,scripts/test --no-run)
	STARTED=$(STARTED) scripts/test $(BIN) "$(WHEELS)"

.PHONY: check
check: fmt headers links arrows clippy doc deny compiled fuzz-briefly demo test ## what CI runs, fast things first

.PHONY: compiled
compiled:
	@scripts/prepare fuzz
	$(call beside,$(MAKE) --no-print-directory static,scripts/fuzz --no-run)

.PHONY: bench
bench: build ## our speed beside the floor, measured in one run
	cargo build --release --locked -p glassdome-benches --bins
	@rm -rf "$$(scripts/prepare --bench)"
	@$(MAKE) --no-print-directory bench-python || echo "LEFT OUT: the rows of the Python package" >&2
	@python=$$(scripts/prepare --bench)/bin/python; [ -x "$$python" ] || python=; \
	cargo run --release --locked -p glassdome-benches -- $(BIN) $${python:+--python "$$python"}

.PHONY: bench-python
bench-python: wheel
	@scripts/prepare bench

.PHONY: fuzz
fuzz: ## each fuzz target for SECONDS_EACH seconds
	@scripts/prepare fuzz
	scripts/fuzz $(SECONDS_EACH)

# Who installs with root's rights may have no compiler in root's path: then what was built is taken.
.PHONY: install
install: $(if $(shell command -v cargo),build) ## programs, completions and prompt snippets, under DESTDIR and PREFIX; stamped if root does it
	install -d "$(DESTDIR)$(PREFIX)/bin"
	scripts/stamp off $(foreach program,$(PROGRAMS),"$(DESTDIR)$(PREFIX)/bin/$(program)")
	for program in $(PROGRAMS); do install -m 755 "$(BIN)/$$program" "$(DESTDIR)$(PREFIX)/bin/$$program"; done
	scripts/stamp put "$(DESTDIR)" "$(DESTDIR)$(PREFIX)/bin" "$(MADE_GROUP)" $(PROGRAMS)
	ln -sfn ctl "$(DESTDIR)$(PREFIX)/bin/glassdome"
	for file in $(COMPLETIONS); do install -d "$(DESTDIR)$(PREFIX)/share/$${file%/*}"; done
	for file in $(COMPLETIONS); do \
	    "$(BIN)/ctl" completions "$$(sed 's/[-/].*//' <<< $$file)" > "$(DESTDIR)$(PREFIX)/share/$$file"; done
	install -d "$(DESTDIR)$(PREFIX)/share/glassdome/prompt"
	install -m 644 packaging/prompt/* "$(DESTDIR)$(PREFIX)/share/glassdome/prompt"
	for file in $(OTHER_NAMES); do \
	    case $$file in *.fish) to=ctl.fish ;; *) to=ctl ;; esac; ln -sfn $$to "$(DESTDIR)$(PREFIX)/share/$$file"; done

.PHONY: uninstall
uninstall: ## takes away what install put there, and no vault
	scripts/stamp off $(foreach program,$(PROGRAMS),"$(DESTDIR)$(PREFIX)/bin/$(program)")
	rm -f $(foreach program,$(PROGRAMS) glassdome,"$(DESTDIR)$(PREFIX)/bin/$(program)")
	rm -f $(foreach file,$(COMPLETIONS) $(OTHER_NAMES),"$(DESTDIR)$(PREFIX)/share/$(file)")
	rm -rf "$(DESTDIR)$(PREFIX)/share/glassdome/prompt"
	scripts/stamp forget "$(DESTDIR)" "$(MADE_GROUP)"
	[ ! -d "$(DESTDIR)$(PREFIX)/share/glassdome" ] || rmdir --ignore-fail-on-non-empty "$(DESTDIR)$(PREFIX)/share/glassdome"

# The parts of `check`.

.PHONY: fmt
fmt:
	cargo fmt --all --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml

# Each file says in its first lines why it exists.
.PHONY: headers
headers:
	@silent=$$(git ls-files '*.rs' | while read -r file; do head -n 3 "$$file" | grep -q '^//!' || echo "$$file"; done); \
	[ -z "$$silent" ] || { echo "no //! in the first lines of:" $$silent >&2; exit 1; }

# A link between pages leads to a file, and to a heading of it.
.PHONY: links
links:
	@scripts/prepare demo
	scripts/links

# That a client cannot touch the key is a fact of the dependency graph. The daemon is the control:
# there the same look finds both.
.PHONY: arrows
arrows:
	@tree() { cargo tree --locked -e normal --prefix none -p "$$1" | awk '$$1 ~ /^glassdome-(vault|lockmem)$$/ { print $$1 }' | sort -u | xargs; }; \
	[ "$$(tree glassdomed)" = "glassdome-lockmem glassdome-vault" ] || { echo "the look itself is broken" >&2; exit 1; }; \
	found=$$(tree glassdome-client; tree glassdome-python); [ -z "$$found" ] || { echo "the client links $$found" >&2; exit 1; }

.PHONY: clippy
clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# The readers of these pages are those who change the code: private items are part of them.
.PHONY: doc
doc:
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items --locked

.PHONY: deny
deny:
	@scripts/prepare deny
	"$$(scripts/prepare --cargo-deny)" --locked check bans licenses sources

# Known vulnerabilities: needs the RustSec database, a git repository that not every network reaches.
.PHONY: advisories
advisories:
	@scripts/prepare deny
	"$$(scripts/prepare --cargo-deny)" --locked check advisories

# Static and position-independent: nothing can be preloaded into the programs.
.PHONY: static
static: build
	@for program in $(PROGRAMS); do \
	    readelf -hlW "$(BIN)/$$program" | awk '/^ *Type: *DYN/ { pie = 1 } $$1 == "INTERP" { interpreter = 1 } END { exit !pie || interpreter }' \
	    || { echo "$$program is not a static, position-independent program" >&2; exit 1; }; done

.PHONY: fuzz-briefly
fuzz-briefly:
	@scripts/prepare fuzz
	scripts/fuzz 5
