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
STRIP    ?= strip
PYTHON   ?= /usr/bin/python3
MODEL    ?= tests/demo-model
SUDO     ?= $(if $(filter 0,$(shell id -u)),,sudo)
OPENMP   ?= -fopenmp
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc) --no-print-directory
endif

# In a clone of another user's, as root's `make install` is, git says nothing unless told it may.
VERSION := $(shell git -c safe.directory='*' describe --tags --always --dirty 2>/dev/null || echo unknown)

# header:package of what a build needs; what the tests need besides; what only `make fuzz` needs.
# Debian 12 has llhttp as C files for Node.js, its successors have a library.
HEADERS := uv.h:libuv1-dev llhttp.h:libllhttp-dev|node-llhttp simdjson.h:libsimdjson-dev \
           utf8proc.h:libutf8proc-dev oniguruma.h:libonig-dev CLI/CLI.hpp:libcli11-dev \
           fmt/ranges.h:libfmt-dev systemd/sd-daemon.h:libsystemd-dev oneapi/dnnl/dnnl.hpp:libdnnl-dev
TEST_HEADERS := doctest/doctest.h:doctest-dev
packages = $(foreach pair,$(1),'$(lastword $(subst :, ,$(pair)))')
DEPS := g++ make git $(call packages,$(HEADERS))
TEST_DEPS := $(call packages,$(TEST_HEADERS)) python3-pytest python3-jinja2 python3-jsonschema nginx-light curl
FUZZ_DEPS := clang libclang-rt-dev

