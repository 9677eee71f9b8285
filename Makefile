# Plain `make` lists what there is. Everything that a target needs it installs or
# builds itself, at the pinned version.
SHELL := /bin/bash
DEMO ?=
TAGS := nomsgpack
PKG ?= ./...
SWEEPS := ^(TestCrashSweep|TestNoise|TestRandomStories|TestRandomPayments)$$

.PHONY: help demo test fast scenarios bench gas contracts generate parts fuzz sweep

help: ## lists the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

demo: parts bin ## every swap, on real chain nodes on this machine (DEMO="--once" ends after it)
	@bin/photon demo $(DEMO)

test: parts contracts ## all tests: house, races, stories, real nodes
	@test -z "$$(gofmt -l $$(git ls-files '*.go' | grep -v /testdata/))" || { gofmt -l .; exit 1; }
	go vet -tags $(TAGS) ./...
	cd adapters/devnet/smtnode && go vet ./...
	@echo "building the tests" && go test -tags $(TAGS) -race -run '^$$' $(PKG) >/dev/null
	go test -tags $(TAGS) -race -p 1 -timeout 30m -skip '$(SWEEPS)' $(PKG) # one after the other: real nodes want the machine
	go test -tags $(TAGS) -timeout 30m -run '$(SWEEPS)' ./scenario # thousands of runs: the race detector has seen all they call

sweep: ## a stop at every point of all stories, noise of many seeds, stories by seed (PHOTON_SEEDS): long
	PHOTON_SWEEP=all PHOTON_SEEDS=$${PHOTON_SEEDS:-2000} go test -tags $(TAGS) -timeout 300m -run '$(SWEEPS)' ./scenario

fast: ## the tests without race detector and real nodes
	go test -tags $(TAGS) -short $(PKG)

scenarios: parts ## the stories in the real world: processes on real chain nodes
	go test -tags $(TAGS) -count=1 -v -run Real ./scenario/...

bench: bin ## the numbers, as JSON
	@bin/photon bench swap --json
	@bin/photon bench pay --json

gas: ## what HashLock and Channels cost, beside the anchors
	go test -tags $(TAGS) ./contracts -run TestGas -v -count=1

contracts: ## compiles the contracts anew and fails if the committed artifacts differ
	cd contracts && npm ci --no-audit --no-fund --silent && node build.mjs --check

generate: ## the API's server and client, from web/openapi.yaml
	go generate ./web/...

fuzz: ## every fuzz target for a while (FUZZ=30s)
	@for p in $$(go list $(PKG)); do for f in $$(go test -tags $(TAGS) -list '^Fuzz' $$p | grep ^Fuzz); do \
		go test -tags $(TAGS) $$p -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZ:-30s} || exit 1; done; done

.PHONY: bin
bin:
	@go build -tags $(TAGS) -trimpath -o bin/photon ./cmd/photon

# The real parts that a package client brings. litecoind is Litecoin's own node,
# without it the demo runs on ltcd; PostgreSQL is for the store's tests, spin for
# the models of the time locks.
parts:
	@command -v litecoind >/dev/null && command -v spin >/dev/null && ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends litecoind postgresql spin >/dev/null; \
	else echo "litecoind, PostgreSQL or spin is not installed: the demo may use ltcd, some tests are skipped"; fi
