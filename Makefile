# qwend: `make demo` shows it, `make test` proves it, `make help` lists the rest.
# Every variable set with ?= may be overridden: make CXX=clang++ BUILD=/tmp/b all

BUILD    ?= build
CXX      ?= g++
CC       ?= gcc
NVCC     ?= $(shell command -v nvcc 2>/dev/null)
CXXFLAGS ?= -O3 -g
CFLAGS   ?= -O3 -g
PREFIX   ?= /usr/local
DESTDIR  ?=
PYTHON   ?= /usr/bin/python3
MODEL    ?= tests/demo-model
SUDO     ?= $(if $(filter 0,$(shell id -u)),,sudo)
OPENMP   ?= -fopenmp
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc) --no-print-directory
endif

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# Build and run; what the tests need besides; what only `make fuzz` needs.
DEPS := g++ make git pkg-config curl ca-certificates libuv1-dev node-llhttp libsimdjson-dev \
        libutf8proc-dev libcli11-dev libfmt-dev libsystemd-dev libdnnl-dev
TEST_DEPS := doctest-dev python3-pytest nginx-light
FUZZ_DEPS := clang libclang-rt-dev

LLHTTP := /usr/share/llhttp
LLHTTP_INCLUDE := /usr/share/include
LIBS := -luv -lsimdjson -lutf8proc -lfmt -lsystemd -ldnnl -lpthread

# GCC 12 at -O3 sees overflows in fmt and std::string that are not there: the two -Wno-.
CPPFLAGS_ALL = -I. -isystem $(LLHTTP_INCLUDE) -MMD -MP $(CPPFLAGS)
CXXFLAGS_ALL = -std=c++20 -Wall -Wextra -Wpedantic -Werror -Wno-unknown-warning-option \
               -Wno-stringop-overflow -Wno-restrict -fno-omit-frame-pointer $(OPENMP) \
               $(CXXFLAGS) $(SANITIZE)
LDFLAGS_ALL  = $(OPENMP) $(SANITIZE) $(LDFLAGS)