LLHTTP := /usr/share/llhttp
LLHTTP_INCLUDE := /usr/share/include/llhttp
LLHTTP_C := $(wildcard $(LLHTTP)/*.c)
LIBS := $(if $(LLHTTP_C),,-lllhttp) -luv -lsimdjson -lutf8proc -lonig -lfmt -lsystemd -ldnnl -lpthread

# Warnings are errors where WERROR is set, as in CI: a compiler of tomorrow that warns of more must
# not keep anybody from building. GCC 12 at -O3 sees overflows in fmt and std::string that are not
# there: the two -Wno-, which clang does not know. Nobody traps floating-point exceptions, and only
# without them does GCC vectorise loops with a choice in them, such as softmax and SwiGLU on a CPU.
INCLUDES    := -I. $(if $(LLHTTP_C),-isystem $(LLHTTP_INCLUDE))
CPPFLAGS_ALL = $(INCLUDES) -MMD -MP $(CPPFLAGS)
CXXFLAGS_ALL = -std=c++20 -Wall -Wextra -Wpedantic $(if $(WERROR),-Werror) \
               $(if $(findstring clang,$(CXX)),,-Wno-stringop-overflow -Wno-restrict) \
               -fno-omit-frame-pointer -fno-trapping-math $(OPENMP) $(CXXFLAGS) $(SANITIZE)
LDFLAGS_ALL  = $(OPENMP) $(SANITIZE) $(LDFLAGS)

# A step prints one line, `[12/87] daemon/api/api.cpp`, and with V=1 its command. How many there are is
# asked of make itself, when the first is due; goals that run make again leave the counting to it.
Q := $(if $(V),,@)
RECURSIVE := demo run test test-page asan tsan fuzz bench gpu-all test-gpu bench-gpu gpu-bundle
count = $(shell MAKEFLAGS= $(MAKE) -n$(filter-out -%,$(firstword $(MAKEFLAGS))) COUNTING=1 \
  $(MAKEOVERRIDES) $(filter-out $(RECURSIVE),$(MAKECMDGOALS)) 2>/dev/null | grep -c '^: step')
N_STEPS = $(eval N_STEPS := $(count))$(N_STEPS)
step = $(if $(COUNTING),: step,$(eval DONE += x)@echo '[$(words $(DONE))/$(N_STEPS)] $(1)')
BEGAN := $(shell date +%s)
took = $$(($$(date +%s) - $(BEGAN))) s
define compile
$(call step,$<)
@mkdir -p $(@D)
$(Q)$(CXX) $(CPPFLAGS_ALL) $(CXXFLAGS_ALL) -c -o $@ $<
endef
define link
$(call step,$@)
@mkdir -p $(@D)
$(Q)$(CXX) $(LDFLAGS_ALL)
endef

LIB_CPP  := $(filter-out daemon/main.cpp,$(sort $(shell find daemon net model -name '*.cpp')))
LIB_OBJ  := $(LIB_CPP:%.cpp=$(BUILD)/%.o) $(LLHTTP_C:$(LLHTTP)/%.c=$(BUILD)/llhttp/%.o)
MAIN_OBJ := $(BUILD)/daemon/main.o
UNIT_DIRS ?= tests/unit # what of it; main.cpp in any case
UNIT_OBJ := $(patsubst %.cpp,$(BUILD)/%.o,$(sort tests/unit/main.cpp $(shell find $(UNIT_DIRS) -name '*.cpp')))
BENCH    := $(patsubst tests/bench/%.cpp,$(BUILD)/bench-%,$(wildcard tests/bench/[^g]*.cpp))
LOAD_OBJ := $(patsubst %.cpp,$(BUILD)/%.o,$(wildcard tests/bench/load/*.cpp)) # bench-load's parts
FUZZ     := $(patsubst tests/fuzz/%.cpp,%,$(wildcard tests/fuzz/*.cpp))

ifneq ($(NVCC),)
include gpu/rules.mk
endif

.PHONY: all deps test-deps demo run test test-page unit layers asan tsan fuzz bench format install uninstall \
        test-clients clean help headers test-headers FORCE
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
# Kept, though only pattern rules name them. Not all objects: make would not miss one that is new.
.SECONDARY: $(BENCH:$(BUILD)/bench-%=$(BUILD)/tests/bench/%.o) $(FUZZ:%=$(BUILD)/tests/fuzz/%.o)

all: $(BUILD)/qwend ## build build/qwend; V=1 shows the commands, WERROR=1 makes warnings errors
	@echo "qwend $(VERSION): $(if $(NVCC),CPU and CUDA ($(NVCC)),CPU only (no nvcc found))$(if $(DONE),; built in $(took))"

$(BUILD)/qwend: $(MAIN_OBJ) $(LIB_OBJ)
	$(link) -o $@ $^ $(LIBS)

# The daemon with a fault between engine and backend, for tests/e2e/test_faults.py.
$(BUILD)/qwend-faulty: $(BUILD)/tests/e2e/main.o $(BUILD)/tests/e2e/faulty_backend.o $(LIB_OBJ)
	$(link) -o $@ $^ $(LIBS)
$(BUILD)/tests/e2e/main.o: CPPFLAGS += -DQWEND_FAULTS
$(BUILD)/tests/e2e/main.o: daemon/main.cpp | headers
	$(compile)

$(BUILD)/ask: $(BUILD)/tests/ask.o $(LIB_OBJ)
	$(link) -o $@ $^ $(LIBS)

# Chat templates, rendered for tests/e2e/test_templates.py.
$(BUILD)/render-template: $(BUILD)/tests/render_template.o $(LIB_OBJ)
	$(link) -o $@ $^ $(LIBS)

# What a JSON Schema's grammar accepts, for tests/e2e/test_schema_keywords.py.
$(BUILD)/schema-accepts: $(BUILD)/tests/schema_accepts.o $(LIB_OBJ)
	$(link) -o $@ $^ $(LIBS)

$(BUILD)/unit-tests: $(UNIT_OBJ) $(LOAD_OBJ) $(LIB_OBJ)
	$(link) -o $@ $^ $(LIBS)
$(UNIT_OBJ): | test-headers

$(BUILD)/bench-daemon: $(BUILD)/tests/e2e/main.o # whose backend is the one linked beside it
$(BUILD)/bench-load: $(LOAD_OBJ)
$(BUILD)/bench-%: $(BUILD)/tests/bench/%.o $(LIB_OBJ)
	$(link) -o $@ $^ $(LIBS)

$(BUILD)/fuzz-%: $(BUILD)/tests/fuzz/%.o $(filter-out $(BUILD)/model/cpu/%,$(LIB_OBJ))
	$(link) -fsanitize=fuzzer -o $@ $^ $(LIBS)

# Unit tests are compiled once and run once: more would take longer than it saves.
$(BUILD)/tests/unit/%.o: CXXFLAGS += -O1 -g1
$(BUILD)/%.o: %.cpp | headers
	$(compile)

# llhttp's own C sources, where there is no library; strict, because lenient is how smuggling starts.
# (A library is of version 9 or later, which has no other mode.)
$(BUILD)/llhttp/%.o: $(LLHTTP)/%.c | headers
	$(call step,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SANITIZE) -DLLHTTP_STRICT_MODE=1 -I$(LLHTTP_INCLUDE) -c -o $@ $<

# What is not there is said at once and in words, before a compiler stumbles over it.
headers:
	@tests/check-headers '$(CXX) $(INCLUDES)' 'make deps' $(HEADERS:%='%')
test-headers: | headers
	@tests/check-headers '$(CXX) $(INCLUDES)' 'make test-deps' $(TEST_HEADERS:%='%')

# The version is rewritten only when it changes, so that a commit does not rebuild the world.
VERSION_LINE := \#define QWEND_VERSION "$(VERSION)"
ifneq ($(file <$(BUILD)/version.h),$(VERSION_LINE))
$(BUILD)/version.h: FORCE
endif
$(BUILD)/version.h:
	@mkdir -p $(@D); echo '$(VERSION_LINE)' > $@
$(BUILD)/daemon/version.o: $(BUILD)/version.h
$(BUILD)/daemon/version.o: CPPFLAGS += -include $(BUILD)/version.h

# The page at GET /, with its style and scripts.
$(BUILD)/page.inc: $(wildcard daemon/api/page/*)
	@mkdir -p $(@D)
	$(Q)daemon/api/page/embed > $@
$(BUILD)/daemon/api/page.o: $(BUILD)/page.inc
$(BUILD)/daemon/api/page.o: CPPFLAGS += -I$(BUILD)

deps: ## install the Debian packages that are missing
	@tests/install-deps $(DEPS)
test-deps: ## and those that the tests need
	@tests/install-deps $(DEPS) $(TEST_DEPS)

demo: deps ## build, start on a free port, stream two answers, stop
	@$(MAKE) all $(BUILD)/ask
	@tests/demo $(BUILD)/qwend $(BUILD)/ask $(MODEL)
	@echo "make demo took $(took)"

run: deps ## build and serve MODEL (the demo model) in the foreground
	@$(MAKE) all
	@$(BUILD)/qwend serve --config etc/qwend.conf --model $(MODEL)

test: test-deps ## every band but gpu/ and bench/: unit, protocol, e2e
	@$(MAKE) all $(BUILD)/ask $(BUILD)/render-template $(BUILD)/schema-accepts $(BUILD)/unit-tests \
	  $(BUILD)/qwend-faulty $(BUILD)/bench-load
	@tests/run-all $(BUILD)

# A browser is some 100 MB, and nobody need have one: without it the same tests are skipped in `make test`.
test-page: deps ## the page in a browser, which is installed where it can be had
	@$(MAKE) all
	@tests/install-deps python3-pytest curl
	@tests/install-deps 'chromium-headless-shell|chromium' || echo 'test-page: goes on without a browser'
	@QWEND_BIN=$(BUILD)/qwend $(PYTHON) -m pytest -q -p no:cacheprovider -rs tests/e2e/test_page.py tests/e2e/test_page_markdown.py

# Packages of PyPI whose clients tests/clients puts to work: some 520 MiB. LlamaIndex's need SDKs of before the
# last, and are apart from the rest: 400 MiB; so is what scores models, and what makes requests at random. GuideLLM
# brings torch, 5.9 GiB: make test-clients CLIENTS=guidellm; so does what makes vectors, which is apart and last.
CLIENTS := anthropic cohere instructor langchain-ollama langchain-openai litellm ollama openai openai-agents outlines prometheus-client
LLAMA_INDEX := llama-index-llms-anthropic llama-index-llms-ollama llama-index-llms-openai-like 'anthropic<1'
LM_EVAL := 'lm-eval[api]' transformers
VECTORS := sentence-transformers
define run_clients # the folder of a venv, packages, and the tests that are run with them
	@test -x $(BUILD)/$(1)/bin/pip || $(PYTHON) -m venv $(BUILD)/$(1)
	@if $(BUILD)/$(1)/bin/pip install -q --retries 1 pytest $(2); then \
	  QWEND_BIN=$(BUILD)/qwend $(BUILD)/$(1)/bin/python -m pytest -q -p no:cacheprovider $(3); \
	else echo 'test-clients: $(1) is skipped: its packages cannot be had; is PyPI reachable?'; fi
endef
test-clients: all ## official clients, from PyPI, against build/qwend
	@tests/install-deps python3-venv
	$(call run_clients,clients-venv,$(CLIENTS),tests/clients)
	$(call run_clients,llama-index-venv,$(LLAMA_INDEX),tests/clients/test_llama_index.py)
	$(call run_clients,lm-eval-venv,$(LM_EVAL),tests/clients/test_lm_eval.py)
	$(call run_clients,schemathesis-venv,schemathesis,tests/clients/test_schemathesis.py)
	$(call run_clients,vectors-venv,$(VECTORS),tests/clients/test_vectors.py)

unit: $(BUILD)/unit-tests ## the unit tests alone
	GOMP_SPINCOUNT=1000 $(BUILD)/unit-tests

layers: ## includes obey the layering of the README
	@tests/check-layers

asan tsan: test-deps ## unit tests and protocol band under the sanitizer
	+@tests/sanitize $@

fuzz: ## every fuzz target for a short, deterministic run
	@tests/install-deps $(DEPS) $(FUZZ_DEPS)
	@$(MAKE) BUILD=$(BUILD)/fuzz CXX=clang++ CC=clang NVCC= OPENMP= SANITIZE='-fsanitize=address,undefined' \
	  CXXFLAGS='-O1 -g1 -fsanitize=fuzzer-no-link' $(FUZZ:%=$(BUILD)/fuzz/fuzz-%)
	@tests/fuzz/run $(BUILD)/fuzz $(FUZZ)

bench: deps ## measure this machine: every figure beside its ceiling
	@$(MAKE) all $(BENCH)
	@tests/bench/run $(BUILD)

format: ## clang-format every source in place
	git ls-files -- '*.cpp' '*.h' '*.cu' '*.cuh' | xargs clang-format -i

# Units lie where systemd looks for those of local software; /etc is for what overrides them.
UNITDIR ?= $(if $(filter /usr,$(PREFIX)),/usr,/usr/local)/lib/systemd/system
DOCDIR   = $(PREFIX)/share/doc/qwend
SYSTEMCTL = $(if $(DESTDIR),:,test ! -d /run/systemd/system || systemctl)

# build/qwend keeps the debugging data that the installed one leaves out; gdb takes it from there.
install: all ## into DESTDIR/PREFIX, units into UNITDIR; what was edited is kept
	install -D -m755 $(if $(STRIP),-s --strip-program=$(STRIP)) $(BUILD)/qwend $(DESTDIR)$(PREFIX)/bin/qwend
	install -D -m644 etc/nginx/qwend.conf $(DESTDIR)$(DOCDIR)/nginx/qwend.conf
	install -D -m644 etc/qwend.conf $(DESTDIR)$(DOCDIR)/qwend.conf
	test -e $(DESTDIR)/etc/qwend/qwend.conf || \
	  install -D -m644 etc/qwend.conf $(DESTDIR)/etc/qwend/qwend.conf
	@cmp -s etc/qwend.conf $(DESTDIR)/etc/qwend/qwend.conf || \
	  echo "qwend: kept /etc/qwend/qwend.conf; this version's is $(DOCDIR)/qwend.conf"
	@DESTDIR=$(DESTDIR) systemd/units install $(UNITDIR) $(DOCDIR) $(PREFIX)
	@$(SYSTEMCTL) daemon-reload

uninstall: ## stops it and removes what install put there, but for /etc
	-@$(SYSTEMCTL) disable --now qwend.socket qwend.service
	rm -f $(DESTDIR)$(PREFIX)/bin/qwend
	@DESTDIR=$(DESTDIR) systemd/units remove $(UNITDIR) $(DOCDIR) $(PREFIX)
	@$(SYSTEMCTL) daemon-reload

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

-include $(LIB_OBJ:.o=.d) $(MAIN_OBJ:.o=.d) $(UNIT_OBJ:.o=.d) $(LOAD_OBJ:.o=.d) $(wildcard $(BUILD)/tests/*.d $(BUILD)/tests/*/*.d)
