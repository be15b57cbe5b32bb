# make demo or make test is all that has to be typed: each installs what it needs, builds, and runs.
.DEFAULT_GOAL := help
.PHONY: help demo test test-sanitized test-threads test-models test-slurm test-vulkan test-exhaustive fuzz lint format reference bench build deb clean

PRESET ?= release
BUILD := build/$(PRESET)
SOURCES = $(shell find include src tests bench -name '*.cc' -o -name '*.h' -o -name '*.hpp')
# ccache, where it is: with precompiled headers (which need the sloppiness), and for clones in any folder.
CCACHE = env;CCACHE_BASEDIR=$(CURDIR);CCACHE_NOHASHDIR=1;CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime;ccache
CONFIGURE = cmake --preset $(PRESET) -Wno-dev $(if $(shell command -v ccache),'-DCMAKE_CXX_COMPILER_LAUNCHER=$(CCACHE)')

# Threads that wait for work sleep: those that spin would take the processors from the tests that run beside them.
CTEST = OMP_WAIT_POLICY=passive ctest --output-on-failure --parallel $(shell nproc) --test-dir

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 26

demo: ## run the whole experiment on the demo model and show its report
	@scripts/install-deps build
	@$(CONFIGURE) -DFAKEQUANT_TESTS=OFF >/dev/null
	@cmake --build $(BUILD)
	$(BUILD)/fakequant experiment demo/fakequant-demo-4m-f16.gguf -o demo/results -f demo/heldout.txt --prompt-file demo/prompts.txt --chunks 40

build: ## build the program and its tests (PRESET=release, debug or asan)
	@scripts/install-deps build page test browser
	@$(CONFIGURE) -DFAKEQUANT_TESTS=ON >/dev/null
	@cmake --build $(BUILD) $(addprefix --target ,$(TARGETS))

test: build ## run all tests but the exhaustive ones
	@[ -e models/smollm2-135m-f16.gguf ] || echo "The tests on a real model are skipped: make test-models fetches it, over a network, and runs them."
	@$(CTEST) $(BUILD) --label-exclude '$(if $(wildcard models/smollm2-135m-f16.gguf),exhaustive|slurm|vulkan,exhaustive|slurm|vulkan|models)'

# All unit tests and the readers' corpus, and those tests of the program that reach code that unit tests do not. The others do
# with the same code what these do, for longer.
SANITIZED = ^(unit|fuzz|make)/|^program/(apply|calibrate|drift|errors|generate|old_studies|quantized_types|safetensors|split_model)$$

test-sanitized: ## run the tests that touch memory in ways of their own with AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory build PRESET=asan
	@$(CTEST) build/asan --label-exclude 'exhaustive|models|slurm|vulkan' --tests-regex '$(SANITIZED)'

# Two libraries and their tests alone. Threads of OpenMP are none of theirs, and their waiting is not seen.
test-threads: ## run the tests of the libraries for C and C++, which use 8 threads, with ThreadSanitizer
	@$(MAKE) --no-print-directory build PRESET=tsan TARGETS='api_test capi_test'
	@setarch -R env TSAN_OPTIONS=halt_on_error=1 $(CTEST) build/tsan --tests-regex '^unit/(api|capi)$$'

test-models: build ## fetch a real model, SmolLM2 135M, and run the whole-program tests on it
	@scripts/install-deps test models
	@scripts/fetch-model smollm2-135m
	@$(CTEST) $(BUILD) --label-regex models

test-slurm: build ## install Slurm, and run the test of sweeps as its jobs
	@scripts/install-deps test slurm
	@$(CTEST) $(BUILD) --label-regex slurm

# On Mesa's Vulkan for processors, which every machine has.
test-vulkan: build ## fetch ggml's back end for Vulkan, and run the test of layers on a device
	@scripts/install-deps test vulkan
	@scripts/fetch-llama --vulkan >/dev/null
	@$(CTEST) $(BUILD) --label-regex vulkan

test-exhaustive: build ## run the tests that try every float32, or every architecture, there is (minutes)
	@$(CTEST) $(BUILD) --label-regex exhaustive

FUZZ_SECONDS ?= 60

fuzz: build ## look for inputs that break the readers and the C interface: libFuzzer (FUZZ_SECONDS=60 for each), and 2000 mutated inputs
	@scripts/install-deps build fuzz
	@cmake --preset fuzz -Wno-dev >/dev/null
	@cmake --build build/fuzz --target gguf_fuzzer safetensors_fuzzer capi_fuzzer
	@for reader in gguf safetensors capi; do \
	  mkdir -p build/fuzz/found/$$reader; \
	  build/fuzz/tests/fuzz/$${reader}_fuzzer -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/$$reader- build/fuzz/found/$$reader tests/fuzz/corpus/$$reader || exit 1; \
	done
	@$(CTEST) $(BUILD) --tests-regex exhaustive/mutated_inputs

lint: ## check format, style, types of the page, scripts and which folder includes which
	@scripts/install-deps build page test lint
	@scripts/lint

format: ## lay out the sources as clang-format has it
	@scripts/install-deps lint
	@clang-format -i $(SOURCES)

reference: build ## write docs/reference and python/fakequant/results.py anew
	@scripts/command-reference $(BUILD)/fakequant $(BUILD)/command-reference
	@cp $(BUILD)/command-reference/command-line.md docs/reference
	@scripts/python-results >python/fakequant/results.py
	@for language in c cpp python; do scripts/api-reference $$language >docs/reference/$$language.md || exit 1; done

bench: ## time the kernels and commands against their peers
	@scripts/install-deps build test
	@$(CONFIGURE) -DFAKEQUANT_TESTS=ON -DFAKEQUANT_BENCHMARKS=ON >/dev/null
	@cmake --build $(BUILD)
	@bench/run $(BUILD)

# The licences of llama.cpp's libraries are a part of it: earlier versions of scripts/fetch-llama fetched none.
deb: ## make a Debian package of the program and its libraries, in build/
	@scripts/install-deps build page package
	@[ ! -e third_party/llama/current ] || [ -e third_party/llama/current/usr/share/doc/libllama0 ] || scripts/fetch-llama --force
	@$(CONFIGURE) -DFAKEQUANT_TESTS=OFF -DFAKEQUANT_FORMATS_LIBRARY=ON -DFAKEQUANT_LIBRARY=ON >/dev/null
	@cmake --build $(BUILD)
	@cd $(BUILD) && cpack >/dev/null && mv fakequant_*.deb ..
	@ls build/fakequant_*.deb

clean: ## remove what was built; what was fetched stays
	@rm -rf build demo/results
