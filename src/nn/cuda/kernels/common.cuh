// What every kernel of Rain shares. A file of kernels is compiled twice: with MAP = float (names end in SUFFIX, f32) and
// with MAP = bf16. T is how maps lie in memory; arithmetic, sums and statistics are float in both.
//
// Rules that keep the kernels right on a device and under the emulation that tests them:
// - any number of threads a block, and any number of blocks for the loops by EACH: all loops are by stride;
// - threads of a block meet in block_sum and block_max only, and all of them do;
// - no atomics: each element of a result has one writer, so that a result is the same every time.

#ifndef KERNEL
#define JOIN_(name, suffix) name##_##suffix
#define JOIN(name, suffix) JOIN_(name, suffix)
#define KERNEL(name, ...) extern "C" __global__ void JOIN(name, SUFFIX)(__VA_ARGS__)
#define DEVICE [[maybe_unused]] static __device__ __forceinline__
#endif

// A place in a tensor. The host refuses tensors of 2^31 elements and more: division is dear in 64 bits.
typedef unsigned int Index;

// Brain floating point: the upper half of a float. Written out, so that no header of CUDA is needed at run time.
struct bf16 {
    unsigned short bits;
};

typedef MAP T;

union Word {
    float value;
    unsigned int bits;
};

DEVICE float get(float v) { return v; }
DEVICE float get(bf16 v) {
    Word word;
    word.bits = (unsigned int)v.bits << 16;
    return word.value;
}

DEVICE void put(float* at, float v) { *at = v; }
DEVICE void put(bf16* at, float v) {
    Word word;
    word.value = v;
    // To the nearest, ties to even; a NaN stays one.
    word.bits = v != v ? word.bits | 0x00400000u : word.bits + 0x7fffu + ((word.bits >> 16) & 1u);
    at->bits = (unsigned short)(word.bits >> 16);
}

// For every i in 0..n, shared out among all threads of all blocks.
#define EACH(i, n)                                                                          \
    for (Index i = blockIdx.x * blockDim.x + threadIdx.x; i < (Index)(n); i += gridDim.x * blockDim.x)

// For every i in first..last, shared out among the threads of this block.
#define ACROSS(i, first, last) for (int i = (first) + (int)threadIdx.x; i < (last); i += (int)blockDim.x)

// A long sum that loses no more than a short one (Kahan): a thread may add thousands of numbers.
struct Sum {
    float value, rest;
};

DEVICE void add_to(Sum& sum, float v) {
    const float wanted = v - sum.rest, reached = sum.value + wanted;
    sum.rest = (reached - sum.value) - wanted;
    sum.value = reached;
}

// The sum of every thread's v, for every thread. At most 1024 threads.
DEVICE float block_sum(float v) {
    __shared__ float cells[1024];
    const int me = threadIdx.x;
    __syncthreads();
    cells[me] = v;
    __syncthreads();
    for (int n = blockDim.x; n > 1;) {
        const int half = (n + 1) / 2;
        if (me < n - half) cells[me] += cells[me + half];
        n = half;
        __syncthreads();
    }
    return cells[0];
}

// The largest of every thread's v, for every thread.
DEVICE float block_max(float v) {
    __shared__ float cells[1024];
    const int me = threadIdx.x;
    __syncthreads();
    cells[me] = v;
    __syncthreads();
    for (int n = blockDim.x; n > 1;) {
        const int half = (n + 1) / 2;
        if (me < n - half && cells[me + half] > cells[me]) cells[me] = cells[me + half];
        n = half;
        __syncthreads();
    }
    return cells[0];
}
