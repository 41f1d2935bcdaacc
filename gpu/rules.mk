# What a build with nvcc adds. Included by the Makefile.

CUDA_HOME ?= $(abspath $(dir $(shell readlink -f $(NVCC)))..)
# Code for sm_90 should be for its own features (90a): rows_many.cu and attention_warpgroup.cu are made
# of them, and without them slower kernels run (has_warpgroups()).
NVCCFLAGS ?= -O3 -gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90a,code=sm_90a \
             -gencode=arch=compute_90,code=compute_90
GPU_OBJ   := $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard gpu/*.cu gpu/*.cpp)))
GPU_TESTS := $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard tests/gpu/*.cpp tests/gpu/*.cu)))
GPU_BENCH := $(patsubst tests/bench/%.cpp,$(BUILD)/bench-%,$(wildcard tests/bench/gpu_*.cpp))
BENCH_CU  := $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard tests/bench/*.cu)))
CPPFLAGS  += -DQWEND_CUDA -isystem $(CUDA_HOME)/include
LIBS      += -L$(CUDA_HOME)/lib64 -lcudart_static -ldl -lrt
LIB_OBJ   += $(GPU_OBJ)

.PHONY: gpu-all test-gpu bench-gpu gpu-bundle

$(BUILD)/%.o: %.cu
	@mkdir -p $(@D)
	$(NVCC) -std=c++20 --expt-relaxed-constexpr -I. -MMD -MP $(NVCCFLAGS) -Xcompiler -Wall,-Wextra,-Werror -c -o $@ $<

$(BUILD)/gpu-tests: $(GPU_TESTS) $(BUILD)/tests/unit/main.o $(LIB_OBJ)
	$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(GPU_BENCH): $(BENCH_CU)

gpu-all: $(BUILD)/qwend $(BUILD)/gpu-tests $(GPU_BENCH) ## build everything for a GPU, needing none

test-gpu: $(BUILD)/gpu-tests ## kernels and engine against their slow twins; needs a GPU
	$(BUILD)/gpu-tests

bench-gpu: $(BUILD)/qwend $(BENCH) $(GPU_BENCH) ## measure the GPU, every figure beside its ceiling
	tests/gpu/bench $(BUILD)

gpu-bundle: gpu-all $(BENCH) ## pack what the two above need
	tests/gpu/bundle $(BUILD)

-include $(GPU_TESTS:.o=.d) $(BENCH_CU:.o=.d)
