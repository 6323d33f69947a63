# The doors to the project; `make help` lists them. Everything is built under build/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PRESET ?= release
JOBS ?= $(shell nproc)

.PHONY: help dependencies build servers demo run package test test-deep test-kubernetes bench check format clean

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

dependencies: # packages for building
	@tools/install-dependencies build

build: dependencies # the programs: build/$(PRESET)/server/aerie, build/$(PRESET)/cli/aeriectl
	@[ -f build/$(PRESET)/build.ninja ] || cmake --preset $(PRESET) >/dev/null
	@cmake --build --preset $(PRESET) -j $(JOBS) --target aerie aeriectl fleet_sim

servers:
	@tools/install-dependencies build test
	@tools/fetch-servers >/dev/null

demo: servers build ## three clusters of real Prometheus pairs, one broken rollout, one alert; Ctrl-C ends it
	@tools/demo --build build/$(PRESET)

run: build ## the bare server on :9707, data under build/data
	@mkdir -p build/data && exec build/$(PRESET)/server/aerie --storage.path=build/data

package: build ## a Debian package under build/$(PRESET)/packages
	@cmake --build --preset $(PRESET) -j $(JOBS) --target deb -- --quiet
	@ls build/$(PRESET)/packages/aerie_*.deb

test: ## everything the tests need is installed, then all suites in their short form
	@tools/test

test-deep: ## sanitizers, long fuzzing, the figures; about two hours
	@tools/test-deep

test-kubernetes: servers build ## verdicts on three real Kubernetes clusters, every fault; 4 minutes, and 10 the first time
	@tests/kubernetes/build_kubernetes >/dev/null
	@tests/kubernetes/matrix.py build/$(PRESET)/server/aerie build/test-kubernetes build/third_party --report docs/test-kubernetes.md

bench: servers build ## ratios to Prometheus and VictoriaMetrics, side by side on this machine
	@bench/run --build build/$(PRESET)

check: ## format, layers, lint, build, fast tests: before every commit
	@tools/check

format: ## clang-format on all sources
	@tools/install-dependencies deep
	@git ls-files '*.h' '*.cc' | xargs clang-format -i

clean: ## remove build/
	rm -rf build
