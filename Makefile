# Tools, pinned once. They are built into build/bin.
GOLANGCI  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT   := mvdan.cc/gofumpt@v0.12.0
DEADCODE  := golang.org/x/tools/cmd/deadcode@v0.52.0
BENCHSTAT := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

BUILD   := build
PYTHON  := PYTHONDONTWRITEBYTECODE=1 python3
VERSION := 0.1.0
LDFLAGS := -s -w -X main.version=$(VERSION)
GOBUILD := go build -trimpath -ldflags "$(LDFLAGS)"
# Half a megabyte less. Not with cgo: plugins share net/http with the host.
SMALL   := -tags nethttpomithttp2
GUEST   := GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags "-s -w"

.PHONY: help deps build native samples guests portables plugins demo test race fuzz meter hostile bench bench-compare bench-peers footprint arm lint check cross kill clean

help: ## what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## download the Go modules, and say which optional tools are missing
	go mod download && go -C sdk/go mod download && go -C plugins mod download
	@command -v wat2wasm >/dev/null || echo "optional: wat2wasm (Debian package wabt) lets one more test run"

build: ## the binary: build/vanth
	CGO_ENABLED=0 $(GOBUILD) $(SMALL) -o $(BUILD)/vanth ./cmd/vanth

native: ## the binary with cgo, which also runs native plugins: build/vanth-native
	CGO_ENABLED=1 $(GOBUILD) -o $(BUILD)/vanth-native ./cmd/vanth

# Plugins must be built as the host is: same Go, -trimpath, same contract.
samples: build ## the native sample plugins as zips: build/plugins
	@mkdir -p $(BUILD)/native $(BUILD)/plugins
	@set -e; for p in functions/echo functions/accumulateWordCount sources/random sinks/file; do \
	  n=$$(basename $$p); so=$$(echo $$n | cut -c1 | tr a-z A-Z)$$(echo $$n | cut -c2-)@v1.0.0.so; \
	  ( cd plugins && CGO_ENABLED=1 go build -trimpath -buildvcs=false -buildmode=plugin -o ../$(BUILD)/native/$$so ./$$p ); \
	  files="../$(BUILD)/native/$$so $$p/$$n.json"; \
	  if [ -f plugins/$$p/$$n.yaml ]; then files="$$files $$p/$$n.yaml"; fi; \
	  ( cd plugins && go run ./internal/pack ../$(BUILD)/plugins/$$n.zip $$files ); done

plugins: guests samples portables ## all sample plugins as zips: build/plugins

