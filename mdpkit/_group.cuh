// Threads that work together: lanes on one row, a block on its extremes.
//
// Kernels use these helpers and never a raw shuffle or atomic, so that the CPU shim
// (tests/cuda_shim.hpp) can stand in for what it defines itself. Every lane of a group, and
// every thread of a block, must reach the call.

#ifndef MDPKIT_SHIM
__device__ inline double group_exchange(double x, int offset, int width) {
    // The lanes of this group only: others may have left or be elsewhere.
    unsigned lane = threadIdx.x & 31u;
    unsigned own = width == 32 ? 0xffffffffu : ((1u << width) - 1u) << (lane & ~(width - 1u));
    return __shfl_xor_sync(own, x, offset, width);
}
__device__ inline void group_wait(int width) {
    unsigned lane = threadIdx.x & 31u;
    __syncwarp(width == 32 ? 0xffffffffu : ((1u << width) - 1u) << (lane & ~(width - 1u)));
}
#define BLOCK_MEMORY(name) extern __shared__ double name[]
__device__ inline double infinity() { return __longlong_as_double(0x7ff0000000000000LL); }
#endif

const int THREADS = 256;  // of a block, as mdpkit._cuda.THREADS

__device__ inline long long thread_number() {
    return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

// How many rows all groups of the grid take at a time: they go on by so many.
__device__ inline long long groups(int width) {
    return (long long)gridDim.x * blockDim.x / width;
}

// Sum over the `width` neighboring lanes, a power of two up to 32; every lane has it.
__device__ inline double group_sum(double x, int width) {
    for (int offset = width / 2; offset > 0; offset /= 2) x += group_exchange(x, offset, width);
    return x;
}

__device__ inline double larger(double x, double y) { return y > x ? y : x; }
__device__ inline double smaller(double x, double y) { return y < x ? y : x; }

// The larger of two magnitudes; not a number if either is none, so that overflow is seen.
__device__ inline double magnitude(double x, double y) {
    y = fabs(y);
    return x != x ? x : (y > x || y != y ? y : x);
}

__device__ inline double group_largest(double x, int width) {
    for (int offset = width / 2; offset > 0; offset /= 2) {
        x = larger(x, group_exchange(x, offset, width));
    }
    return x;
}

// Extremes of a change T v − v, and the largest magnitude of v and T v.
struct Extremes {
    double low, high, size;
};

__device__ inline Extremes no_extremes() { return {infinity(), -infinity(), 0.0}; }

__device__ inline void enter(Extremes& of, double after, double before) {
    of.low = smaller(of.low, after - before);
    of.high = larger(of.high, after - before);
    of.size = magnitude(magnitude(of.size, before), after);
}

// Write those of the whole block to partial[3 · block …]; THREADS threads.
__device__ inline void write_extremes(Extremes own, double* partial) {
    __shared__ Extremes part[THREADS];
    int i = threadIdx.x;
    part[i] = own;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (i < half) {
            part[i].low = smaller(part[i].low, part[i + half].low);
            part[i].high = larger(part[i].high, part[i + half].high);
            part[i].size = magnitude(part[i].size, part[i + half].size);
        }
        __syncthreads();
    }
    if (i == 0) {
        partial[3 * (long long)blockIdx.x] = part[0].low;
        partial[3 * (long long)blockIdx.x + 1] = part[0].high;
        partial[3 * (long long)blockIdx.x + 2] = part[0].size;
    }
}
