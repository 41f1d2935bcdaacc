# What a build with nvcc adds. Included by the Makefile.

CUDA_HOME ?= $(abspath $(dir $(shell readlink -f $(NVCC)))..)
# Code for sm_90 should be for its own features (90a): the kernels of linear/wgmma_sm90.cu and
# attention/prefill_wgmma_sm90.cu need wgmma, and slower ones run without (Device::has_wgmma).
NVCCFLAGS ?= -O3 -gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90a,code=sm_90a \
             -gencode=arch=compute_90,code=compute_90
GPU_OBJ   := $(patsubst %,$(BUILD)/%.o,$(basename $(sort $(shell find gpu -name '*.cu' -o -name '*.cpp'))))
GPU_TESTS := $(patsubst %,$(BUILD)/%.o,$(basename $(sort $(shell find tests/gpu -name '*.cpp'))))
GPU_BENCH := $(patsubst tests/bench/%.cpp,$(BUILD)/bench-%,$(wildcard tests/bench/gpu_*.cpp))
BENCH_CU  := $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard tests/bench/*.cu)))
CPPFLAGS  += -DQWEND_CUDA -isystem $(CUDA_HOME)/include
LIBS      += -L$(CUDA_HOME)/lib64 -lcudart_static -ldl -lrt
LIB_OBJ   += $(GPU_OBJ)
comma     := ,

.PHONY: gpu-deps gpu-all test-gpu bench-gpu gpu-bundle
.SECONDARY: $(GPU_BENCH:$(BUILD)/bench-%=$(BUILD)/tests/bench/%.o)

$(BUILD)/%.o: %.cu
	$(call step,$<)
	@mkdir -p $(@D)
	$(Q)$(NVCC) -std=c++20 --expt-relaxed-constexpr -I. -MMD -MP $(NVCCFLAGS) \
	  -Xcompiler -Wall,-Wextra$(if $(WERROR),$(comma)-Werror) -c -o $@ $<

$(BUILD)/gpu-tests: $(GPU_TESTS) $(BUILD)/tests/unit/main.o $(LIB_OBJ)
	$(link) -o $@ $^ $(LIBS)
$(GPU_TESTS): | test-headers

$(GPU_BENCH): $(BENCH_CU)

gpu-deps:
	@tests/install-deps $(DEPS) $(call packages,$(TEST_HEADERS)) xz-utils

gpu-all: gpu-deps ## build everything for a GPU, needing none
	@$(MAKE) $(BUILD)/qwend $(BUILD)/gpu-tests $(GPU_BENCH) $(GPU_MORE)

test-gpu: gpu-deps ## kernels and engine against their slow twins; needs a GPU
	@$(MAKE) $(BUILD)/gpu-tests
	@$(BUILD)/gpu-tests

bench-gpu: gpu-deps ## measure the GPU, every figure beside its ceiling
	@$(MAKE) $(BUILD)/qwend $(BENCH) $(GPU_BENCH)
	@tests/gpu/bench $(BUILD)

gpu-bundle: ## pack what the two above need
	@$(MAKE) gpu-all GPU_MORE='$(BENCH)'
	@tests/gpu/bundle $(BUILD)

-include $(GPU_TESTS:.o=.d) $(BENCH_CU:.o=.d)
