# make run    sets up everything, builds, starts the server with the shipped model: http://127.0.0.1:8000
# make test   sets up everything, builds, runs every test
# make lint   formatting, types, likely bugs in changed lines; make tidy: clang-tidy on everything, about twenty minutes
# make build  sets up what building needs and builds build/release/apps/rushes/rushes
PRESET ?= release
RUSHES  = build/$(PRESET)/apps/rushes/rushes
ARGS   ?=

.PHONY: run test build lint tidy clean
run:
	tools/setup run
	tools/build $(PRESET) rushes
	$(RUSHES) serve $(ARGS)

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
