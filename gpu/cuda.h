#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <string>
#include <utility>

#include "model/backend.h"

namespace qwend {

/// The rule for every call that fails. Errors of the device (an illegal address, ECC, a lost bus)
/// are sticky: the context is poisoned, each further call fails or hangs, and only a new process
/// helps. They are a BackendFault, and after one nobody calls CUDA any more: device_lost() is true
/// then, and destructors leave everything to the end of the process.
/// A few errors leave the context as it was: no memory, no code for this device, a driver too old.
/// They are a CudaRefusal, which while loading becomes a LoadError (exit 78; with device = auto the
/// CPU serves). Once the backend is made it is a BackendFault like the others: the step is lost,
/// and nobody can say how much of it the sequences in it have in the cache.
struct CudaRefusal : BackendFault {
    using BackendFault::BackendFault;
};

/// Throws by that rule, naming the call and CUDA's reason.
[[noreturn]] void cuda_fault(cudaError_t error, const char* call, const char* file, int line);
/// The same for what the libraries on top of CUDA report.
[[noreturn]] void device_fault(const std::string& what);
/// Throws BackendFault for a launcher that was called with a shape it has no kernel for, which is a
/// broken invariant of the caller's. Nothing was launched, so the device is as it was.
[[noreturn]] void shape_fault(const char* condition, const char* file, int line);
/// Whether a fault of the device has happened in this process. Any thread.
bool device_lost();

#define CUDA_CHECK(call)                                            \
    do {                                                            \
        if (cudaError_t error_ = (call); error_ != cudaSuccess)     \
            ::qwend::cuda_fault(error_, #call, __FILE__, __LINE__); \
    } while (0)

/// What a launcher expects of its arguments. On the host, at every launch that is not replayed.
#define SHAPE_CHECK(condition)                                                  \
    do {                                                                        \
        if (!(condition)) ::qwend::shape_fault(#condition, __FILE__, __LINE__); \
    } while (0)

/// What Forward and the launchers have to know of a device. Each Rank has one of its own, so that
/// several devices may work in one process: nothing about a device is static.
struct Device {
    int index = 0;           // as CUDA counts them
    int compute_major = 0;   // of its compute capability: 9 of sm_90
    bool has_wgmma = false;  // and this build uses it: sm_90, built as sm_90a

    /// Clusters of blocks, DSMEM and programmatic dependent launch came together, with sm_90.
    bool has_clusters() const { return compute_major >= 9; }
};
/// Makes device `index` the calling thread's and asks what it is. Throws by the rule above.
Device use_device(int index);

/// After a <<<launch>>>: reports what the launch itself refused.
#define CUDA_CHECK_LAUNCH() CUDA_CHECK(cudaGetLastError())

/// A stream of a device, which is the calling thread's when the stream is made. Launchers take one,
/// and so know their device.
class Stream {
  public:
    explicit Stream(const Device& device) : device_(device) {
        CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    }
    ~Stream() {
        if (!device_lost()) cudaStreamDestroy(stream_);
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    operator cudaStream_t() const { return stream_; }
    const Device& device() const { return device_; }
    void synchronize() const { CUDA_CHECK(cudaStreamSynchronize(stream_)); }

  private:
    const Device device_;
    cudaStream_t stream_ = nullptr;
};

class Event {
  public:
    explicit Event(unsigned flags = cudaEventDisableTiming) {
        CUDA_CHECK(cudaEventCreateWithFlags(&event_, flags));
    }
    ~Event() {
        if (event_ && !device_lost()) cudaEventDestroy(event_);
    }
    Event(Event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
    Event& operator=(Event&&) = delete;
    operator cudaEvent_t() const { return event_; }

  private:
    cudaEvent_t event_ = nullptr;
};

/// An array in device memory, uninitialised.
template <class T>
class DeviceBuffer {
  public:
    DeviceBuffer() = default;
    explicit DeviceBuffer(size_t n) : n_(n) {
        if (n > 0) CUDA_CHECK(cudaMalloc(&data_, n * sizeof(T)));
    }
    ~DeviceBuffer() {
        if (data_ && !device_lost()) cudaFree(data_);
    }
    DeviceBuffer(DeviceBuffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), n_(std::exchange(other.n_, 0)) {}
    DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
        std::swap(data_, other.data_), std::swap(n_, other.n_);
        return *this;
    }
    T* get() const { return data_; }
    size_t size() const { return n_; }
    size_t n_bytes() const { return n_ * sizeof(T); }

  private:
    T* data_ = nullptr;
    size_t n_ = 0;
};

/// An array in page-locked host memory, which copies reach without staging.
template <class T>
class PinnedBuffer {
  public:
    PinnedBuffer() = default;
    explicit PinnedBuffer(size_t n) : n_(n) {
        if (n > 0) CUDA_CHECK(cudaHostAlloc(&data_, n * sizeof(T), cudaHostAllocDefault));
    }
    ~PinnedBuffer() {
        if (data_ && !device_lost()) cudaFreeHost(data_);
    }
    PinnedBuffer(PinnedBuffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), n_(std::exchange(other.n_, 0)) {}
    PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
        std::swap(data_, other.data_), std::swap(n_, other.n_);
        return *this;
    }
    T* get() const { return data_; }
    T& operator[](size_t i) const { return data_[i]; }
    size_t size() const { return n_; }

  private:
    T* data_ = nullptr;
    size_t n_ = 0;
};

}  // namespace qwend
