// Enough of CUDA for the kernels to be compiled by a C++ compiler and run on the processor, by the tests alone.
#include <barrier>
#include <cmath>
#include <thread>
#include <utility>
#include <vector>

struct Dim {
    unsigned int x, y;
};

static thread_local Dim blockIdx, threadIdx;
static Dim gridDim, blockDim;
static std::barrier<>* barrier;

#define __shared__ static  // one block runs at a time
#define __syncthreads() (blockDim.x > 1 ? barrier->arrive_and_wait() : void())
#define DEVICE static inline

template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<A*>(arguments[I])...);
}

// One block after the other; its threads are real ones, or the caller alone.
template <class... A>
static void run(void (*kernel)(A...), Dim grid, unsigned int threads, void** arguments) {
    gridDim = grid;
    blockDim = {threads, 1};
    std::barrier<> meeting(threads);
    barrier = &meeting;
    const auto thread = [&](unsigned int me) {
        threadIdx = {me, 0};
        for (unsigned int block = 0; block < grid.x * grid.y; block++) {
            blockIdx = {block % grid.x, block / grid.x};
            call(kernel, arguments, std::index_sequence_for<A...>());
            if (threads > 1) meeting.arrive_and_wait();
        }
    };
    std::vector<std::thread> others;
    for (unsigned int me = 1; me < threads; me++) others.emplace_back(thread, me);
    thread(0);
    for (auto& other : others) other.join();
}

#define JOIN_(name, suffix) name##_##suffix
#define JOIN(name, suffix) JOIN_(name, suffix)
// A kernel, and the door by which the tests reach it.
#define KERNEL(name, ...)                                                                                     \
    static void JOIN(name, body)(__VA_ARGS__);                                                                \
    extern "C" void JOIN(name, SUFFIX)(unsigned int x, unsigned int y, unsigned int threads, void** arguments) { \
        run(JOIN(name, body), Dim{x, y}, threads, arguments);                                                 \
    }                                                                                                         \
    static void JOIN(name, body)(__VA_ARGS__)