LIB_CPP  := $(filter-out daemon/main.cpp,$(wildcard daemon/*.cpp)) $(wildcard net/*.cpp model/*.cpp)
LIB_OBJ  := $(LIB_CPP:%.cpp=$(BUILD)/%.o) $(patsubst %,$(BUILD)/llhttp/%.o,api http llhttp)
MAIN_OBJ := $(BUILD)/daemon/main.o
UNIT_OBJ := $(patsubst %.cpp,$(BUILD)/%.o,$(wildcard tests/unit/*.cpp))
BENCH    := $(patsubst tests/bench/%.cpp,$(BUILD)/bench-%,$(wildcard tests/bench/[^g]*.cpp))
FUZZ     := $(patsubst tests/fuzz/%.cpp,%,$(wildcard tests/fuzz/*.cpp))

ifneq ($(NVCC),)
include gpu/rules.mk
endif

.PHONY: all deps test-deps demo run test unit layers asan tsan fuzz bench format install uninstall \
        clean help FORCE
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.SECONDARY:

all: $(BUILD)/qwend ## build build/qwend
	@$(if $(NVCC),echo "qwend $(VERSION): CPU and CUDA ($(NVCC))",echo "qwend $(VERSION): CPU only (no nvcc found)")

$(BUILD)/qwend: $(MAIN_OBJ) $(LIB_OBJ)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# The daemon with a fault between engine and backend, for tests/e2e/test_faults.py.
$(BUILD)/qwend-faulty: $(BUILD)/tests/e2e/main.o $(BUILD)/tests/e2e/faulty_backend.o $(LIB_OBJ)
	$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(BUILD)/tests/e2e/main.o: daemon/main.cpp
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -DQWEND_FAULTS -c -o $@ $<

$(BUILD)/unit-tests: $(UNIT_OBJ) $(LIB_OBJ)
	$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/bench-%: $(BUILD)/tests/bench/%.o $(LIB_OBJ)
	$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/fuzz-%: $(BUILD)/tests/fuzz/%.o $(filter-out $(BUILD)/model/cpu_%,$(LIB_OBJ))
	$(CXX) -fsanitize=fuzzer $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -c -o $@ $<

# llhttp's own C sources, as node-llhttp ships them; strict, because lenient is how smuggling starts.
$(BUILD)/llhttp/%.o: $(LLHTTP)/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -DLLHTTP_STRICT_MODE=1 -I$(LLHTTP_INCLUDE)/llhttp -c -o $@ $<

# The version is rewritten only when it changes, so that a commit does not rebuild the world.
$(BUILD)/version.h: FORCE
	@mkdir -p $(@D); echo '#define QWEND_VERSION "$(VERSION)"' | cmp -s - $@ || \
	 echo '#define QWEND_VERSION "$(VERSION)"' > $@
$(BUILD)/daemon/version.o: $(BUILD)/version.h
$(BUILD)/daemon/version.o: CPPFLAGS += -include $(BUILD)/version.h

deps: ## install the Debian packages that are missing
	@tests/install-deps $(DEPS)
test-deps: deps
	@tests/install-deps $(TEST_DEPS)

demo: deps ## build, start on a free port, stream two answers, stop
	@$(MAKE) all && tests/demo $(BUILD)/qwend $(MODEL)

run: deps ## build and serve MODEL (the demo model) in the foreground
	@$(MAKE) all && $(BUILD)/qwend serve --config etc/qwend.conf --model $(MODEL)

test: test-deps ## every band but gpu/ and bench/: unit, protocol, e2e
	@$(MAKE) all $(BUILD)/unit-tests $(BUILD)/qwend-faulty && tests/run-all $(BUILD)

unit: $(BUILD)/unit-tests ## the unit tests alone
	GOMP_SPINCOUNT=1000 $(BUILD)/unit-tests

layers: ## includes obey the layering of the README
	@tests/check-layers

asan tsan: ## unit tests and protocol band under the sanitizer
	+@tests/sanitize $@

fuzz: ## every fuzz target for a short, deterministic run
	@tests/install-deps $(FUZZ_DEPS)
	@$(MAKE) BUILD=$(BUILD)/fuzz CXX=clang++ CC=clang NVCC= OPENMP= SANITIZE='-fsanitize=address,undefined' \
	  CXXFLAGS='-O1 -g -fsanitize=fuzzer-no-link' $(FUZZ:%=$(BUILD)/fuzz/fuzz-%)
	@tests/fuzz/run $(BUILD)/fuzz $(FUZZ)

bench: deps ## measure this machine: every figure beside its ceiling
	@$(MAKE) all $(BENCH) && tests/bench/run $(BUILD)

format: ## clang-format every source in place
	git ls-files -- '*.cpp' '*.h' '*.cu' '*.cuh' | xargs clang-format -i

install: all ## into DESTDIR/PREFIX; an existing configuration is kept
	install -D -m755 $(BUILD)/qwend $(DESTDIR)$(PREFIX)/bin/qwend
	install -D -m644 -t $(DESTDIR)$(PREFIX)/share/doc/qwend etc/nginx/qwend.conf
	test -e $(DESTDIR)/etc/qwend/qwend.conf || \
	  install -D -m644 etc/qwend.conf $(DESTDIR)/etc/qwend/qwend.conf
	install -D -m644 -t $(DESTDIR)/etc/systemd/system $(wildcard systemd/*)
	sed -i 's|/usr/local/bin|$(PREFIX)/bin|' $(DESTDIR)/etc/systemd/system/qwend.service
	@[ -n "$(DESTDIR)" ] || [ ! -d /run/systemd/system ] || systemctl daemon-reload

uninstall: ## what install put there, but for the configuration
	rm -rf $(DESTDIR)$(PREFIX)/bin/qwend $(DESTDIR)$(PREFIX)/share/doc/qwend \
	  $(patsubst %,$(DESTDIR)/etc/systemd/system/%,$(notdir $(wildcard systemd/*)))

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

-include $(LIB_OBJ:.o=.d) $(MAIN_OBJ:.o=.d) $(UNIT_OBJ:.o=.d) $(wildcard $(BUILD)/tests/*/*.d)
