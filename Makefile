# make run    sets up everything, builds, starts the server with the shipped model: http://127.0.0.1:8000
# make test   sets up everything, builds, runs every test
# make lint   formatting, types, likely bugs in changed lines; make tidy: clang-tidy on everything, about twenty minutes
# make build  sets up what building needs and builds build/release/apps/rushes/rushes
PRESET ?= release
RUSHES  = build/$(PRESET)/apps/rushes/rushes
ARGS   ?=

.PHONY: run test build lint tidy clean
run:
	@[ -x $(RUSHES) ] || echo "make run: the first time takes a while: packages and libtorch (about 5 min), the build" \
	  "(about $$(((60 + $$(nproc) - 1) / $$(nproc))) min on $$(nproc) cores); afterwards some seconds" >&2
	@echo "make run: 1 of 3: what is needed" >&2
	@tools/setup run
	@echo "make run: 2 of 3: build" >&2
	@tools/build $(PRESET) rushes
	@echo "make run: 3 of 3: server; Ctrl-C ends it" >&2
	@$(RUSHES) serve $(ARGS)

build:
	tools/setup build
	tools/build $(PRESET) rushes

test:
	tools/setup test
	tools/test

lint:
	tools/lint

tidy:
	tools/tidy --all

clean:
	rm -rf build web/dist
