# Everything a developer does, by name. `make` lists it; the work is done by cargo and the scripts in scripts/.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help run build test lint fmt openapi bench soak test-deps hooks clean

help: ## List what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## Build the release and start it (embedded database, development settings)
	target/release/keystead

build: ## Build the release: target/release/keystead
	$(CARGO) build --release -p keystead

test: test-deps ## Run every test, on SQLite and on PostgreSQL + Redis, and fuzz the HTTP contract
	scripts/test

lint: ## Check format, lints, scripts and file lengths
	scripts/lint

fmt: ## Format the code
	$(CARGO) fmt --all

openapi: ## Write openapi.json and asyncapi.json anew after a change of the interface
	$(CARGO) run -p keystead -- openapi --output openapi.json
	$(CARGO) run -p keystead -- asyncapi --output asyncapi.json

bench: ## Compare with raw baselines (release build, some minutes; ARGS=--full grows to a million people)
	$(CARGO) build --release -p keystead -p keystead-bench
	target/release/keystead-bench $(ARGS)

soak: test-deps ## Talk for a quarter of an hour on two instances, kill one, lose nothing (ARGS="--minutes 60" for longer)
	$(CARGO) build --release -p keystead -p keystead-bench
	target/release/keystead-bench soak $(ARGS)

test-deps: ## Install what the tests need and the machine lacks (Debian; root or sudo)
	scripts/test-deps

hooks: ## Let git check format and commit messages before each commit
	git config core.hooksPath .githooks

clean: ## Remove everything that was built
	$(CARGO) clean