portables: build ## the portable sample plugins as zips: build/plugins
	@rm -rf $(BUILD)/plugins/mirror $(BUILD)/plugins/pysam && mkdir -p $(BUILD)/plugins/mirror $(BUILD)/plugins/pysam
	cd plugins && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o ../$(BUILD)/plugins/mirror/mirror ./portable/mirror
	@cp -r plugins/portable/mirror/mirror.json plugins/portable/mirror/sources $(BUILD)/plugins/mirror/
	@cd plugins/portable/pysam && cp -r pysam.json pysam.py pyjson.py printer.py revert.py sources ../../../$(BUILD)/plugins/pysam/
	@mkdir -p $(BUILD)/plugins/pysam/vanth && cp sdk/python/vanth/*.py $(BUILD)/plugins/pysam/vanth/
	@for p in mirror pysam; do $(BUILD)/vanth plugin pack $(BUILD)/plugins/$$p -o $(BUILD)/plugins/$$p.zip || exit 1; done

guests: build ## the WebAssembly sample plugins as zips: build/plugins
	@mkdir -p $(BUILD)/plugins/fibonacci $(BUILD)/plugins/geo $(BUILD)/plugins/wordcount $(BUILD)/plugins/ticker $(BUILD)/plugins/alert
	go run ./wasm/internal/wat/assemble plugins/wasm/fibonacci/fibonacci.wat $(BUILD)/plugins/fibonacci/fibonacci.wasm
	cd plugins && $(GUEST) -o ../$(BUILD)/plugins/geo/geo.wasm ./wasm/geo
	cd plugins && $(GUEST) -o ../$(BUILD)/plugins/wordcount/wordcount.wasm ./wasm/wordcount
	cd plugins && $(GUEST) -o ../$(BUILD)/plugins/ticker/ticker.wasm ./wasm/ticker
	cd plugins && $(GUEST) -o ../$(BUILD)/plugins/alert/alert.wasm ./wasm/alert
	@for p in fibonacci geo wordcount ticker alert; do \
	  cp plugins/wasm/$$p/$$p.json $(BUILD)/plugins/$$p/ && \
	  $(BUILD)/vanth plugin pack $(BUILD)/plugins/$$p -o $(BUILD)/plugins/$$p.zip || exit 1; done

demo: guests portables ## install a plugin over REST, call it, kill -9 the host, start it, call again
	go run ./cmd/demo -vanth $(BUILD)/vanth -plugins $(BUILD)/plugins -cities plugins/wasm/geo/testdata/cities.csv

test: plugins ## all tests, with the race detector
	go vet ./... && go -C sdk/go vet ./... && go -C plugins vet ./...
	go test -race -timeout 20m ./...
	go -C sdk/go test -race ./...
	go -C plugins test -race ./...
	$(PYTHON) -m unittest discover -s sdk/python/tests
	$(PYTHON) -m unittest discover -s plugins/portable/pysam
	$(MAKE) --no-print-directory cross

race: test ## the same as test

FUZZTIME ?= 30s
fuzz: ## every fuzz function for FUZZTIME (30s)
	@set -e; for dir in . sdk/go; do for pkg in $$(go -C $$dir list ./...); do \
	  for f in $$(go -C $$dir test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; go -C $$dir test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg; done; done; done

MODULES ?= 1000000
meter: ## compare MODULES generated modules with and without the meter, and tell its price
	METER_MODULES=$(MODULES) go test -run TestDifferential -timeout 6h -v ./wasm/internal/meter
	METER_PRICE=1 go test -run TestMeterPrice -timeout 1h -v ./wasm/internal/meter

hostile: ## hostile guests beside good ones, held to what is promised, without what the machine took
	VANTH_HOSTILE=strict go test -run TestHostile -count 1 -timeout 30m -v ./wasm
	GATE_BOMBS=all go test -run TestBombs -count 1 -timeout 1h -v ./wasm/internal/gate

WORK ?=
bench: ## subjects beside their floors, some minutes, to build/bench: table.md, plot.svg, summary.json. WORK=echo for some
	VANTH_FIGURES=$(CURDIR)/$(BUILD)/bench VANTH_WORK="$(WORK)" go test -run TestFigures -count 1 -timeout 1h ./bench
	@cat $(BUILD)/bench/table.md

REF   ?= HEAD
BOUND ?= 10
bench-compare: $(BUILD)/bin/benchstat ## this tree beside the revision REF, in turns: fails where it is BOUND (10) per cent worse
	go run ./bench/internal/compare -ref $(REF) -bound $(BOUND) -bench "$(COMPARED)"

# What is ready in milliseconds and has no process of its own.
COMPARED := Work/^(add|map|echo|columns|rows|16_callers|fib|HTTP|a_rule)

$(BUILD)/bin/benchstat:
	GOBIN=$(CURDIR)/$(BUILD)/bin go install $(BENCHSTAT)

PEERS ?=
bench-peers: ## the same work on Vanth and its peers, five minutes, to build/bench/peers; PEERS=-quick checks them only
	go -C bench/peers run . -out ../../$(BUILD)/bench/peers $(PEERS)

KILLS ?= 2000
kill: build ## kill -9 the host at KILLS random instants, and then plugins under load
	VANTH_KILLS=$(KILLS) go test -run TestKill -timeout 90m -v ./cmd/vanth
	VANTH_KILLS=$(KILLS) go test -run Kill -timeout 90m -v ./portable

footprint: guests ## what the host takes: the binary for every machine; memory, idle time and starts with plugins
	@$(MAKE) --no-print-directory cross CROSS="$(CROSS) linux/386"
	VANTH_FOOTPRINT=1 go test -run '^TestFootprint$$' -count 1 -timeout 30m -v ./cmd/vanth

arm: guests ## run the builds for ARM, 32 and 64 bits, in qemu; says so where it cannot
	@command -v qemu-arm-static >/dev/null || command -v qemu-arm >/dev/null || test $$(id -u) != 0 || apt-get install -y qemu-user-static || true
	VANTH_QEMU=1 go test -run '^TestForeign$$' -count 1 -timeout 30m -v ./cmd/vanth

lint: $(BUILD)/bin/golangci-lint $(BUILD)/bin/gofumpt ## format and style
	@test -z "$$($(BUILD)/bin/gofumpt -l cmd host wasm native portable api store sdk etc plugins bench | tee /dev/stderr)"
	$(BUILD)/bin/golangci-lint run ./...
	cd sdk/go && $(CURDIR)/$(BUILD)/bin/golangci-lint run ./...

$(BUILD)/bin/golangci-lint:
	GOBIN=$(CURDIR)/$(BUILD)/bin go install $(GOLANGCI)

$(BUILD)/bin/gofumpt:
	GOBIN=$(CURDIR)/$(BUILD)/bin go install $(GOFUMPT)

# The binary is small, and builds without cgo for every machine it is meant for.
CROSS    := linux/amd64 linux/arm64 linux/arm linux/riscv64 darwin/arm64
MAX_SIZE := 16000000
cross: ## build for every machine, and hold the size of the binary
	@set -e; for p in $(CROSS); do \
	  out=$(BUILD)/cross/vanth-$$(echo $$p | tr / -); \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GOBUILD) $(SMALL) -o $$out ./cmd/vanth; \
	  size=$$(wc -c <$$out); echo "$$p $$size bytes"; \
	  test $$size -le $(MAX_SIZE) || { echo "$$out is larger than $(MAX_SIZE) bytes"; exit 1; }; done

check: lint test ## lint and test; the tree stays as it is
	@test -z "$$(git status --porcelain)" || { git status --short; echo "the tree has changed"; exit 1; }

clean: ## remove build/
	rm -rf $(BUILD)
